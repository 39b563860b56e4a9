"""What a release is made of: metadata, the page on PyPI, the wheels of other systems and the runtime's."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import penult

ROOT = Path(__file__).parents[1]
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, VERSION = WHOLE["project"], penult.__version__


def tool(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a script of packaging/, which finds the others beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


ASKED = """
import json, runpy, setuptools
asked = {}
setuptools.setup = lambda **words: asked.update(words)
runpy.run_path("setup.py")
parts = [{"optional": part.optional, "macros": part.define_macros} for part in asked["ext_modules"]]
print(json.dumps({"ext_modules": parts, "long_description": asked["long_description"]}))
"""


def asked_of_setuptools(kernel: str = "") -> dict[str, Any]:
    """Return what setup.py asks for, in a process of its own: setuptools puts itself in the place of distutils."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setup.py needs setuptools")
    line = [sys.executable, "-c", ASKED]
    done = subprocess.run(line, cwd=ROOT, env={**os.environ, "PENULT_KERNEL": kernel}, capture_output=True, check=True)
    asked: dict[str, Any] = json.loads(done.stdout)
    return asked


def test_the_page_on_pypi_links_to_files_that_exist_and_by_absolute_addresses() -> None:
    text = asked_of_setuptools()["long_description"]
    links = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:src|href)="([^"]+)"', text)]
    assert len(links) > 30
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    here = f"{PROJECT['urls']['Repository']}/"
    ours = [link.removeprefix(here).partition("#")[0].split("/", 2) for link in links if link.startswith(here)]
    assert {kind for kind, _, _ in ours} == {"blob", "raw"}
    assert {tag for _, tag, _ in ours} == {f"v{VERSION}"}
    assert [path for _, _, path in ours if not (ROOT / path).exists()] == []
    assert {Path(path).suffix for kind, _, path in ours if kind == "raw"} <= {".png", ".webp", ".svg"}


def test_the_compiled_part_can_be_left_out_and_can_be_insisted_on() -> None:
    assert asked_of_setuptools("0")["ext_modules"] == []
    (must,) = asked_of_setuptools("1")["ext_modules"]
    (may,) = asked_of_setuptools()["ext_modules"]
    assert (must["optional"], may["optional"]) == (False, True)
    assert ["Py_LIMITED_API", "0x030B0000"] in must["macros"]  # the oldest Python that is supported
    assert PROJECT["requires-python"] == ">=3.11"


def test_the_address_of_the_repository_is_the_same_wherever_it_stands() -> None:
    """It is decided in pyproject.toml; every other place is compared with it."""
    home = PROJECT["urls"]["Repository"]
    owner = home.rpartition("/")[0].rpartition("/")[2]
    files = [*ROOT.glob("*.md"), *ROOT.glob("*.y*ml"), *ROOT.glob("*.cff"), *(ROOT / "docs").glob("**/*.md")]
    files += (ROOT / ".github").rglob("*.*")
    found = {
        (path.name, address)
        for path in files
        for address in re.findall(r"[\w.-]*github\.(?:com|io)/[\w.-]*/?penult\b", path.read_text(encoding="utf-8"))
    }
    allowed = {home.removeprefix("https://"), f"{owner}.github.io/penult"}
    assert {one for one in found if one[1] not in allowed} == set()
    named = {name for name, address in found if address == home.removeprefix("https://")}
    assert {"CITATION.cff", "SECURITY.md", "config.yml"} <= named


def test_classifiers_say_what_the_wheels_are_tested_on() -> None:
    told = {line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", line)}
    tested = {re.sub(r"cp3(\d+)-\*", r"3.\1", word) for word in WHOLE["tool"]["cibuildwheel"]["build"].split()}
    assert told == tested == {"3.11", "3.12", "3.13", "3.14"}
    for path in re.findall(r"\{project\}/(\S+)", WHOLE["tool"]["cibuildwheel"]["test-command"]):
        assert (ROOT / path).is_file(), path


def pure_wheel(folder: Path) -> Path:
    """Write a small wheel with penult's own requirements."""
    extras = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name != "dev"}
    head = [
        f"Name: penult\nVersion: {VERSION}\nSummary: all",
        *(f"Requires-Dist: {one}" for one in PROJECT["dependencies"]),
    ]
    for name, lines in extras.items():
        head += [f"Provides-Extra: {name}", *(f'Requires-Dist: {line.partition(";")[0]}; extra == "{name}"' for line in lines)]
    info = f"penult-{VERSION}.dist-info"
    made = folder / f"penult-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as wheel:
        wheel.writestr("penult/__init__.py", "x = 1\n")
        wheel.writestr(f"{info}/METADATA", "\n".join(head) + "\n\nName: of the text\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return made


def opened(wheel: Path) -> tuple[dict[str, bytes], Message, Message]:
    """Return files, METADATA and WHEEL of a wheel whose record is right."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (info,) = {name.partition("/")[0] for name in files if ".dist-info/" in name}
    rows = list(csv.reader(io.StringIO(files[f"{info}/RECORD"].decode())))
    assert {row[0]: row[2] for row in rows} == {n: "" if n.endswith("RECORD") else str(len(d)) for n, d in files.items()}
    metadata, about = (HeaderParser().parsestr(files[f"{info}/{name}"].decode()) for name in ("METADATA", "WHEEL"))
    return files, metadata, about


def test_the_runtime_differs_in_name_and_libraries_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime = tool("runtime", monkeypatch)
    (tmp_path / "made").mkdir()
    made = runtime.derive(pure_wheel(tmp_path), tmp_path / "made")
    assert made.name == f"penult_runtime-{VERSION}-py3-none-any.whl"
    files, metadata, _ = opened(made)
    assert files["penult/__init__.py"] == b"x = 1\n"
    assert (metadata["Name"], metadata["Version"]) == ("penult-runtime", VERSION)
    assert metadata.get_payload() == "Name: of the text\n"
    needs = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [runtime.name_of(line) for line in needs] == ["numpy", "pillow", "openvino", "packaging"]
    assert set(needs) < set(PROJECT["dependencies"])
    assert metadata.get_all("Provides-Extra") == ["heif", "serve"]
    served = [line for line in metadata.get_all("Requires-Dist", []) if 'extra == "serve"' in line]
    assert len(served) == len(PROJECT["optional-dependencies"]["serve"])


def test_wheels_of_other_systems_are_the_pure_one_and_a_compiled_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cross = tool("cross", monkeypatch)
    monkeypatch.setattr(cross, "kernel_for", lambda system, source: system.zig.encode())  # zig is not here
    (tmp_path / "made").mkdir()
    made = cross.build(ROOT, pure_wheel(tmp_path), tmp_path / "made")
    assert len(made) == len(cross.SYSTEMS) >= 4
    for system, wheel in zip(cross.SYSTEMS, made, strict=True):
        files, _, about = opened(wheel)
        assert files[f"penult/pixels/{system.file}"] == system.zig.encode()
        assert about["Root-Is-Purelib"] == "false"
        assert about.get_all("Tag") == [f"cp311-abi3-{tag}" for tag in system.tag.split(".")]
        assert wheel.stem.endswith(f"-cp311-abi3-{system.tag}")


def test_what_is_tested_on_another_python_exists_and_shims_without_a_python_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "wheels", ModuleType("wheels"))
    wheel = tool("test_wheel", monkeypatch)
    assert [name for name in wheel.FILES if not (ROOT / "tests" / f"test_{name}.py").is_file()] == []
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert wheel.version(str(shim)) is None
    assert wheel.version(str(tmp_path / "nothing")) is None
    assert wheel.version(sys.executable) == "{}.{}".format(*sys.version_info[:2])


def stages() -> dict[str, list[str]]:
    """Return the instructions of each stage of the Dockerfile, its base first; continued lines are joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        base = re.fullmatch(r"FROM (\S+) AS (\S+)", line)
        if base:
            found[base[2]] = [base[1]]
        elif found:
            found[[*found][-1]].append(line)
    return found


def test_the_images_run_as_nobody_without_a_compiler_and_write_where_it_is_said() -> None:
    built = stages()
    assert [*built][-1] == "serve", "`docker build .` without --target makes the last one: the server"
    for target, made in (("cli", "build-cli"), ("serve", "build-serve")):
        lines = built[target]
        assert lines[0] == "${PYTHON}"  # not the stage with the compiler
        assert f"COPY --from={made} /opt/penult /opt/penult" in lines
        assert "USER 65534:65534" in lines
        assert 'ENTRYPOINT ["penult"]' in lines
        assert not [line for line in lines if "apt-get" in line or "pip install" in line]
    assert 'VOLUME ["/cache", "/data"]' in built["cli"]
    assert any("PENULT_CACHE=/cache" in line for line in built["cli"])
    sources = [word for line in built["build"] if line.startswith("COPY") for word in line.split()[1:-1]]
    assert [name for name in sources if not (ROOT / name).exists()] == []
    kept = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"]
    assert set(sources) == set(kept)
    for extra in re.findall(r"\[([a-z,]+)\]\"", " ".join(built["build-cli"] + built["build-serve"])):
        assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"])
    assert "target: serve" in (ROOT / "compose.yaml").read_text(encoding="utf-8")
