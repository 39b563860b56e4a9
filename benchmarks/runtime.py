"""The slim installation, proved: built, installed in a fresh environment, measured, asked, served, and compared.

    python benchmarks/runtime.py run photo.jpg [photo.jpg ...]

Makes the wheel of `penult-runtime` and a virtual environment (`--venv`, by default a temporary one), installs
`penult-runtime[serve]` as the Dockerfile does, says how large it is, predicts the photos there by the command and over HTTP,
with a home folder that cannot be written and without a cache, and compares with what this installation answers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BOUND = 350  # MB


def size(folder: Path) -> float:
    """Return the megabytes of all files of a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def install(venv: Path) -> None:
    """Make the environment, as the Dockerfile does."""
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    with tempfile.TemporaryDirectory() as wheels:
        subprocess.run([venv / "bin" / "python", ROOT / "packaging" / "runtime.py", wheels], check=True)
        (wheel,) = Path(wheels).glob("*.whl")
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", f"{wheel}[serve]"], check=True)
    subprocess.run([venv / "bin" / "pip", "check"], check=True)
    subprocess.run([venv / "bin" / "pip", "uninstall", "--quiet", "-y", "pip", "setuptools"], check=True)


def bare() -> dict[str, str]:
    """Return an environment of a user who has nowhere to write."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "OMP_NUM_THREADS")}
    return {**kept, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}


def served(penult: Path, model: str, photos: list[str]) -> list[dict[str, Any]]:
    """Return what a server of its own says of photos; it must end with 0 when it is told to."""
    port = 8765
    line = [penult, "serve", model, "--port", str(port), "--no-cache", "--quiet"]
    server = subprocess.Popen(line, env=bare(), stdout=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=2).close()
                break
            except OSError:
                time.sleep(0.25)
        answers = []
        for photo in photos:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", Path(photo).read_bytes())
            request.add_header("Content-Type", "application/octet-stream")
            with urllib.request.urlopen(request, timeout=60) as answer:
                answers += json.load(answer)["predictions"]
    finally:
        server.terminate()
        code = server.wait(60)
    assert code == 0, f"the server ended with {code}"
    return answers


def asked(penult: Path | str, model: str, photos: list[str], environment: dict[str, str]) -> list[dict[str, Any]]:
    """Return what the command says of photos."""
    line = [penult, "predict", model, *photos, "--json", "-q", "--no-cache"]
    answers: list[dict[str, Any]] = json.loads(
        subprocess.run(line, env=environment, stdout=subprocess.PIPE, check=True).stdout
    )
    return answers


def main() -> None:
    """Do it all, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--venv", type=Path, help="where to make the environment; one that is there is used")
    args = parser.parse_args()
    model = str(Path(args.model).resolve())
    with tempfile.TemporaryDirectory() as place:
        venv = args.venv or Path(place, "venv")
        if not venv.exists():
            install(venv)
        print(f"size: {size(venv):.0f} MB (bound: {BOUND})")
        penult = venv / "bin" / "penult"
        wanted = asked(str(Path(sys.executable).with_name("penult")), model, args.photos, dict(os.environ))
        here = asked(penult, model, args.photos, bare())
        over_http = served(penult, model, args.photos)
    for name, answers in (("command", here), ("HTTP", over_http)):
        off = [
            abs(a["probabilities"][k] - p) for a, b in zip(answers, wanted, strict=True) for k, p in b["probabilities"].items()
        ]
        print(f"{name}: {len(answers)} photos; largest difference of a probability: {max(off):.2g}")


if __name__ == "__main__":
    main()
