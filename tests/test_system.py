"""What differs between systems: both ways of every function, the whole main job as on Windows, and that nothing else looks."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import penult
from conftest import draw
from penult import system

posix = pytest.mark.skipif(os.name == "nt", reason="needs the ways of Linux and macOS")
HOLDER = """
import sys; sys.path.insert(0, {tests!r})
from pathlib import Path
from penult import system
{more}
held = system.open_to_lock(Path({path!r}))
print(system.lock(held), flush=True)
sys.stdin.read()
"""
FOREVER = """
from penult import system
system.limit_worker(1 << 30)
print(system.limits("RLIMIT_AS")[0], flush=True)
system.alarm(0.1)
while 1: pass
"""


@pytest.fixture(params=[False, pytest.param(True, marks=posix)], ids=["as here", "as on Windows"])
def windows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param:
        from windows_stand_in import locks

        monkeypatch.setattr(system, "WINDOWS", True)
        monkeypatch.setitem(sys.modules, "msvcrt", locks())
    return bool(request.param)


@posix
@pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])
def test_a_lock_is_held_until_its_process_ends(
    windows: bool, folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    place = tmp_path / "place"
    place.mkdir() if folder else place.write_bytes(b"held")
    more = "import windows_stand_in; windows_stand_in.remove()" if windows else ""
    code = HOLDER.format(tests=str(Path(__file__).parent), more=more, path=str(place))
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as other:
        assert other.stdin and other.stdout
        assert other.stdout.readline().strip() == b"True"
        descriptor = system.open_to_lock(place)
        assert descriptor >= 0
        assert not system.lock(descriptor)
        other.kill()
        other.wait()
        assert system.lock(descriptor)
        os.close(descriptor)
    assert system.open_to_lock(tmp_path / "absent") == -1
    assert list(place.iterdir()) == [] if folder else place.read_bytes() == b"held"


def test_what_is_asked_has_an_answer_on_every_system(windows: bool, tmp_path: Path) -> None:
    system.sync_folder(tmp_path)
    assert system.has_process(os.getpid())
    assert system.has_process(2**30 - 1) is windows
    assert system.renames_open_files() is system.can_isolate() is not windows
    folder, names = system.python_names()
    assert (folder, "python.exe" in names) == (("Scripts", True) if windows else ("bin", False))
    assert system.apart() == ({"creationflags": 0x200} if windows else {"start_new_session": True})
    with (tmp_path / "file").open("w+b") as file:
        file.write(b"there")
        file.flush()
        (tmp_path / "file").unlink()
        path = system.path_of_open_file(file.fileno())
        assert path is None if windows else path is not None and Path(path).read_bytes() == b"there"
    assert system.core_count() >= 1
    assert system.user()


@posix
def test_where_functions_are_missing_there_is_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "getuid")
    monkeypatch.setenv("USERNAME", "somebody")
    for name in ("LOGNAME", "USER", "LNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.delattr(signal, "SIGKILL")
    assert system.core_count() == os.cpu_count()
    assert system.user() == "somebody"
    assert system.limits("RLIMIT_AS") is None
    assert system.killing_signals() == (signal.SIGTERM,)
    assert system.end_signals()[:2] == ("SIGINT", "SIGTERM")


@posix
def test_limits_and_alarms_hold_a_worker() -> None:
    ended = subprocess.run([sys.executable, "-c", FOREVER], capture_output=True, text=True, check=False)
    assert -ended.returncode == system.alarm_number()
    assert sys.platform == "darwin" or ended.stdout.strip() == str(1 << 30)


@posix
@pytest.mark.slow
def test_the_main_job_as_on_windows(tmp_path: Path) -> None:
    for kind in ("warm", "cold"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(draw(kind, number)).save(tmp_path / "photos" / kind / f"{number}.png")
    (tmp_path / "photos/warm/broken.png").write_bytes(b"junk")

    def command(*words: str, code: int = 0) -> str:
        line = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("windows_stand_in.py")), *words]
        env = {**os.environ, "PENULT_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "1 unreadable file" in command("train", "photos", "-b", "colour_histogram", "--out", "run")
    command("train", "photos", "-b", "colour_histogram", "--out", "run")
    assert (tmp_path / "run.1").is_dir()
    assert "25 predictions" in command("predict", "run", "photos", "--csv", "answers.csv")
    assert "1 failed" in command("embed", "photos", "-b", "colour_histogram", "--out", "shards")
    assert "no worker processes" in command("doctor")
    assert not list(tmp_path.rglob("*lock*"))


def test_nothing_else_looks_at_the_system() -> None:
    allowed = {  # file: what it may name, and why
        "plots/style.py": {"platform"},  # where matplotlib looks for its own settings
        "store/cache_folder.py": {"platform"},  # as a default, for the tests of `cache_home`
    }
    found = []
    root = Path(penult.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name == "system.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                asked = {("sys", "platform"), ("os", "name"), ("os", "getuid"), ("signal", "SIGKILL"), ("signal", "SIGALRM")}
                if (node.value.id, node.attr) in asked and node.attr not in allowed.get(name, ()):
                    found.append(f"{name}:{node.lineno}: {node.value.id}.{node.attr}")
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
            if isinstance(node, ast.Import | ast.ImportFrom) and set(modules) & {"fcntl", "resource", "msvcrt", "termios"}:
                found.append(f"{name}:{node.lineno}: imports {modules}")
    assert not found, found
