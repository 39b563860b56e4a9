"""What penult wrote before issue 13 is still read, and means the same: models, runs, caches, feature files, comparisons.

`tests/golden/make_v0.py` made the files by the penult of commit dad1e24; `answers.json` is what that one said of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goldenfiles import GOLDEN, unpack_golden
from penult import backbones, pixels, predict, store, zoo
from penult.cli import main
from penult.compare.result import claimed
from penult.embed import EmbedOptions, embed
from penult.errors import quiet
from penult.pixels.decoding import PREPROCESSING_VERSION
from penult.quantize import QuantizedCache
from penult.similar import search
from penult.zoo import catalog

THEN: dict[str, Any] = json.loads((GOLDEN / "answers.json").read_text())
HISTOGRAM, NETWORK = "colour_histogram", "tiny.onnx"
HOW = ("--cache", "cache", "--device", "cpu", "--precision", "f32", "-q")
SAME = 1e-6  # from the same features
ENGINE = 1e-4  # from features that an engine computed on another processor

Ask = Callable[..., Any]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of everything, in the working directory; rows of the cache are keyed by the Pillow of then."""
    unpack_golden(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pixels, "preprocessing_version", lambda: f"{PREPROCESSING_VERSION}.{THEN['road'].partition('.')[2]}")
    return tmp_path


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command that must go well, and return what it prints as JSON."""

    def run(*words: str) -> Any:
        capsys.readouterr()
        code = main([*words, "--json"])
        said = capsys.readouterr()
        assert (code, said.err) == (0, ""), said
        return json.loads(said.out)

    return run


def pictures(part: str = "") -> list[str]:
    return [p.as_posix() for p in sorted(Path("photos", part).rglob("*.png"))]


def without_intervals(scores: dict[str, Any]) -> dict[str, Any]:
    """Return what `evaluate` says, less what is defined anew since: the intervals, and the calibration error of few images."""
    values = {name: {"value": score["value"]} for name, score in scores["scores"].items()}
    values["ece"] = {"value": None}  # as it is now for fewer than 100 images
    return {**scores, "scores": values}


def holds(now: Any, then: Any, close: float = SAME) -> bool:
    """Whether everything of `then` is in `now`, numbers up to rounding; a later penult may say more."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(name in now and holds(now[name], value, close) for name, value in then.items())
    if isinstance(then, list):
        return isinstance(now, list) and len(now) == len(then) and all(map(holds, now, then, [close] * len(then)))
    if isinstance(then, float) and isinstance(now, int | float):
        return abs(now - then) <= close
    return bool(now == then)


def test_the_keys_of_old_caches_are_the_keys_of_today() -> None:
    """Digests of the built-in networks and the version of the pixel road: with another one nothing would be found again."""
    records = [*map(zoo.find_backbone, backbones.builtin_names()), backbones.thumbnail(), backbones.quality()]
    assert {record.name: record.digest for record in records} == THEN["digests"]
    assert THEN["road"].partition(".")[0] == str(PREPROCESSING_VERSION) == pixels.preprocessing_version().partition(".")[0]


@pytest.mark.parametrize("name", THEN["models"])
def test_an_old_model_answers_as_then(name: str, files: Path) -> None:
    """Probabilities and novelty, from the features of then and from features that are computed anew."""
    then = THEN["models"][name]
    for cache, close in (("cache", SAME), (False, ENGINE)):
        model = predict.load(name, device="cpu", precision="f32", cache=cache, workers=0)
        found = model.predict(pictures("test"))
        model.close()
        assert (found.classes, model.bundle.head.kind) == (tuple(then["classes"]), then["head"])
        np.testing.assert_allclose(found.proba, then["proba"], rtol=0, atol=close)
        np.testing.assert_allclose(found.novelty, then["novelty"], rtol=0, atol=close)
        assert found.in_training is None  # which models of then did not know


def test_an_old_run_answers_as_then(files: Path, ask: Ask) -> None:
    """predict, evaluate, explain and similar take the folder, and say what they said."""
    said = {one["file"]: one for one in ask("predict", "run", "photos/test", *HOW)}
    proba = [list(said[Path(p).relative_to("photos/test").as_posix()]["probabilities"].values()) for p in pictures("test")]
    assert holds(proba, THEN["models"]["run/model.penult"]["proba"])
    assert holds(ask("evaluate", "run", "photos/test", *HOW), without_intervals(THEN["evaluate"]))
    explained = ask("explain", "run", *pictures("test")[:2], *HOW)
    first = ("explain", "models/knn.penult", pictures("test")[0], "--method", "occlusion")
    assert holds([*explained, *ask(*first, *HOW)], THEN["explain"], ENGINE)  # the maps are no part of the cache
    assert holds(ask("similar", "run", pictures("test")[0], "-n", "3", *HOW), THEN["similar"])


def test_the_page_of_an_old_run_is_made_and_the_run_is_whole(files: Path, ask: Ask) -> None:
    """`penult report` and `penult doctor RUN`."""
    told = ask("doctor", "run")
    assert "FAIL" not in str(told) and "all 10 files are unchanged" in str(told)
    assert "test samples give the same answers as at training" in str(told)
    assert ask("report", "run", "--photos", "photos/train", "-q")["photos_gone"] <= 2  # two of the test photos are on it
    page = (files / "run/report.html").read_text()
    assert page.count("data:image/") >= len(pictures("train"))
    for name in ("cold", "green", "warm"):
        assert name in page


def test_an_old_cache_is_used_as_it_is(files: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is computed or converted again, neither by embedding nor by training, and nothing in it is damaged."""
    monkeypatch.setattr(catalog, "_convert", lambda order, progress: pytest.fail(f"{order.label} is converted again"))
    monkeypatch.setattr(search, "_made", lambda *_: pytest.fail("the index of similar photos is made again"))
    before = sorted(p for p in Path("cache").rglob("*"))
    networks = [zoo.find_backbone(HISTOGRAM), zoo.find_backbone(NETWORK, cache="cache")]
    assert networks[1].digest == THEN["network"]
    done = embed(pictures(), networks, EmbedOptions("cpu", "f32", "cache", workers=0), thumbnails=True)
    assert (done.embedded, done.reused, len(done.failures)) == (0, 30, 0)
    assert done.features().shape == (30, sum(done.widths))
    with store.RowReader([Path("run/data_tiny.onnx.h5")]) as rows:
        assert search.open_index(rows, (6,), Path("cache"), quiet) is not None
    (sample,) = QuantizedCache(Path("cache"), THEN["network"]).samples()
    assert sample == {hashlib.sha256(Path(p).read_bytes()).digest() for p in pictures("train")}
    words = ("train", "photos/train", "--test", "photos/test", "-b", HISTOGRAM, "-b", NETWORK, "--head", "centroid")
    assert holds(ask(*words, "--out", "run", *HOW)["images"], {"scanned": 30, "embedded": 0, "reused": 30, "failed": 0})
    new = {p for p in Path("cache").rglob("*") if p not in before}
    assert all(p.exists() for p in before)
    assert {p.parts[1] for p in new} <= {"features", "thumbnails"}
    told = ask("cache", "--cache", "cache", "--verify", "-q")
    assert (told["damaged"], told["not_penults"], told["removed"]) == ([], [], [])
    rows_now = {row["backbone"]: row["rows"] for row in told["features"]}
    assert rows_now.items() >= THEN["rows"].items()
    assert len(rows_now) <= len(THEN["rows"]) + 1, "pictures of candidate pairs are new, and nothing else"


def test_an_old_feature_file_trains_and_is_predicted(files: Path, ask: Ask) -> None:
    """Its rows, names and classes are read as they were written."""
    assert ask("train", "--features", "features.h5", "--out", "new", "-q")["classes"] == {"cold": 8, "green": 8, "warm": 8}
    rows = ask("predict", "models/logistic.penult", "--features", "features.h5", "-q")
    photos = ask("predict", "models/logistic.penult", "photos/train", *HOW)
    assert holds([one["probabilities"] for one in rows], [one["probabilities"] for one in photos])


def test_an_old_comparison_is_replaced_by_a_new_one(files: Path) -> None:
    """The folder is known as penult's own; another's would be refused."""
    assert json.loads(Path("compare/compare.json").read_text())["status"] == "done"
    with claimed("compare") as folder:
        assert json.loads((folder / "compare.json").read_text())["status"] == "running"
