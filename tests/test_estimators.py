"""`Embedder` and `TransferClassifier` behave as scikit-learn's own: clone, pickle, pipelines, cross-validation."""

from __future__ import annotations

import io
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import penult
from penult import Embedder, TransferClassifier
from penult.errors import InputError

Photos = Callable[..., Path]
SMALL = ("colour_histogram",)


@pytest.fixture
def labelled(photos: Photos) -> tuple[list[Path], list[str]]:
    paths = sorted(photos("train", warm=10, cold=10).rglob("*.png"))
    return paths, [p.parent.name for p in paths]


def test_fit_predict_and_probabilities(labelled: tuple[list[Path], list[str]]) -> None:
    paths, labels = labelled
    model = TransferClassifier(SMALL).fit(paths, labels)
    assert model.classes_.tolist() == ["cold", "warm"]
    assert model.predict(paths).tolist() == labels
    assert model.predict_proba(paths[:3]).shape == (3, 2)
    assert model.score(paths, labels) == 1.0


def test_paths_arrays_and_pillow_images_give_the_same_answer(labelled: tuple[list[Path], list[str]]) -> None:
    from PIL import Image

    paths, labels = labelled
    model = TransferClassifier(SMALL).fit(paths, labels)
    pictures = [Image.open(p).convert("RGB") for p in paths[:4]]
    wanted = model.predict_proba(paths[:4])
    np.testing.assert_array_equal(model.predict_proba([str(p) for p in paths[:4]]), wanted)
    np.testing.assert_array_equal(model.predict_proba(np.array([str(p) for p in paths[:4]])), wanted)
    np.testing.assert_array_equal(model.predict_proba(pictures), wanted)
    np.testing.assert_array_equal(model.predict_proba([np.asarray(p) for p in pictures]), wanted)


@pytest.mark.parametrize("name", ["Embedder", "TransferClassifier"])
def test_a_pickle_of_a_former_version_finds_its_class(name: str) -> None:
    assert pickle.loads(f"cpenult.estimators\n{name}\n.".encode()) is getattr(penult, name)


def test_clone_and_pickle_keep_what_they_should(labelled: tuple[list[Path], list[str]]) -> None:
    paths, labels = labelled
    model = TransferClassifier(SMALL, head="knn", random_state=3).fit(paths, labels)
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(paths)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(paths), model.predict_proba(paths))


def test_cross_val_score_and_a_pipeline_of_scikit_learns_own(labelled: tuple[list[Path], list[str]]) -> None:
    paths, labels = labelled
    assert cross_val_score(TransferClassifier(SMALL), paths, labels, cv=2).mean() == 1.0
    chain = make_pipeline(Embedder("colour_histogram"), LogisticRegression()).fit(paths, labels)
    assert chain.score(paths, labels) == 1.0


def test_any_scikit_learn_classifier_works_in_memory_and_save_refuses_it(
    labelled: tuple[list[Path], list[str]], tmp_path: Path
) -> None:
    from sklearn.ensemble import RandomForestClassifier

    paths, labels = labelled
    model = TransferClassifier(SMALL, head=RandomForestClassifier(random_state=0)).fit(paths, labels)
    assert model.score(paths, labels) == 1.0
    with pytest.raises(InputError, match="logistic"):
        model.save(tmp_path / "m.penult")


def test_what_is_saved_predicts_the_same(labelled: tuple[list[Path], list[str]], tmp_path: Path) -> None:
    paths, labels = labelled
    model = TransferClassifier(SMALL).fit(paths, labels)
    model.save(tmp_path / "m.penult")
    answers = penult.load(tmp_path / "m.penult").predict([str(p) for p in paths])
    np.testing.assert_array_equal(answers.proba, model.predict_proba(paths))
    assert next(iter(answers)).label == "cold"


def test_embedder_gives_rows_in_the_callers_order(labelled: tuple[list[Path], list[str]]) -> None:
    paths, _ = labelled
    embedder = Embedder("colour_histogram")
    X = embedder.transform(paths)
    assert X.dtype == np.float32
    np.testing.assert_array_equal(embedder.transform(paths[::-1]), X[::-1])
    assert len(embedder.get_feature_names_out()) == X.shape[1]


def test_without_a_cache_nothing_is_written(
    labelled: tuple[list[Path], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path / "untouched"))
    Embedder("colour_histogram", cache_dir=False).transform(labelled[0])
    assert not (tmp_path / "untouched").exists()


def test_unreadable_images_are_all_named(labelled: tuple[list[Path], list[str]]) -> None:
    paths, labels = labelled
    paths[2].write_bytes(b"")
    paths[5].write_bytes(b"text")
    with pytest.raises(InputError, match=r"2 images cannot be read: .*\(empty\), .*\(not an image\); leave them out"):
        TransferClassifier(SMALL).fit(paths, labels)


def test_labels_that_do_not_fit_are_refused(labelled: tuple[list[Path], list[str]]) -> None:
    paths, _ = labelled
    with pytest.raises(InputError, match="give one label an image"):
        TransferClassifier(SMALL).fit(paths, ["a"])
    with pytest.raises(InputError, match="only one class"):
        TransferClassifier(SMALL).fit(paths, ["a"] * len(paths))


@pytest.mark.parametrize("backbones", [[], None, 5, [None], ["colour_histogram", 5]])
def test_backbones_that_are_no_names_are_refused(labelled: tuple[list[Path], list[str]], backbones: Any) -> None:
    with pytest.raises(InputError, match="give the name of one network, or a list of names"):
        TransferClassifier(backbones).fit(*labelled)


class Table:
    """What pandas and polars have in common: columns by name, each of them values."""

    def __init__(self, **columns: Any):
        self.columns, self._values = list(columns), columns
        self.shape = (len(next(iter(columns.values()), ())), len(columns))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return np.array(list(self._values.values()), object).T


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[TransferClassifier, penult.predict.Predictor, list[str]]:
    """A classifier, the same as a model file, and the paths that it learnt from: twenty photos of two classes."""
    from PIL import Image

    from conftest import draw

    folder, paths = tmp_path_factory.mktemp("fitted"), []
    for kind in ("cold", "warm"):
        for i in range(10):
            paths.append(str(folder / f"{kind}.{i}.png"))
            Image.fromarray(draw(kind, i)).resize((48, 40)).save(paths[-1])
    cache = str(folder / "cache")
    model = TransferClassifier(SMALL, cache_dir=cache).fit(paths, [Path(p).name[:4] for p in paths])
    model.save(folder / "m.penult")
    return model, penult.load(folder / "m.penult", cache=cache), paths


def pixels(path: str) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


def opened(path: str) -> Any:
    from PIL import Image

    return Image.open(path)


TAKEN: dict[str, Callable[[list[str]], Any]] = {
    "a list": lambda p: p,
    "a tuple": tuple,
    "a generator": iter,
    "a map": lambda p: map(str, p),
    "the keys of a dict": lambda p: dict.fromkeys(p).keys(),
    "paths of pathlib": lambda p: [Path(x) for x in p],
    "paths as bytes": lambda p: [os.fsencode(x) for x in p],
    "an array of text": np.array,
    "an array of bytes": lambda p: np.array([os.fsencode(x) for x in p]),
    "an array of objects": lambda p: np.array(p, object),
    "a column of text": lambda p: np.array(p)[:, None],
    "a table of one column": lambda p: Table(path=p),
    "an array (n, h, w, 3)": lambda p: np.stack([pixels(x) for x in p]),
    "arrays, pictures and paths": lambda p: [opened(p[0]), pixels(p[1]), *p[2:]],
}
ONE: dict[str, Callable[[str], Any]] = {
    "a text": lambda p: p,
    "a path": Path,
    "bytes": os.fsencode,
    "an array without sides": np.array,
    "an array (h, w, 3)": pixels,
    "a Pillow image": opened,
}
NAMED = ("a text", "a path", "bytes", "an array without sides")


@pytest.mark.parametrize("kind", TAKEN)
def test_every_sequence_of_images_gives_one_answer_an_image(fitted: Any, kind: str) -> None:
    """Whatever holds the images, the answers are those of the list of their paths, in the same order."""
    model, predictor, paths = fitted
    wanted = model.predict_proba(paths[4:16])
    np.testing.assert_array_equal(model.predict_proba(TAKEN[kind](paths[4:16])), wanted)
    np.testing.assert_array_equal(predictor.predict(TAKEN[kind](paths[4:16])).proba, wanted)


@pytest.mark.parametrize("kind", ONE)
def test_one_image_alone_gets_one_answer(fitted: Any, kind: str) -> None:
    """A path, an array (h, w, 3) or a Pillow image that is not in a list is one photo, not a row of pixels or letters."""
    model, predictor, paths = fitted
    image = ONE[kind](paths[15])
    assert model.predict(image).tolist() == ["warm"]
    assert model.predict_proba(image).shape == (1, 2)
    assert Embedder(SMALL, cache_dir=fitted[0].cache_dir).transform(image).shape == (1, 112)
    (answer,) = predictor.predict(image)
    assert answer.label == "warm"
    assert answer.id == (paths[15] if kind in NAMED else "image number 0")


def test_one_gray_array_is_one_photo(fitted: Any) -> None:
    assert fitted[0].predict(np.zeros((9, 7), np.uint8)).shape == (1,)
    assert fitted[0].predict(np.zeros((4, 9, 7), np.uint8)).shape == (4,)
    with pytest.warns(
        UserWarning, match=r"three gray photos; if it is one photo with its channels first, give numpy.moveaxis"
    ):
        assert fitted[0].predict(np.zeros((3, 9, 7), np.uint8)).shape == (3,)


class Tensor:
    """What `torch.Tensor` shows of itself."""

    __module__ = "torch"
    shape, dtype = (3, 8, 8), "torch.uint8"

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return np.zeros(self.shape, np.uint8)


CONTENT = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
REFUSED: dict[str, tuple[Any, str]] = {
    "nothing": (None, "no images were given"),
    "a number": (3, r"got an int \(3\) for images; give a list"),
    "a set": ({"a.jpg"}, "a set, which has no order"),
    "a dict": ({"a.jpg": "cat"}, r"give a list, such as list\(images.keys\(\)\)"),
    "an object": (object(), "got an object for images"),
    "a folder": (os.curdir, "is a folder; give a list of its photos"),
    "a folder as path": (Path(os.curdir), "is a folder"),
    "a pattern": ("none/*.jpg", r"is a pattern, not a file; give the list of its files: sorted\(glob.glob"),
    "an address": ("https://example.org/a.jpg", "is an address, not a file; download it"),
    "a name with a zero": ("a\0b", "cannot be the name of a file"),
    "bytes of a file": (CONTENT, r"the content of an image file .*penult.FileContent\(data\)"),
    "a bytearray": (bytearray(CONTENT), r"penult.FileContent\(data\)"),
    "a file in memory": (io.BytesIO(CONTENT), r"got a BytesIO for images; wrap it: .*FileContent\(file.read"),
    "files in memory": ([io.BytesIO(CONTENT)] * 2, r"each of the 2 images is a BytesIO; wrap it: penult.FileContent\("),
    "bytes of files": ([CONTENT, "a.jpg"], r"number 0 is the content of an image file"),
    "a tensor": (Tensor(), r"got a Tensor for images; make it a uint8 array first: \(tensor.permute"),
    "tensors": ([Tensor()] * 3, "each of the 3 images is a Tensor; make it a uint8 array first"),
    "a table": (Table(label=["cat"], path=["a.jpg"]), r"table of 2 columns \(label, path\); give .* alone: df\['path'\]"),
    "a wide table": (Table(**{f"c{i}": [0] for i in range(99)}), r"99 columns \(c0, .*c9 and 89 more\); give .*df\['c0'\]"),
    "a table without columns": (Table(), "a table without columns"),
    "two columns of text": (np.array([["a.jpg", "cat"]]), r"got an array .*\(1, 2\) for images; give one column of paths"),
    "features": (np.zeros((4, 5)), r"got an array float64 \(4, 5\) for an image"),
    "floats": (np.zeros((8, 8, 3)), r"got an array float64 \(8, 8, 3\)"),
    "four channels": (np.zeros((8, 8, 4), np.uint8), r"got an array uint8 \(8, 8, 4\)"),
    "one channel": (np.zeros((2, 8, 8, 1), np.uint8), r"each of the 2 images is an array uint8 \(8, 8, 1\)"),
    "channels first": (np.zeros((2, 3, 8, 8), np.uint8), r"each of the 2 images is an array uint8 \(3, 8, 8\)"),
    "one row of numbers": (np.zeros(5, np.uint8), "each of the 5 images is a uint8"),
    "a missing path": (["a.jpg", float("nan"), None], r"2 of 3 .*number 1 is a float \(nan\), number 2 is a NoneType"),
    "lists of paths": ([["a.jpg"], ["b.jpg"]], "each of the 2 images is a list"),
    "pairs": ([(np.zeros((8, 8, 3), np.uint8), 0)], "got a tuple for an image"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_image_is_refused_in_a_sentence(fitted: Any, kind: str) -> None:
    """Everything else is one `InputError` that says what it is and what to give, in `fit` and in `predict`."""
    model, predictor, _ = fitted
    given, message = REFUSED[kind]
    calls: list[Callable[[], Any]] = [
        lambda: model.predict(given),
        lambda: predictor.predict(given),
        lambda: Embedder(SMALL, cache_dir=fitted[0].cache_dir).transform(given),
        lambda: TransferClassifier(SMALL, cache_dir=fitted[0].cache_dir).fit(given, ["a"]),
    ]
    for call in calls:
        with pytest.raises(InputError, match=message) as error:
            call()
        assert len(str(error.value)) < 500
        assert "\n" not in str(error.value)


def test_no_images_are_refused_as_scikit_learn_does(fitted: Any) -> None:
    model, predictor, _ = fitted
    for nothing in ([], (), np.array([]), Table(path=[]), iter([])):
        with pytest.raises(ValueError, match="there are no images: found array with 0 samples"):
            model.predict(nothing)
    with pytest.raises(InputError, match="there are no images"):
        TransferClassifier(SMALL).fit([], [])
    assert list(predictor.predict([])) == []


def test_a_generator_is_enough_for_a_pipeline(fitted: Any) -> None:
    """`fit_transform` reads its images once, also where `fit` learns something of them."""
    _, _, paths = fitted
    X = Embedder(SMALL, cache_dir=fitted[0].cache_dir).fit_transform(iter(paths))
    np.testing.assert_array_equal(X, Embedder(SMALL, cache_dir=fitted[0].cache_dir).transform(paths))


@pytest.fixture
def few(fitted: Any) -> tuple[list[str], list[str]]:
    paths = [*fitted[2][:3], *fitted[2][10:13]]
    return paths, [Path(p).name[:4] for p in paths]


LABELS: dict[str, tuple[Callable[[list[str]], Any], list[Any]]] = {
    "a tuple": (tuple, ["cold", "warm"]),
    "a generator": (iter, ["cold", "warm"]),
    "an array of objects": (lambda y: np.array(y, object), ["cold", "warm"]),
    "numbers": (lambda y: [7 if v == "warm" else -3 for v in y], [-3, 7]),
    "numbers as objects": (lambda y: np.array([v == "warm" for v in y], int).astype(object), [0, 1]),
    "whole floats": (lambda y: [float(v == "warm") for v in y], [0.0, 1.0]),
    "truth values": (lambda y: [v == "warm" for v in y], [False, True]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_kind_are_taken(few: tuple[list[str], list[str]], kind: str) -> None:
    make, classes = LABELS[kind]
    model = TransferClassifier(SMALL).fit(few[0], make(few[1]))
    assert model.classes_.tolist() == classes
    assert model.predict(few[0]).tolist() == [classes[label == "warm"] for label in few[1]]


def test_a_column_of_labels_is_taken_with_scikit_learns_warning(few: tuple[list[str], list[str]]) -> None:
    for column in (np.array(few[1])[:, None], [[label] for label in few[1]], Table(label=few[1])):
        with pytest.warns(DataConversionWarning):
            model = TransferClassifier(SMALL).fit(few[0], column)
        assert model.classes_.tolist() == ["cold", "warm"]


WRONG_LABELS: dict[str, tuple[Callable[[list[str]], Any], str]] = {
    "none": (lambda y: None, "requires y to be passed, but the target y is None"),
    "one text": (lambda y: "warm", "the one text 'warm'; give a list"),
    "a number": (lambda y: 3, "the labels are a int; give a list"),
    "a set": (set, "a set, which has no order"),
    "a dict": (lambda y: dict(enumerate(y)), "a dict, which has no order"),
    "too few": (lambda y: y[:2], r"6 images but labels of the shape \(2,\); give one label an image"),
    "one-hot": (lambda y: np.eye(2)[[0, 0, 0, 1, 1, 1]], r"the shape \(6, 2\); .*one-hot columns that is y.argmax\(axis=1\)"),
    "lists": (lambda y: [["a", "b"], *([v] for v in y[1:])], "lists of different lengths"),
    "dicts": (lambda y: [{}] * 6, "labels are a dict; give one name or number an image"),
    "None among texts": (lambda y: [None, *y[1:]], r"labels are missing: 1 of 6 \(None or NaN; number 0, counted from 0\)"),
    "NaN among texts": (lambda y: [*y[:5], float("nan")], r"labels are missing: 1 of 6 .*number 5"),
    "NaN among objects": (lambda y: np.array([*y[:5], np.nan], object), "labels are missing: 1 of 6"),
    "NaN among numbers": (lambda y: np.array([0, 0, np.nan, 1, 1, np.nan]), r"labels are missing: 2 of 6 .*number 2, 5"),
    "measurements": (lambda y: [0.37, 1.2, 2.5, 3.1, 0.2, 0.9], r"measurements \(0.37, 1.2, 2.5 ...\), .*numpy.digitize"),
    "measurements as objects": (lambda y: np.array([0.5] * 6, object), "look like measurements"),
    "infinity": (lambda y: [0, 0, 0, 1, 1, np.inf], "look like measurements"),
    "texts and numbers": (lambda y: [1, *y[1:]], r"some labels are text and some are not; .*str\(label\) for label in y"),
    "empty names": (lambda y: ["", *y[1:]], r"labels are empty text: 1 of 6 \(number 0"),
    "one class": (lambda y: ["warm"] * 6, "only one class, 'warm'"),
}


@pytest.mark.parametrize("kind", WRONG_LABELS)
def test_labels_that_cannot_be_learnt_are_refused_before_anything_is_computed(
    few: tuple[list[str], list[str]], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, message = WRONG_LABELS[kind]
    monkeypatch.setattr("penult.estimators.classifier.embed", lambda *_, **__: pytest.fail("something was computed"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=message):
            TransferClassifier(SMALL).fit(few[0], make(few[1]))


def test_the_text_nan_becomes_a_class_with_a_warning(few: tuple[list[str], list[str]]) -> None:
    with pytest.warns(UserWarning, match="2 of the 6 labels are the text 'nan', which becomes a class; where it stands"):
        TransferClassifier(SMALL).fit(few[0], [*few[1][:4], "nan", "nan"])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2], r"6 images but groups of the shape \(2,\); give one group an image"),
        ([1, 2, 3, None, 5, 6], "groups are missing: 1 of 6 .*number 3, counted from 0"),
        ("a", "the groups are the one text 'a'"),
    ],
)
def test_groups_that_do_not_fit_are_refused(few: tuple[list[str], list[str]], groups: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TransferClassifier(SMALL).fit(*few, groups=groups)


def test_groups_may_come_from_anything_with_an_order(few: tuple[list[str], list[str]]) -> None:
    wanted = TransferClassifier(SMALL).fit(*few, groups=list("abcdef")).predict_proba(few[0])
    for groups in (iter("abcdef"), np.arange(6)[:, None], np.array(list("abcdef"), object)):
        model = TransferClassifier(SMALL).fit(*few, groups=groups)
        np.testing.assert_array_equal(model.predict_proba(few[0]), wanted)


@pytest.mark.parametrize("weights", ["balanced", {"warm": 1.0, "cold": 3.0}, {"cold": 3}], ids=["balanced", "dict", "part"])
def test_class_weights_lift_the_rare_class_and_are_remembered(photos: Photos, tmp_path: Path, weights: Any) -> None:
    paths = sorted(photos("train", warm=12, cold=4).rglob("*.png"))
    labels = [p.parent.name for p in paths]
    even = [LogisticRegression(class_weight=w) for w in (None, weights)]
    for heads in (("logistic", "logistic"), even[:1] * 2):
        plain = TransferClassifier(SMALL, head=heads[0]).fit(paths, labels)
        lifted = TransferClassifier(SMALL, head=heads[1], class_weight=weights).fit(paths, labels)
        assert lifted.predict_proba(paths)[:, 0].mean() > plain.predict_proba(paths)[:, 0].mean()
    assert even[0].get_params()["class_weight"] is None  # a head that was given stays as it was
    model = TransferClassifier(SMALL, class_weight=weights).fit(paths, labels)
    assert clone(model).get_params() == model.get_params()
    model.save(tmp_path / "m.penult")
    assert penult.bundle.load_bundle(tmp_path / "m.penult").facts["choice"]["class_weight"] == weights
    np.testing.assert_array_equal(model.prior_, [0.25, 0.75])  # an unreadable image gets the shares of the photos as they are


def test_class_weights_that_do_not_fit_are_refused(labelled: tuple[list[Path], list[str]]) -> None:
    for weights, says in (("even", "None, 'balanced', or a dict"), ({"hot": 2}, "'hot'"), ({"warm": -1}, "not above 0")):
        with pytest.raises(InputError, match=says):
            TransferClassifier(SMALL, class_weight=weights).fit(*labelled)


def test_as_many_classes_as_photos_are_no_reason_for_a_warning(photos: Photos) -> None:
    """scikit-learn asks whether so many classes mean a regression; pytest turns that warning into an error."""
    paths = sorted(photos("train", warm=12, cold=12).rglob("*.png"))
    labels = [str(i) for i in range(24)]
    assert 0 <= TransferClassifier(SMALL, head="centroid").fit(paths, labels).score(paths, labels) <= 1
