"""Random weights of a fixed seed, in files that timm and penult both load; and penult's conversion of them.

    python -m peers.weights FOLDER resnet50@ ...       needs penult[timm]; what is there is kept; @: convert it, too

Random weights cost the time of trained ones as long as the activations stay in their usual range, so the running means and
variances are taken from a batch of noise.
"""

from __future__ import annotations

import sys
from pathlib import Path

from peers.torchvision_cure import torch_and_timm
from penult import zoo


def main(folder: str, *names: str) -> None:
    """Write `folder/NAME.safetensors` for each network of timm's, and convert those that penult runs."""
    for word in names:
        name = word.rstrip("@")
        path = Path(folder) / f"{name}.safetensors"
        if not path.exists():
            write(name, path)
        if word.endswith("@"):
            zoo.find_backbone(f"{name}@{path}")


def write(name: str, path: Path) -> None:
    """Write the weights of one network."""
    torch, timm = torch_and_timm()
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False).train()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # running averages of all that was seen
            torch.nn.init.ones_(layer.weight)  # timm starts the last of each block at 0: it would compute nothing
    size = model.pretrained_cfg["input_size"]
    with torch.no_grad():
        model(torch.randn(16, *size))
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, half)
    half.replace(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
