"""Any network of timm: what penult computes from a file is what timm computes from it; needs the extra `timm`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extras import TIMM, convert_in_process
from penult import Embedder, zoo
from penult.errors import DamagedFile, InputError, UnknownName
from penult.zoo.timm_source import import_timm
from rivals import drawn_photos, error, timm_features, wrong_transforms

pytestmark = TIMM

NETWORKS = {
    "resnet50": "mean",
    "inception_v3": "mean",
    "legacy_xception": "mean",
    "vit_tiny_patch16_224": "none",  # class token
    "vit_wee_patch16_reg1_gap_256": "none",  # average of the tokens, a norm behind it
    "convnext_atto": "none",  # a norm behind the pooling
    "efficientnet_b0": "mean",
    "mobilenetv2_100": "mean",
    "mobilenetv3_small_100": "none",  # a layer behind the pooling
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small work on two threads, beside other processes, waits five times as long as it computes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


OWN_PROCESS = (
    "test_after_the_conversion_no_torch_is_imported_and_the_start_is_quick",
    "test_without_a_name_server_nothing_is_retried_and_the_place_of_the_file_is_told",
)


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if request.node.name not in OWN_PROCESS:
        convert_in_process(monkeypatch)


def save(model: Any, path: Path) -> Path:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of one of timm's smallest networks."""
    timm = import_timm()
    import torch

    torch.manual_seed(0)
    return save(timm.create_model("test_resnet"), tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the module: what is converted once stays."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", NETWORKS)
def test_features_of_files_are_those_that_timm_computes(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """End to end in f32: within a hundredth of what tells the photos apart, and within a tenth of any wrong recipe."""
    timm = import_timm()
    import torch

    torch.manual_seed(0)
    whole = timm.create_model(name)
    file = save(whole, tmp_path / "weights.safetensors")
    model = timm.create_model(name, num_classes=0).eval()
    state = {k: v for k, v in whole.state_dict().items() if k in model.state_dict()}
    model.load_state_dict(state)
    config = timm.data.resolve_model_data_config(model)

    paths = some_photos(request, 12) or drawn_photos(tmp_path)
    ours = Embedder(f"{name}@{file}", precision="f32").transform(paths)
    theirs = timm_features(model, timm.data.create_transform(**config, is_training=False), paths)
    assert ours.shape == theirs.shape
    off = error(ours, theirs)
    assert off <= 1e-2
    few = paths[:5]
    for wrong, transform in wrong_transforms(timm, config).items():
        assert off <= error(timm_features(model, transform, few), theirs[:5]) / 10, wrong

    found = zoo.find_backbone(f"{name}@{file}")
    assert found.pooling == NETWORKS[name]
    assert found.recipe.mean == tuple(config["mean"]) and found.recipe.size == config["input_size"][1]


def some_photos(request: pytest.FixtureRequest, count: int) -> list[Path]:
    """Return real photos where there are some, cats and dogs in turn; else none."""
    try:
        folder = request.getfixturevalue("real_photos")
    except pytest.skip.Exception:
        return []
    pairs = zip(sorted((folder / "train/cat").iterdir()), sorted((folder / "train/dog").iterdir()), strict=False)
    return [path for pair in pairs for path in pair][:count]


def test_after_the_conversion_no_torch_is_imported_and_the_start_is_quick(tiny: Path, tmp_path: Path) -> None:
    name, cache_dir = f"test_resnet@{tiny}", tmp_path / "cache"
    zoo.find_backbone(name, cache=cache_dir)
    photo = drawn_photos(tmp_path, 1)[0]
    command = ["embed", str(photo), "-b", name, "--out", str(tmp_path / "f.h5"), "-q", "--cache", str(cache_dir)]
    script = (
        f"import sys; from penult.cli import main; code = main({command!r}); "
        "print(code, sorted(m for m in ('torch', 'timm', 'torchvision', 'onnxscript', 'keras') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_checkpoint_of_any_number_of_classes_and_any_format_gives_the_same_backbone(
    tiny: Path, cache_dir: Path, tmp_path: Path
) -> None:
    timm = import_timm()
    import torch
    from safetensors.torch import load_file

    state = load_file(tiny)
    fine_tuned = timm.create_model("test_resnet", num_classes=5)
    fine_tuned.load_state_dict({**state, "fc.weight": torch.zeros(5, state["fc.weight"].shape[1]), "fc.bias": torch.zeros(5)})
    torch.save({"state_dict": {f"module.{k}": v for k, v in fine_tuned.state_dict().items()}}, tmp_path / "other.pth")
    first, second = (zoo.find_backbone(f"test_resnet@{path}", cache=cache_dir) for path in (tiny, tmp_path / "other.pth"))
    assert first.weights == second.weights and first.digest == second.digest
    assert (first.name, second.name) == ("test_resnet@tiny.safetensors", "test_resnet@other.pth")


@pytest.mark.parametrize("prefix", ["model.", "net._orig_mod."])
def test_a_prefix_that_all_tensors_share_is_taken_off(prefix: str, tiny: Path, cache_dir: Path, tmp_path: Path) -> None:
    """A checkpoint of PyTorch Lightning is the network that it wraps."""
    import_timm()
    import torch
    from safetensors.torch import load_file

    state = {prefix + key: tensor for key, tensor in load_file(tiny).items()}
    torch.save({"state_dict": state, "pytorch-lightning_version": "2.4"}, tmp_path / "lightning.ckpt")
    found = zoo.find_backbone(f"test_resnet@{tmp_path / 'lightning.ckpt'}", cache=cache_dir)
    assert found.weights == zoo.find_backbone(f"test_resnet@{tiny}", cache=cache_dir).weights
    assert found.name == "test_resnet@lightning.ckpt"


def test_another_input_size_is_part_of_the_name(tiny: Path, cache_dir: Path) -> None:
    small = zoo.find_backbone(f"test_resnet@{tiny}:96", cache=cache_dir)
    assert small.recipe.size == 96 and small.name.endswith(":96")
    assert small.digest != zoo.find_backbone(f"test_resnet@{tiny}", cache=cache_dir).digest
    assert zoo.find_backbone(f"test_resnet@{tiny}", size=96, cache=cache_dir).digest == small.digest


def test_weights_that_do_not_fit_are_refused_with_the_first_keys_and_their_count(tiny: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    state = load_file(tiny)
    state["stranger.weight"] = torch.zeros(3)
    gone = [key for key in state if key.startswith("layer1.") and "batches" not in key]
    for key in gone:
        del state[key]
    torch.save(state, tmp_path / "bad.pth")
    with pytest.raises(InputError) as caught:
        zoo.find_backbone(f"test_resnet@{tmp_path / 'bad.pth'}")
    text = str(caught.value)
    assert "stranger.weight" in text and sum(key in text for key in gone) == 5 and f"{len(gone)} missing" in text
    assert f"and {len(gone) - 5} more" in text and len(text) < 1000

    state = load_file(tiny)
    state["conv1.0.weight"] = torch.zeros(7, 3, 3, 3)
    state["layer1.0.conv1.weight"] = torch.zeros(1, 1, 1, 1)
    state["stranger.bias"] = state.pop("bn1.bias")
    torch.save(state, tmp_path / "shape.pth")
    with pytest.raises(InputError) as caught:
        zoo.find_backbone(f"test_resnet@{tmp_path / 'shape.pth'}")
    text = str(caught.value)
    for part in (
        "1 missing: bn1.bias",
        "1 unknown: stranger.bias",
        "2 of another shape",
        "conv1.0.weight (7, 3, 3, 3) for (",
        "layer1.0.conv1.weight (1, ",
    ):
        assert part in text


def test_a_file_that_would_run_code_or_is_no_checkpoint_is_refused(tiny: Path, tmp_path: Path) -> None:
    timm = import_timm()
    import torch

    torch.save(timm.create_model("test_resnet"), tmp_path / "whole.pth")
    with pytest.raises(InputError, match="more than weights"):
        zoo.find_backbone(f"test_resnet@{tmp_path / 'whole.pth'}")
    (tmp_path / "junk.safetensors").write_bytes(b"no weights at all" * 9)
    with pytest.raises(DamagedFile, match=r"junk\.safetensors is not a checkpoint"):
        zoo.find_backbone(f"test_resnet@{tmp_path / 'junk.safetensors'}")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(DamagedFile, match=r"empty\.pth is empty"):
        zoo.find_backbone(f"test_resnet@{tmp_path / 'empty.pth'}")
    renamed = tmp_path / "tiny-00000000.safetensors"
    renamed.write_bytes(tiny.read_bytes())
    with pytest.raises(DamagedFile, match="does not begin with 00000000"):
        zoo.find_backbone(f"test_resnet@{renamed}")


def test_networks_that_penult_cannot_feed_are_refused_by_name() -> None:
    from penult.zoo.sources import ModelSpec
    from penult.zoo.timm_source import load

    with pytest.raises(UnknownName, match="did you mean resnet50"):
        load(ModelSpec("timm", "resnet5O"))
    with pytest.raises(UnknownName, match=r"resnet50\.a1_in1k|resnet50\."):
        load(ModelSpec("timm", "resnet50.a1_in2k"))


def test_a_network_without_one_vector_is_refused() -> None:
    """What pools nothing gives maps; the message says their shape."""
    timm = import_timm()
    from penult.zoo.timm_source import with_maps

    model = timm.create_model("test_resnet", num_classes=0, global_pool="").eval()
    with pytest.raises(InputError, match=r"one vector for an image but \(2, "):
        with_maps(model, 64, "test_resnet")


def test_the_hub_is_asked_as_timm_asks_it_and_an_offline_machine_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tiny: Path
) -> None:
    """At the boundary: the repository and file that the hub's own library is asked for, and both of its answers."""
    from huggingface_hub.errors import LocalEntryNotFoundError
    from timm.models import _hub

    from penult.zoo.sources import ModelSpec
    from penult.zoo.timm_source import load

    asked: list[tuple[str, str, str | None]] = []

    def download(repo_id: str, filename: str, revision: str | None = None, **_: Any) -> str:
        asked.append((repo_id, filename, revision))
        return str(tiny)

    monkeypatch.setattr(_hub, "hf_hub_download", download)
    got = load(ModelSpec("timm", "test_resnet.r160_in1k"))
    assert asked == [("timm/test_resnet.r160_in1k", "model.safetensors", None)]
    assert got.source.endswith("hf-hub:timm/test_resnet.r160_in1k") and got.license == "apache-2.0"

    def offline(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("no connection and nothing in the cache")

    monkeypatch.setattr(_hub, "hf_hub_download", offline)
    with pytest.raises(InputError, match=r"penult backbones --fetch test_resnet\.r160_in1k:96`"):
        load(ModelSpec("timm", "test_resnet.r160_in1k", None, 96))


def test_without_a_name_server_nothing_is_retried_and_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    """The tests' machines have no hub; the whole way from the name to the message takes seconds."""
    with pytest.raises(InputError) as caught:
        zoo.find_backbone("test_resnet.r160_in1k", cache=tmp_path)
    assert str(zoo.catalog_folder("test_resnet.r160_in1k", cache=tmp_path)) in str(caught.value)
    assert "--fetch test_resnet.r160_in1k" in str(caught.value)


def test_the_table_knows_what_timm_has() -> None:
    rows = {row.name: row for row in zoo.listing("test_resnet*")}
    known = rows["test_resnet.r160_in1k"]
    assert (known.source, known.state, known.size, known.license) == ("timm", "", 160, "apache-2.0")
    timm = import_timm()
    model = timm.create_model("test_resnet", num_classes=0)
    assert known.params == sum(p.numel() for p in model.parameters()) and known.width == model.num_features
    with pytest.raises(UnknownName, match="did you mean"):
        zoo.listing("resnet5O")


def test_features_do_not_change_by_the_maps_that_are_found(tiny: Path, cache_dir: Path) -> None:
    """The means of the maps are the features, on the engine as well."""
    from penult import engines

    found = zoo.find_backbone(f"test_resnet@{tiny}", cache=cache_dir)
    size = found.recipe.size
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    maps = engines.open_engine(found, precision="f32", output="maps")(pixels)
    assert np.allclose(maps.mean((2, 3)), engines.open_engine(found, precision="f32")(pixels), atol=1e-5)


def test_the_same_weights_in_another_architecture_are_another_backbone(tmp_path: Path, cache_dir: Path) -> None:
    """TensorFlow's variant shares every name and shape of the weights, and pads otherwise: rows must never be mixed."""
    timm = import_timm()
    import torch

    torch.manual_seed(0)
    file = save(timm.create_model("mobilenetv3_small_075"), tmp_path / "w.safetensors")
    one, other = (zoo.find_backbone(f"{prefix}mobilenetv3_small_075@{file}:96", cache=cache_dir) for prefix in ("", "tf_"))
    assert one.weights != other.weights and one.digest != other.digest


@pytest.mark.parametrize("layout", ["nchw", "nhwc", "tokens", "normed", "cut"])
def test_maps_are_found_wherever_the_channels_stand_and_only_where_their_means_are_the_features(layout: str) -> None:
    import torch

    from penult.zoo.timm_source import maps_view

    maps = torch.randn(2, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    tokens = torch.cat([torch.ones(2, 1, 8), maps.flatten(2).transpose(1, 2)], 1)  # one stands before them
    features = maps.mean((2, 3))
    raw = {"nchw": maps, "nhwc": maps.permute(0, 2, 3, 1), "tokens": tokens, "normed": maps, "cut": tokens[:, :-1]}[layout]
    view = maps_view(2 * features if layout == "normed" else features, raw, 1)
    if layout in {"normed", "cut"}:
        assert view is None
    else:
        assert view is not None and torch.equal(view(raw), maps)
