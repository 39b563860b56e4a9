"""`preprocessor_config.json` as a recipe: every image processor in the table, and what no recipe can say."""

from __future__ import annotations

from typing import Any

import pytest

from hubnets import BIT, CLIP, SIGLIP
from penult.errors import InputError
from penult.pixels.recipe import Recipe
from penult.pixels.resizing import resized_box
from penult.zoo.hub_recipe import recipe_of

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NONE = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
TIMM = {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center",
        "mean": [*IMAGENET[0]], "std": [*IMAGENET[1]]}  # fmt: skip


def processor(kind: str, stats: Any = IMAGENET, **settings: Any) -> dict[str, Any]:
    mean, std = (list(values) for values in stats)
    return {"image_processor_type": kind, "image_mean": mean, "image_std": std, **settings}


def read(config: dict[str, Any], size: int | None = None, **given: Any) -> Recipe:
    return recipe_of({"preprocessor_config.json": config}, given, size)


@pytest.mark.parametrize(
    ("config", "recipe", "resized"),
    [
        (BIT, Recipe(224, "crop", 0.875, "bicubic", *IMAGENET), (256, 512)),
        (CLIP, Recipe(224, "crop", 1.0, "bicubic", tuple(CLIP["image_mean"]), tuple(CLIP["image_std"])), (224, 448)),
        (SIGLIP, Recipe(224, "squash", 1.0, "bilinear", *HALF), (224, 224)),
        (processor("ViTFeatureExtractor", HALF, size=384), Recipe(384, "squash", 1.0, "bilinear", *HALF), (384, 384)),
        (processor("DeiTImageProcessor", size={"height": 256, "width": 256}, crop_size=224),
         Recipe(224, "squash", 0.875, "bicubic", *IMAGENET), (256, 256)),
        (processor("ConvNextFeatureExtractor", size=224, crop_pct=0.95, resample=3),
         Recipe(224, "crop", 224 / 235, "bicubic", *IMAGENET), (235, 470)),
        (processor("ConvNextImageProcessor", size={"shortest_edge": 384}, resample=3),
         Recipe(384, "squash", 1.0, "bicubic", *IMAGENET), (384, 384)),
        (processor("MobileNetV2ImageProcessor", HALF, size={"shortest_edge": 256}, crop_size=[224, 224]),
         Recipe(224, "crop", 0.875, "bilinear", *HALF), (256, 512)),
        (processor("MobileViTFeatureExtractor", size={"shortest_edge": 288}, crop_size=256, resample=2),
         Recipe(256, "crop", 256 / 288, "bilinear", *NONE, channels="bgr"), (288, 576)),
        (processor("LevitImageProcessor", size={"shortest_edge": 224}, crop_size=224),
         Recipe(224, "crop", 0.875, "bicubic", *IMAGENET), (256, 512)),
        (processor("PoolFormerImageProcessor", size={"shortest_edge": 224}, crop_size=224, crop_pct=0.95),
         Recipe(224, "crop", 224 / 235, "bicubic", *IMAGENET), (235, 470)),
        (processor("EfficientNetImageProcessor", size={"height": 260, "width": 260}, resample=0),
         Recipe(260, "squash", 1.0, "nearest", IMAGENET[0], (0.052441, 0.050176, 0.050625)), (260, 260)),
        (processor("EfficientNetImageProcessor", NONE, size=260, rescale_factor=2 / 255, rescale_offset=True,
                   include_top=False),
         Recipe(260, "squash", 1.0, "bicubic", *HALF), (260, 260)),
        (processor("DINOv3ViTImageProcessorFast", size={"height": 224, "width": 224}),
         Recipe(224, "squash", 1.0, "bilinear", *IMAGENET), (224, 224)),
        (processor("ViTImageProcessor", (IMAGENET[0], IMAGENET[1]), size=224, do_rescale=False, do_normalize=False),
         Recipe(224, "squash", 1.0, "bilinear", (0, 0, 0), (1 / 255,) * 3), (224, 224)),
    ],
)  # fmt: skip
def test_a_processor_as_a_recipe(config: dict[str, Any], recipe: Recipe, resized: tuple[int, int]) -> None:
    found = read(config)
    assert found.mean == pytest.approx(recipe.mean, abs=1e-12) and found.std == pytest.approx(recipe.std, abs=1e-12)
    assert found.crop == pytest.approx(recipe.crop, abs=1e-12)
    for name in ("size", "crop_mode", "interpolation", "channels"):
        assert getattr(found, name) == getattr(recipe, name)
    assert resized_box(400, 800, found)[0] == resized  # to the pixel, although the crop is a quotient
    assert found.crop_rounding == ("even" if resized == (found.size, found.size) else "down")


@pytest.mark.parametrize("resized", range(225, 300))
def test_a_quotient_never_costs_a_pixel(resized: int) -> None:
    assert resized_box(500, 500, read({**BIT, "size": {"shortest_edge": resized}}))[0] == (resized, resized)


def test_timms_files_and_those_of_images_and_texts_are_read() -> None:
    timm = Recipe(224, "crop", 0.95, "bicubic", *IMAGENET)
    assert recipe_of({"config.json": {"architecture": "resnet50", "pretrained_cfg": TIMM}}, {}, None) == timm
    assert recipe_of({"config.json": {"architecture": "resnet50", **TIMM}}, {}, 160).size == 160
    assert recipe_of({"processor_config.json": {"image_processor": SIGLIP}}, {}, None) == read(SIGLIP)
    assert read(BIT, interpolation="bilinear").interpolation == "bilinear" and read(BIT, 112).crop == 0.875


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "is '', and those known here are Beit"),
        ({"image_processor_type": "Siglip2ImageProcessor"}, "is 'Siglip2ImageProcessor', and those known"),
        ({**BIT, "do_pad": True}, "do_pad"),
        ({**BIT, "do_resize": False}, "do_resize"),
        ({**BIT, "resample": 1}, "Pillow's filter 1"),
        ({**BIT, "size": {"longest_edge": 224}}, "the size {'longest_edge': 224}"),
        ({**BIT, "size": {"height": 224, "width": 160}}, "the size {'height': 224"),
        ({**BIT, "size": 2**70}, "the size 1180591620717411303424"),
        ({**BIT, "size": True}, "the size True"),
        ({**BIT, "size": [[1], [1]]}, "the size"),
        ({**BIT, "size": {"height": [], "width": {}}}, "the size"),
        ({**BIT, "resample": [3]}, "Pillow's filter"),
        ({**BIT, "crop_size": {"height": "224", "width": "224"}}, "the crop_size"),
        ({**BIT, "crop_size": 300}, "cuts 300 pixels out of 256"),
        ({**BIT, "do_center_crop": False}, "no center crop"),
        ({**BIT, "image_mean": [0.5, 0.5]}, "image_mean"),
        ({**BIT, "image_mean": [10**400, 0, 0]}, "image_mean"),
        (processor("PoolFormerImageProcessor", size=224, crop_size=224, crop_pct=1e-300), "crop_pct 1e-300"),
        ({**BIT, "image_mean": None}, "image_mean None"),
        ({**BIT, "image_std": [0.5, float("nan"), 0.5]}, "image_std"),
        ({**BIT, "image_std": [0, 0, 0]}, "std=.*above 0"),
        ({**BIT, "rescale_factor": "1"}, "rescale_factor '1'"),
        ({**BIT, "crop_size": 16}, "size=16"),
        (processor("ConvNextImageProcessor", size=224, crop_pct=2), "crop_pct 2"),
        ({"pretrained_cfg": {**TIMM, "input_size": [1, 224, 224]}}, r"input size \[1, 224, 224\]"),
        ({"pretrained_cfg": {**TIMM, "crop_mode": "border"}}, "crop mode 'border'"),
        ({"pretrained_cfg": {**TIMM, "crop_pct": []}}, r"crop_pct \[\]"),
    ],
)
def test_what_a_recipe_cannot_say_is_refused_with_the_cure(config: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=rf"{says}.*Give --recipe size=224 .*, or take another network\.$"):
        read(config)
