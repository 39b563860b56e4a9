"""What a page sends, checked field by field, as acts of the label store; a label goes to a photo's whole family.

In: the JSON of a request and the state that it meets. Out: an `Act`, or an `InputError` that says which field is wrong.
It keeps nothing and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import system
from penult.errors import InputError
from penult.i18n import N_, _
from penult.images import LabelNormalizer
from penult.images.labels import is_missing
from penult.sources.names import is_system_file
from penult.store.labels import EXAM, EXCLUDED, KEPT, NONE_OF_THESE, SKIPPED, Act, Change, ClassName
from penult.texts import printable

KEYS = "123456789abcdefghijklmnopqrstuvwxyz"  # given to new classes in this order; 0 is "none of these"
DECISIONS = ("keep", "change", "exclude")

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_MOST_CLASSES = 1000
_LONGEST = 255  # bytes of a folder's name
_OPEN = NONE_OF_THESE | SKIPPED  # what a photo without a label was answered; a label ends it
_WINDOWS = re.compile(r'[\x00-\x1f<>:"|?*]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)

# The fields of each kind of act beside id, base_seq, kind, mode and count; with `?` it may be left out.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "label": ("n", "label"),
    "exam": ("n", "label"),
    "again": ("n", "label"),
    "none": ("n",),
    "skip": ("n",),
    "page": ("class", "accepted", "wrong"),
    "many": ("numbers", "label"),
    "exclude": ("numbers",),
    "include": ("numbers",),
    "finding": ("finding", "decision", "label?"),
}
_ALWAYS = ("id", "base_seq?", "order?", "mode?", "count?")


@dataclass(frozen=True, slots=True)
class Board:
    """The state that an act meets: labels, status and family of each photo (N,), the classes, the photo of each finding."""

    labels: NDArray[np.int32]
    status: NDArray[np.uint8]
    families: NDArray[np.intp]
    classes: Sequence[ClassName]
    findings: Mapping[str, int]

    def family(self, numbers: Sequence[int]) -> NDArray[np.intp]:
        """Return all photos of the families of some."""
        wanted = np.zeros(int(self.families.max(initial=0)) + 1, np.bool_)
        wanted[self.families[list(numbers)]] = True
        return np.flatnonzero(wanted[self.families])

    def changes(self, numbers: NDArray[np.intp], label: int | None = None, on: int = 0, off: int = 0) -> tuple[Change, ...]:
        """Return the changes that give photos a label (None: as it is) and switch bits of their status on and off."""
        labels = self.labels[numbers] if label is None else np.full(len(numbers), label)
        status = (self.status[numbers] & ~np.uint8(off)) | np.uint8(on)
        return tuple(map(Change, numbers.tolist(), labels.tolist(), status.tolist()))


def parse_act(sent: Mapping[str, Any], board: Board) -> Act:
    """Return the act that a page sent. Raises `InputError`.

    Examples
    --------
    >>> import numpy as np
    >>> from penult.store import ClassName
    >>> board = Board(np.full(3, -1, np.int32), np.zeros(3, np.uint8), np.array([0, 1, 0]), [ClassName("cat")], {})
    >>> [change.photo for change in parse_act({"id": "a", "kind": "label", "n": 0, "label": 0}, board).changes]
    [0, 2]
    """
    kind = sent.get("kind")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise _wrong("kind", kind, _("one of {names}", names=", ".join(FIELDS)))
    _check_fields(sent, (*_ALWAYS, "kind", *FIELDS[kind]))
    fields = _Fields(sent, board)
    make = {"page": _page, "many": _many, "finding": _finding, "again": _again}.get(
        kind, _one if "n" in FIELDS[kind] else _some
    )
    changes, info = make(kind, fields, board)
    return Act(act_id(sent), kind, changes, info)


def _one(kind: str, fields: _Fields, board: Board) -> tuple[tuple[Change, ...], dict[str, Any]]:
    family = board.family([fields.number("n")])
    if kind == "none":
        return board.changes(family, -1, on=NONE_OF_THESE, off=SKIPPED | EXAM), {}
    if kind == "skip":
        return board.changes(family, on=SKIPPED), {}
    return board.changes(family, fields.label("label"), on=EXAM if kind == "exam" else 0, off=_OPEN), {}


def _some(kind: str, fields: _Fields, board: Board) -> tuple[tuple[Change, ...], dict[str, Any]]:
    """Exclude or include photos, each by itself: of copies one may be kept."""
    numbers = np.array(fields.numbers("numbers"), np.intp)
    return board.changes(numbers, on=EXCLUDED if kind == "exclude" else 0, off=EXCLUDED if kind == "include" else 0), {}


def _again(kind: str, fields: _Fields, board: Board) -> tuple[tuple[Change, ...], dict[str, Any]]:
    """Keep what was answered to a photo that has a label; the label stays, so that the user decides between the two."""
    number, label = fields.number("n"), fields.label("label")
    before = int(board.labels[number])
    if before < 0:
        raise InputError(_("photo {number} has no label to be asked again for; send kind 'label'.", number=number))
    return board.changes(np.array([number])), {"label": label, "same": label == before}


def _page(kind: str, fields: _Fields, board: Board) -> tuple[tuple[Change, ...], dict[str, Any]]:
    """Label what was accepted; what was struck out is written down as not of this class, whose label it loses if it has it."""
    label, accepted, wrong = fields.label("class"), fields.numbers("accepted", 0), fields.numbers("wrong", 0)
    if not accepted and not wrong:
        raise InputError(_("the page has no photos: 'accepted' and 'wrong' are empty; send the numbers of the photos shown."))
    struck = board.family(wrong) if wrong else np.empty(0, np.intp)
    taken = np.setdiff1d(board.family(accepted), struck) if accepted else np.empty(0, np.intp)
    had = board.labels[struck] == label  # by another tab: nobody strikes out what has the label already
    changes = board.changes(taken, label, off=_OPEN) + board.changes(struck[had], -1, off=EXAM) + board.changes(struck[~had])
    return changes, {"class": label, "wrong": len(wrong)}


def _many(kind: str, fields: _Fields, board: Board) -> tuple[tuple[Change, ...], dict[str, Any]]:
    family = board.family(fields.numbers("numbers"))
    if fields.sent["label"] is None:
        return board.changes(family, -1, off=_OPEN | EXAM), {}
    return board.changes(family, fields.label("label"), off=_OPEN), {}


def _finding(kind: str, fields: _Fields, board: Board) -> tuple[tuple[Change, ...], dict[str, Any]]:
    finding, decision = fields.sent["finding"], fields.sent["decision"]
    if not isinstance(finding, str) or finding not in board.findings:
        raise _wrong("finding", finding, _("the id of a finding of this project"))
    if not isinstance(decision, str) or decision not in DECISIONS:
        raise _wrong("decision", decision, _("one of {names}", names=", ".join(DECISIONS)))
    number = np.array([board.findings[finding]], np.intp)
    info = {"finding": finding, "decision": decision}
    if decision == "change":
        if "label" not in fields.sent:
            raise InputError(_("the decision is 'change', and there is no field 'label'; send the number of the right class."))
        return board.changes(board.family(number.tolist()), fields.label("label"), on=KEPT, off=_OPEN), info
    return board.changes(number, on=EXCLUDED if decision == "exclude" else KEPT), info


def parse_class(sent: Mapping[str, Any], board: Board) -> Act:
    """Return the act that adds, renames or removes a class or gives it another key. Raises `InputError`."""
    do = sent.get("do")
    known = {"add": ("name", "key?"), "rename": ("number", "name"), "remove": ("number",), "key": ("number", "key")}
    if not isinstance(do, str) or do not in known:
        raise _wrong("do", do, _("one of {names}", names=", ".join(known)))
    _check_fields(sent, (*_ALWAYS, "do", *known[do]))
    fields = _Fields(sent, board)
    changes: tuple[Change, ...] = ()
    if do == "add":
        name = fields.class_name(None)
        gone = [number for number, one in enumerate(board.classes) if one.removed and one.name == name]
        number = gone[0] if gone else len(board.classes)  # a class that was removed comes back under its number
        if number >= _MOST_CLASSES:
            raise InputError(
                _(
                    "there are {n:,} classes already, the most that are possible; remove one.",
                    n=_MOST_CLASSES,
                )
            )
        new = ClassName(name, fields.key(None) if sent.get("key") else fields.free_key())
    else:
        number = fields.label("number")
        old = board.classes[number]
        if do == "rename":
            new = ClassName(fields.class_name(number), old.key)
        elif do == "key":
            new = ClassName(old.name, fields.key(number))
        else:
            new = ClassName(old.name, "", removed=True)
            changes = board.changes(np.flatnonzero(board.labels == number), -1, off=EXAM)
    return Act(act_id(sent), "class", changes, {"do": do}, {number: new})


def act_id(sent: Mapping[str, Any]) -> str:
    """Return the id of an act. Raises `InputError`."""
    id = sent.get("id")
    if not isinstance(id, str) or _ID.fullmatch(id) is None:
        raise _wrong("id", id, _("1 to 64 letters, digits or . _ : -"))
    return id


def class_name(written: str) -> str:
    """Return the name of a class as it is learnt. Raises `InputError` for one that cannot be a folder's name.

    Examples
    --------
    >>> class_name(" caf\u00e9 ")
    'café'
    """
    name = LabelNormalizer()(written)
    why, shown = "", printable(name if len(name) < 80 else name[:77] + "...")
    if not name:
        why = N_("the class name '{name}' is empty, and each class becomes a folder; choose another name.")
    elif "/" in name or "\\" in name or "\0" in name or (system.WINDOWS and _WINDOWS.search(name)):
        why = N_(
            "the class name '{name}' has a sign that a folder's name cannot have, and each class becomes a folder; choose "
            "another name."
        )
    elif is_system_file(name):
        why = N_(
            "the class name '{name}' is that of a hidden or system file, and each class becomes a folder; choose another name."
        )
    elif is_missing(name):
        why = N_(
            "the class name '{name}' is how tables write that there is no label, and each class becomes a folder; choose "
            "another name."
        )
    elif len(name.encode()) > _LONGEST:
        why = N_("the class name '{name}' is longer than {most} bytes, and each class becomes a folder; choose another name.")
    if why:
        raise InputError(_(why, name=shown, most=_LONGEST))
    return name


def _check_fields(sent: Mapping[str, Any], fields: Sequence[str]) -> None:
    needed = [name for name in fields if not name.endswith("?")]
    missing = [name for name in needed if name not in sent]
    if missing:
        raise InputError(_("the field '{name}' is missing; send {needed}.", name=missing[0], needed=", ".join(needed)))
    extra = sorted(set(sent) - {name.removesuffix("?") for name in fields})
    if extra:
        raise InputError(
            _(
                "the field '{name}' is not known here; send {fields}.",
                name=printable(extra[0][:80]),
                fields=", ".join(fields),
            )
        )


def _wrong(field: str, value: object, wanted: str) -> InputError:
    shown = repr(value)
    return InputError(
        _(
            "the field '{field}' is {what}; send {wanted}.",
            field=field,
            what=printable(shown if len(shown) < 80 else shown[:77] + "..."),
            wanted=wanted,
        )
    )


class _Fields:
    """The fields of one request, each checked as it is asked for."""

    def __init__(self, sent: Mapping[str, Any], board: Board) -> None:
        self.sent, self.board = sent, board

    def number(self, name: str) -> int:
        """Return the number of a photo."""
        return self._whole(name, self.sent[name], len(self.board.labels), N_("the number of a photo"))

    def numbers(self, name: str, least: int = 1) -> list[int]:
        """Return the numbers of photos, each once."""
        sent, n = self.sent[name], len(self.board.labels)
        if not isinstance(sent, list) or not least <= len(sent) <= n or len(set(map(repr, sent))) < len(sent):
            raise _wrong(name, sent, _("a list of {least} to {n:,} numbers of photos, each once", least=least, n=n))
        return [self._whole(name, one, n, N_("numbers of photos")) for one in sent]

    def label(self, name: str) -> int:
        """Return the number of a class that there is."""
        classes = self.board.classes
        number = self._whole(name, self.sent[name], len(classes), N_("the number of a class"))
        if classes[number].removed:
            raise InputError(
                _(
                    "class {number}, '{name}', was removed; add it again, or choose another.",
                    number=number,
                    name=printable(classes[number].name),
                )
            )
        return number

    def _whole(self, name: str, value: object, end: int, what: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < end:
            told = N_("{what}, 0 to {last}") if end else N_("{what}; there is none yet")
            raise _wrong(name, value, _(told, what=_(what), last=end - 1))
        return value

    def class_name(self, own: int | None) -> str:
        """Return a name that no other class has."""
        sent = self.sent["name"]
        if not isinstance(sent, str):
            raise _wrong("name", sent, _("the name of a class"))
        name = class_name(sent)
        for number, one in enumerate(self.board.classes):
            # folders of some systems do not tell capitals apart
            if not one.removed and number != own and one.name.casefold() == name.casefold():
                raise InputError(_("there is a class '{name}' already; choose another name.", name=printable(one.name)))
        return name

    def key(self, own: int | None) -> str:
        """Return a key that no other class has."""
        key = self.sent["key"] or ""
        if not isinstance(key, str) or key not in [*KEYS, ""]:
            raise _wrong("key", key, _("one of {names}", names=KEYS))
        for number, one in enumerate(self.board.classes):
            if key and not one.removed and number != own and one.key == key:
                raise InputError(
                    _(
                        "the key {key} is that of '{name}'; choose another key, or change that first.",
                        key=key,
                        name=printable(one.name),
                    )
                )
        return key

    def free_key(self) -> str:
        """Return the first key that no class has, or none."""
        taken = {one.key for one in self.board.classes if not one.removed}
        return next((key for key in KEYS if key not in taken), "")
