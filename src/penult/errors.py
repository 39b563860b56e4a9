"""Everything that can go wrong for a user, as one small tree; and how long work reports its progress.

    PenultError
    ├── InputError      a folder, image list, CSV or feature file that was given cannot be used
    │   └── TooManyBad  more images cannot be read than was allowed
    ├── UnknownName     a backbone, head or class that does not exist (the message has the nearest names)
    ├── DamagedFile     a file of ours fails its checksum, or is of a newer format
    ├── MissingExtra    an optional library is not installed (the message has the pip line)
    ├── OutputError     something could not be written: disk full, no permission, a folder that is no run
    └── InternalError   a mistake of penult's own, found before it could do harm; the message asks to report it

A message has three parts: what happened, to which thing, what to do. Each class says with which code the command line exits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from penult.i18n import N_, _

# what a name may be of, see `unknown`
_KINDS = (
    N_("backbone"), N_("class"), N_("combination"), N_("command"), N_("device"), N_("format"), N_("head"), N_("image"),
    N_("keras backbone"), N_("kernel"), N_("language"), N_("method"), N_("metric"), N_("option"), N_("pooling"),
    N_("precision"), N_("scaling"), N_("weights"),
)  # fmt: skip
_SHOWN = 24  # names of a long list
_FIRST, _LONGEST = 10, 60  # names in a refusal, and letters of each
_MOST = 200  # letters of a name that is not known


ProgressCallback = Callable[[str, int, int], None]  # the step, how much of it is done, of how much


def quiet(step: str, done: int, total: int) -> None:
    """Show no progress: the callback where none is given."""


def distribution() -> str:
    """Return what pip calls this installation: `penult`, or `penult-runtime`, which only predicts and serves."""
    from importlib import metadata

    for name in ("penult", "penult-runtime"):
        with suppress(metadata.PackageNotFoundError):
            metadata.version(name)
            return name
    return "penult"


class PenultError(Exception):
    """Base of every error that penult raises on purpose; the CLI shows it as one line and exits with `exit_code`.

    Examples
    --------
    >>> import penult
    >>> try:
    ...     penult.load_model("nowhere.penult")
    ... except penult.InputError as error:
    ...     print("nowhere.penult" in str(error), error.exit_code)
    True 1
    """

    exit_code = 1


class InputError(PenultError, ValueError):
    """What was given cannot be used as it is: a folder, a table, a file, an option.

    Examples
    --------
    >>> import penult
    >>> penult.train("nowhere")
    Traceback (most recent call last):
    penult.errors.InputError: ...
    """


class TooManyBad(InputError):
    """More images cannot be read, or were passed over, than was allowed (`--max-bad`, `--strict`).

    Examples
    --------
    >>> import penult
    >>> with open("broken.jpg", "wb") as file:
    ...     _ = file.write(b"no picture")
    >>> penult.predict("cats", ["cat.jpg", "broken.jpg"], strict=True)
    Traceback (most recent call last):
    penult.errors.TooManyBad: ...
    """

    exit_code = 3


class UnknownName(PenultError, LookupError):
    """A name that is not known: of a network, a head, a class, an option. The message has the nearest names.

    Examples
    --------
    >>> import penult
    >>> penult.list_backbones("no-such-network")
    Traceback (most recent call last):
    penult.errors.UnknownName: ...
    """


class DamagedFile(PenultError, ValueError):
    """A file of ours is damaged, was changed, or is newer than this version.

    Examples
    --------
    >>> import penult
    >>> with open("cats/model.penult", "rb") as model, open("half.penult", "wb") as half:
    ...     _ = half.write(model.read()[:1000])
    >>> penult.load_model("half.penult")
    Traceback (most recent call last):
    penult.errors.DamagedFile: ...
    """


class MissingExtra(PenultError, ImportError):
    """An optional library is needed and not installed. The message has the line for pip.

    Examples
    --------
    >>> import penult
    >>> try:
    ...     answers = penult.predict("cats", ["cat.heic"])  # without pip install 'penult[heif]'
    ... except (penult.MissingExtra, penult.InputError) as error:
    ...     print(type(error).__name__)
    InputError
    """


class OutputError(PenultError, OSError):
    """A result could not be written; nothing half-written is left behind. The same command may do once there is room.

    Examples
    --------
    >>> import penult
    >>> penult.predict("cats", ["cat.jpg"], csv="cat.jpg/answers.csv")  # a file, no folder
    Traceback (most recent call last):
    penult.errors.OutputError: ...
    """

    exit_code = 4


class InternalError(PenultError):
    """Something that penult made is wrong: a bug, not the user's mistake, and to be reported.

    Examples
    --------
    >>> import penult
    >>> issubclass(penult.InternalError, penult.PenultError), issubclass(penult.InternalError, penult.InputError)
    (True, False)
    """


def listed(names: Iterable[str], most: int = _FIRST, longest: int = _LONGEST) -> str:
    """Return the first names of a list, cut where they are long, and how many more there are: for a message of one line."""
    every = [name if len(name) <= longest else f"{name[: longest - 3]}..." for name in names]
    shown = ", ".join(every[:most])
    return _("{names} and {n:,} more", names=shown, n=len(every) - most) if len(every) > most else shown


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Return the error for a `name` that is not among the `known`, with the nearest names in it."""
    names = list(known)
    from difflib import SequenceMatcher, get_close_matches

    bare, given = {one.lstrip("-"): one for one in names}, name.lstrip("-")
    close = get_close_matches(given, bare, n=3, cutoff=0.5)
    alike = [SequenceMatcher(None, one, given).ratio() for one in close]
    # what is far less alike than the nearest was not meant
    near = [bare[one] for one, ratio in zip(close, alike, strict=True) if ratio > alike[0] - 0.2]
    hint = _("known: {names}.", names=listed(names, _SHOWN, 30))
    if near:
        hint = _("did you mean {names}?", names=_(" or ").join(near))
    shown = name if len(name) <= _MOST else name[:_MOST] + "..."
    return UnknownName(_("unknown {kind} {name!r}; {hint}", kind=_(kind), name=shown, hint=hint))


def what_and_cure(error: BaseException) -> tuple[str, str]:
    """Return what an error says before its first semicolon, and what behind it, in whatever language it was made."""
    said = str(error)
    ends = [at for sign in ("; ", "\uff1b") if (at := said.find(sign)) >= 0]
    return (said, "") if not ends else (said[: min(ends)], said[min(ends) + 1 :].lstrip())
