"""Data sets of torchvision and Hugging Face as X, by their shape alone: neither package is there."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import penult
from conftest import draw
from penult.errors import InputError
from penult.pixels import dataset_labels, image_list

NAMES = ["cat", "dog"]


def _picture(i):
    return Image.fromarray(draw("warm" if i % 2 == 0 else "cold", i))


class Folder:
    """As torchvision.datasets.ImageFolder: pairs, no `__iter__`, names of classes; counts what is asked for."""

    classes = NAMES

    def __init__(self, n=12, named=True):
        self.n, self.asked = n, 0
        if named:
            self.targets = [i % 2 for i in range(n)]

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        self.asked += 1
        return _picture(i), i % 2


class ClassLabel:
    names = NAMES


class Feature:
    def __init__(self, decode=True):
        self.decode = decode


class Table:
    """As datasets.Dataset: records by number, columns by name, an image feature that can be given as its file."""

    def __init__(self, n=12, decode=True):
        self.n, self.features = n, {"id": object(), "img": Feature(decode), "label": ClassLabel()}

    def __len__(self):
        return self.n

    def cast_column(self, name, feature):
        assert name == "img"
        return Table(self.n, feature.decode)

    def __getitem__(self, i):
        if isinstance(i, str):
            return [k % 2 for k in range(self.n)]
        file = io.BytesIO()
        _picture(i).save(file, "PNG")
        image = _picture(i) if self.features["img"].decode else {"bytes": file.getvalue(), "path": None}
        return {"id": i, "img": image, "label": i % 2}


class Tensor:
    __module__ = "torch"


Tensor.__module__ = "torch"


@pytest.mark.parametrize("X", [Folder(), Table(), [(_picture(i), i % 2) for i in range(12)]])
def test_pairs_and_records_are_learnt_with_their_labels(X):
    model = penult.TransferClassifier("colour_histogram", cache_dir=False).fit(X)
    assert sorted(set(model.classes_.tolist())) == (NAMES if not isinstance(X, list) else [0, 1])
    pictures = [_picture(i) for i in range(12)]
    np.testing.assert_allclose(model.predict_proba(X), model.predict_proba(pictures), atol=1e-6)
    again = penult.TransferClassifier("colour_histogram", cache_dir=False).fit(pictures, dataset_labels(X))
    np.testing.assert_allclose(model.predict_proba(X), again.predict_proba(X), atol=1e-6)


def test_images_are_asked_for_when_they_are_looked_at_and_no_label_needs_one():
    X = Folder(40)
    images = image_list(X)
    assert len(images) == 40 and X.asked <= 3
    assert dataset_labels(X)[:2] == NAMES and X.asked <= 5
    penult.Embedder("colour_histogram", cache_dir=False).transform(X)
    assert X.asked < 40 + 10, "each is read once"
    assert not any(hasattr(image, "getexif") for image in images)


def test_files_of_hugging_face_are_taken_as_they_are_not_as_pictures():
    images = image_list(Table())
    assert isinstance(images[0].load(), penult.FileContent)
    assert [type(one.load()).__name__ for one in image_list(Table(decode=False))[:2]] == ["FileContent"] * 2


def test_a_data_set_whose_items_are_files_in_memory_or_pictures():
    class Plain:
        def __init__(self, make):
            self.make = make

        def __len__(self):
            return 4

        def __getitem__(self, i):
            return self.make(i)

    def encoded(i):
        file = io.BytesIO()
        _picture(i).save(file, "PNG")
        return file.getvalue()

    expected = penult.Embedder("colour_histogram", cache_dir=False).transform([_picture(i) for i in range(4)])
    for make in (encoded, _picture):
        found = penult.Embedder("colour_histogram", cache_dir=False).transform(Plain(make))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_item_that_cannot_be_had_is_unreadable_with_its_reason():
    class Broken(Folder):
        def __getitem__(self, i):
            if i == 3:
                raise OSError("shard 2 is gone")
            return super().__getitem__(i)

    with pytest.raises(InputError, match=r"image number 3 \(unreadable file\)"):
        penult.Embedder("colour_histogram", cache_dir=False).transform(Broken())


def test_tensors_and_items_without_an_image_are_refused_by_name():
    class Tensors(Folder):
        def __getitem__(self, i):
            return Tensor(), i % 2

    class Numbers(Folder):
        def __getitem__(self, i):
            return {"a": 1.5, "label": 0}

    with pytest.raises(InputError, match=r"tensors .*Tensor.*without a transform"):
        image_list(Tensors())
    with pytest.raises(InputError, match=r"hold no image \(a: float, label: int\)"):
        image_list(Numbers())


def test_a_fitted_model_is_pickled_without_its_data_set():
    model = penult.TransferClassifier("colour_histogram", cache_dir=False).fit(Folder())
    assert len(pickle.dumps(model)) < 400_000
    assert pickle.loads(pickle.dumps(model)).predict([_picture(0)])[0] == "cat"


def test_paths_in_any_container_stay_paths(tmp_path: Path):
    from collections import deque

    _picture(0).save(tmp_path / "a.png")
    assert image_list(deque([str(tmp_path / "a.png")])) == [str(tmp_path / "a.png")]
