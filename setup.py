"""What is compiled: resizing, where there is a compiler (without it Pillow does the same, to the bit, more slowly), and the
translations, from penult.po to penult.mo.

All else about the package stands in pyproject.toml.
"""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py


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


setup(
    cmdclass={"build_py": BuildPy},
    ext_modules=[
        Extension(
            "penult.pixels._resample",
            ["src/penult/pixels/_resample.c"],
            extra_compile_args=["-O3", "-ffp-contract=off"],  # fused operations round otherwise than Pillow's builds
            optional=True,
        )
    ],
)
