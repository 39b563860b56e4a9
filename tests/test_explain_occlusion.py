"""Occlusion: what falls when a place is covered, for heads and networks that have no exact map; named as what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import draw
from explainable import features, fitted, linear, middle, model, some, square
from penult import TransferClassifier, backbones
from penult.errors import InputError, UnknownName
from penult.explain import explain
from penult.explain.field_of_view import View
from penult.explain.occlusion import MOST, cells, covered, shuffled
from tinynet import noise, tiny

RED = linear([[1, 0, 0, 0, 0]])  # for the second of two classes red speaks


def test_what_is_covered_is_missed_where_it_was() -> None:
    photo = square(120, 160, 20, 90, 40)
    one = explain(model((tiny(),), RED), [photo], "b", "occlusion")[0]
    assert one.method == "occlusion" and one.intercept is None
    assert one.unit == "logit lost when covered"
    assert one.heat.shape == (120, 160)
    inside = np.zeros((120, 160), bool)
    inside[20:60, 90:130] = True
    assert inside[np.unravel_index(one.heat.argmax(), one.heat.shape)]
    assert middle(np.maximum(one.heat, 0) ** 2) == pytest.approx((39.5, 109.5), abs=8)
    np.testing.assert_array_equal(one.shown, one.heat)  # logits as they are, not a share of a sum


def test_it_says_by_how_much_the_logit_falls() -> None:
    """Red on the right half, and a patch over a corner of it: the fall that is shown is that of the covered pixels."""
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[:, 32:] = (255, 0, 0)
    network, found = tiny(), model((tiny(),), RED)
    one = explain(found, [photo], "b", "occlusion")[0]
    assert one.logit == pytest.approx(float(features([photo], network)[0, 0]) / 2, rel=1e-4)
    assert 0 < one.heat.max() < one.logit
    assert one.heat[:, 48:].mean() > 0 > one.heat[:, :16].mean()  # in its disorder the black half gets red as well


def test_where_there_is_nothing_to_miss_it_is_cold() -> None:
    even = np.full((90, 130, 3), (200, 30, 30), np.uint8)
    one = explain(model((tiny(),), RED), [even], "b", "occlusion")[0]
    assert np.abs(one.heat).max() < 1e-5


def test_it_is_the_same_each_time_and_none_of_its_neighbours_business() -> None:
    photos, found = some(4), model((tiny(),), RED)
    together = explain(found, photos, "b", "occlusion")
    for photo, one in zip(photos, together, strict=True):
        np.testing.assert_array_equal(explain(found, [photo], "b", "occlusion")[0].heat, one.heat)


@pytest.mark.parametrize("kind", ["knn", "svm"])
def test_heads_that_are_not_linear_are_explained_by_it(kind: str) -> None:
    photos, network = some(12), tiny()
    params = {"kernel": "rbf"} if kind == "svm" else {}
    found = model((network,), fitted(kind, features(photos, network), **params))
    one = explain(found, photos[:1])[0]
    assert (one.method, one.intercept) == ("occlusion", None)
    assert np.isfinite(one.heat).all()
    answer = next(iter(found.predict(photos[:1])))
    assert (one.predicted, one.probability) == (answer.label, pytest.approx(answer.confidence, abs=1e-6))
    with pytest.raises(InputError, match=f"no exact activation map \\(its {kind} head is not linear\\); use the method occlu"):
        explain(found, photos[:1], method="cam")


def test_networks_without_maps_are_explained_by_it() -> None:
    """One of them is enough: a map of the others would not add up."""
    photos = [draw(kind, i) for i in range(4) for kind in ("warm", "cold")]
    histogram = backbones.find_builtin("colour_histogram")
    networks = (tiny(), histogram)
    X = np.hstack([features(photos, n) for n in networks])
    found = model(networks, fitted("logistic", X, blocks=sum((n.blocks for n in networks), ())))
    one = explain(found, photos[:1])[0]
    assert (one.method, one.label) == ("occlusion", "a")
    with pytest.raises(InputError, match=r"\(there are no maps of colour_histogram\)"):
        explain(found, photos[:1], method="cam")
    with pytest.raises(UnknownName, match="unknown method 'gradcam'"):
        explain(found, photos[:1], method="gradcam")


def test_a_foreign_estimator_is_explained_by_it(tmp_path: Path) -> None:
    from PIL import Image
    from sklearn.ensemble import RandomForestClassifier

    paths = []
    for i in range(6):
        for kind in ("warm", "cold"):
            Image.fromarray(draw(kind, i)).save(tmp_path / f"{kind}.{i}.png")
            paths.append(tmp_path / f"{kind}.{i}.png")
    labels = [p.name.split(".")[0] for p in paths]
    forest = RandomForestClassifier(20, random_state=0)
    fit = TransferClassifier("colour_histogram", head=forest).fit(paths, labels)
    one = explain(fit, paths[:1], "warm")[0]
    assert (one.method, one.label, one.predicted) == ("occlusion", "warm", "warm")
    assert one.probability == pytest.approx(fit.predict_proba(paths[:1])[0, 1])
    with pytest.raises(InputError, match="scikit-learn estimator is not linear"):
        explain(fit, paths[:1], method="cam")


def test_a_fitted_classifier_with_a_linear_head_gets_the_exact_map(tmp_path: Path) -> None:
    from PIL import Image

    paths = []
    for i, photo in enumerate(some(8)):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
        paths.append(tmp_path / f"{i}.png")
    fit = TransferClassifier("efficientnet_lite0", precision="f32").fit(paths, list("abababab"))
    one = explain(fit, paths[:1])[0]
    assert one.method == "cam" and one.intercept is not None
    assert one.heat.sum(dtype=np.float64) == pytest.approx(one.logit - one.intercept, rel=1e-3)
    assert one.probability == pytest.approx(fit.predict_proba(paths[:1]).max(), abs=1e-4)


def test_a_patch_has_the_photos_colours_and_none_of_its_shapes() -> None:
    pixels = noise(1)[0]
    cover = shuffled(pixels)
    np.testing.assert_array_equal(np.sort(cover.reshape(-1, 3), axis=0), np.sort(pixels.reshape(-1, 3), axis=0))
    assert not np.array_equal(cover, pixels)
    hidden = covered(View(pixels, (0, 0, 1, 1)), cover, (0.25, 0.5, 0.75, 1))
    np.testing.assert_array_equal(hidden[16:, 8:24], cover[16:, 8:24])
    hidden[16:, 8:24] = pixels[16:, 8:24]
    np.testing.assert_array_equal(hidden, pixels)


def test_a_patch_outside_of_what_a_network_sees_changes_nothing() -> None:
    pixels = noise(1)[0]
    view = View(pixels, (0.25, 0.2, 0.75, 0.8))
    for patch in ((0, 0, 0.2, 1), (0.8, 0, 1, 1), (0, 0, 1, 0.1)):
        np.testing.assert_array_equal(covered(view, shuffled(pixels), patch), pixels)


def test_cells_are_nearly_square_and_never_too_many() -> None:
    assert cells((0, 0, 1, 1), (80, 80)) == (8, 8)
    assert cells((0, 0, 1, 1), (80, 120)) == (8, 12)
    assert cells((0.25, 0, 0.75, 1), (80, 160)) == (8, 8)
    assert cells((0, 0, 1, 1), (10, 4000)) == (8, MOST)
