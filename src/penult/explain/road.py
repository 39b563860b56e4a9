"""The loop: a model and photos in, one explanation a photo out, or why there is none.

In: a model, paths (or arrays), a class, a method. Out: explanations in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult import engines, pixels
from penult.errors import InputError, ProgressCallback, quiet
from penult.explain.exact import Exact
from penult.explain.explanation import Explanation
from penult.explain.occlusion import Occlusion
from penult.explain.seeing import Answer, Seen, see
from penult.explain.subject import Method, Subject, subject
from penult.floats import default_errors
from penult.pixels import Failure
from penult.predict import NEAR, SAME

CHUNK = 8  # photos whose maps are in memory at a time
SIDE = 1024  # pixels of the longer side of what is drawn


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A photo that could not be seen: its name, its place among the sources, and the reason."""

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
) -> tuple[Explanation, ...]:
    """Return where a model looked in each photo that can be read, in order; `Explanation.index` says which those are.

    `model` is a `Bundle`, a `Predictor` (what `penult.load` returns) or a fitted `TransferClassifier`. `label`: the class to
    explain, one for all photos or one each; None takes each photo's likeliest class. `method`: "cam" (Zhou et al. 2016, exact;
    for linear heads on networks with maps), "occlusion" (Zeiler & Fergus 2014; for all), "auto" the first of them that can be.
    `ids` name the photos (default: their paths), `side` bounds the longer side of `heat` and `photo` in pixels. Raises
    `UnknownName` for a class or method, `InputError` for a model that cannot be explained (so).
    """
    found = each(model, sources, label, method, ids=ids, side=side, progress=progress)
    return tuple(one for one in found if isinstance(one, Explanation))


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
    """Yield what `explain` returns one by one, and `Unreadable` for a photo that cannot be seen; raises at once as it does."""
    about = subject(model)
    sources = pixels.image_list(sources)
    names = [pixels.image_name(i, source) for i, source in enumerate(sources)] if ids is None else list(ids)
    labels = [label] * len(sources) if label is None or isinstance(label, str) else list(label)
    if not len(names) == len(labels) == len(sources):
        raise InputError(f"{len(sources)} photos, but {len(names)} names and {len(labels)} classes; give one of each a photo.")
    if side < 1:
        raise InputError(f"a side of {side} pixels cannot be; give 1 or more.")
    places = [about.place(one) for one in labels]
    return _each(about, list(zip(sources, names, places, strict=True)), about.method(method), side, progress)


def _each(
    about: Subject, wanted: list[tuple[Any, str, int | None]], method: Method, side: int, progress: ProgressCallback
) -> Iterator[Explanation | Unreadable]:
    most = about.settings.max_pixels
    trials = pixels.decode_failures([source for source, _, _ in wanted], max_pixels=most)
    with closing(trials), (Exact if method == "cam" else Occlusion)(about) as explainer:
        _check(about, explainer)
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            found = [
                next(trials) or see(start + i, source, about.backbones, side, most) for i, (source, _, _) in enumerate(chunk)
            ]
            seen = [one for one in found if isinstance(one, Seen)]
            answers = iter(explainer(seen, [wanted[one.index][2] for one in seen]) if seen else ())
            for i, one in enumerate(found):
                name = chunk[i][1]
                if isinstance(one, Failure):
                    yield Unreadable(name, start + i, one)
                else:
                    yield _explanation(about, one, next(answers), name, method)
                progress("explaining", start + i + 1, len(wanted))


@default_errors
def _check(about: Subject, explainer: Exact | Occlusion) -> None:
    """Run the samples that came with the model on this road, and compare; raises as `Predictor.compare` does."""
    if about.predictor is None or not (pictures := about.predictor.unchecked()):
        return
    seen = [one for i, picture in enumerate(pictures) if isinstance(one := see(i, picture, about.backbones, 1), Seen)]
    engine = engines.engine_of(about.backbones, about.device)
    # Features that are pooled here, from maps and in double precision, are to the digit those of the graph in f32 only.
    rounding = NEAR if isinstance(explainer, Exact) and about.precision != "f32" else SAME
    about.predictor.compare(about.proba(explainer.rows(seen)), engine, about.precision, rounding)


@default_errors
def _explanation(about: Subject, seen: Seen, answer: Answer, name: str, method: Method) -> Explanation:
    return Explanation(
        file=name,
        label=about.classes[answer.label],
        probability=float(answer.proba[answer.label]),
        method=method,
        heat=answer.heat.astype(np.float32),
        photo=seen.photo,
        logit=answer.logit,
        intercept=answer.intercept,
        predicted=about.classes[int(answer.proba.argmax())],
        seen=seen.area,
        index=seen.index,
    )
