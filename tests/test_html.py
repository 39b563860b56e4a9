"""Results show themselves in a notebook as HTML in which nothing runs, whatever files and classes are called."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np

from finished import Finished
from penult import html
from penult.audit import Finding
from penult.evaluate import score
from penult.evaluate.curve import LearningCurve
from penult.evaluate.intervals import Score
from penult.pixels import Failure
from penult.predict import Predictions
from penult.similar import Neighbor, Neighbors
from penult.training import Run
from penult.training.findings import Audited

HOSTILE = "<img src=x onerror=alert(1)>\n\u202e\udcff&.jpg"


class Reader(HTMLParser):
    """Collects the elements, with their attributes, and the text; complains where they are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        html.encode()  # no lone surrogates
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(html: str) -> Reader:
    """Return what is in it, after holding that nothing in it runs or is fetched."""
    found = Reader(html)
    assert {tag for tag, _ in found.elements}.isdisjoint({"script", "iframe", "link", "a", "object", "style"})
    for tag, attributes in found.elements:
        assert not any(name.startswith("on") or name == "href" for name in attributes)
        assert tag != "img" or str(attributes["src"]).startswith("data:image/png;base64,")
    return found


def test_an_evaluation_shows_verdict_scores_classes_confusion_and_reliability() -> None:
    y = np.arange(60) % 2
    proba = np.where(y[:, None] == [0, 1], 0.9, 0.1)
    proba[:6] = proba[:6, ::-1]
    found = read(score(y, proba, [HOSTILE, "dog"], name="mine")._repr_html_())
    assert found.words[0].startswith("90% accuracy on held-out photos")
    assert {"accuracy", "0.90", "log loss", "precision", "true, predicted", "27", "mine"} <= set(found.words)
    assert "<img src=x onerror=alert(1)>\\n\\u202e\\xff&.jpg" in found.words
    assert [tag for tag, _ in found.elements].count("svg") == 1


def test_a_learning_curve_is_a_table_and_a_line() -> None:
    ones = tuple(Score(v, v - 0.01, v + 0.01) for v in (0.5, 0.3, 0.2))
    found = read(LearningCurve((50, 100, 200), ones, ones)._repr_html_())
    assert {"200", "0.300", "0.190 to 0.210"} <= set(found.words)
    points = next(str(a["points"]) for tag, a in found.elements if tag == "polyline")
    assert len(points.split()) == 3


def test_predictions_show_the_first_and_count_the_rest() -> None:
    n = html.SHOWN + 5
    names = (HOSTILE, *(f"{i}.jpg" for i in range(n - 1)))
    answers = Predictions(names, ("cat", "dog"), np.tile([0.75, 0.25], (n, 1)), {1: Failure("truncated", "")}, np.full(n, 1.5))
    found = read(answers._repr_html_())
    assert {f"{n} predictions", "75.0%", "1.5", "unreadable: truncated", "unlike the training photos"} <= set(found.words)
    assert "and 5 more" in found.words
    assert f"{n - 2}.jpg" not in found.words


def test_a_finding_and_many_of_them() -> None:
    one = Finding("leak", HOSTILE, "cat/1.jpg", 0.9876, "nearly the same picture is in training", "remove it")
    found = read(one._repr_html_())
    assert found.words[0] == "leak: nearly the same picture is in training"
    assert {"cat/1.jpg", "0.988", "remove it"} <= set(found.words)
    several = read(Audited((one, *[Finding("dark", "d.jpg", "", 0.5, "very dark", "look")] * 30), {})._repr_html_())
    assert several.words[0] == "31 findings"
    assert f"and {31 - html.SHOWN} more" in several.words


def test_similar_photos_are_a_table() -> None:
    found = read(Neighbors(HOSTILE, (Neighbor("cat/1.jpg", "train", "cat", 0.98765, True),))._repr_html_())
    assert {"cat/1.jpg", "0.988", "same photo"} <= set(found.words)
    broken = read(Neighbors("b.jpg", (), Failure("truncated", ""))._repr_html_())
    assert broken.words == ["b.jpg: unreadable, truncated"]


def test_a_chart_of_one_value_is_still_drawn() -> None:
    assert re.search(r'points="10.0,75.0 250.0,75.0"', html.line_chart([(1, 3.0), (2, 3.0)], "level"))
    assert html.line_chart([(1, 3.0)], "one point is no line") is None
    assert html.number(float("nan")) == html.number(None) == "–"


def test_a_run_shows_itself_with_its_figures(finished: Finished) -> None:
    run = Run(finished.folder, None, None, (), None, None, (), finished.metrics, None)  # type: ignore[arg-type]
    found = read(run._repr_html_())
    assert run.metrics["verdict"] in found.words
    assert str(run.folder) in " ".join(found.words)
    drawn = [attributes["alt"] for tag, attributes in found.elements if tag == "img"]
    assert {"confusion", "reliability"} <= set(drawn)


def test_a_finding_about_a_class_does_not_call_it_a_file() -> None:
    """The row says `class`; one finding is not `1 findings`."""
    one = Finding("small_class", "cat", "", 0.5, "8 photos, fewer than 20", "add photos")
    assert "class" in read(one._repr_html_()).words and "file" not in read(one._repr_html_()).words
    assert read(Audited((one,), {})._repr_html_()).words[0] == "1 finding"


def test_imbalanced_data_show_balanced_accuracy_and_the_rarest_class() -> None:
    y = np.repeat([0, 1], [100, 3])
    found = read(score(y, np.tile([0.9, 0.1], (103, 1)), ["cat", "dog"])._repr_html_())
    assert "Worst class: 'dog', recall 0% (0 of 3)." in found.words[0]
    assert {"balanced accuracy", "0.50"} <= set(found.words)
