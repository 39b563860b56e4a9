"""The page of `penult predict --html`: photos by class, confidence and novelty, a summary, heat maps on demand; one file.

In: a model, its answers part by part, and where the photos lie. Out: one HTML file, of the parts that a run's report is made
of. It computes nothing but what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult import explain, pixels, plots, store
from penult.arrays import default_errors
from penult.embed import PhotoThumbnails
from penult.errors import InputError, ProgressCallback, quiet
from penult.heads.unlike import ALARMS
from penult.html import Html, data_uri, json_block, prose, tag
from penult.i18n import N_, _, ngettext, pgettext
from penult.predict import Predictions, Predictor
from penult.predict.summary import UNSURE, PredictionSummary
from penult.report.confusion import share_bar
from penult.report.document import document
from penult.report.photo_map import PREFIX
from penult.report.prediction_rows import MOST, PhotoAnswer, PhotoSample
from penult.report.thumbnails import LARGE, METHODS
from penult.texts import NONE, count, enumeration, gap, hundredths, percent, printable

if TYPE_CHECKING:
    from penult.evaluate.drift import Drift

SIDE = 112  # pixels of a thumbnail
HEATS = {"cam": 24, "occlusion": 2}  # heat maps by default: covering a photo runs the networks a hundred times
MOST_HEATS = 200
NAMED = 4  # classes in the first sentence
EACH_PAGE = 60  # photos that the browser shows at a time
PICTURES = ("small", "large", "heat")
SORTS = {
    "doubt": N_("To look at first"), "sure": N_("Most confident first"), "unsure": N_("Least confident first"),
    "far": N_("Most unlike the training photos first"), "file": N_("By file name"),
}  # fmt: skip
KINDS = {
    "all": N_("All"), "unsure": N_("Confidence below {share}"), "sure": N_("Confidence {share} or more"),
    "unlike": N_("Unlike the training photos"), "known": N_("Training photos of the model"), "bad": N_("Unreadable"),
    "heat": N_("With heat map"),
}  # fmt: skip


class PredictionPage:
    """Collects the answers of a model, and writes their page.

    Parameters
    ----------
    predictor : Predictor
        What answered; heat maps are those of its model.
    heats : int, optional
        How many photos get a heat map, at most 200; by default 24 where the head is linear, else 2.
    most : int, default 10,000
        Photos on the page; of more it shows those to look at first, and a sample of the others.

    Raises
    ------
    InputError
        For another number of heat maps.

    Examples
    --------
    >>> import penult
    >>> from penult.predict.summary import PredictionSummary
    >>> from penult.report.predictions import PredictionPage
    >>> model, photos = penult.load_model("cats"), ["cat.jpg", "dog.jpg"]
    >>> page, summary, answers = PredictionPage(model), PredictionSummary(model.bundle), model.predict(photos)
    >>> page.add(answers, photos)
    >>> summary.add(answers)
    >>> page.write("answers.html", summary).name
    'answers.html'
    """

    def __init__(self, predictor: Predictor, heats: int | None = None, most: int = MOST) -> None:
        if heats is not None and not 0 <= heats <= MOST_HEATS:
            raise InputError(
                _("{heats} heat maps cannot be asked for; give a number from 0 to {most}.", heats=heats, most=MOST_HEATS)
            )
        self.predictor, self.heats = predictor, heats
        self.sample = PhotoSample(most)

    def add(self, part: Predictions, sources: Sequence[Any]) -> None:
        """Take the answers for the photos (n) that lie in `sources`."""
        self.sample.add(part, sources)

    @default_errors
    def write(self, path: str | Path, summary: PredictionSummary, progress: ProgressCallback = quiet) -> Path:
        """Write the page, whole or not at all. Raises `OutputError` where it cannot be written."""
        rows = self.sample.rows
        pictures: dict[str, dict[int, str]] = {name: {} for name in PICTURES}
        self._add_thumbnails(rows, pictures["small"], progress)
        method = self._add_heat(rows, pictures, progress)
        store.write_text(
            path, self._document(rows, pictures, method, summary), cure=_("choose another place with --html FILE")
        )
        return Path(path)

    def _add_thumbnails(self, rows: Sequence[PhotoAnswer], small: dict[int, str], progress: ProgressCallback) -> None:
        """Add the pictures of the photos that can be read, from the cache where it has them."""
        numbers = [i for i, row in enumerate(rows) if row.answer.failure is None]
        model, settings = self.predictor.bundle, self.predictor.settings
        depth = model.backbones[0].recipe.depth
        thumbnails = PhotoThumbnails.of_files([rows[i].source for i in numbers], settings, depth)
        for start in range(0, len(numbers), EACH_PAGE):
            some = range(start, min(start + EACH_PAGE, len(numbers)))
            for i, found in zip(some, thumbnails.read(list(some)), strict=True):
                if found is not None and (square := pixels.square_webp(found, SIDE)) is not None:
                    small[numbers[i]] = data_uri(square, "webp").removeprefix(PREFIX)
            progress("thumbnails", some.stop, len(numbers))

    def _add_heat(self, rows: Sequence[PhotoAnswer], pictures: dict[str, dict[int, str]], progress: ProgressCallback) -> str:
        """Add heat maps of the photos to look at first, and these photos; return how they were made, if there are any."""
        method = explain.best_method(self.predictor)
        wanted = [i for i, row in enumerate(rows) if row.answer.failure is None]
        wanted = wanted[: HEATS[method] if self.heats is None else self.heats]
        names = self.predictor.bundle.classes
        labels = [names[rows[i].given[0]] if rows[i].given else names[rows[i].top[0][0]] for i in wanted]
        sources, ids = [rows[i].source for i in wanted], [rows[i].answer.id for i in wanted]
        for one in explain.explain(self.predictor, sources, labels, method, ids=ids, side=LARGE, progress=progress):
            row = wanted[one.index]
            for name, rgb in (("large", one.photo), ("heat", plots.overlay(one.photo, one.shown))):
                pictures[name][row] = data_uri(pixels.encode_webp(rgb), "webp").removeprefix(PREFIX)
        return _(METHODS[method]) if pictures["heat"] else ""

    def _document(
        self, rows: Sequence[PhotoAnswer], pictures: dict[str, dict[int, str]], method: str, summary: PredictionSummary
    ) -> str:
        classes = self.predictor.bundle.classes
        main = tag("main", _header(summary), _classes(summary), _photos(len(rows), len(pictures["heat"]), method, summary))
        data = json_block("photos", _data(rows, classes, pictures))
        skip = tag("a", _("Skip to the photos"), href="#answers", class_="skip")
        title = _("penult predictions: {classes}", classes=", ".join(map(printable, classes[:4])))
        styles = ("report.css", "predictions.css")
        return document(title, (skip, main, _dialog(), data), ("start.js", "predictions.js"), styles)


def _header(summary: PredictionSummary) -> Html:
    """Return the numbers of all photos, and what the drift test says."""
    found, n, drift = _found(summary), summary.photos, summary.drift
    if found:
        said = ngettext("photo predicted: {classes}.", "photos predicted: {classes}.", n, classes=found)
    else:
        said = ngettext("photo predicted.", "photos predicted.", n)
    said = gap().join(one for one in (said, _known(summary)) if one)
    return tag(
        "header",
        tag("p", "penult", tag("span", " ", _("predictions")), class_="brand"),
        tag("h1", tag("strong", f"{summary.photos:,}"), said),
        None if drift is None else tag("p", prose(drift.meaning), class_=_look(drift)),
        tag("dl", *_tiles(summary), class_="tiles"),
    )


def _known(summary: PredictionSummary) -> str:
    """Return how many of the photos the model was trained on; nothing for none."""
    if not summary.known:
        return ""
    if summary.known == summary.answered:
        return _("All of them are training photos of the model, whose answers say nothing of new photos.")
    return ngettext(
        "{n:,} of them is a training photo of the model.", "{n:,} of them are training photos of the model.", summary.known
    )


def _found(summary: PredictionSummary) -> str:
    """Return `58 dog, 55 cat`, the most frequent classes."""
    there = sorted((one for one in summary.classes if one.photos), key=lambda one: -one.photos)
    named = [_("{n:,} {name}", n=one.photos, name=printable(one.name)) for one in there[:NAMED]]
    rest = len(there) - len(named)
    return enumeration([*named, *([count(rest, "more class", "more classes")] if rest else [])])


def _look(drift: Drift) -> str:
    return "lead drift" if drift.found else "lead" if drift.tested else "soft"


def _tiles(summary: PredictionSummary) -> list[Html]:
    unlike = _("{n:,} of {all:,}; about {share} is usual", n=summary.unlike, all=summary.measured, share=percent(ALARMS, 0))
    unlike = unlike if summary.measured else _("the model cannot tell")
    below = _("confidence below {share}", share=percent(UNSURE, 0))
    share = percent(summary.unsure / summary.answered) if summary.answered else NONE
    tiles = (
        (_("mean confidence"), percent(summary.confidence), _("of the answer that is given")),
        (below, share, count(summary.unsure, "photo")),
        (
            _("unlike the training photos"),
            percent(summary.unlike_share),
            unlike if summary.measured else _("the model cannot tell"),
        ),
        (_("unreadable"), f"{summary.unreadable:,}", _("they have no class")),
    )
    return [tag("div", tag("dt", name), tag("dd", tag("b", value), tag("span", more))) for name, value, more in tiles]


def _classes(summary: PredictionSummary) -> Html:
    """Return how many photos of each class there are, beside the training photos."""
    names = (_("class"), _("photos"), _("share"), _("share in training"))
    rows = [
        tag(
            "tr",
            tag("th", tag("button", one.name, type="button", data_class=str(c)), scope="row"),
            tag("td", f"{one.photos:,}"),
            *(tag("td", percent(share), share_bar(share)) for share in (one.share, one.training)),
        )
        for c, one in enumerate(summary.classes)
    ]
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    table = tag("table", head, tag("tbody", *rows), class_="plain")
    said = _("How many photos are given each class, beside the classes of the training photos.")
    tip = tag("span", gap(), _("Choose a class to see its photos."), class_="script")
    return tag(
        "section", tag("h2", _("Classes")), tag("p", said, tip, class_="soft"), tag("div", table, class_="scroll", tabindex=0),
        id="classes",
    )  # fmt: skip


def _photos(shown: int, heats: int, method: str, summary: PredictionSummary) -> Html:
    """Return the tools and the place of the photos, which the page's script fills."""
    said = ngettext("All {n:,} photo.", "All {n:,} photos.", shown)
    if shown < summary.photos:
        said = ngettext(
            "{shown:,} of {n:,} photo: those to look at first, and a sample of the others. The summary above is of all.",
            "{shown:,} of {n:,} photos: those to look at first, and a sample of the others. The summary above is of all.",
            summary.photos, shown=shown,
        )  # fmt: skip
    if heats:
        said += gap() + ngettext(
            "{n:,} photo has a heat map, those to look at first ({method}): open one to see it. Orange argues for its "
            "class, blue against.",
            "{n:,} photos have a heat map, those to look at first ({method}): open one to see it. Orange argues for its "
            "class, blue against.",
            heats, method=method,
        )  # fmt: skip
    classes = {
        "": _("All classes"),
        **{str(c): f"{one.name} ({one.photos:,})" for c, one in enumerate(summary.classes)},
    }
    missing = [name for name, there in (("known", summary.known), ("bad", summary.unreadable), ("heat", heats)) if not there]
    below = percent(UNSURE, 0)
    kinds = {name: _(title, share=below) for name, title in KINDS.items() if name not in missing}
    tools = tag(
        "div",
        _select("filter-class", _("Class"), classes),
        _select("filter-kind", _("Show"), kinds),
        _select("filter-sort", _("Sort"), {name: _(title) for name, title in SORTS.items()}),
        tag("label", _("File name"), tag("input", type="search", id="filter-file", autocomplete="off", spellcheck="false")),
        class_="filters",
    )
    pager = tag(
        "nav", tag("button", pgettext("page", "Previous"), type="button", id="page-back"), tag("span", "", id="page-at"),
        tag("button", pgettext("page", "Next"), type="button", id="page-on"), aria_label=_("Pages"), class_="pager",
    )  # fmt: skip
    body = tag("div", tools, tag("p", "", id="found", aria_live="polite"), tag("ul", id="cards"), pager, class_="script")
    none = tag("noscript", tag("p", _("The photos are shown by JavaScript, which is switched off here.")))
    return tag("section", tag("h2", _("Photos")), tag("p", said, class_="soft"), body, none, id="answers")


def _select(name: str, title: str, options: dict[str, str]) -> Html:
    return tag("label", title, tag("select", (tag("option", text, value=key) for key, text in options.items()), id=name))


def _dialog() -> Html:
    """Return the box in which a photo is shown with its probabilities and heat map."""
    ways = (("back", _("Previous")), ("on", _("Next")))
    buttons = [tag("button", title, type="button", id=f"photo-{name}") for name, title in ways]
    close = tag("button", _("Close"), type="button", class_="close")
    bar = tag("div", tag("h2", "", id="photo-title"), tag("div", *buttons, close, class_="tools"), class_="bar")
    heat = tag("button", _("Heat map"), type="button", id="photo-heat", aria_pressed="false")
    picture = tag("div", tag("div", id="photo-picture"), heat)
    body = tag("div", picture, tag("div", id="photo-facts"), class_="photo")
    return tag("dialog", bar, body, id="photo", aria_labelledby="photo-title")


def _data(rows: Sequence[PhotoAnswer], classes: Sequence[str], pictures: dict[str, dict[int, str]]) -> dict[str, Any]:
    """Return the rows as columns: shares in hundredths of a per cent, novelty in hundredths, -1 where there is none."""
    answers = [row.answer for row in rows]
    return {
        "classes": [printable(name) for name in classes],
        "files": [printable(one.id) for one in answers],
        "given": [row.given for row in rows],
        "sure": [-1 if one.confidence is None else hundredths(one.confidence) for one in answers],
        "top": [[[c, hundredths(p)] for c, p in row.top] for row in rows],
        "far": [-1 if one.novelty is None else round(100 * min(one.novelty, 1e6)) for one in answers],
        "sets": {i: [classes.index(c) for c in one.prediction_set] for i, one in enumerate(answers) if one.prediction_set},
        "known": [i for i, row in enumerate(rows) if row.known],
        "unlike": [i for i, one in enumerate(answers) if one.unlike],  # as the summary counts them: 1.004 is shown as 1.00
        "bad": {i: _(one.failure.reason) for i, one in enumerate(answers) if one.failure is not None},
        "unsure": hundredths(UNSURE),
        "each": EACH_PAGE,
        "prefix": PREFIX,
        "photos": True,
        **pictures,
    }
