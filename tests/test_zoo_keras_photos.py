"""The seed's three networks from a checkpoint and files of photos: what Keras itself computes; needs the extra `keras`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extras import convert_in_process, needs
from penult import Embedder, zoo
from penult.pixels.recipe import Recipe
from penult.zoo.keras_network import import_keras
from rivals import drawn_photos, error

pytestmark = needs("keras", "torch", "keras", "onnxscript")


@pytest.fixture(autouse=True)
def keras_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import_keras()
    convert_in_process(monkeypatch)
    yield


def pixels_of(path: Path, recipe: Recipe, squash: bool = False) -> np.ndarray:
    """Return a photo as Pillow alone brings it to the recipe's size: (s, s, 3)."""
    picture, size = Image.open(path).convert("RGB"), recipe.size
    if squash:
        return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
    short, (wide, high) = math.floor(size / recipe.crop), picture.size
    new = (short, int(short * high / wide)) if wide <= high else (int(short * wide / high), short)
    left, top = round((new[0] - size) / 2), round((new[1] - size) / 2)
    return np.asarray(picture.resize(new, Image.Resampling.BICUBIC).crop((left, top, left + size, top + size)))


@pytest.mark.parametrize(("name", "end"), [("ResNet50", ".weights.h5"), ("InceptionV3", ".h5"), ("Xception", ".keras")])
def test_features_of_files_are_those_that_keras_computes(
    name: str, end: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`pooling="avg"` on the family's `preprocess_input`, in f32; and ten times nearer than any wrong recipe."""
    from kerasnets import healthy, keras_features, save

    size = 224 if name == "ResNet50" else 299
    model = healthy(name, size)
    file = save(model, tmp_path / f"my{end}")
    paths = some_photos(request, tmp_path)
    network = f"keras:{name}@{file}"
    ours = Embedder(network, precision="f32").transform(paths)
    recipe = zoo.find_backbone(network).recipe
    right = np.stack([pixels_of(path, recipe) for path in paths])  # (n, s, s, 3)
    theirs = keras_features(name, model, right)
    assert ours.shape == theirs.shape == (len(paths), 2048)
    off = error(ours, theirs)
    assert off <= 1e-2

    few = slice(0, 8)
    wrong: dict[str, Callable[[], np.ndarray]] = {
        "squash": lambda: keras_features(name, model, np.stack([pixels_of(p, recipe, squash=True) for p in paths[few]])),
        "blue for red": lambda: keras_features(name, model, right[few, ..., ::-1]),
        "no preprocessing": lambda: np.asarray(model.predict(right[few].astype(np.float32), verbose=0)),
    }
    for what, features in wrong.items():
        assert off <= error(features(), theirs[few]) / 10, what


def some_photos(request: pytest.FixtureRequest, folder: Path) -> list[Path]:
    """Return 24 real photos where there are some, else drawn ones."""
    try:
        real: Path = request.getfixturevalue("real_photos")
    except pytest.skip.Exception:
        return drawn_photos(folder)
    pairs = zip(sorted((real / "train/cat").iterdir()), sorted((real / "train/dog").iterdir()), strict=False)
    return [path for pair in pairs for path in pair][:24]


def test_the_protocol_of_the_blog_from_three_files_to_a_submission(
    photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small versions of its networks stand in: the way is the same, and the run says what it did."""
    import json

    from kerasnets import healthy, save
    from penult.cli import main

    names = [
        f"keras:{n}@{save(healthy(n, 75), tmp_path / f'{n}.weights.h5')}:75" for n in ("ResNet50", "InceptionV3", "Xception")
    ]
    train, test = photos("train", warm=6, cold=6), photos("test", warm=2)
    words = [word for name in names for word in ("-b", name)]
    assert (
        main(["train", str(train), "--test", str(test), "--protocol", "blog2017", "--out", str(tmp_path / "run"), *words]) == 0
    )
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    recipes = [b["recipe"] for b in metrics["backbones"]]
    assert [r["mean"] for r in recipes] == [[0.0] * 3, [0.5] * 3, [0.5] * 3]
    assert {(r["fit"], r["crop"], r["interpolation"], r["channels"]) for r in recipes} == {("squash", 1.0, "nearest", "rgb")}
    assert metrics["choice"]["temperature"] == 1 and metrics["choice"]["clip"] == 0.005
    assert sorted(p.name for p in (tmp_path / "run").glob("data_*.h5")) == [
        "data_InceptionV3.h5", "data_ResNet50.h5", "data_Xception.h5",
    ]  # fmt: skip
    rows = (tmp_path / "run" / "submission.csv").read_text().splitlines()
    assert len(rows) == 3 and all(0.005 <= float(row.split(",")[1]) <= 0.995 for row in rows[1:])
