"""`-b hf:OWNER/NAME`: ready ONNX files of the Hugging Face hub, from a local server that speaks its protocol.

What the features must be is written out here: the preprocessing as Transformers does it, with Pillow and numpy, and
onnxruntime on the file that was uploaded. (`transformers` 5.24's own processors gave the same pixels, see docs/backbones.md.)
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubnets
import hubserver
from extras import ONNXRUNTIME, InProcess
from hubserver import COMMIT, OLDER, Hub, Repository
from penult import engines, zoo
from penult.backbones import Backbone
from penult.errors import DamagedFile, InputError, UnknownName
from penult.pixels import prepare
from penult.zoo import catalog, hub_files, hub_name

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed: pip install 'penult[hub]'"
)
SHAPES = ((341, 256), (300, 451), (224, 224), (97, 640))  # (width, height); of the margins some are odd


def packed(processor: dict[str, Any] | None, config: dict[str, Any] | None = None, **more: bytes) -> dict[str, bytes]:
    files = {"config.json": config or {}} | ({} if processor is None else {"preprocessor_config.json": processor})
    return {name: json.dumps(one).encode() for name, one in files.items()} | more


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with hubserver.serve() as hub:
        yield hub


@pytest.fixture
def hub(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Return an empty hub that this process and its children use, with a cache folder of their own."""
    server.repositories.clear()
    server.asked.clear()
    server.tokens.clear()
    monkeypatch.setenv("HF_ENDPOINT", server.url)  # before the library is imported, which older ones need
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(catalog, "Worker", InProcess)
    return server


def reference(photo: Image.Image, processor: dict[str, Any]) -> np.ndarray:
    """Return what Transformers makes of a photo for these three networks: (1, 3, 224, 224)."""
    size = processor["size"]
    short = size if isinstance(size, int) else size.get("shortest_edge")
    if short is None:
        photo = photo.resize((size["width"], size["height"]), processor["resample"])
    else:
        width, height = photo.size
        long = int(short * max(width, height) / min(width, height))
        photo = photo.resize((short, long) if width <= height else (long, short), processor["resample"])
    pixels = np.asarray(photo)
    if processor.get("do_center_crop"):
        top, left = (pixels.shape[0] - 224) // 2, (pixels.shape[1] - 224) // 2
        pixels = pixels[top : top + 224, left : left + 224]
    x = (pixels / 255 - processor["image_mean"]) / processor["image_std"]  # (224, 224, 3)
    return x.transpose(2, 0, 1)[None].astype(np.float32)


def features(backbone: Backbone, photo: Image.Image) -> np.ndarray:
    engine = engines.open_engine(backbone, "cpu", "f32")
    try:
        return engine(prepare(np.asarray(photo), backbone.recipe)[None])[0]
    finally:
        engine.close()


@ONNXRUNTIME
@pytest.mark.parametrize(
    ("name", "made", "processor", "output"),
    [
        ("hf:org/dino", hubnets.dinov2, hubnets.BIT, "pooler_output"),
        ("hf:org/dino:cls", hubnets.dinov2, hubnets.BIT, "class token"),
        ("hf:org/dino:mean", hubnets.dinov2, hubnets.BIT, "patches"),
        ("hf:org/siglip", hubnets.siglip, hubnets.SIGLIP, "pooler_output"),
        ("hf:org/clip", hubnets.clip, hubnets.CLIP, "image_embeds"),
    ],
)
def test_features_are_onnxruntimes_on_the_reference_preprocessing(
    name: str, made: Any, processor: dict[str, Any], output: str, hub: Hub, tmp_path: Path
) -> None:
    import onnxruntime

    graph = made()
    files = packed(processor, {"patch_size": 14} if "dino" in name else {})
    if made is hubnets.dinov2:
        files |= {"onnx/model.onnx": graph, "onnx/model_quantized.onnx": b"not this one"}
    else:  # a tower of two, with its weights in another file
        head, weights = hubnets.outside(graph, "vision_model.onnx_data")
        files |= {"onnx/vision_model.onnx": head, "onnx/vision_model.onnx_data": weights, "onnx/model.onnx": b"nor this"}
    hub.repositories[name.split(":")[1]] = Repository(files)
    backbone = zoo.find_backbone(name, cache=tmp_path / "cache")
    session = onnxruntime.InferenceSession(graph)
    names = [one.name for one in session.get_outputs()]
    for number, shape in enumerate(SHAPES):
        noise = np.random.default_rng(number).integers(0, 256, (shape[1] // 8, shape[0] // 8, 3), dtype=np.uint8)
        photo = Image.fromarray(noise).resize(shape, Image.Resampling.BICUBIC)
        outputs = dict(zip(names, session.run(None, {"pixel_values": reference(photo, processor)}), strict=True))
        wanted = {
            "class token": lambda o=outputs: o["last_hidden_state"][0, 0],
            "patches": lambda o=outputs: o["last_hidden_state"][0, 1:].mean(0),
        }.get(output, lambda o=outputs: o[output][0])()
        np.testing.assert_allclose(features(backbone, photo), wanted, rtol=1e-3, atol=1e-3 * float(np.abs(wanted).max()))
    assert output in backbone.source and backbone.source.startswith(f"hf:{name.split(':')[1]}/onnx/")
    assert f"@{COMMIT}, sha256 " in backbone.source and backbone.license == "apache-2.0"
    assert backbone.has_maps == (output == "patches")


def network(hub: Hub, tmp_path: Path, name: str, files: dict[str, bytes], **more: Any) -> Backbone:
    hub.repositories["org/net"] = Repository(files)
    return zoo.find_backbone(f"hf:org/net{name}", cache=tmp_path / "cache", **more)


def test_a_pooler_that_was_never_trained_is_passed_over_unless_asked_for(hub: Hub, tmp_path: Path) -> None:
    files = packed(hubnets.BIT) | {"onnx/model.onnx": hubnets.dinov2(tanh=True)}
    token = network(hub, tmp_path, "", files)
    pooler = network(hub, tmp_path, ":pooler", files)
    assert "class token" in token.source and "pooler_output" in pooler.source and token.digest != pooler.digest
    with pytest.raises(UnknownName, match="pooler, cls, mean"):
        network(hub, tmp_path, ":stages", files)


def test_a_classifier_gives_what_goes_into_its_last_layer(hub: Hub, tmp_path: Path) -> None:
    made = network(hub, tmp_path, "/model.onnx:64:squash", packed(hubnets.CLIP) | {"model.onnx": hubnets.classifier()})
    assert (made.width, made.pooling, made.recipe.size, made.recipe.crop_mode) == (hubnets.WIDTH, "mean", 64, "squash")
    assert made.name == "hf:org/net/model.onnx:64:squash"
    with pytest.raises(InputError, match="no tokens to take or average"):
        network(hub, tmp_path, ":mean", packed(hubnets.CLIP) | {"model.onnx": hubnets.classifier()})


def test_the_encoder_of_texts_is_left_out(hub: Hub, tmp_path: Path) -> None:
    made = network(hub, tmp_path, "", packed(hubnets.SIGLIP) | {"onnx/model.onnx": hubnets.two_towers()})
    assert "image_embeds" in made.source and made.width == 7


def test_a_size_that_the_network_cannot_have_is_refused_with_the_cure(hub: Hub, tmp_path: Path) -> None:
    files = packed(hubnets.SIGLIP) | {"onnx/model.onnx": hubnets.classifier(size=224)}
    with pytest.raises(InputError, match=r"hf:org/net:96: it takes 224 x 224 pixels and no others; leave :96 out"):
        network(hub, tmp_path, ":96", files)


def test_a_recipe_of_the_user_counts_more_than_the_repositorys(hub: Hub, tmp_path: Path) -> None:
    files = packed(None) | {"onnx/model.onnx": hubnets.dinov2()}
    with pytest.raises(InputError, match=r"no preprocessor_config\.json.*Give --recipe size=224"):
        network(hub, tmp_path, "", files)
    asked = "size=98 fit=squash interpolation=bilinear mean=0,0,0 std=1,1,1 channels=bgr output=last_hidden_state"
    with pytest.raises(InputError, match="50 vectors an image"):
        network(hub, tmp_path, "", files, recipe=zoo.parse_recipe(asked.split()))
    recipe = zoo.parse_recipe(asked.split()[:-1])
    made = network(hub, tmp_path, "", files, recipe=recipe).recipe
    assert (made.size, made.crop_mode, made.mean, made.channels) == (98, "squash", (0, 0, 0), "bgr")


# Files, revisions, digests


def fetched(hub: Hub, name: str, **repository: Any) -> hub_files.HubFiles:
    hub.repositories["org/net"] = Repository(**repository)
    return hub_files.get(hub_name.parse(name), f"hf:{name}")


def test_which_file_is_taken_and_from_which_commit(hub: Hub) -> None:
    every = {"onnx/model.onnx": b"m", "onnx/model_fp16.onnx": b"h", "onnx/vision_model.onnx": b"v", "config.json": b"{}"}
    old = {"net_fp16.onnx": b"1", "deep/net.onnx": b"2"}
    assert fetched(hub, "org/net", files=every).file == "onnx/vision_model.onnx"
    assert fetched(hub, "org/net/onnx/model_fp16.onnx", files=every).model.read_bytes() == b"h"
    for revision in ("v1", OLDER):
        found = fetched(hub, f"org/net@{revision}", files=every, old=old)
        assert (found.commit, found.file) == (OLDER, "deep/net.onnx") and found.origin.startswith(
            f"hf:org/net/deep/net.onnx@{OLDER}, sha256 d4735e3a"
        )
    assert not any("_fp16" in line for line in hub.asked if OLDER in line)


@pytest.mark.parametrize(
    ("name", "repository", "says"),
    [
        ("org/other", {"files": {}}, "the hub has no such repository.*look at its page"),
        ("org/net", {"files": {"model.onnx": b"m"}, "gated": True}, "agreed to its terms.*hf auth login.*HF_TOKEN"),
        ("org/net@v9", {"files": {"model.onnx": b"m"}}, "no such revision; give a branch"),
        ("org/net", {"files": {"model.safetensors": b"m"}}, "has no ONNX file; take one that has"),
        ("org/net", {"files": {"a.onnx": b"a", "b/c.onnx": b"c"}}, r"cannot be told; name one of a\.onnx, b/c\.onnx"),
        ("org/net/c.onnx", {"files": {"a.onnx": b"a"}}, r"no such file; name one of a\.onnx"),
        ("org/net", {"files": {}, "names": ("../model.onnx", "/etc/x.onnx", "a\\b.onnx", "a//b.onnx")}, "has no ONNX file"),
        ("org/net", {"files": {"model.onnx": b"m", "config.json": b"[1"}}, r"its config\.json cannot be read.*take another"),
        ("org/net", {"files": {"model.onnx": b"m"}, "sizes": {"model.onnx": 2**31}}, "has 2,147,483,648 bytes.* a smaller"),
        ("org/net", {"files": {"config.json": b"{}", "a.onnx": b""}, "sizes": {"config.json": 2**30}}, "1,048,576 are the"),
        ("org/net", {"files": {"model.onnx": b"m", "config.json": b"[1]"}}, "no settings by name; take another"),
        ("org/net", {"files": {"model.onnx": hubnets.outside(hubnets.siglip(), "w.bin")[0]}}, r"in w\.bin, which the reposit"),
        ("org/net", {"files": {"model.onnx": hubnets.outside(hubnets.siglip(), "../w")[0]}}, "outside its own folder"),
    ],
)  # fmt: skip
def test_what_a_repository_cannot_give_is_said_with_the_cure(
    name: str, repository: dict[str, Any], says: str, hub: Hub
) -> None:
    with pytest.raises(InputError, match=says):
        fetched(hub, name, **repository)


def test_bytes_that_are_not_those_listed_are_not_used(hub: Hub) -> None:
    with pytest.raises(DamagedFile, match=r"sha256 is not 0{12}.*delete .*blobs.* run again"):
        fetched(hub, "org/net", files={"model.onnx": bytes(5000)}, lies={"model.onnx": "0" * 64})


@pytest.mark.parametrize(
    "name",
    ["net", "org/", "org/net/x", "../x", "org/..", "org/net/../x.onnx", "org/net@", "org/net@../x", "a b/c",
     "org/net/x.onnx@-r", "org/ne\nt", "org/" + "n" * 97, "org/a--b", "org/net@a b", "https://huggingface.co/org/net"],
)  # fmt: skip
def test_hostile_names_are_refused_before_anything_is_asked(name: str) -> None:
    with pytest.raises(InputError, match="OWNER/NAME"):
        zoo.understand(f"hf:{name}")


@pytest.mark.parametrize(
    ("card", "stated"),
    [
        ({"license": "mit"}, "mit"),
        ({"license": "other", "license_name": "apple-amlr"}, "apple-amlr"),
        ({"license": "other"}, "other"),
        ({"license": ["mit", "apache-2.0"]}, "mit, apache-2.0"),
        ({"license": ["mit", {"a": 1}]}, "not stated on its card"),
        ({"base_model": "facebook/dinov2-small"}, "not stated on its card; see facebook/dinov2-small"),
        ({"license": 7, "base_model": [3]}, "not stated on its card"),
        ({"license": "x\n\x1b[31m"}, "not stated on its card"),
    ],
)
def test_the_license_is_the_cards(card: dict[str, Any], stated: str, hub: Hub) -> None:
    assert fetched(hub, "org/net", files={"model.onnx": b"m"}, card=card).license == stated


# Without a network connection


def test_offline_the_hubs_own_cache_is_used_and_what_is_in_neither_is_said(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    head, weights = hubnets.outside(hubnets.siglip(), "model.onnx_data")
    hub.repositories["org/net"] = Repository(
        packed(hubnets.SIGLIP) | {"onnx/model.onnx": head, "onnx/model.onnx_data": weights}
    )
    online = zoo.find_backbone("hf:org/net", cache=tmp_path / "one")
    (blob,) = (path for path in (tmp_path / "hf" / "hub").glob("models--*/blobs/*") if path.read_bytes() == weights)
    shared = tmp_path / "hf" / "hub" / "blobs" / "0a" / blob.name  # where Xet's transfer puts files, for all repositories
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to(shared)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    offline = zoo.find_backbone("hf:org/net", cache=tmp_path / "two")
    assert offline.digest == online.digest and "without a network" in offline.license
    with pytest.raises(zoo.Unreachable, match=r"penult backbones --fetch hf:org/other:112:cls`.*place here: .*hf_org_other"):
        zoo.find_backbone("hf:org/other:112:cls", cache=tmp_path / "two")
    asked = len(hub.asked)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # a machine that has the folder, and no library for the hub
    assert zoo.find_backbone("hf:org/net", cache=tmp_path / "one").digest == online.digest and len(hub.asked) == asked


def test_a_command_fetches_with_the_users_token_and_never_imports_torch(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()")
    hub.repositories["org/net"] = Repository(packed(hubnets.BIT) | {"onnx/model.onnx": hubnets.dinov2()}, gated=True)
    command = ["-m", "penult", "backbones", "--json", "--cache", str(tmp_path / "cache"), "--fetch", "hf:org/net"]
    env = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tmp_path}:{Path(zoo.__file__).parents[2]}", "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "hf_x",
    }  # fmt: skip
    done = subprocess.run([sys.executable, *command], env=env, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)
    assert made["name"] == "hf:org/net" and made["width"] == hubnets.WIDTH and (Path(made["folder"]) / "graph.onnx").is_file()
    assert hub.tokens == {"hf_x"} and not (tmp_path / "torch.imported").exists()


def test_the_table_names_networks_with_their_license() -> None:
    from penult.zoo.hub_source import KNOWN, list_networks

    rows = list(list_networks("hf:*dinov2*"))
    assert {"hf:onnx-community/dinov2-small"} < {row.name for row in rows} and {row.license for row in rows} == {"Apache-2.0"}
    assert all(zoo.understand(f"hf:{name}").source == "hub" for name, *_ in KNOWN)
    assert all(name in {f"hf:{known}" for known, *_ in KNOWN} for name in zoo.names.MODERN_HUB)
