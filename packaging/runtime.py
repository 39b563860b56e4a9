"""Make the wheel of `penult-runtime`, for machines that only predict and serve, of that of penult: with fewer libraries.

    python packaging/runtime.py dist                     build penult's wheel, and make the runtime's of it
    python packaging/runtime.py dist dist/penult-*.whl   make it of each of these wheels

Only the name, the description and the list of libraries differ; what is compiled is the same file. It has the modules of
`penult`, so install the one or the other.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wheelfile import rewrite  # beside this file

ROOT = Path(__file__).resolve().parents[1]
NAME, SUMMARY = "penult-runtime", "penult to predict and to serve: numpy, Pillow and OpenVINO, without what training needs."
LIBRARIES = ("numpy", "pillow", "openvino", "packaging")
EXTRAS = ("serve", "heif")  # networks are made ready for a GPU with onnx


def name_of(requirement: str) -> str:
    """Return the library that a requirement names."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def metadata(text: str) -> str:
    """Return the METADATA of the runtime, given that of penult."""
    head, gap, description = text.partition("\n\n")
    return "\n".join(_headers(head.splitlines())) + gap + description


def _headers(lines: list[str]) -> Iterator[str]:
    for line in lines:
        name, _, value = line.partition(": ")
        extra = re.search(r"\bextra == ['\"]([^'\"]+)['\"]", value)
        if name == "Name":
            yield f"Name: {NAME}"
        elif name == "Summary":
            yield f"Summary: {SUMMARY}"
        elif name == "Provides-Extra":
            if value in EXTRAS:
                yield line
        elif name == "Requires-Dist":
            if extra[1] in EXTRAS if extra else name_of(value) in LIBRARIES:
                yield line
        else:
            yield line


def derive(wheel: Path, folder: Path) -> Path:
    """Write the runtime's wheel, given penult's, into a folder and return it."""

    def change(name: str, data: bytes) -> tuple[str, bytes]:
        if name.endswith(".dist-info/METADATA"):
            data = metadata(data.decode()).encode()
        return re.sub(r"^penult(?=-[^/]*\.dist-info/)", "penult_runtime", name), data

    return rewrite(wheel, folder / wheel.name.replace("penult-", "penult_runtime-", 1), change)


def build(folder: Path, wheels: list[Path]) -> None:
    """Write the runtime's wheels into a folder, of these wheels of penult; of one that is built here where none are given."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        if not wheels:
            line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, str(ROOT)]
            subprocess.run(line, check=True)
            wheels = list(Path(place).glob("*.whl"))
        for wheel in wheels:
            derive(wheel, folder)


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"), [Path(name) for name in sys.argv[2:]])
