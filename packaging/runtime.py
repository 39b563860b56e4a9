"""Build the wheel of `penult-runtime`: the same package for machines that only predict and serve, with few libraries.

    python packaging/runtime.py dist && pip install dist/penult_runtime-*.whl

Versions, extras and everything else come from pyproject.toml; only the name and the list of libraries differ. It has the
modules of `penult`, so install the one or the other.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "pillow", "openvino", "packaging")
EXTRAS = ("serve", "heif")  # networks are made ready for a GPU with onnx
PARTS = ("src", "setup.py", "README.md", "LICENSE", "NOTICE")


def name_of(requirement: str) -> str:
    """Return the library that a requirement names."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def metadata(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the tables of the runtime's pyproject.toml, given those of penult's."""
    project = dict(whole["project"])
    project["name"] = "penult-runtime"
    project["description"] = "penult to predict and to serve: numpy, Pillow and OpenVINO, without what training needs."
    project["dependencies"] = [line for line in project["dependencies"] if name_of(line) in LIBRARIES]
    extras = project.pop("optional-dependencies")
    setuptools = whole["tool"]["setuptools"]
    return {
        "build-system": whole["build-system"],
        "project": project,
        "project.optional-dependencies": {name: extras[name] for name in EXTRAS},
        "tool.setuptools.packages.find": setuptools["packages"]["find"],
        "tool.setuptools.package-data": setuptools["package-data"],
    }


def as_toml(tables: dict[str, Any]) -> str:
    """Return tables of strings, lists of strings and tables of strings as TOML; JSON writes those alike."""
    lines = []
    for name, values in tables.items():
        lines.append(f"[{name}]")
        for key, value in values.items():
            said = f"{{ {', '.join(f'{k} = {json.dumps(v)}' for k, v in value.items())} }}" if isinstance(value, dict) else ""
            lines.append(f"{json.dumps(key)} = {said or json.dumps(value)}")
    return "\n".join(lines) + "\n"


def build(folder: Path) -> None:
    """Write the wheel into a folder."""
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, Path(place, part))
        for left in Path(place, "src").rglob("*.so"):  # of another Python, perhaps
            left.unlink()
        Path(place, "pyproject.toml").write_text(as_toml(metadata(whole)), encoding="utf-8")
        line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), place]
        subprocess.run(line, check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"))
