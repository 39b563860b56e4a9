"""The one part that is compiled, where there is a compiler; without it Pillow does the same, to the bit, more slowly.

All else about the package stands in pyproject.toml.
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "penult.pixels._resample",
            ["src/penult/pixels/_resample.c"],
            extra_compile_args=["-O3", "-ffp-contract=off"],  # fused operations round otherwise than Pillow's builds
            optional=True,
        )
    ]
)
