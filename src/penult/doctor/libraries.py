"""Python, penult and the libraries: are they there, of the versions that penult asks for, and can they be imported?

In: what pip recorded. Out: `Check`s.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from penult import __version__
from penult.doctor.check import FAIL, NOTE, OK, WARN, Check
from penult.errors import OutputError
from penult.worker import NoInterpreter, start

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

# What is imported of each library; openvino has a check of its own.
MODULES = (
    "numpy", "PIL.Image", "h5py", "sklearn.linear_model", "onnx", "matplotlib.figure", "argcomplete", "rich.progress",
    "threadpoolctl",
)  # fmt: skip
_SECONDS = 120
_IMPORT = (
    "import importlib, json, sys\n"
    "for name in sys.argv[1:]:\n"
    "    print(json.dumps([name, None]), flush=True)\n"
    "    try:\n        importlib.import_module(name)\n"
    "    except BaseException as error:\n"
    "        print(json.dumps([name, ' '.join(f'{type(error).__name__}: {error}'.split())[:300]]), flush=True)\n"
    "print(json.dumps(['', None]), flush=True)\n"
)
_INNER = {"dev"}  # extras that are not for users
_PURPOSE = {
    "timm": "networks of timm",
    "keras": "networks of Keras",
    "int8": "making networks in 8 bits",
    "demo": "the photos of `penult demo`",
    "heif": "photos in HEIC",
    "gpu": "networks on a GPU",
}


def python() -> Check:
    """Return whether this Python is one that penult runs on."""
    from packaging.specifiers import SpecifierSet

    wanted = _said("Requires-Python") or ">=3.11"
    said = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    if platform.python_version() in SpecifierSet(wanted, prereleases=True):
        return Check("python", OK, said)
    return Check("python", FAIL, f"{said}; penult needs {wanted}", "make a new virtual environment with a newer Python")


def ours() -> Check:
    """Return which penult this is and where it lies."""
    where = Path(__file__).resolve().parents[1]
    said = f"{__version__} in {where}"
    recorded = _said("Version")
    if recorded is None:
        return Check("penult", NOTE, f"{said}, not installed by pip", "pip install it, so that its libraries can be checked")
    if recorded != __version__:
        return Check("penult", WARN, f"{said}, pip recorded {recorded}", "pip install penult again")
    return Check("penult", OK, said)


def libraries() -> Check:
    """Return whether every library is there in a version that penult takes."""
    have, wrong = _held("")
    if wrong:
        names = " ".join(f"'{one}'" for one in wrong)
        return Check("libraries", FAIL, "; ".join(wrong.values()), f"pip install {names}")
    if not have:
        return Check("libraries", NOTE, "pip recorded none", "pip install penult, so that they can be checked")
    return Check("libraries", OK, ", ".join(have))


def imports(modules: tuple[str, ...] = MODULES) -> Check:
    """Return whether the libraries can be imported, tried in another process."""
    try:
        tried, done = _import(*modules)
    except NoInterpreter as error:
        said, _, cure = str(error).partition("; ")
        return Check("imports", WARN, said, cure)
    wrong = [f"{name} cannot be imported ({why})" for name, why in tried.items() if why is not None]
    if not done:
        wrong.append(f"the process that imported {list(tried)[-1] if tried else 'nothing yet'} died")
    if wrong:
        return Check("imports", FAIL, "; ".join(wrong), "install these again: pip install --force-reinstall NAME")
    return Check("imports", OK, f"{len(tried)} libraries can be imported")


def extras() -> list[Check]:
    """Return for each extra whether it is installed, and what to type where it is not."""
    return [_extra(name) for name in _extras() if name not in _INNER]


def torchvision() -> list[Check]:
    """Return nothing, or what there is to say of a torchvision that does not fit the torch beside it."""
    if find_spec("torch") is None or find_spec("torchvision") is None:
        return []
    try:
        tried, done = _import("torchvision")
    except NoInterpreter:  # told by `imports`
        return []
    why = tried.get("torchvision")
    if why is None and done:
        return [Check("torchvision", OK, "can be imported")]
    return [
        Check(
            "torchvision",
            NOTE,
            f"cannot be imported ({why or 'its process died'}): most often it is PyPI's beside a CPU torch",
            "penult does without; for your own code: pip install --force-reinstall torch torchvision from one index, such as "
            "--index-url https://download.pytorch.org/whl/cpu",
        )
    ]


def _extra(name: str) -> Check:
    have, wrong = _held(name)
    what = f"{_PURPOSE[name]}: " if name in _PURPOSE else ""
    line = f"pip install 'penult[{name}]'"
    if not wrong:
        return Check(name, OK, f"{what}{', '.join(have)}")
    if not any(_there(lead) for lead in _leads(name)):
        return Check(name, NOTE, f"{what}not installed", f"only if you want it: {line}")
    return Check(name, WARN, f"{what}only a part is as it should be ({'; '.join(wrong.values())})", line)


def _leads(extra: str) -> set[str]:
    """Return the libraries that make the extra: the one of its name, else those that no other extra has."""
    mine = {name for _, name, _ in _requirements(extra)}
    others = {name for other in _extras() if other != extra for _, name, _ in _requirements(other)}
    return {extra} if extra in mine else mine - others or mine


def _there(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _held(extra: str) -> tuple[list[str], dict[str, str]]:
    """Return what is installed of an extra ("" for what all need), as `name version`, and by requirement what is wrong."""
    have, wrong = [], {}
    for wanted, name, specifier in _requirements(extra):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong[wanted] = f"{name} is not installed"
            continue
        if version in specifier:
            have.append(f"{name} {version}")
        else:
            wrong[wanted] = f"{name} is {version}, penult takes {specifier}"
    return have, wrong


def _requirements(extra: str) -> Iterator[tuple[str, str, SpecifierSet]]:
    """Yield what penult requires, alone ("") or with an extra more than alone: as pip takes it, its name, its versions."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("penult") or []
    except metadata.PackageNotFoundError:
        return
    for one in map(Requirement, lines):
        alone = one.marker is None or one.marker.evaluate({"extra": ""})
        if alone if not extra else (not alone and one.marker is not None and one.marker.evaluate({"extra": extra})):
            one.specifier.prereleases = True
            yield f"{one.name}{one.specifier}", one.name, one.specifier


def _said(field: str) -> str | None:
    try:
        return metadata.metadata("penult").json.get(field.lower().replace("-", "_"))  # type: ignore[return-value]
    except metadata.PackageNotFoundError:
        return None


def _extras() -> list[str]:
    try:
        return list(metadata.metadata("penult").get_all("Provides-Extra") or [])
    except metadata.PackageNotFoundError:
        return []


def _import(*modules: str) -> tuple[dict[str, str | None], bool]:
    """Import modules in another process; return by name what went wrong or None, and whether the process came to its end."""
    child = start("-W", "ignore", "-c", _IMPORT, *modules)
    try:
        out, _ = child.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        out, _ = child.communicate()
    except OSError as error:
        raise OutputError(f"no other process can be used: {error}; free some memory.") from error
    said = dict(json.loads(line) for line in out.decode("utf-8", "replace").splitlines() if line.startswith('["'))
    return {name: why for name, why in said.items() if name}, "" in said
