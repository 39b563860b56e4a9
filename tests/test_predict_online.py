"""Photos as bytes: the same answers as from files, whatever happens to the decoders and whoever asks at the same time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from badimages import photo, save
from conftest import draw
from penult import InputError, OutputError, TransferClassifier
from penult.bundle import Bundle, load_bundle
from penult.embed import EmbedOptions
from penult.errors import DamagedFile
from penult.predict import Prediction, Predictor
from penult.predict.online import OnlinePredictor

IN_MEMORY = EmbedOptions(cache=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model that knows red, green and blue."""
    folder = tmp_path_factory.mktemp("model")
    labels = ["warm", "cold", "green"] * 6
    pictures = [draw(label, i) for i, label in enumerate(labels)]
    TransferClassifier("colour_histogram", "logistic").fit(pictures, labels).save(folder / "model.penult")
    made = load_bundle(folder)
    samples = np.stack([draw("warm", 7), draw("cold", 0)])
    return replace(made, selftest={"images": samples, "proba": Predictor(made, IN_MEMORY).predict(list(samples)).proba})


@pytest.fixture(scope="module")
def contents() -> list[bytes]:
    """Two hundred different photos, and a few that cannot be read."""
    pictures = [draw(("warm", "cold", "grey")[i % 3], i, side=24) for i in range(200)]
    made = [save(picture, ("PNG", "JPEG", "WEBP")[i % 3]) for i, picture in enumerate(pictures)]
    made[20], made[77], made[150] = b"", b"GIF89a is not all of it", save(photo(seed=3), "PNG")[:300]
    return made


@pytest.fixture(scope="module")
def wanted(model: Bundle, contents: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> list[Prediction]:
    """What `predict` says of the same photos as files."""
    folder = tmp_path_factory.mktemp("photos")
    for i, content in enumerate(contents):
        (folder / f"{i}.bin").write_bytes(content)
    predictor = Predictor(model, replace(IN_MEMORY, workers=0))
    return list(predictor.predict([folder / f"{i}.bin" for i in range(len(contents))], [str(i) for i in range(len(contents))]))


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """No process and no thread more than before."""
    threads, before = threading.active_count(), psutil.Process().children()
    yield
    assert set(psutil.Process().children()) <= set(before)
    assert threading.active_count() <= threads


def test_bytes_are_answered_as_files_are(model: Bundle, contents: list[bytes], wanted: list[Prediction]) -> None:
    answers = list(Predictor(model, replace(IN_MEMORY, workers=1)).predict_bytes(contents[:90], [str(i) for i in range(90)]))
    assert answers == wanted[:90]  # to the last bit
    assert answers[20].failure is not None
    assert answers[20].failure.reason == "empty"
    (one,) = Predictor(model, replace(IN_MEMORY, workers=0)).predict_bytes(contents[5])
    assert one.probabilities == wanted[5].probabilities
    with pytest.raises(InputError, match="got a str for the bytes"):
        Predictor(model, IN_MEMORY).predict_bytes(["photo.jpg"])  # type: ignore[list-item]


def test_200_photos_while_decoders_are_killed(model: Bundle, contents: list[bytes], wanted: list[Prediction]) -> None:
    """Eight threads ask, somebody kills: no answer is missing, and none is another's."""
    answers: dict[int, Prediction] = {}
    killed: list[int] = []
    chance = random.Random(1)
    with OnlinePredictor(model, IN_MEMORY, workers=2) as online:
        online.check()
        pool = online._decoders._pool
        assert pool is not None

        def ask(first: int) -> None:
            for i in range(first, 200, 8):
                answers[i] = online.submit(contents[i], str(i)).result(60)
                if chance.random() < 0.06:
                    for worker in chance.sample(pool.workers, len(pool.workers))[:1]:
                        worker.process.kill()
                        killed.append(worker.process.pid)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(killed)) > 4
    assert len(answers) == 200
    assert [i for i in range(200) if answers[i] != wanted[i]] == []  # to the last bit
    assert sum(answer.failure is not None for answer in answers.values()) == 3


def test_a_photo_that_crashes_hangs_or_stops_its_decoder_costs_itself(
    model: Bundle, contents: list[bytes], wanted: list[Prediction], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "bad_decoder.py").write_text(
        "import os, signal\nfrom penult.pixels.decoding import open_picture\n"
        "def decode(data):\n"
        "    if data in (b'SEGV', b'KILL', b'STOP', b'ALRM'):\n"
        "        os.kill(os.getpid(), getattr(signal, 'SIG' + data.decode()))\n"
        "    return open_picture(data)\n"
    )
    from penult.pixels import live_decoders
    from penult.predict import online as online_module

    monkeypatch.setattr(online_module, "_TICK", 0.1)
    monkeypatch.setattr(live_decoders, "_PATIENCE", 0.3)
    monkeypatch.setattr(live_decoders.LiveDecoders.__init__, "__kwdefaults__", {
        "seconds": 4.0, "decoder": "bad_decoder:decode", "max_pixels": 10**8,
    })  # fmt: skip
    with OnlinePredictor(model, IN_MEMORY, workers=2) as online:
        words = [b"SEGV", b"KILL", b"STOP", b"ALRM"]
        bad = [online.submit(word) for word in words]
        good = [online.submit(content, str(i)) for i, content in enumerate(contents[:12])]
        assert [future.result(60) for future in good] == wanted[:12]
        failures = [future.result(60).failure for future in bad]
    assert [f"{failure.reason}, {failure.detail}" for failure in failures if failure] == [
        "decoder crashed, signal SIGSEGV, twice",
        "decoder crashed, signal SIGKILL, 5 times",
        "decoder hung, no answer in 4 s",
        "decoder hung, no answer in 4 s",
    ]


def test_what_waits_can_be_cancelled_and_closing_ends_all(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    online = OnlinePredictor(model, IN_MEMORY, workers=0)
    real = online._decoders.collect

    def collect(seconds: float | None) -> object:
        if online.running:
            begun.set()
            go_on.wait(30)
        return real(seconds)

    monkeypatch.setattr(online._decoders, "collect", collect)
    content = save(draw("warm", 3), "PNG")
    first = online.submit(content)
    begun.wait(30)
    second, third = online.submit(content), online.submit(content)
    assert (online.running, online.waiting) == (1, 2)
    assert second.cancel()
    assert online.waiting == 1
    assert not first.cancel()
    closing = threading.Thread(target=online.close)
    closing.start()
    with pytest.raises(CancelledError):
        third.result(30)
    go_on.set()
    closing.join(30)
    assert first.result(0).label == "warm"
    with pytest.raises(InputError, match="closed"):
        online.submit(content)


def test_closing_gives_up_what_takes_too_long(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    online = OnlinePredictor(model, IN_MEMORY, workers=1)
    monkeypatch.setattr(online._rows, "put", lambda number, pixels: None)  # an engine that never answers
    lost = online.submit(save(draw("warm", 3), "PNG"))
    while not online._in_engines:
        time.sleep(0.01)
    online.close(patience=0.0)
    with pytest.raises(OutputError, match="closed before this photo was done"):
        lost.result(0)


def test_a_broken_engine_and_a_changed_machine_are_told(
    model: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    content = save(draw("warm", 3), "PNG")
    with OnlinePredictor(model, IN_MEMORY, workers=0) as online:
        with monkeypatch.context() as patch:
            patch.setattr(online._rows, "put", lambda number, pixels: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                online.submit(content).result(30)
        assert online.submit(content).result(30).label == "warm"  # the next one is answered
    assert "could not be answered" in caplog.text
    samples = {**model.selftest, "proba": np.ascontiguousarray(model.selftest["proba"][:, ::-1])}
    other = OnlinePredictor(replace(model, selftest=samples), IN_MEMORY, workers=0)
    with other as online, pytest.raises(DamagedFile, match="own samples give other answers"):
        online.check()


def test_no_workers_is_an_error_and_not_the_end(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from penult.pixels import worker_pool

    content = save(draw("warm", 3), "PNG")
    with OnlinePredictor(model, IN_MEMORY, workers=1) as online:
        with monkeypatch.context() as patch:
            patch.setattr(worker_pool, "_BOOT", "raise SystemExit(7)")
            with pytest.raises(OutputError, match="no process can be started"):
                online.submit(content).result(60)
        assert online.submit(content).result(60).label == "warm"


def test_a_large_photo_does_not_hold_up_the_others(model: Bundle) -> None:
    """More bytes than a socket takes at once, while both workers are still starting."""
    out = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    Image.fromarray(noise).save(out, "BMP")
    with OnlinePredictor(model, IN_MEMORY, workers=2) as online:
        answers = [online.submit(out.getvalue()), online.submit(save(noise[:50], "PNG")), online.submit(out.getvalue())]
        assert [answer.result(60).failure for answer in answers] == [None] * 3
        assert answers[0].result(0).probabilities == answers[2].result(0).probabilities
