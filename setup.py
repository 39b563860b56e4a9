"""What pyproject.toml cannot say: the compiled part, the translations, and the README as a page that stands elsewhere.

`PENULT_KERNEL` says what to do about the compiled part. Unset: it is built where there is a compiler; without it Pillow
does the same, to the bit, more slowly. `0`: it is left out, for the wheel that goes everywhere. `1`: no build without it.
"""

import os
import re
import sys
import sysconfig
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
KERNEL = os.environ.get("PENULT_KERNEL", "")
# one build for Python 3.11 and all later ones; Pythons without a global lock have no stable ABI
STABLE = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
EXACT = ["-O3", "-ffp-contract=off"]  # fused operations round otherwise than Pillow's builds


class BuildExt(build_ext):
    """Compiles with the options that the compiler at hand understands."""

    def build_extensions(self) -> None:
        """Let no compiler fuse a multiplication with an addition."""
        for extension in self.extensions:
            extension.extra_compile_args = ["/O2", "/fp:precise"] if self.compiler.compiler_type == "msvc" else EXACT
        super().build_extensions()


class BuildPy(build_py):
    """Compiles the translations beside their sources, so that an editable installation has them, too."""

    def run(self) -> None:
        """Compile, then build as usual."""
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po

        for path in sorted(Path("src/penult/locale").rglob("penult.po")):
            with path.open("rb") as source, path.with_suffix(".mo").open("wb") as target:
                write_mo(target, read_po(source, locale=path.parts[-3]))
        super().run()


def long_description() -> str:
    """Return the README with absolute addresses: on PyPI there are no files beside it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = re.search(r'^__version__ = "(.+)"', (ROOT / "src/penult/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    home, tag = project["urls"]["Repository"], f"v{version[1]}"
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r'(!\[[^\]]*\]\(|src=")(?![a-z]+:)', rf"\1{home}/raw/{tag}/", text)  # pictures
    return re.sub(r'(\]\(|href=")(?![a-z]+:|#)', rf"\1{home}/blob/{tag}/", text)


kernel = Extension(
    "penult.pixels._resample",
    ["src/penult/pixels/_resample.c"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE else [],
    py_limited_api=STABLE,
    optional=KERNEL != "1",
)
setup(
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
    ext_modules=[] if KERNEL == "0" else [kernel],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE and KERNEL != "0" else {},
    long_description=long_description(),
    long_description_content_type="text/markdown",
)
