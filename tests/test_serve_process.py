"""`penult serve` as a process: the answers of `predict`, a new model at SIGHUP, and an end that loses nothing."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import draw
from penult.bundle import load_bundle, save_bundle
from penult.cli import main
from penult.predict import Predictor
from serving import NEEDED, PATIENCE
from test_export import model

pytestmark = [NEEDED, pytest.mark.skipif(os.name == "nt", reason="no SIGHUP there")]

TOKEN = "a-token-of-enough-letters"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the command, and yield it with its port once it is ready."""
    command = [sys.executable, "-m", "penult", "serve", *arguments, "--port", "0", "--reload-seconds", "0"]
    environment = {**os.environ, "PENULT_TOKEN": TOKEN}
    environment.pop("PYTHONUNBUFFERED", None)  # who waits for the address must not need it
    made = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert made.stdout is not None
        address = re.search(r"http://127.0.0.1:(\d+)/", made.stdout.readline())
        assert address is not None and made.stdout.readline() == "ready\n"
        yield made, int(address[1])
    finally:
        made.kill()
        made.communicate()


def ask(port: int, body: bytes | None = None, path: str = "/predict") -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET" if body is None else "POST", path, body, HEADERS)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def test_answers_are_those_of_predict_and_the_end_loses_no_request(tmp_path: Path) -> None:
    path = tmp_path / "colors" / "model.penult"
    path.parent.mkdir()
    save_bundle(path, model())
    photos = [draw(kind, i) for i, kind in enumerate(("warm", "cold", "green"))]
    predictor = Predictor(load_bundle(path))
    wanted = [prediction.probabilities for prediction in predictor.predict(photos)]
    predictor.close()
    with process(str(path.parent)) as (server, port):
        for photo, proba in zip(photos, wanted, strict=True):
            status, said = ask(port, png(photo))
            assert status == 200 and said["model"] == "colors"
            assert said["predictions"][0]["probabilities"] == pytest.approx(proba, abs=1e-12)
        status, said = ask(port, png(photos[0])[:300])
        assert status == 422 and "cannot be read: truncated" in said["error"]
        before = ask(port, None, "/models")[1]["models"][0]["model_version"]
        save_bundle(path, replace(model(), classes=("a", "b", "c")))
        server.send_signal(signal.SIGHUP)
        began = time.monotonic()
        while ask(port, None, "/models")[1]["models"][0]["model_version"] == before:
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.05)
        late = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        body = png(photos[0])
        late.putrequest("POST", "/predict")
        for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
            late.putheader(name, value)
        late.endheaders(body[:100])
        time.sleep(0.2)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(OSError):  # nothing new is taken
            ask(port, body)
        late.send(body[100:])
        answer = late.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["predictions"][0]["label"] in ("a", "b", "c")
        late.close()
        assert server.wait(PATIENCE) == 0
        lines = [json.loads(line) for line in server.stderr.read().splitlines()]  # type: ignore[union-attr]
        assert {"listening", "model ready", "request", "model replaced", "ending", "ended"} <= {
            line["event"] for line in lines
        }


def test_what_is_wrong_before_the_start_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*arguments: str) -> str:
        assert main(["serve", *arguments]) == 1
        return capsys.readouterr().err

    save_bundle(tmp_path / "m.penult", model())
    file = str(tmp_path / "m.penult")
    assert "there is no model at" in said(str(tmp_path / "none.penult"))
    assert "no token" in said(file, "--host", "0.0.0.0")
    assert "cannot listen at 203.0.113.1" in said(file, "--host", "203.0.113.1", "--token", TOKEN)
    monkeypatch.setattr("penult.web.server.find_spec", lambda name: None)
    assert "pip install 'penult[serve]'" in said(file)
