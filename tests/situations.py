"""Commands in odd surroundings: (command with options) x (folder) x (surroundings), drawn at random, run as a user would.

`python tests/situations.py --count 1000` (`make fuzz`) runs so many; the tests run a few dozen with fixed seeds. What must
hold, whatever is drawn: no traceback and no internal error, an exit code that is documented, a refusal in one line, files that
are whole or absent, and success wherever the situation gives no reason to refuse.

A server process that has imported penult forks for each situation, which is as true as a start and thirty times as fast. What
Python looks at only when it starts (the locale) has a server of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CODES = {0, 1, 2, 3, 4, 130, 143}  # docs/reliability.md; 5 and up are nobody's
MOST_LINES = 8  # on standard error, of a refusal
PATIENCE = 180.0  # seconds
NOBODY = 12345  # a user without an entry in passwd
QUICK = ("-b", "colour_histogram")

# --- folders: what there is to see ---

GOOD = ("good", "csv", "umlauts", "some_bad", "one_bad_class")  # training folders that can be learnt from
LABELLED = (
    *GOOD, "one_class", "one_photo", "one_each", "empty", "all_unreadable", "all_copies", "class_of_copies", "missing",
    "a_file", "flat", "empty_class", "csv_missing_files", "class_absent", "other_classes", "closed", "single_unreadable",
    "three_each",
)  # fmt: skip
UNLABELLED = (
    "good",
    "flat",
    "one_photo",
    "umlauts",
    "all_unreadable",
    "empty",
    "missing",
    "single_unreadable",
    "closed",
    "a_file",
)
MODELS = ("run", "run", "run", "run_umlauts", "missing", "damaged", "good")
READABLE = {"good", "flat", "umlauts"}  # unlabelled: each photo is answered for


def lay_out(root: Path) -> None:
    """Make every folder, and the runs that models are taken from."""
    import numpy as np
    from PIL import Image

    def draw(path: Path, number: int, warm: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng([number, warm]).normal(0, 45, (32, 32 + number % 5, 3))
        base = np.array((190, 90, 60) if warm else (60, 90, 190))
        Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).save(path)

    def classes(name: str, count: int, *labels: str) -> None:
        for place, label in enumerate(labels):
            for i in range(count):
                draw(root / name / label / f"{i}.png", i, warm=place == 0)

    classes("good", 4, "warm", "cold")
    classes("three_each", 3, "warm", "cold")
    classes("umlauts", 4, "Bäume", "Straße 🐱")
    odd = os.fsdecode(b"caf\xe9 \xff.png")
    with contextlib.suppress(OSError):  # some file systems take UTF-8 only
        shutil.copy(root / "umlauts" / "Bäume" / "0.png", root / "umlauts" / "Bäume" / odd)
        draw(root / "umlauts" / "Bäume" / odd, 77, warm=True)
    classes("some_bad", 4, "warm", "cold")
    (root / "some_bad" / "warm" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (root / "some_bad" / "cold" / "empty.png").write_bytes(b"")
    classes("one_bad_class", 4, "warm", "cold")
    for i in range(2):
        (root / "one_bad_class" / "cold" / f"bad{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    classes("one_class", 4, "warm")
    classes("class_absent", 3, "warm")
    classes("other_classes", 2, "fish", "fowl")
    classes("one_photo", 1, "warm")
    classes("one_each", 1, "warm", "cold")
    classes("empty_class", 3, "warm", "cold")
    (root / "empty_class" / "nothing").mkdir()
    (root / "empty").mkdir()
    for label in ("warm", "cold"):
        for i in range(3):
            path = root / "all_unreadable" / label / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"no picture at all")
            draw(root / "all_copies" / label / f"{i}.png", 1, warm=True)
            draw(root / "class_of_copies" / label / f"{i}.png", i if label == "warm" else 1, warm=label == "warm")
    for i in range(4):
        draw(root / "flat" / f"photo {i}.png", i, warm=i % 2 == 0)
    path = root / "single_unreadable" / "warm" / "0.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xd8\xff")
    (root / "a_file").write_bytes(b"neither a folder nor a picture")
    classes("closed", 3, "warm", "cold")
    rows = [f"../good/{label}/{i}.png,{label}" for label in ("warm", "cold") for i in range(4)]
    (root / "csv").mkdir()
    (root / "csv" / "list.csv").write_text("file,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (root / "csv_missing_files").mkdir()
    (root / "csv_missing_files" / "list.csv").write_text("file,label\nnot.png,warm\nthere.png,cold\n", encoding="utf-8")


def path_of(root: Path, name: str) -> str:
    """Return what is typed for a folder of that name."""
    return str(root / name / "list.csv") if name.startswith("csv") else str(root / name)


# --- surroundings: where a command runs ---

STREAMS = ("file", "file", "file", "closed", "none", "full", "ascii", "gone")
SURROUNDINGS: dict[str, tuple[str, ...]] = {  # in each the first is as usual
    "home": ("usual", "no_home", "root", "nonexistent", "read_only", "xdg_file"),
    "user": ("root", "nobody"),
    "cache": ("default", "given", "no_cache", "env_unwritable", "given_unwritable", "given_a_file"),
    "stdout": ("file", "closed", "none", "full", "ascii", "gone"),
    "stderr": ("file", "closed", "none", "full", "gone"),
    "stdin": ("file", "closed", "none"),
    "numpy": ("warn", "raise"),
    "warnings": ("default", "error"),
    "executable": ("python", "none", "empty", "not_python", "nowhere"),
    "memory": ("all", "1000", "400", "150", "60", "20"),  # megabytes beyond what it has
    "files": ("all", "24"),
    "term": ("usual", "dumb", "notebook"),
    "locale": ("utf8", "posix"),
}
HARMLESS = {  # surroundings in which everything that works elsewhere must work, with the same code
    "home": set(SURROUNDINGS["home"]),
    "user": {"root", "nobody"},
    "cache": {"default", "given", "no_cache"},
    "stdout": {"file", "closed", "none", "ascii"},
    "stderr": set(SURROUNDINGS["stderr"]),
    "stdin": set(SURROUNDINGS["stdin"]),
    "numpy": {"warn", "raise"},
    "warnings": {"default"},
    "executable": set(SURROUNDINGS["executable"]),
    "memory": {"all"},
    "files": {"all"},
    "term": set(SURROUNDINGS["term"]),
    "locale": {"utf8", "posix"},
}


@dataclass(frozen=True)
class Situation:
    """One drawn situation: what is typed, where, and what else is known of it."""

    command: str
    words: tuple[str, ...]
    around: dict[str, str]
    good: bool  # nothing in its folders and options is a reason to refuse
    files: tuple[str, ...]  # that a success writes, below the folder of the situation

    def __str__(self) -> str:
        odd = ", ".join(f"{k}={v}" for k, v in self.around.items() if v != SURROUNDINGS[k][0])
        return f"penult {' '.join(self.words)!r} [{odd or 'as usual'}]"


def draw(root: Path, seed: int, cheap: bool = False) -> Situation:
    """Return the situation of a seed; the same on every machine. `cheap` leaves most trainings out."""
    dice = random.Random(seed)
    weights = {
        "train": 1 if cheap else 8, "predict": 16, "evaluate": 14, "audit": 3 if cheap else 9, "embed": 4 if cheap else 9,
        "compare": 0.3 if cheap else 5, "explain": 1 if cheap else 7, "similar": 3 if cheap else 7,
        "report": 1 if cheap else 6,
        "cache": 9, "doctor": 0.3 if cheap else 4, "backbones": 5, "demo": 0.3 if cheap else 3, "help": 4,
    }  # fmt: skip
    command = dice.choices(list(weights), list(weights.values()))[0]
    words, good, files = _words(command, root, dice)
    around = {name: values[0] for name, values in SURROUNDINGS.items()}
    if cheap and "run_umlauts" in " ".join(words):
        words, good = tuple(word.replace("run_umlauts", "run") for word in words), False  # one training less to prepare
    for name in dice.sample(sorted(SURROUNDINGS), dice.choice((1, 1, 2, 3))):
        around[name] = dice.choice(SURROUNDINGS[name][1:])
    if around["home"] != "usual" and around["cache"] == "default" and dice.random() < 0.7:
        around["user"] = "nobody"  # to root every folder is open
    if command in {"train", "predict", "evaluate", "audit", "embed", "compare", "explain", "similar", "demo"}:
        words = (*words, *_cache_words(around["cache"], root))
    return Situation(command, words, around, good, files)


def _cache_words(where: str, root: Path) -> tuple[str, ...]:
    return {
        "given": ("--cache", "my cache"),
        "no_cache": ("--no-cache",),
        "given_unwritable": ("--cache", "/proc/no/such"),
        "given_a_file": ("--cache", str(root / "a_file")),
    }.get(where, ())


def _words(command: str, root: Path, dice: random.Random) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """Return what is typed, whether it can be done, and the files that it writes."""

    def some(*options: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word for option in options if dice.random() < 0.35 for word in option)

    labelled, unlabelled, model = dice.choice(LABELLED), dice.choice(UNLABELLED), dice.choice(MODELS)
    if dice.random() < 0.5:  # the surroundings matter most where nothing else is wrong
        labelled, unlabelled = dice.choice(GOOD), dice.choice(sorted(READABLE))
    source, photos, made = path_of(root, labelled), path_of(root, unlabelled), path_of(root, model)
    fits = model == "run" or model == "run_umlauts"
    if command == "train":
        test = dice.choice((None, None, "good", "class_absent", "single_unreadable", "flat", "umlauts", "empty"))
        words = (source, *QUICK, "--out", "made", *(("--test", path_of(root, test)) if test else ()))
        words += some(("-q",), ("--head", dice.choice(("knn", "centroid", "auto"))), ("--json",))
        return ("train", *words), labelled in GOOD and test != "empty", ("made/model.penult", "made/metrics.json")
    if command == "predict":
        words = (made, photos, *some(("--csv", "made.csv"), ("--json",), ("-q",), ("--review", "0.9"), ("--strict",)))
        wrote = ("made.csv",) if "--csv" in words else ()
        return ("predict", *words), fits and unlabelled in READABLE, wrote
    if command == "evaluate":
        known = {
            "run": {"good", "csv", "class_absent", "some_bad", "three_each", "one_photo", "one_each"},
            "run_umlauts": {"umlauts"},
        }
        return ("evaluate", made, source, *some(("--json",), ("-q",))), labelled in known.get(model, ()), ()
    if command == "audit":
        words = (source, *QUICK, *some(("--csv", "found.csv"), ("--json",), ("--test", path_of(root, "class_absent"))))
        return ("audit", *words), labelled in GOOD, ("found.csv",) if "--csv" in words else ()
    if command == "embed":
        return ("embed", source, *QUICK, "--out", "made.h5", *some(("--json",), ("-q",))), labelled in GOOD, ("made.h5",)
    if command == "compare":
        return ("compare", source, *QUICK, "--out", "made", *some(("--json",))), labelled in GOOD, ("made/compare.json",)
    if command == "explain":
        words = (made, photos, "--out", "made", *some(("--json",), ("--class", "warm")))
        return ("explain", *words), fits and unlabelled == "flat" and "--class" not in words, ()
    if command == "similar":
        words = (made, photos, "-n", "2", *some(("--json",), ("--csv", "made.csv")))
        return ("similar", *words), fits and unlabelled in READABLE, ("made.csv",) if "--csv" in words else ()
    if command == "report":
        return ("report", "RUN", *some(("--json",), ("-q",), ("--photos", source))), True, ("RUN/report.html",)
    if command == "cache":
        return ("cache", *some(("--json",), ("--verify",), ("--prune",), ("--dry-run",))), False, ()
    if command == "doctor":
        return dice.choice((("doctor", "--offline"), ("doctor", made), ("doctor", "--offline", "--json"))), False, ()
    if command == "backbones":
        return ("backbones", *some(("--json",), ("lite*",), ("nothing_like_it",))), False, ()
    if command == "demo":
        return ("demo", source, *QUICK, "--out", "made", "-q"), labelled in GOOD, ("made/model.penult",)
    return (
        dice.choice((("--help",), ("demo", "--help"), ("train", "--help"), ("--version",), ("predict",), ("nonsense",))),
        False,
        (),
    )


# --- the server: one Python that forks for each situation ---


def serve() -> None:
    """Answer lines of JSON on standard input: run a situation in a forked process, say how it ended."""
    import penult.cli.cache
    import penult.compare
    import penult.demo
    import penult.explain
    import penult.heads
    import penult.similar
    import penult.training.findings

    penult.heads.make_head("logistic")  # loads scikit-learn
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _be(asked)
        code = _waited(child)
        print(json.dumps(code), flush=True)


def _waited(child: int) -> int | str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.004)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


def _be(asked: dict[str, Any]) -> None:
    """Be a command in its surroundings, and end as an interpreter would."""
    code: Any = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        surround(asked["around"])
        sys.argv = ["penult", *asked["words"]]
        from penult.cli import main

        try:
            sys.orig_argv = [sys.executable, "-m", "penult", *asked["words"]]
            code = main()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        import traceback

        with contextlib.suppress(Exception):
            os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
        code = 1
    finally:
        _finish(code)


def _finish(code: int) -> None:
    import atexit

    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            code = 120  # as Python has it
    os._exit(code)


def surround(around: dict[str, str]) -> None:
    """Make this process's surroundings odd."""
    import resource
    import warnings

    import numpy as np

    for number, name in enumerate(("stdin", "stdout", "stderr")):
        _stream(number, name, around[name])
    if around["numpy"] == "raise":
        np.seterr(all="raise")
    if around["warnings"] == "error":
        warnings.simplefilter("error")
    else:
        warnings.simplefilter("default")
    if around["executable"] != "python":
        sys.executable = {"none": None, "empty": "", "not_python": "/bin/true", "nowhere": None}[around["executable"]]  # type: ignore[assignment]
    if around["executable"] == "nowhere":
        sys.prefix = sys.base_prefix = "/nowhere"
        sys._base_executable = None  # type: ignore[attr-defined]
    if around["files"] != "all":
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(around["files"]), int(around["files"])))
    if around["memory"] != "all":
        now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        most = now + (int(around["memory"]) << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    if around["home"] == "no_home":
        _without_passwd()
    if around["user"] == "nobody" and os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _without_passwd() -> None:
    import pwd

    def getpwuid(number: int) -> Any:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    pwd.getpwuid = getpwuid


def _stream(number: int, name: str, how: str) -> None:
    """Make a standard stream what Python would find there."""
    if how in {"closed", "none"}:
        os.close(number)
        if how == "none":  # pythonw: the descriptor is there, the stream is not
            os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, None)
        return
    if number == 0:
        return
    if how == "full":
        full = os.open("/dev/full", os.O_WRONLY)
    elif how == "gone":
        reader, full = os.pipe()
        os.close(reader)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python starts
    else:
        full = os.open(f"{name}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(full, number)
    os.close(full)
    usual = sys.flags.utf8_mode or "utf" in sys.getfilesystemencoding()
    encoding = "ascii" if how == "ascii" or not usual else "utf-8"
    errors = "backslashreplace" if number == 2 else "strict" if how == "ascii" or usual else "surrogateescape"
    lines = 1 if number == 2 else -1
    setattr(sys, name, open(number, "w", lines, encoding=encoding, errors=errors, closefd=False))  # noqa: SIM115


# --- running and judging ---


def open_to_all(path: str) -> bool:
    """Return whether any user may run a file."""
    real = Path(path).resolve()
    return real.is_file() and all(part.stat().st_mode & 0o001 for part in (real, *real.parents))


def python_for_all() -> tuple[str, str]:
    """Return a Python that any user may run, and the search path with which it is this one (empty: it is this one)."""
    if open_to_all(sys.executable):
        return sys.executable, ""
    for other in (f"/usr/bin/python3.{sys.version_info[1]}", f"/usr/local/bin/python3.{sys.version_info[1]}"):
        if open_to_all(other):
            ours = [p for p in sys.path if "site-packages" in p or p.endswith("src")]
            return other, os.pathsep.join(ours)
    return sys.executable, ""


class World:
    """The folders of all situations and the servers that run them; a `with` block."""

    def __init__(self, root: Path, cheap: bool = False) -> None:
        self.root = root
        self.servers: dict[str, subprocess.Popen[str]] = {}
        self.python = python_for_all()
        root.chmod(0o755)
        lay_out(root / "in")
        trained = (("run", "good"), ("run_umlauts", "umlauts"))
        for number, (name, source) in enumerate(trained[:1] if cheap else trained, 1):
            plain = {name: values[0] for name, values in SURROUNDINGS.items()}
            words = ("train", path_of(root / "in", source), *QUICK, "--out", str(root / "in" / name), "--no-cache", "-q")
            code, _, err = self.run(Situation("train", words, plain, True, ()), -number)
            assert code == 0, err
        (root / "in" / "damaged").mkdir()
        content = (root / "in" / "run" / "model.penult").read_bytes()
        (root / "in" / "damaged" / "model.penult").write_bytes(content[: len(content) // 2])
        for folder, _, files in os.walk(root / "in"):
            Path(folder).chmod(0o755)
            for file in files:
                Path(folder, file).chmod(0o644)
        (root / "in" / "closed").chmod(0o000)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *error: object) -> None:
        for server in self.servers.values():
            server.stdin.close()  # type: ignore[union-attr]
            server.wait(10)
            server.stdout.close()  # type: ignore[union-attr]
        (self.root / "in" / "closed").chmod(0o755)

    def draw(self, seed: int, cheap: bool = False) -> Situation:
        """Return the situation of a seed."""
        return draw(self.root / "in", seed, cheap)

    def run(self, situation: Situation, seed: int) -> tuple[int | str, str, str]:
        """Run one; return exit code, standard output and standard error."""
        folder = self.root / str(seed)
        folder.mkdir()
        words = list(situation.words)
        if "RUN" in words:
            shutil.copytree(self.root / "in" / "run", folder / "RUN")
        for inside in (folder, *folder.rglob("*")):
            inside.chmod(0o777)
        asked = {"words": words, "folder": str(folder), "around": situation.around}
        asked["environment"] = self._environment(situation, folder)
        server = self._server(situation.around["locale"])
        server.stdin.write(json.dumps(asked) + "\n")  # type: ignore[union-attr]
        server.stdin.flush()  # type: ignore[union-attr]
        code = json.loads(server.stdout.readline())  # type: ignore[union-attr]
        said = [self._said(folder / f"{name}.txt") for name in ("stdout", "stderr")]
        return code, said[0], said[1]

    def _said(self, path: Path) -> str:
        return path.read_bytes().decode("utf-8", "backslashreplace") if path.is_file() else ""

    def _environment(self, situation: Situation, folder: Path) -> dict[str, str]:
        around = situation.around
        if not self.python[1] and not open_to_all(sys.executable):
            around["user"] = "root"  # that user could not even start Python
        passed = ("PATH", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
        env = {name: os.environ[name] for name in passed if name in os.environ}
        env |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": str(folder / "home")}
        env |= _locale(around["locale"])
        if self.python[1]:
            env["PYTHONPATH"] = self.python[1]
        home = around["home"]
        if home == "no_home":
            del env["HOME"]
        elif home != "usual":
            (folder / "closed").mkdir(mode=0o555)
            env["HOME"] = {"root": "/", "nonexistent": "/nonexistent/x", "read_only": str(folder / "closed")}.get(
                home, env["HOME"]
            )
        if home == "xdg_file":
            env["XDG_CACHE_HOME"] = str(self.root / "in" / "a_file")
        if home == "nonexistent" or (home != "usual" and os.getuid() == 0 and around["user"] == "root" and home == "root"):
            env["HOME"] = "/proc/nonexistent"  # root can make any other
        if around["cache"] == "env_unwritable":
            env["PENULT_CACHE"] = "/proc/no/cache"
        if around["term"] == "dumb":
            env["TERM"] = "dumb"
        if around["term"] == "notebook":
            env["JPY_PARENT_PID"] = "1"
        return env

    def _server(self, locale: str) -> subprocess.Popen[str]:
        if locale not in self.servers:
            python, path = self.python
            env = {
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
                "HOME": "/nonexistent",
                **_locale(locale),
            }
            env = {k: v for k, v in env.items() if not k.startswith("PENULT_")} | ({"PYTHONPATH": path} if path else {})
            self.servers[locale] = subprocess.Popen(
                [python, str(Path(__file__)), "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=env,
            )
        return self.servers[locale]

    def tidy(self, seed: int) -> None:
        """Remove what a situation wrote."""
        shutil.rmtree(self.root / str(seed), ignore_errors=True)


def _locale(name: str) -> dict[str, str]:
    if name == "posix":
        return {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"}


def judge(situation: Situation, code: int | str, out: str, err: str, folder: Path) -> list[str]:
    """Return what is wrong with how a situation ended; nothing, if it is as it should be."""
    wrong = []
    said = out + err
    if "Traceback (most recent" in said:
        wrong.append("a traceback")
    if "internal error" in said:
        wrong.append("an internal error")
    if code not in CODES:
        wrong.append(f"exit code {code}")
    lines = err.splitlines()
    heard = situation.around["stderr"] == "file"
    if code in {1, 3, 4} and heard and situation.command != "doctor" and situation.around["stdout"] != "gone":
        own = "OpenBLAS error: Memory allocation"  # it ends the process itself
        told = [line for line in lines if line.startswith(("penult: ", own))]
        if len(told) != 1 and not (situation.command == "cache" and code == 1 and not lines):
            wrong.append(f"{len(told)} lines say why it was refused")
    if code != 2 and len(lines) > MOST_LINES:
        wrong.append(f"{len(lines)} lines on standard error")
    if code == 0:
        wrong += [f"{name} was not written" for name in situation.files if not (folder / name).is_file()]
    left = [path.name for path in folder.rglob(".tmp-*")]
    if left:
        wrong.append(f"left half-written: {left}")
    if situation.good and code != 0 and all(v in HARMLESS[k] for k, v in situation.around.items()):
        wrong.append(f"exit code {code} where nothing is in the way")
    return wrong


@contextlib.contextmanager
def world(cheap: bool = False) -> Iterator[World]:
    """Yield a world in a temporary folder; a `cheap` one for cheap situations only."""
    root = Path(tempfile.mkdtemp(prefix="penult-situations-"))
    try:
        with World(root, cheap) as made:
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main() -> int:
    """Run situations until the number or the time is over; show each that went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cheap", action="store_true")
    asked = parser.parse_args()
    if asked.serve:
        serve()
        return 0
    end = time.monotonic() + asked.seconds
    codes: Counter[Any] = Counter()
    failed = done = 0
    with world(asked.cheap) as made:
        for seed in range(asked.first, asked.first + asked.count):
            if time.monotonic() > end:
                break
            situation = made.draw(seed, asked.cheap)
            code, out, err = made.run(situation, seed)
            wrong = judge(situation, code, out, err, made.root / str(seed))
            made.tidy(seed)
            codes[code] += 1
            done += 1
            if wrong:
                failed += 1
                print(f"{seed}: {'; '.join(wrong)}\n  {situation}\n    " + "\n    ".join(err.splitlines()[-25:]), flush=True)
    print(f"{done} situations, {failed} went wrong; exit codes: {dict(sorted(codes.items(), key=str))}")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
