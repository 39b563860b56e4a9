"""Networks of timm: any name, its own weights or a local file, the recipe of its own configuration.

In: a `Wish`. Out: a `Loaded`.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from penult.backbones.backbone import Pooling
from penult.errors import InputError, PenultError, unknown
from penult.pixels.recipe import Recipe
from penult.zoo import digest
from penult.zoo.hub import explain
from penult.zoo.prefixes import misfit, shared_prefix
from penult.zoo.timm_door import import_timm
from penult.zoo.wish import Loaded, Wish


class Misfit(NamedTuple):
    """The keys that a checkpoint and a network do not share, and those whose tensors differ in shape."""

    missing: list[str]
    extra: list[str]
    misshapen: list[str]


HUB = "hf-hub:"


def load(wish: Wish) -> Loaded:
    """Return the network with its weights.

    Raises `MissingExtra`, `UnknownName`, `InputError` for weights that do not fit or cannot be had and for a network
    without one vector an image, `DamagedFile` for a file that is no checkpoint.
    """
    timm = import_timm()
    _known(timm, wish.name)
    size = dict(wish.changes).get("size")
    with _loading() as keys, tempfile.TemporaryDirectory(prefix="penult-") as folder:
        model = _create(timm, wish, size, _without_prefix(timm, wish, Path(folder)))
    _fits(timm, wish, model, keys)
    model.eval()
    recipe = _recipe(timm, model, wish)
    module, pooling = _with_maps(model, recipe.size, wish.name)
    return Loaded(
        module,
        recipe,
        pooling,
        digest.of_state(model.state_dict()),
        _license(model, wish),
        f"timm {timm.__version__}, {_origin(model, wish)}",
        sum(p.numel() for p in model.parameters()),
        architecture=_architecture(model),
    )


def names(pattern: str = "") -> list[str]:
    """Return timm's names of networks with pretrained weights, `architecture.tag`. Raises `MissingExtra`."""
    return list(import_timm().list_pretrained(pattern))


def _known(timm: Any, name: str) -> None:
    if name.startswith(HUB):
        return
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise unknown("backbone", name, [*timm.list_models(), *timm.list_pretrained()])
    if tag and name not in (known := timm.list_pretrained(f"{architecture}.*")):
        raise unknown(f"weights of {architecture}", name, known or [architecture])


def _without_prefix(timm: Any, wish: Wish, folder: Path) -> str | None:
    """Return the file of weights; where a prefix that its names share is not the network's, a copy without it in `folder`.

    A file that timm cannot read is returned as it is: loading says what is wrong with it.
    """
    if wish.weights is None or wish.weights.endswith(".npz"):
        return wish.weights
    import torch

    try:
        state = timm.models.load_state_dict(wish.weights, weights_only=True)
        names = list(state)
        if len({name.partition(".")[0] for name in names}) != 1:  # nearly always, and a second network need not be made
            return wish.weights
        whole = timm.create_model(wish.name, pretrained=False)
        prefix = shared_prefix(names, whole.state_dict().keys())
    except Exception:
        return wish.weights
    if not prefix:
        return wish.weights
    torch.save({name[len(prefix) :]: tensor for name, tensor in state.items()}, folder / "weights.pth")
    return str(folder / "weights.pth")


def _create(timm: Any, wish: Wish, size: int | None, file: str | None) -> Any:
    """Return the network without its last layer, by timm's own loading, with the weights of a file if one is given."""
    asked: dict[str, Any] = {"pretrained": True, "num_classes": 0, "exportable": True}
    if file is not None:
        asked["pretrained_cfg_overlay"] = {"file": file, "source": "", "custom_load": file.endswith(".npz")}
    try:
        if size is not None:
            with contextlib.suppress(TypeError):  # a network of convolutions takes any size and has no such argument
                return timm.create_model(wish.name, img_size=size, **asked)
        return timm.create_model(wish.name, **asked)
    except PenultError:
        raise
    except Exception as error:
        raise explain(error, wish) from error


@contextlib.contextmanager
def _loading() -> Iterator[list[Misfit]]:
    """Record all that the last `load_state_dict` of the block could not place: timm and torch each tell a part."""
    import torch

    own = torch.nn.Module.load_state_dict
    keys: list[Misfit] = []

    def recorded(module: Any, state: Any, *_: Any, **__: Any) -> Any:
        mine = module.state_dict()
        misshapen = [key for key in mine if key in state and tuple(state[key].shape) != tuple(mine[key].shape)]
        result = own(module, {key: tensor for key, tensor in state.items() if key not in misshapen}, strict=False)
        missing = [key for key in result.missing_keys if key not in misshapen]
        shapes = [f"{k} {tuple(state[k].shape)} for {tuple(mine[k].shape)}" for k in misshapen]
        keys.append(Misfit(missing, list(result.unexpected_keys), shapes))
        return result

    torch.nn.Module.load_state_dict = recorded
    try:
        yield keys
    finally:
        torch.nn.Module.load_state_dict = own


def _fits(timm: Any, wish: Wish, model: Any, keys: Sequence[Misfit]) -> None:
    """Raise `InputError` where weights are missing, or a file brings others than the last layer's."""
    if not keys:
        return
    missing, extra, misshapen = keys[-1]
    if extra and wish.weights is not None:
        last = _of_last_layer(timm, wish, model)
        extra = [key for key in extra if key not in last]
    if missing or misshapen or (extra and wish.weights is not None):
        what = misfit({"missing": missing, "unknown": extra, "of another shape": misshapen}, counted=True)
        raise InputError(
            f"{wish.weights or 'the weights of the hub'} does not fit {wish.name}; {what}. "
            "Give the file of this very network, or the network of this file."
        )


def _of_last_layer(timm: Any, wish: Wish, model: Any) -> set[str]:
    """Return the keys that the whole network has and the one without its last layer has not."""
    whole = timm.create_model(wish.name, pretrained=False, num_classes=2)
    return set(whole.state_dict()) - set(model.state_dict()) | {"mask_token"}


def _recipe(timm: Any, model: Any, wish: Wish) -> Recipe:
    """Return the recipe of the network's own configuration, with the user's changes."""
    data = timm.data.resolve_model_data_config(model)
    channels, height, width = data["input_size"]
    if channels != 3 or height != width:
        raise InputError(f"{wish.name} wants {channels} x {height} x {width}; penult has square pictures of three colours.")
    fits = {"center": "crop", "squash": "squash"}
    if data["crop_mode"] not in fits or data["interpolation"] not in {"bicubic", "bilinear", "nearest"}:
        raise InputError(
            f"{wish.name} is evaluated with crop mode {data['crop_mode']} and {data['interpolation']} interpolation, "
            "which penult does not have; take another network."
        )
    recipe = Recipe(
        height, cast(Any, fits[data["crop_mode"]]), float(data["crop_pct"]), data["interpolation"],
        tuple(data["mean"]), tuple(data["std"]),
    )  # fmt: skip
    return Recipe.from_dict({**recipe.to_dict(), **dict(wish.changes)})


def _architecture(model: Any) -> str:
    """Return what timm builds: the architecture and the arguments that a hub's configuration adds to it."""
    kept = {k: v for k, v in getattr(model, "_model_args", {}).items() if k not in {"num_classes", "exportable"}}
    return f"{model.pretrained_cfg.get('architecture')} {json.dumps(kept, sort_keys=True, default=str)}"


def _license(model: Any, wish: Wish) -> str:
    if wish.weights is not None:
        return "not stated (local file)"
    return str(model.pretrained_cfg.get("license") or "not stated by timm")


def _origin(model: Any, wish: Wish) -> str:
    if wish.weights is not None:
        return f"file {Path(wish.weights).name}"
    found = model.pretrained_cfg
    return f"hf-hub:{found['hf_hub_id']}" if found.get("hf_hub_id") else str(found.get("url") or wish.name)


def _with_maps(model: Any, size: int, name: str) -> tuple[Any, Pooling]:
    """Return a module that gives (features, maps) where the features are the means of maps, else (features,)."""
    import torch

    from penult.zoo.views import Pooled, Viewed, view_of

    probe = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = model(probe)
        if not torch.is_tensor(features) or features.ndim != 2:
            shape = tuple(features.shape) if torch.is_tensor(features) else type(features).__name__
            raise InputError(f"{name} does not give one vector for an image but {shape}; take a network that pools.")
        raw = model.forward_features(probe) if hasattr(model, "forward_features") else None
        view = view_of(features, raw, getattr(model, "num_prefix_tokens", 0))
    return (Pooled(model).eval(), "none") if view is None else (Viewed(model, view).eval(), "mean")
