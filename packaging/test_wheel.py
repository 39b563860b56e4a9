"""Install the wheel in a fresh environment of another Python, where nothing can be compiled, and run the demo and tests on it.

    python packaging/test_wheel.py                       in the first other Python that is found; skips where there is none
    python packaging/test_wheel.py --python python3.14   in this one; repeat for several
    python packaging/test_wheel.py --whole               all tests, not those alone that a Python or a build could break

The tests are those of the sdist, and run on what was installed. Then the wheel without a compiled part takes its place: the
features must be the same to the bit. Needs what wheels.py needs, and the package index.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import wheels  # beside this file

EXTRAS, WHOLE_EXTRAS = "demo,serve,tables", "dev,demo"
TOOLS = ("pytest>=8", "pytest-xdist>=3.6", "pytest-randomly>=3.15", "hypothesis>=6.100", "psutil>=5.9", "onnxruntime>=1.21")
FILES = (
    "api", "backbones_golden", "cli", "completion", "decode_cases", "doctor", "engines_compiled", "engines_laws", "golden_v0",
    "kill_and_resume", "main_job", "prepare_kernel", "prepare_resize", "prepare_workers", "progress_lines", "runtime", "serve",
)  # fmt: skip
VERSIONS = ("3.14", "3.13", "3.12", "3.11")
ACCURACY = 0.85  # of the demo; 0.88 is usual
FEATURES = """
import hashlib, sys
from pathlib import Path
import penult
from penult.pixels.resizing import resize_method
photos = sorted(map(str, Path(sys.argv[1]).rglob("*.png")))[::26]
rows = penult.embed(photos, backbones=["lite"], precision="f32", cache=False).X
print(penult.__file__, resize_method(), len(photos), hashlib.sha256(rows.tobytes()).hexdigest())
"""


def version(python: str) -> str | None:
    """Return the version of an interpreter, None where it does not run; a shim without a version behind it does not."""
    line = [python, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def another_python() -> str | None:
    """Return an interpreter of another version than this one: of PATH, of pyenv, else None."""
    mine = "{}.{}".format(*sys.version_info[:2])
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for wanted in (one for one in VERSIONS if one != mine):
        for python in (f"python{wanted}", *map(str, sorted(pyenv.glob(f"{wanted}.*/bin/python{wanted}")))):
            if version(python) == wanted:
                return python
    return None


class Environment:
    """A fresh virtual environment, with nothing else on PATH."""

    def __init__(self, python: str, place: Path) -> None:
        subprocess.run([python, "-m", "venv", place / "venv"], check=True)
        self.bin = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
        names = {name: value for name, value in os.environ.items() if not name.startswith(("PENULT_", "PYTHON"))}
        self.around = {**names, "PATH": str(self.bin), "PENULT_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}

    def run(self, *words: str | Path, cwd: Path | None = None, shown: bool = False, **environment: str) -> str:
        """Run a program of the environment and return what it printed; `shown`: it prints. Raises `CalledProcessError`."""
        line = [str(self.bin / words[0]), *map(str, words[1:])]
        out = None if shown else subprocess.PIPE
        done = subprocess.run(line, stdout=out, text=True, check=True, cwd=cwd, env={**self.around, **environment})
        return done.stdout or ""

    def install(self, *requirements: str | Path) -> None:
        """Install wheels, and nothing that would have to be built."""
        self.run("python", "-m", "pip", "install", "-qq", "--only-binary", ":all:", *requirements)

    def features(self, photos: Path, way: str) -> str:
        """Return the sha256 of the features of some photos. Raises `SystemExit` where they were not resized in this way."""
        where, found, count, digest = self.run("python", "-c", FEATURES, photos).split()
        if not (Path(where).is_relative_to(self.bin.parent) and found == way and int(count) >= 100):
            raise SystemExit(f"{where}: {count} photos resized: {found}, not {way}")
        return digest


def check(python: str, sdist: Path, wheel: Path, pure: Path, whole: bool) -> None:
    """Install, run the demo and the tests, compare the features of both wheels. Raises where anything fails."""
    with tempfile.TemporaryDirectory() as folder, wheels.unpacked(sdist) as source:
        place, start = Path(folder), time.monotonic()

        def tell(what: str) -> None:
            print(f"test-wheel, {version(python)}: {what} ({time.monotonic() - start:.0f} s)", flush=True)

        inside = Environment(python, place)
        inside.install(f"{wheel}[{WHOLE_EXTRAS if whole else EXTRAS}]", *TOOLS)
        tell(f"{wheel.name} is installed")
        scores = json.loads(inside.run("penult", "demo", "--json", "-q", "-o", place / "demo" / "run"))["test"]["scores"]
        if scores["accuracy"]["value"] < ACCURACY:
            raise SystemExit(f"the demo's accuracy is {scores['accuracy']['value']:.3f}, below {ACCURACY}")
        tell(f"the demo runs, accuracy {scores['accuracy']['value']:.3f}")
        tests = [] if whole else [f"tests/test_{name}.py" for name in FILES]
        paths = os.pathsep.join((str(inside.bin), os.environ["PATH"]))  # some tests use git, node or a browser
        inside.run("python", "-m", "pytest", "-n", "2", "--dist", "loadgroup", *tests, cwd=source, shown=True, PATH=paths)
        tell("its tests pass")
        wanted = inside.features(place / "demo", "compiled")
        inside.install("--force-reinstall", "--no-deps", pure)
        if inside.features(place / "demo", "absent") != wanted:
            raise SystemExit(f"the features of {pure.name} are not those of {wheel.name}")
        tell(f"{pure.name}: the same features, to the bit")


def main() -> None:
    """Build the wheels once, and check them in each Python."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="an interpreter; repeat for several")
    parser.add_argument("--whole", action="store_true", help="run all tests")
    args = parser.parse_args()
    pythons = args.python or [one for one in [another_python()] if one]
    if not pythons:
        print(f"test-wheel: skipped, there is no other Python here than {sys.version.split()[0]} ({', '.join(VERSIONS)})")
        return
    if bad := [one for one in pythons if shutil.which(one) is None or version(one) is None]:
        parser.error(f"{', '.join(bad)}: no Python with venv and pip")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        sdist = wheels.build_sdist(made)
        with wheels.unpacked(sdist) as source:
            pure, wheel = wheels.build_wheel(source, made, "0"), wheels.build_wheel(source, made, "1")
        for python in pythons:
            check(python, sdist, wheel, pure, args.whole)


if __name__ == "__main__":
    main()
