"""The page of a run as text: complete, self-contained, in its order, and deaf to whatever a file is called."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finished import HOSTILE, Finished, finish, lay_out
from penult import i18n, report
from penult.cli import main
from penult.errors import DamagedFile, InputError
from penult.html import Html, json_block, tag
from penult.texts import measured as shown
from penult.texts import percent
from penult.training import TrainOptions, train_features
from sealing import seal

Photos = Callable[..., Path]


@pytest.fixture
def run(finished: Finished, tmp_path: Path) -> Finished:
    """A run with two photos in the wrong folder, so that there are mistakes."""
    return finished.copy(tmp_path / "finished")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run on files and a class with hostile names, a turned photo, and a file that is no photo."""
    base = tmp_path_factory.mktemp("odd") / "base"
    lay_out(base / "train", warm=9, cold=9)
    folder = base / "train"
    names = ("</script><script>document.title='owned'<!--.png".replace("/", "∕"), HOSTILE, "line\nbreak & \"quote' .png")
    for i, name in enumerate(names):
        shutil.copy(folder / "warm" / f"warm.{i}.png", folder / "cold" / name)
    shutil.copy(folder / "warm" / "warm.5.png", bytes(folder / "cold") + b"/\xff\xfe.png")
    upright = np.zeros((60, 40, 3), np.uint8)
    upright[:30] = 255  # white above, black below
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise
    Image.fromarray(np.rot90(upright).copy()).save(folder / "cold" / "turned.png", exif=exif)
    (folder / "cold" / "bad.png").write_bytes(b"no picture")
    (folder / "warm").rename(folder / "<b>warm&amp;")
    return finish(base, test=False)


def read(run: Finished) -> str:
    return (run.folder / report.PAGE).read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Collects what matters of a page: elements, text, ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._inside = [], []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._inside):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def test_the_parts_stand_in_the_order_in_which_they_are_read(run: Finished) -> None:
    run.findings(("label", f"cold/{HOSTILE}", "", "0.99", "predicted warm (99%)", "move it"))
    (own,) = run.metrics["compared"]
    run.change({**run.metrics, "compared": [own, {**own, "name": "another head"}]})
    report.rebuild(run.folder)
    outline = Outline(read(run))
    ids = [attrs["id"] for name, attrs in outline.elements if name == "section"]
    order = ["next", "confusion", "mistakes", "unsure", "classes", "decision", "charts", "compared", "map"]
    order += ["issues", "details"]
    assert ids == order
    charts = [attrs["id"] for name, attrs in outline.elements if name == "figure" and "id" in attrs]
    assert charts[:4] == ["roc", "pr", "reliability", "learning"] and "path" in charts
    assert not {"dense-accuracy", "dense-loss"} & set(charts)  # nobody asked for that head
    run.change({**run.metrics, "options": {**run.metrics["options"], "head": "dense"}})
    (run.folder / "history.csv").write_text(
        "epoch,loss,accuracy,val_loss,val_accuracy\n1,0.7,0.5,0.7,0.5\n2,0.5,0.8,0.6,0.7\n"
    )
    report.rebuild(run.folder)
    assert {'id="dense-accuracy"', 'id="dense-loss"'} <= set(re.findall(r'id="dense-[a-z]+"', read(run)))


def test_the_contents_name_the_sections_that_are_there(run: Finished) -> None:
    outline = Outline(read(run))
    links = [attrs["href"] for name, attrs in outline.elements if name == "a" and (attrs.get("href") or "").startswith("#")]
    ids = {f"#{attrs['id']}" for _, attrs in outline.elements if attrs.get("id")}
    assert {"#confusion", "#map", "#details"} <= set(links) <= ids
    (run.folder / "map.csv").unlink()
    seal(run.folder)
    report.rebuild(run.folder)
    assert 'href="#map"' not in read(run)


def test_the_map_is_also_a_picture_for_paper(run: Finished) -> None:
    drawn = re.search(r'<svg viewBox="0 0 600 600" role="img" class="still">(.*?)</svg>', read(run), re.DOTALL)
    assert drawn is not None
    assert len(re.findall(r"M\d+ \d+h0", drawn[1])) > 30 and drawn[1].count('class="ring"') == 2


def test_the_page_says_what_the_numbers_say(finished: Finished) -> None:
    words = Outline(read(finished)).words
    right = finished.metrics["scores"]["scores"]["accuracy"]
    assert shown(right["value"], right["low"], right["high"], share=True)[0] in words
    assert "labelled cold , predicted warm" in words
    assert "2 misclassified photos" in words
    metrics = finished.metrics
    for fact in (metrics["versions"]["numpy"], metrics["sources"]["train"], "AUC", "colour_histogram"):
        assert fact in words


def test_a_run_that_was_trained_in_english_has_a_page_in_chinese(run: Finished) -> None:
    i18n.set_language("zh")
    run.findings(("label", f"cold/{HOSTILE}", "", "0.99", "labelled cold, predicted warm (99.0%)", "add photos"))
    report.rebuild(run.folder)
    page = read(run)
    assert '<html lang="zh-CN">' in page
    assert "标签为 cold，预测为 warm（99.0%）" in page and "增加照片" in page
    said = re.findall(r"<(?:h2|h3|summary|dt|figcaption|p class=\"soft\")[^>]*>([^<]+)<", page)
    facts = {*run.metrics["options"], *run.metrics["choice"], *run.metrics["versions"], *run.metrics["classes"], "penult"}
    facts |= {one["name"] for one in run.metrics["backbones"]} | {"AUC", "F1"}
    assert len(said) > 40
    assert [text for text in said if text.isascii() and text not in facts] == []
    scripts = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    texts = json.loads(re.search(r'id="texts">(.*?)</script>', page)[1])
    calls = {text for _quote, text in re.findall(r"\bt\((['\"])(.*?)\1", scripts)}
    assert {"Copy list", "Show more ({n} left)"} < calls == set(texts)  # the scripts' own texts, too, none left out


def test_nothing_is_loaded_and_only_the_pages_own_script_may_run(run: Finished) -> None:
    page = read(run)
    outline = Outline(page)
    policy = next(a["content"] for name, a in outline.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none';") and "unsafe" not in policy
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    for kind, found in (("script-src", script), ("style-src", style)):
        assert found is not None
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    for name, attrs in outline.elements:
        assert not {key for key in attrs if key.startswith("on") or key == "style"}, name
        for key in ("src", "href"):
            assert (attrs.get(key) or "#").startswith(("#", "data:image/webp;base64,")), attrs
    assert len(re.findall(r"<script[ >]", page)) == 3  # two of them JSON


def test_a_hostile_name_is_shown_and_stays_text_everywhere(odd: Finished, tmp_path: Path) -> None:
    run = odd.copy(tmp_path / "odd")
    run.findings(("label", f"cold/{HOSTILE}", "", "", f"because of {HOSTILE}", "<script>alert(1)</script>"))
    report.rebuild(run.folder)
    page = read(run)
    outline = Outline(page)
    names = {name for name, _ in outline.elements}
    assert {"main", "dialog"} <= names and not any("onerror" in attrs for _, attrs in outline.elements)
    assert len(re.findall(r"<script[ >]", page)) == 3  # two of them JSON
    assert "<b>warm&amp;" in outline.words
    assert HOSTILE in outline.words
    assert r"line\nbreak" in outline.words and r"\xff\xfe.png" in outline.words
    block = re.search(r'<script type="application/json" id="photos">(.*?)</script>', page, re.DOTALL)
    assert block is not None and "<" not in block[1]
    assert f"cold/{HOSTILE}" in json.loads(block[1])["files"]


def test_the_data_of_the_page_fit_the_tables(run: Finished) -> None:
    block = re.search(r'<script type="application/json" id="photos">(.*?)</script>', read(run), re.DOTALL)
    assert block is not None
    told = json.loads(block[1])
    with (run.folder / "oof.csv").open(newline="") as file:
        oof = list(csv.DictReader(file))
    assert told["files"] == [row["file"] for row in oof]
    assert [told["classes"][i] for i in told["label"]] == [row["label"] for row in oof]
    given = ["warm" if float(row["warm"]) > 0.5 else "cold" for row in oof]
    assert [told["classes"][i] for i in told["given"]] == given
    assert len(told["small"]) == len(oof) == len(told["x"]) == len(told["near"])
    assert all(0 <= value <= 9999 for value in [*told["x"], *told["y"]])


def test_small_pictures_are_of_their_own_photos_and_upright(odd: Finished) -> None:
    block = re.search(r'<script type="application/json" id="photos">(.*?)</script>', read(odd), re.DOTALL)
    assert block is not None
    told = json.loads(block[1])
    row = told["files"].index("cold/turned.png")
    with Image.open(io.BytesIO(base64.b64decode(told["small"][str(row)]))) as small:
        pixels = np.asarray(small.convert("L"), float)
    assert pixels[: len(pixels) // 3].mean() > 200 and pixels[-len(pixels) // 3 :].mean() < 50


def test_photos_that_moved_have_placeholders_and_a_note_and_are_found_again(run: Finished, tmp_path: Path) -> None:
    folder = Path(run.metrics["sources"]["train"])
    folder.rename(tmp_path / "elsewhere")
    path, gone = report.rebuild(run.folder)
    assert gone == {"train": 44}
    words = Outline(path.read_text()).words
    assert "photo not found" in words and "44 photos could not be shown when this report was made" in words
    path, gone = report.rebuild(run.folder, str(tmp_path / "elsewhere"))
    assert not gone
    assert "photo not found" not in path.read_text()


def test_made_again_the_page_is_the_same_and_the_run_stays_whole(run: Finished) -> None:
    (run.folder / report.PAGE).write_text("damaged")
    report.rebuild(run.folder)
    first = read(run)
    report.rebuild(run.folder)
    assert read(run) == first
    metrics = run.metrics
    assert metrics["files"][report.PAGE] == hashlib.sha256(first.encode()).hexdigest()
    assert metrics["status"] == "done"


def test_findings_are_ranked_and_every_one_is_listed(run: Finished) -> None:
    run.findings(
        ("blurred", "warm/warm.1.png", "", "0.1", "hardly an edge", "take it again"),
        *[("label", f"warm/warm.{i}.png", "", "0.9", f"reason {i}", "look at it") for i in (4, 5, 6, 7, 8, 9, 10)],
        ("leak", "any/any.50.png", "cold/cold.1.png", "1", "the same file", "take it out of the test"),
        ("strange_thing", "warm/warm.2.png", "", "", "who knows", "look"),
    )
    metrics = run.metrics
    metrics["audit"]["expected"] = {"label": 5.2}
    run.change(metrics)
    report.rebuild(run.folder)
    words = Outline(read(run)).words
    assert "About 5 of these 7 labels are expected to be wrong. Look at each, and correct those that are." in words
    wanted = [
        "1 test photo that is, or looks like, a training photo",
        "7 possible label errors",
        "1 blurred photo",
        "1 finding: strange thing",
    ]
    places = [words.index(text) for text in wanted]
    assert places == sorted(places)
    assert "1 more below" in words
    assert all(f"reason {i}" in words for i in range(4, 11))


def test_a_run_without_photos_has_a_page_without_pictures(run: Finished, tmp_path: Path) -> None:
    again = train_features([str(run.folder / "data_colour_histogram.h5")], TrainOptions(str(tmp_path / "rows")))
    page = read(again)
    assert "data:image" not in page.replace("img-src data:", "").replace('"prefix":"data:image', "")
    assert 'id="map"' in page and "photo not found" not in page


def test_what_a_run_does_not_have_is_left_out(run: Finished) -> None:
    metrics = run.metrics
    for name in ("learning_curve", "sources", "when", "machine", "folder", "head_path", "review", "audit"):
        metrics.pop(name, None)
    run.change(metrics)
    for name in ("map.csv", "history.csv", "findings.csv"):
        (run.folder / name).unlink(missing_ok=True)
    seal(run.folder)
    report.rebuild(run.folder)
    ids = [attrs.get("id") for _, attrs in Outline(read(run)).elements]
    assert {"confusion", "mistakes", "details", "reliability"} <= set(ids)
    assert not {"map", "learning", "path", "dense-loss", "review"} & set(ids)


def test_what_a_manual_review_gains_is_said_and_drawn(run: Finished) -> None:
    curve = [[1.0, 0.95], [0.9, 0.98], [0.5, 1.0]]
    review = {"level": 0.9, "share": 0.125, "accuracy_kept": 0.985, "accuracy_all": 0.95, "curve": curve}
    metrics = run.metrics | {"review": review}
    run.change(metrics)
    report.rebuild(run.folder)
    words = Outline(read(run)).words.replace("\N{NO-BREAK SPACE}", " ")
    assert "If someone reviews the 12.5% of photos with confidence below 90% or unlike all others" in words
    assert "accuracy on the remaining photos rises from 95.0% to 98.5%." in words
    assert 'id="review"' in read(run)


def test_what_the_precision_did_and_a_small_class_are_said(run: Finished) -> None:
    run.findings(("small_class", "cold", "", "0.5", "20 photos", "add photos of this class"))
    difference = {"value": 0.0045, "low": -0.0012, "high": 0.0102}
    beside = {"precision": "int8", "images": 44, "log_loss": 0.1234, "log_loss_f32": 0.1189, "difference": difference}
    metrics = run.metrics | {"precision": beside}
    run.change(metrics)
    report.rebuild(run.folder)
    words = Outline(read(run)).words
    assert "1 class with too few photos" in words and "class cold" in words
    assert "log loss in int8 less that in f32" in words and "0.004 (-0.001 to 0.010)" in words and "44 photos" in words


def test_the_verdict_without_leaked_test_photos_stands_beside_the_other(run: Finished) -> None:
    metrics = run.metrics
    metrics["audit"] = {"counts": {"leak": 3}, "leak": {"photos": 3, "scores_without": metrics["scores"]}}
    run.change(metrics)
    report.rebuild(run.folder)
    assert "Without the 3 that are, or look like, training photos: " in Outline(read(run)).words.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    metrics["audit"]["leak"] = {"photos": 3, "scores_without": None}
    run.change(metrics)
    report.rebuild(run.folder)
    assert "look like, training photos" not in Outline(read(run)).words


def test_of_many_classes_the_pairs_that_are_confused_most_are_listed(run: Finished) -> None:
    from penult.report import confusion

    def cells(k: int) -> tuple[str, list[str]]:
        metrics = {"scores": {"confusion": [[9 if i == j else int(i == 2 and j == 1) for j in range(k)] for i in range(k)]}}
        results = SimpleNamespace(classes=tuple(f"c{i}" for i in range(k)), metrics=metrics, sample="")
        shown = str(confusion.section(results, None))  # type: ignore[arg-type]
        return shown, re.findall(r'data-cell="([^"]+)"', shown)

    assert cells(10)[1] == [f"{i},{i}" for i in range(2)] + ["2,1"] + [f"{i},{i}" for i in range(2, 10)]
    assert cells(100)[1] == ["2,1"]


def test_a_photo_is_its_own_text_in_markup_unless_it_is_markup() -> None:
    assert tag("p", "<b>", Html("<i></i>"), None, title='"&') == '<p title="&quot;&amp;">&lt;b&gt;<i></i></p>'
    assert (
        json_block("x", {"a": "</script>&"})
        == '<script type="application/json" id="x">{"a":"\\u003c/script\\u003e\\u0026"}</script>'
    )


def test_per_cent_never_round_up_to_all_or_down_to_none() -> None:
    assert [percent(v) for v in (1.0, 0.9999, 0.0, 0.5, None)] == ["100%", "99.99%", "0%", "50.0%", "–"]


def test_the_command_says_where_the_page_is(run: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run.folder)]) == 0
    assert str(run.folder / "report.html") in capsys.readouterr().out
    assert main(["report", str(run.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(run.folder / "report.html"), "photos_gone": 0}


def test_what_is_no_run_or_damaged_is_said_in_one_line(
    run: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="give the folder that `penult train --out` made"):
        report.rebuild(tmp_path)
    (run.folder / "map.csv").write_text("file,label,x,y,near\nwarm/warm.1.png,warm,here,0.1,2\n")
    with pytest.raises(DamagedFile, match="was changed or damaged after it was written"):
        report.rebuild(run.folder)
    seal(run.folder)
    assert main(["report", str(run.folder)]) == 1
    assert "is damaged or was edited" in capsys.readouterr().err
    with pytest.raises(DamagedFile):
        report.rebuild(run.folder)
    (run.folder / "metrics.json").write_text('{"penult_run": 1, "status": "running"}')
    with pytest.raises(InputError, match="was not finished"):
        report.rebuild(run.folder)


def test_a_class_is_never_a_photo_that_is_gone(run: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings about classes name no photo, whatever the class is called: nothing is missing, nothing is suspect."""
    for classes in (("cold", "warm"), ("cold/cold.1.png", "no such folder")):
        run.findings(*[("small_class", name, "", "0.5", "8 photos, fewer than 20", "add photos") for name in classes])
        assert main(["report", str(run.folder)]) == 0
        assert capsys.readouterr().out.splitlines() == [f"written: {run.folder / report.PAGE}"]
        page = read(run)
        assert "photo not found" not in page and 'id="gone"' not in page
        assert "2 classes with too few photos" in page and f"class {classes[1]}" in Outline(page).words
        told = re.search(r'id="photos">(.*?)</script>', page, re.DOTALL)
        assert told is not None and json.loads(told[1])["flagged"] == []


def test_only_photos_that_are_gone_are_called_gone(run: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    """A photo that is there and cannot be read is not one that moved; the page has its reason."""
    photo = Path(run.metrics["sources"]["train"]) / "warm" / "warm.5.png"
    leaked = next(Path(run.metrics["sources"]["test"]).rglob("any.50.png"))
    run.findings(("leak", "any/any.50.png", "cold/cold.1.png", "1", "the same file", "take it out of the test"))

    def said(photos: int) -> list[str]:
        assert main(["report", str(run.folder)]) == 0
        words = Outline(read(run)).words
        assert f"{photos} photo{'s' * (photos > 1)} could not be shown when this report was made" in words
        assert ("--photos" in words) is (not photo.exists())
        return capsys.readouterr().out.splitlines()[1:]

    photo.write_bytes(b"no picture")
    assert said(1) == []
    photo.unlink()
    assert len(said(1)) == 1
    leaked.unlink()
    training, test = said(2)
    assert training.startswith("1 training photo not found") and "--photos DIR" in training
    assert test.startswith("1 test photo not found") and "--photos" not in test


def gained(now: float, value: float, low: float, high: float, accuracy: tuple[float, float] | None = None) -> tuple[str, str]:
    from penult.report.issues import gain

    twice = {"accuracy": {"value": accuracy and accuracy[1]}, "accuracy_now": accuracy and accuracy[0], "clear": high < now}
    return gain({"log_loss": {"value": value, "low": low, "high": high}, "log_loss_now": now, **twice})


@pytest.mark.parametrize(
    ("numbers", "title", "said"),
    [
        ((0.10, 0.08, 0.07, 0.09), "More photos would help", "lower the log loss by about 20% (95% interval 10 to 30%)."),
        ((0.10, 0.08, 0.07, 0.09, (0.9, 0.912)), "More photos would help", "and raise the accuracy by about 1.2 points."),
        ((0.10, 0.08, 0.07, 0.09, (0.97, 0.97)), "More photos would help", "(95% interval 10 to 30%)."),
        ((0.10, 0.08, 0.05, 0.12), "Unclear whether more photos would help", "so this is inconclusive."),
        ((0.10, 0.10, 0.098, 0.102), "More photos are not expected to help", "change by +0% (95% interval -2 to +2%)."),
        ((0.10, 0.10, 0.10, 0.10), "More photos are not expected to help", "change by less than 1%."),
        ((0.10, 0.12, 0.11, 0.13), "More photos are not expected to help", "change by +20% (95% interval +10 to +30%)."),
    ],
)
def test_what_twice_the_photos_would_do_is_said_as_the_interval_has_it(
    numbers: tuple[Any, ...], title: str, said: str
) -> None:
    """No gain of 0% is promised, and no loss is called a gain."""
    assert gained(*numbers)[0] == title
    assert gained(*numbers)[1].endswith(said)


@pytest.mark.parametrize("each", [2, 10])
def test_the_page_of_a_few_photos_claims_nothing_that_they_cannot_carry(each: int, tmp_path: Path) -> None:
    """No forecast, no judgement of calibration, no gain of a review, no gallery of all photos as the least confident."""
    lay_out(tmp_path / "base" / "train", warm=each, cold=each)
    run = finish(tmp_path / "base", test=False)
    outline = Outline(read(run))
    ids = {attrs.get("id") for _, attrs in outline.elements}
    words = outline.words.replace("\N{NO-BREAK SPACE}", " ")
    assert "review" not in ids
    for claim in ("twice the training photos", "would help Doubling", "rises from", "the largest class has", " 1 photos"):
        assert claim not in words, claim
    assert "well calibrated" not in words
    assert "calibration error – too few photos" in words and "too few to judge calibration" in words
    gallery = re.search(r"<h2>Least confident predictions</h2>.*?</section>", read(run), re.DOTALL)
    assert gallery is not None and 0 < gallery[0].count("<figure") <= each


def test_test_photos_that_are_in_training_are_not_called_unseen(run: Finished) -> None:
    metrics = run.metrics
    for leaked in (0, 1, 3):
        metrics["test"] = metrics["scores"]
        metrics["audit"] = {"counts": {}, "leak": {"photos": leaked, "scores_without": None}}
        run.change(metrics)
        report.rebuild(run.folder)
        second = re.search(r'class="second">(.*?)</p>', read(run))
        assert second is not None
        assert ("held-out" in second[1]) is (leaked == 0)
        are = "is, or looks like, a training photo:" if leaked == 1 else "are, or look like, training photos:"
        assert (f"{leaked} of which {are}" in second[1]) is (leaked > 0)


def test_imbalanced_classes_have_their_own_number_and_cure(run: Finished) -> None:
    """The worst class is in the verdict, balanced accuracy is a tile, the cure a step; not where class weights were used."""
    from penult import evaluate

    y = np.repeat([0, 1], [100, 3])
    metrics = run.metrics
    metrics["scores"] = evaluate.score(y, np.tile([0.9, 0.1], (103, 1)), list(metrics["classes"])).to_dict()
    for weights in (None, "balanced"):
        metrics["options"]["class_weight"] = weights
        run.change(metrics)
        report.rebuild(run.folder)
        words = Outline(read(run)).words.replace("\N{NO-BREAK SPACE}", " ")
        assert "Worst class: 'warm', recall 0% (0 of 3)." in words
        assert "balanced accuracy 50%" in words and "Classes are imbalanced" in words
        assert ("--class-weight balanced" in words.split("Run details")[0]) is (weights is None)
    del metrics["scores"]["scores"]["balanced_accuracy"]  # as older versions wrote it
    run.change(metrics)
    report.rebuild(run.folder)
    assert "balanced accuracy" not in Outline(read(run)).words


def test_of_many_classes_without_a_confusion_no_empty_table_is_shown() -> None:
    from penult.report import confusion

    table = [[5 if i == j else 0 for j in range(44)] for i in range(44)]
    results = SimpleNamespace(classes=tuple(f"c{i}" for i in range(44)), metrics={"scores": {"confusion": table}})
    shown = str(confusion.section(results, None))  # type: ignore[arg-type]
    assert "No photo was misclassified." in shown and "<table" not in shown


def test_training_photos_are_those_that_could_be_read(odd: Finished) -> None:
    words = Outline(read(odd)).words
    assert "23 training photos · 2 classes" in words and "1 unreadable photo" in words
