"""Recipes of the Hugging Face hub against Transformers' own image processors: how much the pixels differ.

    pip install transformers          # its processors that work with Pillow need no torch
    python benchmarks/processors.py

For each processor it prints the largest difference in gray levels over nine photos of odd and even sides, and how many photos
have one. `docs/backbones.md` has the result.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from PIL import Image

from penult.pixels import prepare
from penult.zoo.hub_recipe import recipe_of

SHAPES = ((341, 256), (300, 451), (224, 224), (97, 640), (1023, 767), (500, 333), (333, 500), (777, 512), (260, 259))
STATS = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CROP = {"crop_size": {"height": 224, "width": 224}}
CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("bit", "Bit", {"size": {"shortest_edge": 256}, **CROP}),  # DINOv2
    ("clip", "CLIP", {"size": 224, "crop_size": 224}),
    ("siglip", "Siglip", {"size": {"height": 224, "width": 224}, "resample": 2}),
    ("vit", "ViT", {"size": {"height": 224, "width": 224}}),
    ("deit", "DeiT", {"size": {"height": 256, "width": 256}, **CROP}),
    ("convnext", "ConvNext", {"size": {"shortest_edge": 224}, "crop_pct": 0.95}),
    ("convnext", "ConvNext", {"size": {"shortest_edge": 384}}),
    ("efficientnet", "EfficientNet", {"size": {"height": 260, "width": 260}, "resample": 0}),
    ("efficientnet", "EfficientNet", {"size": 260, "rescale_factor": 2 / 255, "rescale_offset": True, "include_top": False}),
    ("mobilenet_v1", "MobileNetV1", {"size": {"shortest_edge": 256}, **CROP}),
    ("mobilenet_v2", "MobileNetV2", {"size": {"shortest_edge": 256}, **CROP}),
    ("mobilevit", "MobileViT", {"size": {"shortest_edge": 288}, "crop_size": {"height": 256, "width": 256}, "resample": 2}),
    ("levit", "Levit", {"size": {"shortest_edge": 224}, **CROP}),
    ("poolformer", "PoolFormer", {"size": {"shortest_edge": 224}, "crop_pct": 0.95, **CROP}),
    ("beit", "Beit", {"size": {"height": 224, "width": 224}}),
    ("segformer", "Segformer", {"size": {"height": 512, "width": 512}}),
    ("pvt", "Pvt", {"size": {"height": 224, "width": 224}}),
)


def main() -> None:
    """Print one line for each processor."""
    for module, name, settings in CASES:
        source = importlib.import_module(f"transformers.models.{module}.image_processing_pil_{module}")
        processor = getattr(source, f"{name}ImageProcessorPil")(**STATS, **settings)
        config = {"image_processor_type": f"{name}ImageProcessor", **STATS, **settings}
        recipe = recipe_of({"preprocessor_config.json": config}, {}, None)
        worst, differing = 0.0, 0
        for number, (width, height) in enumerate(SHAPES):
            noise = np.random.default_rng(number).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
            photo = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            theirs = np.asarray(processor(photo, return_tensors="np")["pixel_values"])[0]  # (3, s, s)
            pixels = prepare(np.asarray(photo), recipe)[..., :: -1 if recipe.channels == "bgr" else 1]
            ours = ((pixels / 255 - recipe.mean) / recipe.std).transpose(2, 0, 1)
            difference = float(np.abs(ours - theirs).max()) * max(recipe.std) * 255
            worst, differing = max(worst, difference), differing + (difference > 0.01)
        print(f"{name:14} {settings['size']!s:32} {worst:8.5f} gray levels, {differing} of {len(SHAPES)} photos differ")


if __name__ == "__main__":
    main()
