"""Networks of timm: any name, its own weights or a local file, the recipe of its own configuration."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

from penult.backbones.backbone import Pooling
from penult.errors import InputError, MissingExtra, PenultError, unknown
from penult.i18n import N_, _
from penult.pixels.recipe import Recipe
from penult.zoo import checkpoint
from penult.zoo.catalog import Listed, fits
from penult.zoo.sources import LoadedModel, ModelSpec, loading_error

# torchvision's Python part describes these two operators at import; its C++ part, which declares them, cannot
# be loaded beside a torch of another build (PyPI's torchvision beside a CPU torch). timm calls neither.
_OPERATORS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_HUB = "hf-hub:"
_NEAR = 1e-4  # relative L2 error between the features and the means of maps
_MEASURED = 60  # networks whose width and work are found by building them without weights; more would take minutes


class Misfit(NamedTuple):
    """The keys that a checkpoint and a network do not share, and those whose tensors differ in shape."""

    missing: list[str]
    extra: list[str]
    misshapen: list[str]


def import_timm() -> ModuleType:
    """Import timm, also beside a torchvision whose C++ part does not fit the torch that is installed.

    Otherwise the import ends in `operator torchvision::nms does not exist`. Raises `MissingExtra`.
    """
    missing = [name for name in ("torch", "torchvision", "timm") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(_("{missing}: not installed; pip install 'penult[timm]'", missing=", ".join(missing)))
    import torch

    spec = importlib.util.find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    for library in sorted(Path(folders[0]).glob("_C*")) if folders else []:
        with contextlib.suppress(OSError):
            torch.ops.load_library(str(library))  # the whole torchvision where it fits; loading twice is harmless
    for name, schema in _OPERATORS.items():
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", schema)
    import timm

    return timm  # type: ignore[no-any-return]


def load(spec: ModelSpec) -> LoadedModel:
    """Return the network with its weights.

    Raises `MissingExtra`, `UnknownName`, `InputError` for weights that do not fit or cannot be had and for a network
    without one vector an image, `DamagedFile` for a file that is no checkpoint.
    """
    timm = import_timm()
    _check_name(timm, spec.name)
    with _recorded_misfits() as misfits, tempfile.TemporaryDirectory(prefix="penult-") as folder:
        model = _create(timm, spec, _without_prefix(timm, spec, Path(folder)))
    _check_fit(timm, spec, model, misfits)
    model.eval()
    recipe = _recipe(timm, model, spec)
    network, pooling = with_maps(model, recipe.size, spec.name)
    config = model.pretrained_cfg
    if spec.weights is not None:
        license, origin = "not stated (local file)", f"file {Path(spec.weights).name}"
    else:
        license = str(config.get("license") or "not stated by timm")
        origin = f"hf-hub:{config['hf_hub_id']}" if config.get("hf_hub_id") else str(config.get("url") or spec.name)
    # what timm builds: the architecture and the arguments that a hub's configuration adds to it
    arguments = {k: v for k, v in getattr(model, "_model_args", {}).items() if k not in {"num_classes", "exportable"}}
    return LoadedModel(
        network,
        recipe,
        pooling,
        checkpoint.of_tensors(model.state_dict()),
        license,
        f"timm {timm.__version__}, {origin}",
        sum(p.numel() for p in model.parameters()),
        architecture=f"{config.get('architecture')} {json.dumps(arguments, sort_keys=True, default=str)}",
    )


def _check_name(timm: Any, name: str) -> None:
    if name.startswith(_HUB):
        return
    architecture, _other, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise unknown(_("backbone"), name, [*timm.list_models(), *timm.list_pretrained()])
    if tag and name not in (known := timm.list_pretrained(f"{architecture}.*")):
        raise unknown(_("weights of {architecture}", architecture=architecture), name, known or [architecture])


def _without_prefix(timm: Any, spec: ModelSpec, folder: Path) -> str | None:
    """Return the file of weights; where a prefix that its names share is not the network's, a copy without it in `folder`.

    A file that timm cannot read is returned as it is: loading says what is wrong with it.
    """
    if spec.weights is None or spec.weights.endswith(".npz"):
        return spec.weights
    import torch

    try:
        state = timm.models.load_state_dict(spec.weights, weights_only=True)
        names = list(state)
        if len({name.partition(".")[0] for name in names}) != 1:  # nearly always, and a second network need not be made
            return spec.weights
        whole = timm.create_model(spec.name, pretrained=False)
        prefix = checkpoint.shared_prefix(names, whole.state_dict().keys())
    except Exception:
        return spec.weights
    if not prefix:
        return spec.weights
    torch.save({name[len(prefix) :]: tensor for name, tensor in state.items()}, folder / "weights.pth")
    return str(folder / "weights.pth")


def _create(timm: Any, spec: ModelSpec, file: str | None) -> Any:
    """Return the network without its last layer, by timm's own loading, with the weights of a file if one is given."""
    options: dict[str, Any] = {"pretrained": True, "num_classes": 0, "exportable": True}
    if file is not None:
        options["pretrained_cfg_overlay"] = {"file": file, "source": "", "custom_load": file.endswith(".npz")}
    try:
        if spec.size is not None:
            with contextlib.suppress(TypeError):  # a network of convolutions takes any size and has no such argument
                return timm.create_model(spec.name, img_size=spec.size, **options)
        return timm.create_model(spec.name, **options)
    except PenultError:
        raise
    except Exception as error:
        raise loading_error(error, spec) from error


@contextlib.contextmanager
def _recorded_misfits() -> Iterator[list[Misfit]]:
    """Record all that the last `load_state_dict` of the block could not place: timm and torch each tell a part."""
    import torch

    original = torch.nn.Module.load_state_dict
    misfits: list[Misfit] = []

    def recorded(module: Any, state: Any, *_args: Any, **_named: Any) -> Any:
        mine = module.state_dict()
        misshapen = [key for key in mine if key in state and tuple(state[key].shape) != tuple(mine[key].shape)]
        result = original(module, {key: tensor for key, tensor in state.items() if key not in misshapen}, strict=False)
        missing = [key for key in result.missing_keys if key not in misshapen]
        shapes = [
            _("{key} {shape} for {wanted}", key=k, shape=tuple(state[k].shape), wanted=tuple(mine[k].shape)) for k in misshapen
        ]
        misfits.append(Misfit(missing, list(result.unexpected_keys), shapes))
        return result

    torch.nn.Module.load_state_dict = recorded
    try:
        yield misfits
    finally:
        torch.nn.Module.load_state_dict = original


def _check_fit(timm: Any, spec: ModelSpec, model: Any, misfits: Sequence[Misfit]) -> None:
    """Raise `InputError` where weights are missing, or a file brings others than the last layer's."""
    if not misfits:
        return
    missing, extra, misshapen = misfits[-1]
    if extra and spec.weights is not None:
        whole = timm.create_model(spec.name, pretrained=False, num_classes=2)
        last_layer = set(whole.state_dict()) - set(model.state_dict()) | {"mask_token"}
        extra = [key for key in extra if key not in last_layer]
    if missing or misshapen or (extra and spec.weights is not None):
        what = checkpoint.misfit(
            {N_("missing"): missing, N_("unknown"): extra, N_("of another shape"): misshapen}, counted=True
        )
        raise InputError(
            _(
                "{weights} does not fit {name}; {what}. Give the file of this very network, or the network of this file.",
                weights=spec.weights or _("the weights of the hub"),
                name=spec.name,
                what=what,
            )
        )


def _recipe(timm: Any, model: Any, spec: ModelSpec) -> Recipe:
    """Return the recipe of the network's own configuration, at the size that was asked for."""
    data = timm.data.resolve_model_data_config(model)
    channels, height, width = data["input_size"]
    if channels != 3 or height != width:
        raise InputError(
            _(
                "{name} takes images of {channels} x {height} x {width}, and penult gives square ones of three "
                "channels; take another network.",
                name=spec.name,
                channels=channels,
                height=height,
                width=width,
            )
        )
    modes = {"center": "crop", "squash": "squash"}
    if data["crop_mode"] not in modes or data["interpolation"] not in {"bicubic", "bilinear", "nearest"}:
        raise InputError(
            _(
                "{name} is evaluated with crop mode {crop_mode} and {interpolation} interpolation, which penult does "
                "not have; take another network.",
                name=spec.name,
                crop_mode=data["crop_mode"],
                interpolation=data["interpolation"],
            )
        )
    recipe = Recipe(
        height, cast(Any, modes[data["crop_mode"]]), float(data["crop_pct"]), data["interpolation"],
        tuple(data["mean"]), tuple(data["std"]),
    )  # fmt: skip
    return recipe if spec.size is None else replace(recipe, size=spec.size)


def with_maps(model: Any, size: int, name: str) -> tuple[Any, Pooling]:
    """Return a module that gives (features, maps) where the features are the means of maps, else (features,).

    Features that are means are computed as such, so the last layers are not run twice.
    """
    import torch

    probe = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = model(probe)
        if not torch.is_tensor(features) or features.ndim != 2:
            shape = tuple(features.shape) if torch.is_tensor(features) else type(features).__name__
            raise InputError(
                _(
                    "{name} does not give one vector for an image but {shape}; take a network that pools.",
                    name=name,
                    shape=shape,
                )
            )
        raw = model.forward_features(probe) if hasattr(model, "forward_features") else None
        view = maps_view(features, raw, getattr(model, "num_prefix_tokens", 0))

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Any) -> tuple[Any, ...]:
            if view is None:
                return (self.model(x),)
            maps = view(self.model.forward_features(x))
            return maps.mean((2, 3)), maps

    return Network().eval(), "none" if view is None else "mean"


def maps_view(features: Any, raw: Any, prefix: int) -> Callable[[Any], Any] | None:
    """Return the view of `raw` as maps (n, d, h, w) whose means are the features (n, d), or None: found by trying.

    `raw`, what a network gives before its pooling, may be (n, d, h, w), (n, h, w, d), or tokens (n, prefix + h w, d).
    """
    import torch

    if not torch.is_tensor(raw):
        return None
    for view in _views(raw, features.shape[1], prefix):
        means = view(raw).mean((2, 3))
        if torch.linalg.norm(means - features) <= _NEAR * torch.linalg.norm(features):
            return view
    return None


def _views(raw: Any, width: int, prefix: int) -> Iterator[Callable[[Any], Any]]:
    if raw.ndim == 4 and raw.shape[1] == width:
        yield lambda x: x
    if raw.ndim == 4 and raw.shape[3] == width:
        yield lambda x: x.permute(0, 3, 1, 2)
    if raw.ndim == 3 and raw.shape[2] == width:
        side = math.isqrt(raw.shape[1] - prefix)
        if side * side == raw.shape[1] - prefix:
            yield lambda x: x[:, prefix:].transpose(1, 2).unflatten(2, (side, side))


def list_networks(pattern: str) -> Iterator[Listed]:
    """Yield the networks with pretrained weights whose name fits, with width and work where they are few."""
    timm = import_timm()
    found = [name for name in timm.list_pretrained() if fits(name, pattern)]
    for name in found:
        config = timm.get_pretrained_cfg(name)
        width, params, gmacs = _measure(timm, name) if len(found) <= _MEASURED else (None, None, None)
        yield Listed(name, "timm", "", width, config.input_size[-1], params, gmacs, config.license)


def _measure(timm: Any, name: str) -> tuple[int | None, int | None, float | None]:
    """Return width, parameters and 10^9 multiply-adds of a network built without memory for its weights."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    try:
        with torch.device("meta"), torch.no_grad():
            model = timm.create_model(name, pretrained=False, num_classes=0).eval().requires_grad_(False)
            size = timm.get_pretrained_cfg(name).input_size
            with FlopCounterMode(display=False) as counter:
                width = model(torch.empty(1, *size)).shape[-1]
        return width, sum(p.numel() for p in model.parameters()), round(counter.get_total_flops() / 2e9, 2)
    except Exception:  # some networks cannot be built so; their row has gaps
        return None, None, None
