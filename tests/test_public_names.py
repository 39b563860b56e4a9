"""The public names: their examples run as they stand in the docstrings, and former names are still taken."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest

import penult
from conftest import draw
from penult.api import CALLED

EXAMPLES = ("train", "Run", "load_model", "Predictor", "PenultError", "list_backbones", "Embedder", "TransferClassifier")
COMMANDS = ("audit", "compare", "embed", "evaluate", "explain", "predict")  # packages that are called
RECORDS = ("Predictor", "Bundle", "Evaluation", "Run", "Embedder", "TransferClassifier")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Photos of cats and dogs as the examples have them, and a finished run `cats` on them."""
    from PIL import Image

    folder, paths, kinds = tmp_path_factory.mktemp("examples"), [], {"cat": "warm", "dog": "cold"}
    for label, kind in kinds.items():
        (folder / "photos" / label).mkdir(parents=True)
        Image.fromarray(draw(kind, 99)).save(folder / f"{label}.jpg", quality=95)
        for i in range(6):
            paths.append(str(folder / "photos" / label / f"{i}.png"))
            Image.fromarray(draw(kind, i)).save(paths[-1])
    run = penult.train(folder / "photos", out=folder / "cats", backbones="colour_histogram", cache_dir=folder / "cache")
    return {"folder": folder, "paths": paths, "labels": [Path(p).parent.name for p in paths], "run": run}


@pytest.mark.parametrize("name", EXAMPLES + COMMANDS)
def test_the_examples_of_a_public_name_run(name: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(names["folder"])
    monkeypatch.setenv("PENULT_CACHE", str(names["folder"] / "cache"))
    thing = CALLED.get(name) or getattr(penult, name)
    example = doctest.DocTestParser().get_doctest(thing.__doc__, dict(names), name, None, 0)
    assert example.examples
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert outcome.failed == 0, "".join(said)


def test_every_public_name_says_what_it_takes_and_gives() -> None:
    for name in EXAMPLES + COMMANDS:
        assert "Examples\n    --------" in (CALLED.get(name) or getattr(penult, name)).__doc__, name
    for name in RECORDS:
        assert "s\n    ----------" in getattr(penult, name).__doc__, name
    for name in ("train", "load_model", "list_backbones"):
        assert "Raises\n    ------" in getattr(penult, name).__doc__, name


def test_the_function_is_there_whatever_was_imported_before() -> None:
    import penult.training

    assert callable(penult.train) and penult.train is penult.training.train


def test_former_names_are_taken_and_not_shown(names: dict[str, Any]) -> None:
    embedder = penult.Embedder(backbone="colour_histogram", cache=False)
    assert embedder.get_params()["backbones"] == "colour_histogram" and embedder.cache_dir is False
    assert not {"backbone", "cache"} & set(embedder.get_params())
    assert penult.TransferClassifier("colour_histogram", cache=False).cache_dir is False
    assert penult.load(names["run"].folder, cache=False).settings.cache is False
    assert "load" not in penult.__all__


def test_errors_are_caught_by_the_names_at_the_root(names: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(penult.InputError):
        penult.load_model(tmp_path / "none.penult")
    with pytest.raises(penult.UnknownName):
        penult.train(names["folder"] / "photos", out=tmp_path / "run", backbones="colour_histogram", head="logistik")
