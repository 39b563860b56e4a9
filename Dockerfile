# A server for one model: penult-runtime with its few libraries, no shell scripts, no root, nothing written.
#
#   docker build -t penult .
#   docker run --rm -p 127.0.0.1:8000:8000 -e PENULT_TOKEN=... --read-only -v ./run:/model:ro penult
#
# `compose.yaml` has the same with limits. The base must have Python 3.11 or newer, with pip.
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS build
# the compiler is for the exact resize, which is five times slower without
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev python3-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE NOTICE ./
COPY packaging packaging
COPY src src
RUN python -m venv /wheels/.venv && /wheels/.venv/bin/python packaging/runtime.py /wheels
RUN python -m venv /opt/penult && /opt/penult/bin/pip install --no-cache-dir "$(ls /wheels/*.whl)[serve]" \
    && /opt/penult/bin/pip uninstall -y pip setuptools \
    && /opt/penult/bin/python -m compileall -q /opt/penult

FROM ${PYTHON}
COPY --from=build /opt/penult /opt/penult
# no cache: features are not kept by a server, and its networks are compiled in a second
ENV PATH=/opt/penult/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/nonexistent
USER 65534:65534
EXPOSE 8000
# port and address of the check are those of CMD
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
  "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]
# SIGTERM: what is in work is finished first
STOPSIGNAL SIGTERM
ENTRYPOINT ["penult"]
CMD ["serve", "/model", "--host", "0.0.0.0", "--port", "8000", "--no-cache"]
