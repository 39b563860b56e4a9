"""The torch engine computes what the OpenVINO engine computes, and is taken where it can be; most of this needs torch."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from networks import SMALL, network
from penult import backbones, bundle, engines, predict
from penult.backbones import Stored
from penult.embed import Settings, embed
from penult.engines import torch_devices
from penult.errors import DamagedFile, InputError, MissingExtra
from penult.train import Options, train
from tinynet import by_numpy, noise, tiny
from tolerance import assert_same_direction, assert_same_pixels

needs_torch = [
    pytest.mark.timm,
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed: pip install 'penult[timm]'"),
]


def torched(test: Callable[..., Any]) -> Callable[..., Any]:
    for mark in needs_torch:
        test = mark(test)
    return test


# --- which device; no torch is needed to ask ---


@pytest.fixture
def asked_anew() -> Iterator[None]:
    torch_devices.gpu.cache_clear()
    yield
    torch_devices.gpu.cache_clear()


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(("driver", "built"), [(False, True), (True, False)])
def test_without_a_driver_or_a_build_for_it_torch_is_not_imported(
    driver: bool, built: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` is then the processor, and costs nothing."""
    monkeypatch.setattr(torch_devices, "_driver", lambda: driver)
    monkeypatch.setattr(torch_devices, "_built_for_cuda", lambda: built)

    def imported() -> None:
        raise AssertionError("torch was imported")

    monkeypatch.setattr(torch_devices, "_torch", imported)
    assert not torch_devices.gpu()
    assert engines.resolve("auto", "f32") == ("cpu", "f32")


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", True),
        ("debug = False\ncuda = '12.8'\n", True),
        ("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n", False),
        ("__version__ = '2.10.0+rocm'\ncuda: Optional[str] = None\nhip = '7.0'\n", False),
        (None, True),
    ],
)
def test_the_build_is_read_from_its_version(
    version: str | None, answer: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no such file, torch itself is asked."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise AssertionError('imported')")
    if version is not None:
        (tmp_path / "torch/version.py").write_text(version)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    assert torch_devices._built_for_cuda() is answer


@pytest.mark.parametrize("device", ["cuda", "mps", "torch-cpu"])
def test_without_torch_its_devices_are_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=rf"device {device} needs torch: pip install 'penult\[timm\]'"):
        engines.resolve(device)


@pytest.mark.parametrize(("built", "why"), [(True, "no driver"), (False, "built without CUDA")])
def test_a_gpu_that_is_not_there_is_refused(built: bool, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "torch")
    monkeypatch.setattr(torch_devices, "gpu", lambda: False)
    monkeypatch.setattr(torch_devices, "_built_for_cuda", lambda: built)
    with pytest.raises(InputError, match=rf"device cuda: .*{why}.*--device cpu"):
        engines.resolve("cuda")


def test_auto_is_the_gpu_where_torch_sees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its own precision; what it does not compute in is refused; a numpy function stays where it is."""
    monkeypatch.setattr(torch_devices, "gpu", lambda: True)
    monkeypatch.setattr(torch_devices, "native", lambda device: ("bf16", "f32"))
    assert engines.resolve() == ("cuda", "bf16")
    assert engines.resolve("auto", "f32") == ("cuda", "f32")
    assert engines.precisions("auto") == ("bf16", "f32")
    assert engines.engine_name(tiny(), "cuda") == "torch"
    colours = backbones.find("colour_histogram")
    assert engines.resolve("auto", "auto", [colours]) == ("cpu", "f32")
    assert engines.engine_name(colours, "cuda") == "numpy"


# --- the numbers ---


@torched
def test_a_network_known_by_hand() -> None:
    for output in ("features", "maps"):
        engine = engines.open_engine(tiny(), "torch-cpu", "f32", output=output)
        made = engine(noise(5))
        made = made.mean((2, 3)) if output == "maps" else made
        np.testing.assert_allclose(made, by_numpy(noise(5)), rtol=1e-5, atol=1e-5)
        assert (engine.name, engine.device, engine.precision, engine.batch) == ("torch", "torch-cpu", "f32", 16)
        engine.close()


@torched
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
def test_f32_is_openvinos_f32(name: str, channels: str) -> None:
    backbone = backbones.find(name, size=SMALL, channels=channels)
    ours = engines.open_engine(backbone, "torch-cpu", "f32")(noise(5, SMALL))
    assert_same_pixels(ours, network(name, size=SMALL, channels=channels)(noise(5, SMALL)))


@torched
def test_maps_are_openvinos_maps() -> None:
    backbone = backbones.find("efficientnet_lite0", size=SMALL)
    ours = engines.open_engine(backbone, "torch-cpu", "f32", output="maps")(noise(2, SMALL))
    assert_same_pixels(ours, network(output="maps", size=SMALL)(noise(2, SMALL)))


@torched
def test_bf16_keeps_the_direction() -> None:
    """Of pictures at the size that the network was made for."""
    backbone = backbones.find("efficientnet_lite0")
    smooth = np.repeat(np.repeat(noise(4, 28), 8, axis=1), 8, axis=2)  # (4, 224, 224, 3): more like photos than noise is
    ours = engines.open_engine(backbone, "torch-cpu", "bf16")(smooth)
    assert_same_direction(ours, network()(smooth), backbone.parts, "bf16")
    assert not np.array_equal(ours, network()(smooth))


@torched
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed: pip install 'penult[timm]'")
@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_converted_networks_give_openvinos_features(name: str, tmp_path: Path) -> None:
    """With attention and norms: what torch's exporter writes for the families of timm."""
    from safetensors.torch import save_file

    from penult import zoo
    from penult.zoo.timm_door import import_timm

    model = import_timm().create_model(name)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "w.safetensors")
    backbone = zoo.find(f"{name}@{tmp_path / 'w.safetensors'}", cache=tmp_path)
    pixels = noise(3, backbone.recipe.size)
    theirs = engines.open_engine(backbone, "cpu", "f32")(pixels)
    assert_same_pixels(engines.open_engine(backbone, "torch-cpu", "f32")(pixels), theirs)
    low = engines.open_engine(backbone, "torch-cpu", "bf16")(pixels)
    assert_same_direction(low, theirs, backbone.parts, "bf16")


# --- what goes wrong ---


@torched
def test_a_graph_of_another_width_is_refused() -> None:
    engine = engines.open_engine(replace(tiny(), parts=(6,)), "torch-cpu", "f32")
    with pytest.raises(DamagedFile, match=r"the graph of tiny gives 5 numbers .* its record says 6"):
        engine(noise(1))
    engine.close()


@torched
@pytest.mark.parametrize("graph", [b"", b"\x00 no graph"], ids=["empty", "noise"])
def test_a_damaged_graph_is_refused(graph: bytes) -> None:
    backbone = replace(tiny(), network=Stored(graph, tiny().recipe))
    with pytest.raises(DamagedFile, match="the graph of tiny"):
        engines.open_engine(backbone, "torch-cpu", "f32")(noise(1))


@torched
def test_too_little_memory_halves_the_batch_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """The vectors stay the same; so does what the caller hands over."""
    import torch

    from penult.engines import torch_runner

    wanted = engines.open_engine(tiny(), "torch-cpu", "f32")(noise(11))
    runner = torch_runner.open_runner(tiny(), "cpu", "f32", "features", 8)
    build, seen = runner._build, []

    def small(net: Any) -> Callable[[Any], Any]:
        def run(pixels: Any) -> Any:
            seen.append(len(pixels))
            if len(pixels) > 3:
                raise torch.OutOfMemoryError("out of memory")
            return net(pixels)

        return run

    runner._build, runner.net = lambda: small(build()), small(runner.net)  # type: ignore[method-assign]
    got = []
    for start in (0, 8):
        part = noise(11)[start : start + 8]
        slot = runner.slots[0]
        slot.pixels[: len(part)] = part
        runner.launch(slot, len(part))
        assert runner.ready(slot)
        got.append(runner.fetch(slot, len(part)))
    np.testing.assert_array_equal(np.concatenate(got), wanted)
    assert seen == [8, 4, 2, 2, 2, 2, 2, 2] and "2 images at once from now on" in caplog.text


@torched
def test_memory_that_is_too_small_for_one_image_is_said() -> None:
    import torch

    from penult.engines import torch_runner

    def never(pixels: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    runner = torch_runner.open_runner(tiny(), "cpu", "f32", "features", 2)
    runner._build, runner.net = lambda: never, never  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"tiny: the memory of cpu is too small for a single image; .*--device cpu"):
        runner.launch(runner.slots[0], 2)


# --- the road to it ---


@torched
def test_rows_of_two_engines_never_meet(photos: Callable[..., Path], tmp_path: Path) -> None:
    """A cache knows by which engine, on which device, its rows were computed."""
    paths = sorted(str(p) for p in photos("set", warm=3, cold=3).rglob("*.png"))
    small = backbones.find("efficientnet_lite0", size=SMALL)
    by = {device: embed(paths, [small], Settings(device, "f32", str(tmp_path))) for device in ("cpu", "torch-cpu")}
    assert [done.embedded for done in by.values()] == [6, 6]
    assert (by["torch-cpu"].engine, by["torch-cpu"].device) == ("torch", "torch-cpu")
    assert_same_pixels(by["torch-cpu"].features(), by["cpu"].features())
    again = embed(paths, [small], Settings("torch-cpu", "f32", str(tmp_path)))
    assert (again.embedded, again.reused) == (0, 6)


@torched
def test_a_model_of_one_engine_is_served_by_another(
    photos: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In another precision, too; it says so, and its samples must give the same answers."""
    folder = photos("train", warm=8, cold=8)
    settings = Settings("torch-cpu", "bf16", str(tmp_path / "cache"))
    run = train(str(folder), None, Options(out=str(tmp_path / "run"), backbones=("efficientnet_lite0",), settings=settings))
    model = bundle.load(run.folder)
    assert (model.engine, model.precision) == ("torch", "bf16")
    paths = sorted(folder.rglob("*.png"))
    home = predict.load(run.folder, device="torch-cpu", cache=False).predict(paths)
    assert "self-test" not in caplog.text
    away = predict.load(run.folder, device="cpu", precision="f32", cache=False).predict(paths)
    assert "self-test (openvino, f32; trained with torch, bf16)" in caplog.text
    np.testing.assert_allclose(away.proba, home.proba, atol=predict.NEAR)
    assert [p.label for p in away] == [p.label for p in home]
