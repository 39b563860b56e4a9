# Two images, each with its own few libraries: no root, no compiler, nothing written but where said.
#
# The server for one model (the default, `--target serve`), from penult-runtime:
#   docker build -t penult-serve .
#   docker run --rm -p 127.0.0.1:8000:8000 -e PENULT_TOKEN=... --read-only -v ./run:/model:ro penult-serve
# The command line (`--target cli`), as yourself, in this folder, with a cache that stays:
#   docker build --target cli -t penult .
#   docker run --rm -it --user "$(id -u):$(id -g)" -v "$PWD:/data" -v penult-cache:/cache penult train photos
#
# `compose.yaml` has the server with limits. The base must have Python 3.11 or newer, with pip, and apt.
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS build
# the compiler is for the exact resize, which is five times slower without
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev python3-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE NOTICE ./
COPY packaging packaging
COPY src src
RUN python -m venv /wheels/.venv && PENULT_KERNEL=1 /wheels/.venv/bin/pip wheel --no-deps --wheel-dir /wheels/penult . \
    && /wheels/.venv/bin/python packaging/runtime.py /wheels/runtime /wheels/penult/*.whl
RUN python -m venv /opt/penult

FROM build AS build-cli
# pip stays: `penult demo` fetches its photos by it
RUN /opt/penult/bin/pip install --no-cache-dir "$(ls /wheels/penult/*.whl)[heif,tables,studio]" \
    && /opt/penult/bin/python -m compileall -q /opt/penult

FROM ${PYTHON} AS cli
COPY --from=build-cli /opt/penult /opt/penult
# whoever runs it, by --user, can write the cache; matplotlib and the shell want a home
RUN mkdir /data /cache && chmod 1777 /data /cache
ENV PATH=/opt/penult/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp PENULT_CACHE=/cache
VOLUME ["/cache", "/data"]
WORKDIR /data
USER 65534:65534
ENTRYPOINT ["penult"]
CMD ["--help"]

FROM build AS build-serve
RUN /opt/penult/bin/pip install --no-cache-dir "$(ls /wheels/runtime/*.whl)[serve]" \
    && /opt/penult/bin/pip uninstall -y pip setuptools \
    && /opt/penult/bin/python -m compileall -q /opt/penult

FROM ${PYTHON} AS serve
COPY --from=build-serve /opt/penult /opt/penult
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
