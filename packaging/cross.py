"""Build the wheels of other systems here: the compiled part by zig's C compiler, put into the wheel that has none.

In: an unpacked sdist, the `py3-none-any` wheel. Out: a wheel for each system. Needs the package ziglang. The stable ABI makes
it possible: of Python only its headers are used, and on Windows the names that it exports.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from wheelfile import rewrite  # beside this file

FLAGS = (
    "-O3",
    "-ffp-contract=off",
    "-DNDEBUG",
    "-DPy_LIMITED_API=0x030B0000",
    "-shared",
    "-s",
)  # those of setup.py, and no symbols
# what Python's own pyconfig.h for Windows says, as far as the stable ABI needs it
WINDOWS = "\n".join(
    f"#define {line}"
    for line in (
        "MS_WINDOWS 1", "MS_WIN64 1", "HAVE_DECLSPEC_DLL 1", "SIZEOF_VOID_P 8", "SIZEOF_SIZE_T 8", "ALIGNOF_SIZE_T 8",
        "SIZEOF_LONG 4", "SIZEOF_LONG_LONG 8", "SIZEOF_WCHAR_T 2", "HAVE_STDDEF_H 1", "HAVE_PY_SSIZE_T 1",
        "Py_ssize_t long long", "PY_SSIZE_T_MAX ((Py_ssize_t)(((size_t)-1)>>1))",
    )
)  # fmt: skip

FUNCTIONS = (
    "PyArg_ParseTuple", "_PyArg_ParseTuple_SizeT", "PyBool_FromLong", "PyBuffer_Release", "PyCapsule_GetPointer",
    "PyErr_NoMemory", "PyErr_SetString", "PyEval_RestoreThread", "PyEval_SaveThread", "PyModuleDef_Init", "PyObject_GetBuffer",
    "PyObject_IsTrue",
)  # fmt: skip
DATA = ("PyCapsule_Type", "PyExc_ValueError", "_Py_NoneStruct")


@dataclass(frozen=True, slots=True)
class System:
    """A system: zig's name of it, the platform tag of wheels, the file's name there, what the linker is told."""

    zig: str
    tag: str
    file: str = "_resample.abi3.so"
    words: tuple[str, ...] = ("-fPIC",)


MAC = ("-fPIC", "-undefined", "dynamic_lookup")
SYSTEMS = (
    System("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64.manylinux2014_aarch64"),
    System("aarch64-macos.11.0", "macosx_11_0_arm64", words=MAC),
    System("x86_64-macos.10.13", "macosx_10_13_x86_64", words=MAC),
    System("x86_64-windows-gnu", "win_amd64", "_resample.pyd", ()),
)


def zig(*words: str | Path) -> None:
    """Run zig. Raises `CalledProcessError` where it fails."""
    subprocess.run([sys.executable, "-m", "ziglang", *map(str, words)], check=True)


def python3_library(place: Path) -> Path:
    """Write what the linker of Windows must know of python3.dll, and return it."""
    lines = ["LIBRARY python3.dll", "EXPORTS", *FUNCTIONS, *(f"{name} DATA" for name in DATA)]
    (place / "python3.def").write_text("\n".join(lines), encoding="ascii")
    zig("dlltool", "-m", "i386:x86-64", "-d", place / "python3.def", "-l", place / "libpython3.a", "-D", "python3.dll")
    return place / "libpython3.a"


def kernel_for(system: System, source: Path) -> bytes:
    """Return the compiled part for a system."""
    headers, words = Path(sysconfig.get_path("include")), system.words
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if system.tag.startswith("win"):
            copied = place / "include"
            shutil.copytree(headers, copied)
            (copied / "pyconfig.h").write_text(WINDOWS, encoding="ascii")
            headers, words = copied, (str(python3_library(place)),)
        code, made = source / "src" / "penult" / "pixels" / "_resample.c", place / system.file
        zig("cc", "-target", system.zig, *FLAGS, "-I", headers, code, *words, "-o", made)
        return made.read_bytes()


def build(source: Path, pure: Path, folder: Path) -> list[Path]:
    """Write a wheel for each system into a folder, given the sources and the wheel without a compiled part; return them."""
    made = []
    for system in SYSTEMS:

        def change(name: str, data: bytes, tag: str = system.tag) -> tuple[str, bytes]:
            if name.endswith(".dist-info/WHEEL"):
                tags = "".join(f"Tag: cp311-abi3-{one}\n" for one in tag.split("."))
                text = data.decode().replace("Root-Is-Purelib: true", "Root-Is-Purelib: false")
                data = re.sub(r"(?m)^Tag: .*\n", "", text).rstrip("\n").encode() + f"\n{tags}\n".encode()
            return name, data

        kernel = {f"penult/pixels/{system.file}": kernel_for(system, source)}
        name = pure.name.replace("-py3-none-any", f"-cp311-abi3-{system.tag}")
        made.append(rewrite(pure, folder / name, change, kernel))
    return made
