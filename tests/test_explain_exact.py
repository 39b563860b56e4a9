"""The law of class activation maps: the heat adds up to the logit less the intercept, for every network, head and scaling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainable import F32, features, fitted, linear, middle, model, some, square
from penult import backbones, engines
from penult.embed import EmbedOptions
from penult.errors import InputError, UnknownName
from penult.explain import explain
from penult.explain.cam import activation, linear_weights, pooled
from penult.heads import scorer
from tinynet import noise, tiny

LITES = backbones.LITES


def contrast(raw: np.ndarray, place: int) -> float:
    return float(raw[0, place] - raw[0].mean())


@pytest.mark.parametrize(
    ("name", "pooling"), [(LITES[0], "mean"), *((name, "mean+max") for name in LITES), (LITES[2], "stages")]
)
def test_the_heat_adds_up_to_the_logit_of_every_built_in_network(name: str, pooling: str) -> None:
    """Against the features that the engine itself pools, and the head's own scorer."""
    network, photos = backbones.find_builtin(name, pooling=pooling), some(6)
    X = features(photos, network)
    for k, scaling in ((2, "unit"), (3, "standard")):
        head = fitted("logistic", X, k, blocks=network.blocks, scaling=scaling)
        found = explain(model((network,), head), photos[:2])
        score = scorer(head.kind, head.arrays, head.facts)
        for row, one in zip(X, found, strict=False):
            place = "abc".index(one.label)
            assert one.method == "cam" and one.intercept is not None
            assert one.logit == pytest.approx(contrast(score.raw(row[None]), place), rel=1e-3)
            assert one.heat.sum(dtype=np.float64) == pytest.approx(one.logit - one.intercept, rel=1e-3)
            assert one.probability == pytest.approx(score(row[None])[0, place], abs=1e-3)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_it_adds_up_over_several_networks_of_other_geometry_in_any_precision(precision: str) -> None:
    if precision not in engines.precisions():
        pytest.skip(f"this processor has no {precision}")
    networks = (
        backbones.find_builtin("efficientnet_lite0"),
        backbones.find_builtin("efficientnet_lite0", crop_mode="squash"),
        backbones.find_builtin("efficientnet_lite1", pooling="mean", size=160),
    )
    photos = some(6)
    X = np.hstack([features(photos, network) for network in networks])
    head = fitted("logistic", X, blocks=sum((n.blocks for n in networks), ()))
    one = explain(model(networks, head, EmbedOptions("cpu", precision, False)), photos[:1])[0]
    assert one.intercept is not None
    assert one.heat.sum(dtype=np.float64) == pytest.approx(one.logit - one.intercept, rel=1e-3)
    near = {"f32": 1e-3, "bf16": 0.2}[precision]
    score = scorer(head.kind, head.arrays, head.facts)
    assert one.logit == pytest.approx(contrast(score.raw(X[:1]), "ab".index(one.label)), rel=near)


@pytest.mark.parametrize("scaling", ["unit", "standard", "block", "none"])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("kind", ["blend", "logistic", "svm", "lda", "centroid", "dense"])
def test_a_linear_head_is_the_plain_sum_that_it_is_said_to_be(kind: str, k: int, scaling: str) -> None:
    """Every class's own logit, with blocks of which one is too narrow to be scaled to unit length."""
    rng = np.random.default_rng(k)
    X = (rng.normal(3, 2, (24, 30)) + np.arange(24)[:, None] % k).astype(np.float32)
    params = {"kernel": "linear"} if kind == "svm" else {}
    state = fitted(kind, X, k, blocks=(5, 10, 15), scaling=scaling, **params)
    assert state.kind == "linear"
    for row in X[:4].astype(np.float64):
        found = linear_weights(state, row)
        wanted = scorer(state.kind, state.arrays, state.facts).raw(row[None])[0]
        np.testing.assert_allclose(found.weights @ (row - found.shift) + found.intercepts, wanted, rtol=1e-9, atol=1e-9)


@given(
    st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.sampled_from(["mean", "mean+max"]), st.integers(0, 2**32 - 1)
)
def test_the_parts_of_the_positions_add_up(c: int, h: int, w: int, pooling: str, seed: int) -> None:
    """Also where several positions share a maximum, as behind a cut at 0 or 6."""
    rng = np.random.default_rng(seed)
    maps = np.clip(rng.normal(1, 3, (c, h, w)).round(rng.integers(0, 3)), 0, 6)
    x = pooled([maps], pooling)  # type: ignore[arg-type]
    weights, shift = rng.normal(size=len(x)), rng.normal(size=len(x))
    parts = activation(maps, pooling, weights, shift)  # type: ignore[arg-type]
    assert parts.shape == (h, w)
    assert parts.sum() == pytest.approx(float(weights @ (x - shift)), rel=1e-9, abs=1e-9)


def test_a_mean_lies_everywhere_and_a_maximum_where_it_is() -> None:
    maps = np.array([[[0.0, 4.0], [4.0, 0.0]]])  # (1, 2, 2)
    only_mean = activation(maps, "mean+max", np.array([1.0, 0.0]), np.zeros(2))
    np.testing.assert_allclose(only_mean, [[0, 1], [1, 0]])
    only_max = activation(maps, "mean+max", np.array([0.0, 1.0]), np.zeros(2))
    np.testing.assert_allclose(only_max, [[0, 2], [2, 0]])  # one maximum, two places
    np.testing.assert_allclose(activation(maps, "mean", np.array([2.0]), np.array([1.0])), [[-0.5, 1.5], [1.5, -0.5]])


@pytest.mark.parametrize(
    ("height", "width", "top", "left", "recipe"),
    [
        (120, 90, 20, 30, {}),  # squash: the whole photo
        (120, 200, 40, 85, {"crop_mode": "crop", "crop": 0.5}),
        (200, 120, 90, 50, {"crop_mode": "crop", "crop": 0.8}),
    ],
)
def test_the_heat_lies_on_what_the_network_sees(
    height: int, width: int, top: int, left: int, recipe: dict[str, object]
) -> None:
    """A network whose first map is the red of each pixel, a class for which red speaks: the heat lies on the red square."""
    photo = square(height, width, top, left, 24)
    network = tiny().with_recipe(**recipe)
    one = explain(model((network,), linear([[1, 0, 0, 0, 0]])), [photo], "b")[0]
    assert one.heat.shape == (height, width)
    assert middle(one.heat) == pytest.approx((top + 11.5, left + 11.5), abs=1.5)
    inside = one.heat[top - 6 : top + 30, left - 6 : left + 30].sum()
    assert inside == pytest.approx(one.heat.sum(), rel=0.02)
    x0, y0, x1, y1 = one.seen
    outside = np.ones((height, width), bool)
    outside[int(y0 * height) : int(np.ceil(y1 * height)), int(x0 * width) : int(np.ceil(x1 * width))] = False
    assert not one.heat[outside].any()


def test_a_turned_photo_is_explained_upright(tmp_path: Path) -> None:
    from PIL import Image

    upright = square(160, 100, 30, 20, 30)
    exif = Image.Exif()
    exif[274] = 6  # to be turned by 90 degrees to the right
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.png", exif=exif)
    one = explain(model((tiny(),), linear([[1, 0, 0, 0, 0]])), [tmp_path / "turned.png"], "b")[0]
    np.testing.assert_array_equal(one.photo, upright)
    assert middle(one.heat) == pytest.approx((44.5, 34.5), abs=2)


def test_networks_of_other_geometry_meet_on_the_photo() -> None:
    """Each sees the same square in another part of its own picture; together they point at one place."""
    photo = square(120, 200, 45, 85, 24)
    networks = (tiny(), tiny().with_recipe(crop_mode="crop", crop=0.5))
    alone = [explain(model((n,), linear([[1, 0, 0, 0, 0]])), [photo], "b")[0].heat for n in networks]
    both = explain(model(networks, linear([[1, 0, 0, 0, 0] * 2])), [photo], "b")[0].heat
    np.testing.assert_allclose(both, alone[0] + alone[1], rtol=1e-4, atol=1e-7)
    assert middle(both) == pytest.approx((56.5, 96.5), abs=1.5)


def test_what_speaks_for_one_of_two_classes_speaks_against_the_other() -> None:
    photos, network = some(8), tiny()
    for kind in ("blend", "logistic", "lda"):  # discriminant analysis gives its first class no weights at all
        found = model((network,), fitted(kind, features(photos, network)))
        first, second = (explain(found, photos[:1], label)[0] for label in "ab")
        assert np.abs(first.heat).max() > 0
        np.testing.assert_allclose(first.heat, -second.heat, rtol=1e-4, atol=1e-8)
        assert first.logit == pytest.approx(-second.logit)
        assert first.probability + second.probability == pytest.approx(1)


def test_the_likeliest_class_is_explained_unless_another_is_asked_for() -> None:
    photos = [square(64, 64, 0, 0, 64, colour) for colour in ((255, 0, 0), (0, 255, 0))]
    found = model((tiny(),), linear([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]], classes=3))
    answers = found.predict(photos)
    assert [(e.label, e.predicted, e.index) for e in explain(found, photos)] == [("a", "a", 0), ("b", "b", 1)]
    assert [e.probability for e in explain(found, photos)] == pytest.approx([p.confidence for p in answers])
    assert [e.label for e in explain(found, photos, ["c", "a"])] == ["c", "a"]
    assert [e.predicted for e in explain(found, photos, "c")] == ["a", "b"]
    with pytest.raises(UnknownName, match="unknown class 'd'"):
        explain(found, photos, "d")
    with pytest.raises(InputError, match="2 photos, but 2 names and 1 classes"):
        explain(found, photos, ["a"])


def test_a_photo_can_be_any_source_and_its_heat_is_bounded(tmp_path: Path) -> None:
    from PIL import Image

    pixels = noise(1, 300)[0]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = model((tiny(),), linear([[1, 0, 0, 0, 0]]))
    path, array, picture = explain(found, [str(tmp_path / "a.png"), pixels, Image.fromarray(pixels)], "b")
    np.testing.assert_array_equal(path.heat, array.heat)
    np.testing.assert_array_equal(path.heat, picture.heat)
    assert [e.file for e in (path, array, picture)] == [str(tmp_path / "a.png"), "image number 1", "image number 2"]
    small = explain(found, [pixels], "b", side=50)[0]
    assert small.heat.shape == small.photo.shape[:2] == (50, 50)
    assert small.heat.sum() == pytest.approx(float(path.heat.sum()), rel=1e-4)


def test_an_unreadable_photo_costs_itself_alone(tmp_path: Path) -> None:
    from penult.explain import Unreadable, each

    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    found = model((tiny(),), linear([[1, 0, 0, 0, 0]]))
    sources = [noise(1)[0], str(tmp_path / "bad.jpg"), noise(2)[0]]
    done = list(each(found, sources, ids=["x", "bad", "y"]))
    assert [one.file for one in done] == ["x", "bad", "y"]
    assert isinstance(done[1], Unreadable) and done[1].failure.reason
    assert [(e.file, e.index) for e in explain(found, sources, ids=["x", "bad", "y"])] == [("x", 0), ("y", 2)]


def test_a_model_that_answers_otherwise_here_is_refused() -> None:
    from penult.errors import DamagedFile

    samples = {"images": noise(3), "proba": np.full((3, 2), 0.123)}
    found = model((tiny(),), linear([[1, 0, 0, 0, 0]]), engine="openvino", precision="f32", selftest=samples)
    with pytest.raises(DamagedFile, match="own samples give other answers"):
        explain(found, [noise(1)[0]])


def test_what_is_no_model_and_a_model_without_a_network_are_refused() -> None:
    with pytest.raises(InputError, match="a dict cannot be explained"):
        explain({}, [noise(1)[0]])
    with pytest.raises(InputError, match="trained from feature files"):
        explain(model((), linear([[1, 0, 0]])), [noise(1)[0]])
    with pytest.raises(InputError, match="a side of 0 pixels"):
        explain(model((tiny(),), linear([[1, 0, 0, 0, 0]])), [noise(1)[0]], side=0)


def test_a_bundle_is_explained_too() -> None:
    found = model((tiny(),), linear([[1, 0, 0, 0, 0]]), F32)
    by_bundle, by_predictor = (explain(m, [noise(1)[0]], "b")[0] for m in (found.bundle, found))
    np.testing.assert_allclose(by_bundle.heat, by_predictor.heat, rtol=1e-3, atol=1e-8)
