"""Several views of a photo: what a network is shown, that its features are their mean, and that everything behind follows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from explainable import F32, fitted, linear, middle, model, some, square
from networks import SMALL
from penult import backbones, cli, engines, pixels, quantize, zoo
from penult.backbones import Backbone
from penult.embed import EmbedOptions, embed
from penult.embed.streams import open_cache
from penult.errors import InputError
from penult.estimators import Embedder
from penult.explain import explain
from penult.explain.field_of_view import View
from penult.explain.occlusion import covered
from penult.heads import scorer
from penult.pixels import CROP_MODES, VIEWS, Recipe
from penult.training import TrainOptions, train, train_images
from tinynet import noise, tiny

ALL = "crop+squash+mirror"


def test_what_there_was_keeps_its_digest() -> None:
    """The key of features in every cache, and of networks in every model file, as they were before there were views."""
    known = {
        "efficientnet_lite0": "d8fbee216b9ea058747ba15133ba5c8e3f4e0f11c1d36d3a0974bdffa8c758fa",
        "efficientnet_lite1": "7b5d717c92b5a73ec01deeb8cdbaab1c87cc6306ef8d525da3ba0cc2bbc55543",
        "efficientnet_lite2": "19ace65b547da862633e727e9f26d2e762842d77c1c80ea27fb8c85f8e575d01",
        "efficientnet_lite0:300:squash:mean": "65e49683ac2831a2a01e1cffeb2ee603e951384b75dc1ea4555a09168e576752",
        "colour_histogram": "12bc5df908e3d39176002ed4a3368a5378cde89452957d9a6ceb8747b9385147",
    }
    assert {name: zoo.find_backbone(name).digest for name in known} == known


def test_every_crop_mode_is_another_network_with_the_same_weights() -> None:
    found = [zoo.find_backbone(f"efficientnet_lite0:{mode}") for mode in CROP_MODES]
    assert len({b.digest for b in found}) == len(CROP_MODES) and len({b.weights for b in found}) == 1
    assert [b.recipe.view_count for b in found] == [1, 1, 2, 2, 2, 4]
    assert [round(b.gmacs / found[0].gmacs) for b in found] == [1, 1, 2, 2, 2, 4]
    for backbone in found:
        assert Recipe.from_dict(backbone.recipe.to_dict()) == backbone.recipe


def test_the_views_of_a_recipe() -> None:
    """Beside a crop the whole picture is the whole one, whatever the share of the crop is."""
    crop, whole = Recipe(64, ALL, 0.8).views
    assert (crop.crop_mode, crop.crop, whole.crop_mode, whole.crop) == ("crop", 0.8, "squash", 1.0)
    assert Recipe(64, "squash+mirror", 0.9).views == (Recipe(64, "squash", 0.9),)
    with pytest.raises(InputError, match="has several views"):
        pixels.prepare(noise(1)[0], Recipe(16, "crop+squash"))
    with pytest.raises(InputError, match="has several views"):
        list(pixels.prepare_all([noise(1)[0]], [Recipe(16, "crop+squash")]))


def test_what_is_seen_is_said_view_by_view() -> None:
    assert Recipe(224).describe() == "the center crop (87.5% of the shorter side), at 224 x 224 pixels"
    assert Recipe(360, "squash", 1.0).describe() == "the whole picture squashed to a square, at 360 x 360 pixels"
    assert Recipe(320, ALL).describe() == (
        "the center crop (87.5% of the shorter side) and the whole picture squashed to a square, and the mirror image of each"
        ", at 320 x 320 pixels; features averaged over the 4 views"
    )


def alone(photos: list[np.ndarray], backbone: Backbone) -> np.ndarray:
    """Return the features of photos (n, d), of one view."""
    return embed(photos, [backbone], F32).rows(0)


@pytest.mark.parametrize("mode", ["crop+squash", ALL])
@pytest.mark.parametrize("name", [f"efficientnet_lite0:{SMALL}", "colour_histogram"])
def test_features_are_the_mean_over_the_views(mode: str, name: str) -> None:
    """Of more photos than a batch has; each view is prepared and computed as it would be alone."""
    photos, backbone = some(5) if "lite" in name else some(20), zoo.find_backbone(name, crop_mode=mode, crop=0.8)
    shares = {"crop": 0.8, "squash": 1.0 if "crop" in mode else 0.8}
    seen = [[pixels.prepare(p, Recipe(backbone.recipe.size, kind, shares[kind], backbone.recipe.interpolation))
             for kind in ("crop", "squash") if kind in mode] for p in photos]  # fmt: skip
    if "mirror" in mode:
        seen = [[*views, *(view[:, ::-1] for view in views)] for views in seen]
    engine = engines.open_engine(backbone, "cpu", "f32")
    wanted = np.stack([engine(np.stack(views)).mean(axis=0) for views in seen])  # (n, d)
    engine.close()
    np.testing.assert_allclose(alone(photos, backbone), wanted, rtol=1e-5, atol=1e-6)


def test_one_row_an_image_is_kept_and_found_again(tmp_path: Path) -> None:
    from PIL import Image

    paths = []
    for i, photo in enumerate(some(4)):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
        paths.append(tmp_path / f"{i}.png")
    settings, networks = EmbedOptions(cache=str(tmp_path / "cache")), [zoo.find_backbone(f"colour_histogram:{ALL}")]
    first = embed([*paths, paths[0]], networks, settings, thumbnails=True)
    again = embed(paths, networks, settings, thumbnails=True)
    assert (first.embedded, first.reused, again.embedded, again.reused) == (4, 1, 0, 4)
    np.testing.assert_array_equal(first.features()[:4], again.features())
    assert first.features().shape == (5, 112) and len(open_cache(networks[0], first.compute, settings).known()) == 4


def test_networks_that_see_the_same_view_share_its_pixels() -> None:
    """Their rows are those that each has alone."""
    names = ("colour_histogram:crop", f"colour_histogram:{ALL}", "colour_histogram:64:squash")
    networks, photos = [zoo.find_backbone(name) for name in names], some(7)
    together = embed(photos, networks, F32)
    for i, network in enumerate(networks):
        np.testing.assert_array_equal(together.rows(i), alone(photos, network))


@pytest.mark.parametrize("pooling", ["mean+max", "stages"])
def test_the_heat_of_several_views_adds_up_to_the_logit(pooling: str) -> None:
    network = zoo.find_backbone(f"efficientnet_lite0:{SMALL}:{ALL}:{pooling}")
    photos = some(6)
    X = alone(photos, network)
    head = fitted("logistic", X, blocks=network.blocks)
    one = explain(model((network,), head), photos[:1])[0]
    assert one.method == "cam" and one.intercept is not None
    assert one.heat.sum(dtype=np.float64) == pytest.approx(one.logit - one.intercept, rel=1e-3)
    raw = scorer(head.kind, head.arrays, head.facts).raw(X[:1])
    assert one.logit == pytest.approx(float(raw[0, "ab".index(one.label)] - raw.mean()), rel=1e-3)


@pytest.mark.parametrize(("mode", "method"), list(product(["crop+mirror", ALL], ["cam", "occlusion"])))
def test_the_heat_of_a_mirrored_view_lies_where_the_photo_has_it(mode: str, method: str) -> None:
    """A red square left of the middle, and a class for which red speaks."""
    photo = square(120, 200, 40, 70, 24)
    network = tiny().with_recipe(crop_mode=mode, crop=0.7)
    one = explain(model((network,), linear([[1, 0, 0, 0, 0]])), [photo], "b", method)[0]
    assert middle(np.maximum(one.heat, 0)) == pytest.approx((51.5, 81.5), abs=1.5 if method == "cam" else 12)


def test_a_patch_covers_a_mirrored_view_on_its_other_side() -> None:
    seen = noise(1)[0]
    plain = covered(View(seen, (0, 0, 1, 1)), np.zeros_like(seen), (0.0, 0.5, 0.25, 1.0))
    turned = covered(View(seen[:, ::-1], (0, 0, 1, 1), mirrored=True), np.zeros_like(seen), (0.0, 0.5, 0.25, 1.0))
    np.testing.assert_array_equal(turned, plain[:, ::-1])
    assert not plain[16:, :8].any()


def test_networks_in_8_bits_are_calibrated_on_all_views_in_turn() -> None:
    photos, recipe = some(6), Recipe(16, ALL)
    taken = quantize.calibration_set(photos, [Recipe(16), recipe], images=6)
    crops, turns = taken.pixels
    order = {pixels.prepare(p, Recipe(16)).tobytes(): p for p in photos}
    for number, (crop, own) in enumerate(zip(crops, turns, strict=True)):
        photo = order[crop.tobytes()]
        views = recipe.with_mirror_images([pixels.prepare(photo, view) for view in recipe.views])
        np.testing.assert_array_equal(own, views[number % 4])


def test_a_model_of_two_networks_that_see_different_things(photos: Callable[..., Path], tmp_path: Path) -> None:
    """Trained, saved, served: the answers are those of training, and the run says what was seen."""
    folder = photos("train", warm=8, cold=8)
    names = ("colour_histogram:48:crop+squash", "colour_histogram:32:squash+mirror")
    run = train_images(str(folder), None, TrainOptions(out=str(tmp_path / "run"), backbones=names))
    assert [b["name"] for b in run.metrics["backbones"]] == list(names)
    assert [b["recipe"]["fit"] for b in run.metrics["backbones"]] == ["crop+squash", "squash+mirror"]
    assert "features averaged over the 2 views" in run.metrics["backbones"][0]["sees"]
    assert "and its mirror image" in (tmp_path / "run" / "report.html").read_text()
    (answer,) = backbones_of(tmp_path / "run").predict([next((folder / "warm").iterdir())])
    assert answer.label == "warm"


def backbones_of(run: Path):  # type: ignore[no-untyped-def]
    from penult.predict import load_model

    return load_model(run, cache_dir=False)


def test_the_number_of_views_is_an_option_everywhere(photos: Callable[..., Path], tmp_path: Path) -> None:
    folder = photos("train", warm=6, cold=6)
    for views, mode in VIEWS.items():
        assert pixels.views_to_crop_mode(views) == mode
    network = ["-b", "colour_histogram"]
    assert cli.main(["embed", str(folder), *network, "--views", "4", "--out", str(tmp_path / "x.h5"), "-q"]) == 0
    X = Embedder("colour_histogram", views=4).fit_transform(sorted(folder.rglob("*.png")))
    from penult import store

    np.testing.assert_allclose(np.sort(store.read_features([str(tmp_path / "x.h5")]).X, axis=0), np.sort(X, axis=0))
    run = train(folder, out=tmp_path / "run", backbones="colour_histogram", views=2)
    assert run.metrics["options"]["fit"] == "crop+squash" == run.metrics["backbones"][0]["recipe"]["fit"]
    for wrong in ({"views": 3}, {"views": 2, "crop_mode": "crop"}):
        with pytest.raises(InputError, match="give views of 1, 2 or 4, or a crop_mode"):
            train(folder, out=tmp_path / "no", backbones="colour_histogram", **wrong)
    for options in (["--views", "3"], ["--views", "2", "--fit", "crop"]):
        with pytest.raises(SystemExit):
            cli.main(["embed", str(folder), *network, *options, "--out", str(tmp_path / "y.h5")])


def test_an_option_counts_more_than_the_name() -> None:
    found = zoo.find_backbone("efficientnet_lite0:320:squash:stages", pooling="mean", crop_mode="crop")
    assert (found.name, found.pooling) == ("efficientnet_lite0:320:crop:mean", "mean")
    assert found.digest == backbones.find_builtin("efficientnet_lite0", pooling="mean", size=320).digest


def test_a_model_file_with_views_that_cannot_be_is_refused() -> None:
    record = tiny().with_recipe(crop_mode="crop+squash").to_dict()
    assert Backbone.from_dict(record, tiny().graph()).recipe.view_count == 2
    record["recipe"]["fit"] = "squash+crop"
    with pytest.raises(InputError, match=r"crop_mode='squash\+crop'"):
        Backbone.from_dict(record, tiny().graph())


def test_numbers_of_views_are_compared_with_one_another() -> None:
    names = zoo.with_views(["default", "efficientnet_lite0"], [None, "crop+squash"])
    assert names == (
        "efficientnet_lite1:288:crop:stages", "efficientnet_lite2:288:squash", "efficientnet_lite0",
        "efficientnet_lite1:288:crop+squash:stages", "efficientnet_lite2:288:crop+squash", "efficientnet_lite0:crop+squash",
    )  # fmt: skip
    asked = cli.build().parse_args(["compare", "train", "--views", "1,2"])
    assert asked.fit == (None, "crop+squash")
    assert cli.build().parse_args(["compare", "train", "--views", "4"]).fit == ALL
