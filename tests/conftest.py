"""What every test gets: no network, a clean environment, a cache folder of its own, and small photos that we draw."""

from __future__ import annotations

import os
import socket
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from objectstore import faulty_s3, s3, s3_server  # noqa: F401 - fixtures of every test that needs an object store
from penult import i18n

if TYPE_CHECKING:
    from finished import Finished

# How long an example takes says something about the machine; in a fresh clone the first text waits for tables to be made.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection to another machine fails the test."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if self.family == socket.AF_UNIX or (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1")):
            return real(self, address)
        raise AssertionError(f"a test tried to reach {address!r}")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the user's cache, settings, language or colours."""
    for name in [n for n in os.environ if n.startswith("PENULT_") and n != "PENULT_TEST_PHOTOS"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PENULT_LANG", "en")  # also of the commands that a test starts
    i18n.set_language("en")
    yield
    i18n.set_language("en")  # fixtures of the session or a module are made before those of the next test


@pytest.fixture(autouse=True, scope="session")
def translations() -> None:
    """The Chinese catalogue is compiled anew where its source is newer: a checkout changes it without a build."""
    path = Path(i18n.__file__).parent / "locale/zh/LC_MESSAGES/penult.po"
    compiled = path.with_suffix(".mo")
    if path.exists() and (not compiled.exists() or compiled.stat().st_mtime < path.stat().st_mtime):
        with suppress(ImportError):
            from babel.messages.mofile import write_mo
            from babel.messages.pofile import read_po

            temporary = path.with_suffix(f".{os.getpid()}")
            with path.open("rb") as source, temporary.open("wb") as target:
                write_mo(target, read_po(source, locale="zh"))
            temporary.replace(compiled)


def draw(kind: str, number: int, side: int = 40) -> np.ndarray:
    """Return a small picture (h, w, 3) that a colour histogram can tell: reddish `warm`, bluish `cold`, else grey."""
    random = np.random.default_rng([number, *kind.encode()])
    base = {"warm": (190, 90, 60), "cold": (60, 90, 190), "green": (60, 180, 80)}.get(kind, (128, 128, 128))
    noise = random.normal(0, 45, (side, side + number % 7, 3))
    return np.clip(np.array(base) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk costs a busy machine 10 ms a file; for tests that pull no plug."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class PlainFigures:
    """Stands for `FigureWorker`: each figure that there are results for is written as a dot, through the same checks."""

    note = ""

    DOT = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj+5QAAAABJRU5ErkJggg==")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def draw(self, **results: Any) -> None:
        self.asked.append(results)

    def finish(self) -> list[Path]:
        from penult import store

        made = []
        for results in self.asked:
            names = {"evaluation": "confusion reliability", "others": "comparison", "curve": "learning_curve"}
            names |= {"history": "training_curves", "path": "regularisation" if "C" in (results.get("path") or ()) else ""}
            for name in " ".join(names.get(key, "") for key, value in results.items() if value).split():
                for kind, data in (("png", self.DOT), ("svg", b"<svg/>")):
                    made.append(self.folder / f"{name}.{kind}")
                    with store.atomic_write(made[-1]) as file:
                        file.write(data)
        return sorted(made)


@pytest.fixture(autouse=True, scope="session")
def plain_figures() -> None:
    """Drawing takes most of the time of a small training; where a test is about figures, it asks for `real_figures`."""
    from penult.training import trainer

    trainer.FigureWorker = PlainFigures  # type: ignore[misc, assignment]


@pytest.fixture
def real_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, in a process of their own."""
    from penult import plots
    from penult.training import trainer

    monkeypatch.setattr(trainer, "FigureWorker", plots.FigureWorker)


@pytest.fixture(autouse=True, scope="session")
def no_workers() -> Callable[..., int]:
    """Photos are decoded in this process where nothing else is said: starting workers takes longer than a few small photos.

    Commands in processes of their own start them, and so do tests that give `workers` or ask for `real_workers`.
    Return the function that says how many there would be.
    """
    from penult.pixels import preparing

    real = preparing.worker_count
    preparing.worker_count = lambda *_: 0
    return real


@pytest.fixture
def real_workers(no_workers: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos are decoded in worker processes, one for each core."""
    from penult.pixels import preparing

    monkeypatch.setattr(preparing, "worker_count", no_workers)


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that lays out a folder of class folders with drawn PNGs: `photos("train", warm=12, cold=12)`."""
    from PIL import Image

    def make(name: str, first: int = 0, **counts: int) -> Path:
        for label, count in counts.items():
            folder = tmp_path / name / label
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(first, first + count):
                Image.fromarray(draw(label, i)).save(folder / f"{label}.{i}.png")
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Return a run on 44 photos, two of them in the wrong folder, and three test photos: take a `copy` to change it."""
    from finished import HOSTILE, MOVED, finish, lay_out

    base = tmp_path_factory.mktemp("finished") / "base"
    lay_out(base / "train", warm=24, cold=20)
    lay_out(base / "test", first=50, any=3)
    (base / "train/warm/warm.3.png").rename(base / "train/cold" / HOSTILE)
    (base / "train/cold/cold.3.png").rename(base / "train/warm" / MOVED)
    return finish(base)


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """Return the folder of a few hundred real photos of cats and dogs, or skip."""
    given = os.environ.get("PENULT_TEST_PHOTOS")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data" / "cats_dogs"
    if not (folder / "train" / "cat").is_dir():
        pytest.skip("no real photos: set PENULT_TEST_PHOTOS to a folder with train/cat, train/dog and test/test1")
    return folder


@pytest.fixture(scope="session")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have Ray on this machine, started once; its tests are of the group `ray`, in one process."""
    pytest.importorskip("ray", reason="needs the extra `ray`")
    from penult.cluster import connect_ray

    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:  # Ray's processes keep it; other tests do not
            environment.setenv("PENULT_CACHE", str(tmp_path_factory.mktemp("ray-cache")))
            environment.setenv("HOME", str(tmp_path_factory.mktemp("ray-home")))
            environment.setenv("PYTHONPATH", str(Path(__file__).parent))  # the workers of the tests
            environment.delenv("RAY_ADDRESS", raising=False)
            stack.enter_context(connect_ray("ray"))
        yield


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run the test inside its own folder."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
