"""timm with torchvision's ImageFolder and torch's DataLoader, as their documentation shows feature extraction.

    python -m peers.run_timm PHOTOS eager resnet50@resnet50.safetensors ...      (or: bf16, compiled)

eager: float32. bf16: channels_last and autocast, torch's advice for processors that have it. compiled: that, and
`torch.compile` with frozen weights; its compiling is part of the first batch. Several networks run one after the other:
each reads the folder.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from peers.clock import Clock, tell
from peers.torchvision_cure import torch_and_timm

BATCH = 32
WORKERS = 2


def main(photos: str, way: str, *networks: str) -> None:
    """Extract the features of every photo with each network and tell how long it took."""
    warnings.simplefilter("ignore")
    clock = Clock()
    torch, timm = torch_and_timm()
    models = [load(torch, timm, network, way) for network in networks]
    clock.ready()
    with torch.inference_mode():
        X = torch.cat([extract(torch, timm, model, photos, way, clock) for model in models], dim=1).numpy()  # (n, d)
    clock.done()
    tell("torch", "timm", "torchvision", **clock.facts(len(X), len(models)), shape=X.shape, finite=bool((X == X).all()))


def load(torch: Any, timm: Any, network: str, way: str) -> Any:
    """Return the network NAME@FILE without its last layer, ready to run."""
    name, _, file = network.partition("@")
    model = timm.create_model(name, pretrained=False).eval()
    from safetensors.torch import load_file

    model.load_state_dict(load_file(Path(file)))
    model.reset_classifier(0)
    if way == "eager":
        return model
    model = model.to(memory_format=torch.channels_last)
    if way == "compiled":
        torch._inductor.config.freezing = True
        model = torch.compile(model, dynamic=False)
    return model


def extract(torch: Any, timm: Any, model: Any, photos: str, way: str, clock: Clock) -> Any:
    """Return the features of all photos, a float32 tensor (n, d)."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    plain = getattr(model, "_orig_mod", model)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(plain))
    loader = DataLoader(ImageFolder(photos, transform), batch_size=BATCH, num_workers=WORKERS)
    blocks, count = [], 0
    for images, _ in loader:
        batch, n = images, len(images)
        if way == "compiled" and n < BATCH:  # another shape would be compiled anew
            batch = torch.cat([batch, batch.new_zeros(BATCH - n, *batch.shape[1:])])
        if way != "eager":
            batch = batch.to(memory_format=torch.channels_last)
        with nullcontext() if way == "eager" else torch.autocast("cpu", torch.bfloat16):
            blocks.append(model(batch)[:n].float())
        count += n
        clock.batch(count)
    return torch.cat(blocks)


if __name__ == "__main__":
    main(*sys.argv[1:])
