"""Checks that need nothing but Python: the interpreter, penult, its libraries and extras, and the hub of weights.

In: what pip recorded, an address. Out: `Check`s.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult import __version__
from penult.errors import OutputError, PenultError, distribution, what_and_cure
from penult.i18n import N_, _
from penult.worker import NoInterpreter, start

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

OK, NOTE, WARN, FAIL = "ok", "note", "warn", "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """What `name` is about is `state` (ok, note, warn, FAIL): `said`, and for all but ok the `cure`."""

    name: str
    state: str
    said: str
    cure: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return plain JSON values."""
        return asdict(self)


def guarded(name: str, look: Callable[[], Check | list[Check]]) -> Iterator[Check]:
    """Yield what a check found; one that raises is a line that fails, never the end of the others."""
    try:
        found = look()
    except PenultError as error:
        said, cure = what_and_cure(error)
        yield Check(name, FAIL, said, cure)
    except Exception as error:  # whatever is broken here is what the user came to hear of
        words = " ".join(str(error).split())[:300]
        yield Check(
            name,
            FAIL,
            _("this check failed with {name}: {words}", name=type(error).__name__, words=words),
            _("install penult again, or report it"),
        )
    else:
        yield from found if isinstance(found, list) else [found]


# What is imported of each library; openvino has a check of its own.
MODULES = (
    "numpy", "PIL.Image", "h5py", "sklearn.linear_model", "onnx", "matplotlib.figure", "argcomplete", "rich.progress",
    "threadpoolctl",
)  # fmt: skip
_RUNTIME_MODULES = ("numpy", "PIL.Image")
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
    "timm": N_("networks of timm"),
    "keras": N_("networks of Keras"),
    "hub": N_("ONNX networks of the Hugging Face hub"),
    "int8": N_("making networks in 8 bits"),
    "demo": N_("the photos of `penult demo`"),
    "heif": N_("photos in HEIC"),
    "tables": N_("tables in Excel files"),
    "gpu": N_("networks on a GPU"),
}


def python() -> Check:
    """Return whether this Python is one that penult runs on."""
    from packaging.specifiers import SpecifierSet

    wanted = _metadata("Requires-Python") or ">=3.11"
    said = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    if platform.python_version() in SpecifierSet(wanted, prereleases=True):
        return Check("python", OK, said)
    return Check(
        "python",
        FAIL,
        _("{said}; penult needs {wanted}", said=said, wanted=wanted),
        _("make a new virtual environment with a newer Python"),
    )


def penult_itself() -> Check:
    """Return which penult this is and where it lies."""
    where = Path(__file__).resolve().parents[1]
    said = _("{version} in {where}", version=__version__, where=where)
    if is_runtime():
        said = _("{said}, for predicting and serving alone (penult-runtime)", said=said)
    recorded = _metadata("Version")
    if recorded is None:
        return Check(
            "penult",
            NOTE,
            _("{said}, not installed by pip", said=said),
            _("pip install it, so that its libraries can be checked"),
        )
    if recorded != __version__:
        return Check(
            "penult",
            WARN,
            _("{said}, pip recorded {recorded}", said=said, recorded=recorded),
            _("pip install {distribution} again", distribution=distribution()),
        )
    return Check("penult", OK, said)


def libraries() -> Check:
    """Return whether every library is there in a version that penult takes."""
    have, wrong = _held("")
    if wrong:
        names = " ".join(f"'{one}'" for one in wrong)
        return Check("libraries", FAIL, _("; ").join(wrong.values()), f"pip install {names}")
    if not have:
        return Check("libraries", NOTE, _("pip has no record of them"), _("pip install penult, so that they can be checked"))
    return Check("libraries", OK, ", ".join(have))


def is_runtime() -> bool:
    """Whether this is an installation for predicting and serving alone, without the libraries of training."""
    return distribution() == "penult-runtime"


def imports(modules: tuple[str, ...] | None = None) -> Check:
    """Return whether the libraries can be imported, tried in another process."""
    modules = modules or (_RUNTIME_MODULES if is_runtime() else MODULES)
    try:
        tried, done = _import(*modules)
    except NoInterpreter as error:
        said, cure = what_and_cure(error)
        return Check("imports", WARN, said, cure)
    wrong = [_("{name} cannot be imported ({why})", name=name, why=why) for name, why in tried.items() if why is not None]
    if not done:
        last = list(tried)[-1] if tried else _("nothing yet")
        wrong.append(_("the process that imported {name} died", name=last))
    if wrong:
        return Check("imports", FAIL, _("; ").join(wrong), _("install these again: pip install --force-reinstall NAME"))
    return Check("imports", OK, _("{number} libraries can be imported", number=len(tried)))


def extras() -> list[Check]:
    """Return for each extra that this Python can have whether it is installed, and what to type where it is not."""
    return [_extra(name) for name in _extras() if name not in _INNER and any(_requirements(name))]


def torchvision() -> list[Check]:
    """Return nothing, or what there is to say of a torchvision that does not fit the torch beside it."""
    if find_spec("torch") is None or find_spec("torchvision") is None:
        return []
    try:
        tried, done = _import("torchvision")
    except NoInterpreter:  # reported by `imports`
        return []
    why = tried.get("torchvision")
    if why is None and done:
        return [Check("torchvision", OK, _("can be imported"))]
    return [
        Check(
            "torchvision",
            NOTE,
            _("cannot be imported ({why}): most often it is PyPI's beside a CPU torch", why=why or _("its process died")),
            _(
                "penult does without; for your own code: pip install --force-reinstall torch torchvision from one index, "
                "such as "
                "--index-url https://download.pytorch.org/whl/cpu"
            ),
        )
    ]


def _extra(name: str) -> Check:
    have, wrong = _held(name)
    what = _("{purpose}: {said}", purpose=_(_PURPOSE[name]), said="{said}") if name in _PURPOSE else "{said}"
    line = f"pip install '{distribution()}[{name}]'"
    if not wrong:
        return Check(name, OK, what.format(said=", ".join(have)))
    if not any(_there(lead) for lead in _leads(name)):
        return Check(name, NOTE, what.format(said=_("not installed")), _("only if you want it: {line}", line=line))
    return Check(name, WARN, what.format(said=_("incomplete ({wrong})", wrong=_("; ").join(wrong.values()))), line)


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
            wrong[wanted] = _("{name} is not installed", name=name)
            continue
        if version in specifier:
            have.append(f"{name} {version}")
        else:
            wrong[wanted] = _("{name} is {version}, penult takes {specifier}", name=name, version=version, specifier=specifier)
    return have, wrong


def _requirements(extra: str) -> Iterator[tuple[str, str, SpecifierSet]]:
    """Yield what penult requires, alone ("") or with an extra more than alone: as pip takes it, its name, its versions."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires(distribution()) or []
    except metadata.PackageNotFoundError:
        return
    for one in map(Requirement, lines):
        alone = one.marker is None or one.marker.evaluate({"extra": ""})
        if alone if not extra else (not alone and one.marker is not None and one.marker.evaluate({"extra": extra})):
            one.specifier.prereleases = True
            yield f"{one.name}{one.specifier}", one.name, one.specifier


def _metadata(field: str) -> str | None:
    try:
        return metadata.metadata(distribution()).json.get(field.lower().replace("-", "_"))  # type: ignore[return-value]
    except metadata.PackageNotFoundError:
        return None


def _extras() -> list[str]:
    try:
        return list(metadata.metadata(distribution()).get_all("Provides-Extra") or [])
    except metadata.PackageNotFoundError:
        return []


def _import(*modules: str) -> tuple[dict[str, str | None], bool]:
    """Import modules in another process; return by name what went wrong or None, and whether the process came to its end."""
    child = start("-W", "ignore", "-c", _IMPORT, *modules)
    try:
        out, _err = child.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        out, _err = child.communicate()
    except OSError as error:
        raise OutputError(_("no other process can be used: {error}; free some memory.", error=error)) from error
    said = dict(json.loads(line) for line in out.decode("utf-8", "replace").splitlines() if line.startswith('["'))
    return {name: why for name, why in said.items() if name}, "" in said


SECONDS = 3.0
HUB = "https://huggingface.co"
Opener = Callable[..., Any]
_WITHOUT = N_(
    "built-in networks need none; others: on a machine with network penult backbones --fetch NAME, then copy the folder"
)


def hub(
    offline: bool,
    environment: Mapping[str, str] = os.environ,
    opener: Opener = urllib.request.urlopen,
    seconds: float = SECONDS,
) -> Check:
    """Return whether the hub answers within some seconds; it is not asked where the user wants to be offline."""
    if environment.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return Check("hub", NOTE, _("not asked: HF_HUB_OFFLINE is set"), _("to load weights unset it; {how}", how=_(_WITHOUT)))
    if offline:
        return Check("hub", OK, _("not asked (--offline)"))
    address = environment.get("HF_ENDPOINT") or HUB
    if not address.startswith(("https://", "http://")):
        return Check(
            "hub", NOTE, _("HF_ENDPOINT is no address: {address}", address=address), _("unset it, or give https://...")
        )
    answers: queue.Queue[str] = queue.Queue()
    # In a thread of its own: looking up a name has no time limit, and may take a minute where a resolver is silent.
    threading.Thread(target=lambda: answers.put(_request(address, opener, seconds)), daemon=True).start()
    try:
        wrong = answers.get(timeout=seconds + 1)
    except queue.Empty:
        wrong = _("no answer in {seconds:g} s", seconds=seconds)
    if wrong:
        return Check("hub", NOTE, _("{address} cannot be reached ({wrong})", address=address, wrong=wrong), _(_WITHOUT))
    return Check("hub", OK, _("{address} can be reached", address=address))


def _request(address: str, opener: Opener, seconds: float) -> str:
    """Return what went wrong, or nothing."""
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the scheme was looked at
    try:
        opener(request, timeout=seconds).close()
    except urllib.error.HTTPError as error:
        return "" if error.code < 500 else _("it answers {code}", code=error.code)
    except Exception as error:  # every library on the way has its own
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return ""
