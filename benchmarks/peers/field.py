"""Who runs: the contestants of each contest, and how much of it a quick, a usual and a full run do.

In: the size of the run. Out: contests. The words of a contestant are those of its module in this folder.
"""

from __future__ import annotations

from dataclasses import dataclass

PENULT, TORCH, TENSORFLOW = "penult", "torch", "tensorflow"  # the environments
RESNET, LITE, THREE = "ResNet50, 224 pixels", "EfficientNet-Lite0, 224 pixels", "ResNet50 + InceptionV3 + Xception"
TIMM_THREE = ("resnet50@", "inception_v3@", "legacy_xception@")  # @: and the file of its weights
KERAS_THREE = ("ResNet50", "InceptionV3", "Xception")


@dataclass(frozen=True)
class Scale:
    """How much is run: repeats, photos for each contest, rows and columns of the heads' problems."""

    name: str
    repeats: int
    photos: int
    photos_three: int
    heads: tuple[tuple[int, int], ...]
    everybody: bool  # or only those that a target names


SCALES = {
    "quick": Scale("quick", 1, 64, 32, ((222, 512), (1000, 512)), True),
    "usual": Scale("usual", 3, 400, 200, ((222, 6144), (2000, 6144), (25000, 6144)), False),
    "full": Scale("full", 3, 400, 400, ((222, 6144), (2000, 6144), (25000, 6144)), True),
}


@dataclass(frozen=True)
class Contestant:
    """One way to do a contest: its name in the table, its environment, its module, what else the module is told."""

    name: str
    home: str
    module: str
    way: str
    networks: tuple[str, ...]
    always: bool = True


@dataclass(frozen=True)
class Contest:
    """The same photos and networks for all contestants."""

    name: str
    photos: int
    contestants: tuple[Contestant, ...]

    @property
    def in_int8(self) -> list[str]:
        """The networks that penult computes in 8 bits."""
        return sorted({n for x in self.contestants if x.home == PENULT and x.way == "int8" for n in x.networks})


def contests(scale: Scale) -> list[Contest]:
    """Return the contests of a run of this size."""
    every = [
        Contest(RESNET, scale.photos, (*ours("resnet50@"), *timm("resnet50@"), *keras("ResNet50"))),
        Contest(LITE, scale.photos, (*ours("efficientnet_lite0"), *timm("efficientnet_lite0@", always=False))),
        Contest(
            THREE,
            scale.photos_three,
            (
                Contestant("penult bf16", PENULT, "run_penult", "bf16", TIMM_THREE),
                Contestant("timm, channels_last, bf16", TORCH, "run_timm", "bf16", TIMM_THREE, False),
                Contestant("Keras, OpenVINO", TORCH, "run_keras", "openvino", KERAS_THREE, False),
            ),
        ),
    ]
    return [Contest(c.name, c.photos, tuple(x for x in c.contestants if scale.everybody or x.always)) for c in every]


def weights(scale: Scale) -> list[str]:
    """Return the networks whose weights come from a file; with @ those that penult converts."""
    asked = {(n, x.home == PENULT) for c in contests(scale) for x in c.contestants for n in x.networks if n.endswith("@")}
    return sorted({n if (n, True) in asked else n[:-1] for n, _ in asked})


def ours(network: str) -> tuple[Contestant, ...]:
    return tuple(Contestant(f"penult {way}", PENULT, "run_penult", way, (network,)) for way in ("bf16", "int8", "f32"))


def timm(network: str, *, always: bool = True) -> tuple[Contestant, ...]:
    return (
        Contestant("timm, channels_last, bf16", TORCH, "run_timm", "bf16", (network,)),
        Contestant("timm, the same, torch.compile", TORCH, "run_timm", "compiled", (network,), always),
        Contestant("timm, eager", TORCH, "run_timm", "eager", (network,), always),
    )


def keras(network: str) -> tuple[Contestant, ...]:
    return (
        Contestant("Keras, OpenVINO", TORCH, "run_keras", "openvino", (network,)),
        Contestant("Keras, TensorFlow", TENSORFLOW, "run_keras", "tensorflow", (network,)),
        Contestant("Keras, torch", TORCH, "run_keras", "torch", (network,), False),
    )
