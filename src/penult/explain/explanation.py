"""A model and photos in, one explanation a photo out, or why there is none; and explanations as PNG files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import engines, html, pixels, plots, store
from penult.arrays import default_errors
from penult.errors import InputError, ProgressCallback, quiet
from penult.explain.cam import ClassActivation
from penult.explain.field_of_view import Attribution, FieldOfView, view_photo
from penult.explain.model import ExplainedModel, Method, explained_model
from penult.explain.occlusion import Occlusion
from penult.frames import rows_frame
from penult.i18n import N_, _, ngettext
from penult.pixels import Failure
from penult.pixels.resizing import Box
from penult.predict import NEAR, SAME
from penult.texts import count, joined_labels, percent

CHUNK = 8  # photos whose maps are in memory at a time
SIDE = 1024  # pixels of the longer side of what is drawn
UNITS = {"cam": N_("logit per 1% of the photo"), "occlusion": N_("logit lost when covered")}
SCALES = {"cam": N_("scale: logit per 1% of the photo"), "occlusion": N_("scale: logit lost when covered")}
NAMES = {"cam": N_("class activation map (exact)"), "occlusion": N_("occlusion (approximate)")}
_NOTEBOOK_SIDE, _SHOWN = 240, 8  # pixels of a picture in a notebook, and how many
_LONGEST = 60  # signs of the photo's own name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """What in one photo argues for a class, and what against it.

    With the method "cam", `heat.sum()` is `logit - intercept`: every pixel's part of it. With "occlusion", `heat` is by how
    much `logit` falls when the place is covered; such numbers do not add up.

    Attributes
    ----------
    file : str
        The photo.
    label : str
        The class that is explained.
    probability : float
        Its calibrated probability.
    method : {"cam", "occlusion"}
        How it was explained.
    heat : array (h, w) float32
        Positive where the photo argues for the class; it lies on the pixels of `photo`.
    photo : array (h, w, 3) uint8
        The upright photo, shrunk.
    logit : float
        The class's logit less the mean logit of all classes, before calibration; of a model with several labels a photo the
        label's own.
    intercept : float or None
        What the photo has no part in; None with "occlusion".
    predicted : str
        The likeliest class; of several labels a photo `label` where it is given, else all labels that are.
    seen : tuple of float
        The part that the networks see (left, top, right, bottom, as shares of width and height); outside of it `heat` is 0.
    index : int
        The photo's place among those that were given.

    Examples
    --------
    >>> import penult
    >>> one = penult.explain("cats", ["cat.jpg"], "cat")[0]
    >>> one.file, one.label, one.method, one.heat.shape == one.photo.shape[:2]
    ('cat.jpg', 'cat', 'occlusion', True)
    """

    file: str
    label: str
    probability: float
    method: Method
    heat: NDArray[np.float32]  # (h, w)
    photo: NDArray[np.uint8] = field(repr=False)  # (h, w, 3)
    logit: float
    intercept: float | None
    predicted: str
    seen: Box
    index: int

    @property
    def shown(self) -> NDArray[np.float32]:
        """The heat in the unit of the legend (see `unit`), (h, w)."""
        return self.heat * np.float32(self.heat.size / 100) if self.method == "cam" else self.heat

    @property
    def unit(self) -> str:
        """What one unit of `shown` is."""
        return _(UNITS[self.method])

    def __repr__(self) -> str:
        return f"Explanation({self.file!r}: {self.label}, {percent(self.probability)}, {self.method})"

    def _repr_html_(self) -> str:
        return html.result(f"{self.label}, {percent(self.probability)}: {self.file}", self._picture())

    def _picture(self) -> html.Html:
        return html.image(
            heat_png(self, _NOTEBOOK_SIDE), _("{file}: what argues for {label}", file=self.file, label=self.label)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the pictures."""
        names = ("file", "label", "probability", "method", "logit", "intercept", "predicted")
        return {name: getattr(self, name) for name in names}


class Explanations(tuple[Explanation, ...]):
    """The explanations of several photos: a tuple that a notebook shows as pictures.

    Examples
    --------
    >>> import penult
    >>> penult.explain("cats", ["cat.jpg", "dog.jpg"])
    Explanations(2 photos)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Explanations({count(len(self), 'photo')})"

    def _repr_html_(self) -> str:
        shown = [
            html.join(one._picture(), html.tag("div", f"{one.label}, {percent(one.probability)}")) for one in self[:_SHOWN]
        ]
        if len(self) > _SHOWN:
            lead = ngettext(
                "{n:,} photo, {shown} of them shown", "{n:,} photos, {shown} of them shown", len(self), shown=_SHOWN
            )
        else:
            lead = count(len(self), "photo")
        return html.result(lead, *shown)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each photo, without the pictures. Raises `MissingExtra`."""
        return rows_frame([one.to_dict() for one in self])


@default_errors
def heat_png(explanation: Explanation, side: int = 160) -> bytes:
    """Return the photo with the heat over it as a small PNG, its longer side at most `side` pixels."""
    over = plots.overlay(explanation.photo, explanation.shown)
    return pixels.encode_png(pixels.shrink(over, side))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A photo that cannot be read: its name, its place among the sources, and the reason."""

    file: str
    index: int
    failure: Failure


def explain(
    model: Any,
    sources: Any,
    label: str | Sequence[str] | None = None,
    method: str = "auto",
    *,
    ids: Sequence[str] | None = None,
    side: int = SIDE,
    progress: ProgressCallback = quiet,
) -> Explanations:
    """Return what drove the prediction for each photo that can be read, in order; `Explanation.index` says which those are.

    `model` is a `Bundle`, a `Predictor` (what `penult.load` returns) or a fitted `TransferClassifier`. `label`: the class to
    explain, one for all photos or one each; None takes each photo's likeliest class, of several labels a photo each that it is
    given (one explanation a label), or the likeliest where it is given none. `method`: "cam" (Zhou et al. 2016, exact;
    for linear heads on networks with maps), "occlusion" (Zeiler & Fergus 2014; for all), "auto" the first of them that can be.
    `ids` name the photos (default: their paths), `side` bounds the longer side of `heat` and `photo` in pixels. Raises
    `UnknownName` for a class or method, `InputError` for a model that cannot be explained (so).
    """
    found = each(model, sources, label, method, ids=ids, side=side, progress=progress)
    return Explanations(one for one in found if isinstance(one, Explanation))


def each(
    model: Any,
    sources: Any,
    label: str | Sequence[str] | None = None,
    method: str = "auto",
    *,
    ids: Sequence[str] | None = None,
    side: int = SIDE,
    progress: ProgressCallback = quiet,
) -> Iterator[Explanation | Unreadable]:
    """Yield what `explain` returns one by one, and `Unreadable` for a photo that cannot be read; raises at once as it does."""
    explained = explained_model(model)
    sources = pixels.image_list(sources)
    names = [pixels.image_name(i, source) for i, source in enumerate(sources)] if ids is None else list(ids)
    labels = [label] * len(sources) if label is None or isinstance(label, str) else list(label)
    if not len(names) == len(labels) == len(sources):
        raise InputError(
            _(
                "{photos} photos, but {names} names and {classes} classes; give one of each a photo.",
                photos=len(sources),
                names=len(names),
                classes=len(labels),
            )
        )
    if side < 1:
        raise InputError(_("a side of {side} pixels is too small; give 1 or more.", side=side))
    places = [explained.place(one) for one in labels]
    wanted, asked = list(zip(sources, names, places, strict=True)), explained.method(method)
    if not explained.several or None not in places:
        return _each(explained, wanted, asked, side, progress)
    return _each_label(explained, wanted, asked, side, progress)


def _each_label(
    model: ExplainedModel, wanted: list[tuple[Any, str, int | None]], method: Method, side: int, progress: ProgressCallback
) -> Iterator[Explanation | Unreadable]:
    """Yield an explanation of each label that a photo is given, where none was asked for."""
    if model.predictor is None:
        raise InputError(_("several labels a photo are explained one by one; say which with `label`."))
    answers = model.predictor.predict([source for source, _, _ in wanted], [name for _, name, _ in wanted])
    every: list[tuple[Any, str, int | None]] = []
    origin: list[int] = []
    for i, (source, name, place) in enumerate(wanted):
        found = [place] if place is not None else model.given(answers.proba[i]) or [int(answers.proba[i].argmax())]
        for label in found[:1] if i in answers.failures else found:
            every.append((source, name, label))
            origin.append(i)
    for one in _each(model, every, method, side, progress):
        yield replace(one, index=origin[one.index])


def _each(
    model: ExplainedModel, wanted: list[tuple[Any, str, int | None]], method: Method, side: int, progress: ProgressCallback
) -> Iterator[Explanation | Unreadable]:
    most = model.settings.max_pixels
    sources = [source for source, _, _ in wanted]
    trials, contents = pixels.decode_failures(sources, max_pixels=most), pixels.read_members(sources)
    with closing(trials), closing(contents), (ClassActivation if method == "cam" else Occlusion)(model) as explainer:
        _check(model, explainer)
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            found = [
                next(trials) or (one if isinstance(one, Failure) else view_photo(start + i, one, model.backbones, side, most))
                for i, one in enumerate(islice(contents, len(chunk)))
            ]
            seen = [one for one in found if isinstance(one, FieldOfView)]
            answers = iter(explainer(seen, [wanted[one.index][2] for one in seen]) if seen else ())
            for i, one in enumerate(found):
                name = chunk[i][1]
                if isinstance(one, Failure):
                    yield Unreadable(name, start + i, one)
                else:
                    yield _explanation(model, one, next(answers), name, method)
                progress("explaining", start + i + 1, len(wanted))


@default_errors
def _check(model: ExplainedModel, explainer: ClassActivation | Occlusion) -> None:
    """Run the samples that came with the model through these networks, and compare; raises as `Predictor.compare` does."""
    if model.predictor is None or not (pictures := model.predictor.unchecked()):
        return
    views = (view_photo(i, picture, model.backbones, 1) for i, picture in enumerate(pictures))
    seen = [one for one in views if isinstance(one, FieldOfView)]
    engine = engines.engine_of(model.backbones, model.compute.device)
    # Features that are pooled here, from maps and in double precision, are to the digit those of the graph in f32 only.
    rounding = NEAR if isinstance(explainer, ClassActivation) and model.compute.precision != "f32" else SAME
    model.predictor.compare(model.proba(explainer.rows(seen)), engine, model.compute.precision, rounding)


@default_errors
def _explanation(model: ExplainedModel, seen: FieldOfView, answer: Attribution, name: str, method: Method) -> Explanation:
    return Explanation(
        file=name,
        label=model.classes[answer.label],
        probability=float(answer.proba[answer.label]),
        method=method,
        heat=answer.heat.astype(np.float32),
        photo=seen.photo,
        logit=answer.logit,
        intercept=answer.intercept,
        predicted=_predicted(model, answer),
        seen=seen.area,
        index=seen.index,
    )


def _predicted(model: ExplainedModel, answer: Attribution) -> str:
    given = model.given(answer.proba)
    if not model.several or answer.label in given:
        return model.classes[answer.label if answer.label in given else given[0]]
    return joined_labels([model.classes[c] for c in given], model.classes) or _("none of the labels")


def file_name(explanation: Explanation) -> str:
    """Return a name for its picture that any system takes and no other explanation has: `cat.12-dog-1f6e09ab.png`.

    The digits are of file, class and method, so the same explanation gets the same name again.
    """
    facts = (explanation.file, explanation.label, explanation.method)
    digest = hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    stem = explanation.file.replace("\\", "/").rsplit("/", 1)[-1].rpartition(".")
    return f"{_plain(stem[0] or stem[2])}-{_plain(explanation.label)}-{digest}.png"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "_", text).strip("._")[:_LONGEST] or "_"


@default_errors
def write_picture(explanation: Explanation, folder: str | os.PathLike[str]) -> Path:
    """Write the picture of an explanation into a folder, whole or not at all, and return its path.

    Raises `OutputError` where the folder cannot be written.
    """
    caption = plots.Caption(
        explanation.label,
        explanation.probability,
        explanation.file,
        NAMES[explanation.method],
        SCALES[explanation.method],
        explanation.seen,
    )
    figure = plots.plot_heat_map(explanation.photo, explanation.shown, caption)
    path = Path(folder) / file_name(explanation)
    with store.atomic_write(path) as file:
        file.write(plots.png(figure))
    return path
