"""The commands as Python functions: the same options and defaults, and results that show themselves."""

from __future__ import annotations

import argparse
import inspect
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import penult
from conftest import draw
from penult import cli, frames
from penult.api import CALLED
from penult.compare import CompareOptions
from penult.errors import InputError, MissingExtra, UnknownName
from penult.training import TrainOptions
from penult.training.keywords import DECISIONS, OTHER_NAMES, SETTINGS, TABLES

FUNCTIONS = {**CALLED, "train": penult.train}
# What belongs to a terminal, or to shards, which are files of the command line; `source` and such are positional.
ELSEWHERE = {
    "json", "quiet", "verbose", "config", "no_config", "help", "apply", "on", "actor", "part", "rows", "float32", "files",
    "memory", "labels", "configured", "protocol", "lang",
}  # fmt: skip


# What the command makes of the answers beside a table: `Predictions` is what these are made of.
OF_FILES = {"predict": {"out", "html", "heat", "sort_into", "link", "submission", "submit"}}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("api")
    for label, kind in {"cat": "warm", "dog": "cold"}.items():
        (folder / "photos" / label).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(draw(kind, i)).save(folder / "photos" / label / f"{i}.png")
        Image.fromarray(draw(kind, 99)).save(folder / f"{label}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENULT_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        penult.train("photos", out="run", backbone="colour_histogram")
        yield folder


@pytest.fixture(autouse=True)
def in_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setenv("PENULT_CACHE", str(here / "cache"))


def _options(command: str) -> dict[str, argparse.Action]:
    parser = cli.build()
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    own = commands.choices[command]._actions
    return {s[2:].replace("-", "_"): a for a in own for s in a.option_strings if s.startswith("--")}


def _taken(command: str) -> set[str]:
    named = set(inspect.signature(FUNCTIONS[command]).parameters)
    others = {"train": TrainOptions, "audit": TrainOptions, "compare": CompareOptions}.get(command)
    own = {one.name for one in fields(others)} if others else set()
    networks = {"backbones", "crop_mode", "views", "pooling", "recipe"} if command == "embed" else {"views"}
    decisions = set(DECISIONS) if command == "train" else set()
    return named | own | networks | decisions | set(SETTINGS) | set(TABLES)


@pytest.mark.parametrize("command", sorted(FUNCTIONS))
def test_a_function_takes_the_options_of_its_command(command: str) -> None:
    renamed = {**OTHER_NAMES, "class": "label", "no_cache": "cache_dir"}
    missing = {name for name in _options(command) if renamed.get(name, name) not in _taken(command)} - ELSEWHERE
    assert missing == OF_FILES.get(command, set())


@pytest.mark.parametrize("command", sorted(FUNCTIONS))
def test_defaults_are_those_of_the_command(command: str) -> None:
    given = {p.name: p.default for p in inspect.signature(FUNCTIONS[command]).parameters.values()}
    others = {"train": TrainOptions(), "audit": TrainOptions(), "compare": CompareOptions()}.get(command)
    for name, action in _options(command).items():
        if name in ELSEWHERE | {"out", "views", "cache", "no_cache"} or action.default is argparse.SUPPRESS:
            continue
        ours = given.get(name, getattr(others, name, action.default))
        if name == "head":
            assert action.default in (None, "blend") and ours == "blend"
        elif isinstance(action.default, list | tuple) or action.default in (None, False):
            assert not ours or name in ("clip", "near_duplicates"), name
        else:
            assert str(ours) == str(action.default), name


def test_the_packages_are_called_whichever_was_imported_first() -> None:
    for first in ("import penult.audit", "from penult import predict", "import penult"):
        asked = "assert callable(penult.audit) and callable(penult.predict)\nprint(len(penult.audit.KINDS))"
        code = f"{first}\nimport penult\n{asked}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
        assert int(done.stdout) > 5
    assert "csv" in inspect.signature(penult.audit).parameters
    assert "penult.audit" in sys.modules and inspect.ismodule(penult.audit)


def test_an_option_that_is_none_is_told_with_the_nearest() -> None:
    for call in (penult.audit, penult.compare, penult.embed, penult.train):
        with pytest.raises(UnknownName, match="unknown option 'bakbones'; did you mean backbones"):
            call("photos", bakbones="lite")
    with pytest.raises(UnknownName, match="unknown option 'devise'"):
        penult.predict("run", "cat.png", devise="cpu")


def test_predictions_index_iterate_and_compare_as_labels_do() -> None:
    found = penult.predict("run", ["cat.png", "dog.png"])
    assert repr(found) == "Predictions(2 images: cat: 1, dog: 1)" and len(found) == 2
    assert [p.label for p in found] == np.asarray(found).tolist() == ["cat", "dog"]
    assert found[1] == found["dog.png"] == list(found)[1] and found[-1].id == "dog.png"
    assert found[:1].ids == ("cat.png",) and found[np.array([False, True])].ids == ("dog.png",)
    assert (found == np.array(["cat", "cat"])).tolist() == [True, False] and (found == ["cat", "dog"]).mean() == 1
    assert (found == penult.predict("run", ["cat.png", "dog.png"])) is True
    with pytest.raises(UnknownName):
        found["bird.png"]
    with pytest.raises(IndexError):
        found[2]
    assert "cat.png" in found._repr_html_() and "<script" not in found._repr_html_()


def test_a_slice_of_predictions_keeps_who_failed(here: Path) -> None:
    pytest.importorskip("pandas")
    (here / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    found = penult.predict("run", ["cat.png", "bad.jpg", "dog.png"])
    assert repr(found) == "Predictions(3 images: cat: 1, dog: 1, unreadable: 1)"
    assert found[1:].failures.keys() == {0} and found["bad.jpg"].failure is not None and found[2].failure is None
    assert found.to_pandas()["label"].isna().tolist() == [False, True, False]
    with pytest.raises(InputError, match="1 image of 3 cannot be read, such"):
        np.asarray(found)


def test_each_result_is_a_table_a_sequence_and_a_page() -> None:
    pd = pytest.importorskip("pandas")
    found = {
        "train": penult.train("photos", out="again", backbones="colour_histogram", verbose=False),
        "audit": penult.audit("photos", backbones="colour_histogram", all=True),
        "compare": penult.compare("photos", backbones="colour_histogram", out="compared", budget="5m"),
        "evaluate": penult.evaluate("run", "photos", min_accuracy="90%", min_recall="dog=0.5"),
        "explain": penult.explain("run", ["cat.png", "dog.png"], "dog", out="maps"),
        "predict": penult.predict("run", "photos"),
        "embed": penult.embed("photos", backbones="colour_histogram", views=2),
    }
    rows = {"train": 12, "audit": 2, "compare": 1, "evaluate": 12, "explain": 2, "predict": 12, "embed": 12}
    for name, one in found.items():
        table = one.to_pandas()
        assert isinstance(table, pd.DataFrame) and len(table) == rows[name], name
        assert len(repr(one)) < 120 and "\n" not in repr(one), name
        shown = one._repr_html_()
        assert shown.startswith("<div") and "<script" not in shown, name
        if name not in ("train", "evaluate"):
            assert len(one) == rows[name] and len(list(one)) == rows[name] and len(one[:1]) == 1, name
    assert found["evaluate"].passed and [gate.score for gate in found["evaluate"].gates] == ["accuracy", "recall"]
    assert found["compare"]["colour_histogram"].members == ("colour_histogram",)
    assert [one.kind for one in found["audit"]["small_class"]] == ["small_class"] * 2
    assert {one.label for one in found["explain"]} == {"dog"} and len(list(Path("maps").iterdir())) == 2
    assert found["explain"]._repr_html_().count("<img") == 2
    np.testing.assert_array_equal(np.asarray(found["embed"]), found["embed"].X)
    np.testing.assert_array_equal(found["embed"]["cat/3.png"], found["embed"].X[3])
    assert found["embed"].labels == ("cat",) * 6 + ("dog",) * 6


def test_class_shares_of_the_place_of_use() -> None:
    even = penult.predict("run", ["cat.png"]).proba[0]
    for prior in ({"cat": 0.1, "dog": 0.9}, "cat=0.1"):
        moved = penult.predict("run", ["cat.png"], prior=prior).proba[0]
        np.testing.assert_allclose(moved[0] / moved[1], even[0] / even[1] / 9, rtol=1e-6)
    assert penult.evaluate("run", "photos", prior="dog=0.9").answers["cat/0.png"].probabilities["cat"] < even[0]
    with pytest.raises(UnknownName, match="cats, black"):  # a name of a class is no text to be parsed
        penult.predict("run", ["cat.png"], prior={"cats, black": 0.1})


def test_an_open_model_keeps_its_settings_and_its_class_shares_where_others_are_asked_for() -> None:
    model = penult.load_model("run", cache_dir="own-cache")
    even = model.predict_proba(["cat.png"])
    shutil.rmtree("own-cache")
    assert penult.predict(model, ["cat.png"], prior="cat=0.1").proba[0, 0] < even[0, 0]
    assert Path("own-cache").is_dir()
    np.testing.assert_array_equal(model.predict_proba(["cat.png"]), even)


def test_without_pandas_the_cure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match="pip install pandas"):
        frames.data_frame({"a": [1]})


def test_a_model_is_given_in_any_form_and_images_in_any(here: Path) -> None:
    model, run = penult.load_model("run"), penult.train("photos", out="third", backbones="colour_histogram")
    expected = penult.predict("run", "cat.png").proba
    picture = Image.open("cat.png")
    for one in (Path("run"), "run/model.penult", model, model.bundle, run):
        np.testing.assert_allclose(penult.predict(one, np.asarray(picture)).proba, expected, atol=1e-6)
    for images in ([picture], [(picture, "cat")], Path("cat.png"), [Path("cat.png")]):
        np.testing.assert_allclose(penult.predict(model, images).proba, expected, atol=1e-6)
    with pytest.raises(InputError, match="a dict is no model"):
        penult.predict({}, "cat.png")
    with pytest.raises(InputError, match="either images or features"):
        penult.predict("run")
    fitted = penult.TransferClassifier("colour_histogram").fit([picture, picture], ["cat", "dog"])
    assert penult.explain(fitted, [picture])[0].method == "occlusion"


def test_progress_is_called_and_quiet_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    steps: set[str] = set()
    penult.predict("run", "photos", cache_dir=False, progress=lambda step, done, total: steps.add(step))
    assert steps == {"features"}
    penult.predict("run", "photos", cache_dir=False, verbose=True)
    assert capsys.readouterr() == ("", "")


def test_folds_and_weights_are_options_of_what_learns_alone() -> None:
    with pytest.raises(UnknownName, match="folds"):
        penult.predict("run", "cat.png", folds="fold")
    with pytest.raises(UnknownName, match="weights"):
        penult.evaluate("run", "photos", weights="weight")
