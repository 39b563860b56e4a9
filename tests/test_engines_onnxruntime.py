"""ONNX Runtime computes what OpenVINO computes, and is taken where it can be; here it runs on its own CPU provider."""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extras import ONNXRUNTIME, TIMM
from networks import SMALL, network
from penult import backbones, bundle, engines, predict
from penult.backbones import StoredGraph
from penult.backbones.graph_builder import GraphBuilder
from penult.cli import build
from penult.embed import EmbedOptions, embed
from penult.engines import devices, float16, onnxruntime_engine
from penult.engines.engine import CompiledCache
from penult.errors import DamagedFile, InputError, MissingExtra
from penult.training import TrainOptions, train_images
from test_backbones_golden import golden_features
from tinynet import SIDE, by_numpy, noise, tiny
from tolerance import assert_same_direction, assert_same_pixels

CPU = "onnxruntime-cpu"
Monkey = pytest.MonkeyPatch
FOUND = devices.gpu, devices.cuda_failure


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """What was found out about this machine in another test is forgotten."""
    for found in FOUND:
        found.cache_clear()
    yield
    for found in FOUND:
        found.cache_clear()


def with_timm(test: Callable[..., Any]) -> Callable[..., Any]:
    for mark in (*TIMM, ONNXRUNTIME):
        test = mark(test)
    return test


def computed(backbone: Any, precision: str, pixels: np.ndarray, **opened: Any) -> np.ndarray:
    engine = engines.open_engine(backbone, CPU, precision, **opened)
    try:
        return engine(pixels)
    finally:
        engine.close()


# --- which device; no onnxruntime is needed to ask ---


def package(folder: Path, monkeypatch: Monkey, cuda: bool) -> None:
    """Lay out an onnxruntime that must not be imported."""
    (folder / "onnxruntime/capi").mkdir(parents=True)
    (folder / "onnxruntime/__init__.py").write_text("raise AssertionError('imported')")
    if cuda:
        for name in ("libonnxruntime_providers_cuda.so", "onnxruntime_providers_cuda.dll"):
            (folder / "onnxruntime/capi" / name).write_bytes(b"no library")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    importlib.invalidate_caches()


@pytest.mark.parametrize(("driver", "cuda"), [(False, True), (True, False)])
def test_without_a_driver_or_its_cuda_library_onnxruntime_is_not_imported(
    driver: bool, cuda: bool, tmp_path: Path, monkeypatch: Monkey
) -> None:
    """`auto` is then the processor, and costs nothing."""
    monkeypatch.setattr(devices, "driver", lambda: driver)
    package(tmp_path, monkeypatch, cuda)
    assert (devices.cuda_library() is not None) is cuda
    assert not devices.gpu()
    assert engines.resolve("auto", "f32") == ("cpu", "f32")
    assert devices.gpu_status() == ("none" if not driver else "no cuda")


def test_auto_is_the_gpu_where_one_works(monkeypatch: Monkey) -> None:
    """In f16; what it does not compute in is refused; a numpy function stays where it is."""
    monkeypatch.setattr(devices, "gpu", lambda: True)
    monkeypatch.setattr(devices, "check", lambda device: None)
    assert engines.resolve() == ("cuda", "f16")
    assert engines.resolve("auto", "f32") == ("cuda", "f32")
    assert engines.precisions("auto") == ("f16", "f32")
    with pytest.raises(InputError, match=r"does not compute in bf16 on cuda; use --precision auto \(f16\), or --device cpu"):
        engines.resolve("cuda", "bf16")
    assert engines.engine_name(tiny(), "cuda") == "onnxruntime"
    colours = backbones.find_builtin("colour_histogram")
    assert engines.resolve("auto", "auto", [colours]) == ("cpu", "f32")
    assert engines.engine_name(colours, "cuda") == "numpy"


@pytest.mark.parametrize(
    ("device", "meant"), [("cuda", "cuda"), ("coreml", "coreml"), ("dml", "dml"), ("mps", "coreml"), ("onnxruntime-cpu", CPU)]
)
def test_every_device_has_its_word(device: str, meant: str, monkeypatch: Monkey) -> None:
    """`mps` is what penult called CoreML's device before: it is understood and not shown."""
    monkeypatch.setattr(devices, "check", lambda device: None)
    assert engines.resolve(device, "f32") == (meant, "f32")
    assert engines.precisions(device) == devices.ACCELERATORS[meant].precisions
    if device != CPU:
        assert build().parse_args(["embed", "photos", "--out", "x.h5", "--device", device]).device == meant


def test_help_shows_the_devices_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build().parse_args(["embed", "--help"])
    said = capsys.readouterr().out
    assert "{auto,cpu,cuda,coreml,dml}" in said
    assert "mps" not in said


@pytest.mark.parametrize(
    ("device", "cure"),
    [("cuda", r"'penult\[gpu\]'"), ("coreml", r"'penult\[gpu\]' on a Mac"), ("dml", "onnxruntime-directml on Windows")],
)
def test_without_onnxruntime_its_devices_are_refused(device: str, cure: str, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=rf"device {device} needs ONNX Runtime: pip install {cure}; or use --device cpu"):
        engines.resolve(device)
    monkeypatch.setattr(devices, "driver", lambda: True)
    assert devices.gpu_status() == "no onnxruntime"


@ONNXRUNTIME
@pytest.mark.parametrize("device", ["cuda", "dml"])
def test_an_onnxruntime_for_other_devices_is_told(device: str, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(devices.load(), "get_available_providers", lambda: ["CPUExecutionProvider"])
    said = rf"device {device}: the installed onnxruntime [\d.]+ has no \w+; pip uninstall .* pip install .*; or use --device"
    with pytest.raises(InputError, match=said):
        engines.resolve(device)


@pytest.mark.parametrize("device", ["cuda", "coreml"])
def test_an_onnxruntime_that_is_broken_is_told(device: str, monkeypatch: Monkey) -> None:
    def broken() -> None:
        raise ImportError("libonnxruntime.so:\ncannot open")

    monkeypatch.setattr(devices, "installed", lambda: True)
    monkeypatch.setattr(devices, "load", broken)
    with pytest.raises(InputError, match=rf"device {device}: .* cannot be imported \(libonnxruntime.so: cannot open\); pip "):
        engines.resolve(device)


@ONNXRUNTIME
@pytest.mark.parametrize(
    ("driver", "why", "said"),
    [
        (False, "", "no NVIDIA driver is loaded"),
        (True, "libcudnn.so.9: cannot open", r"cannot use the GPU \(libcudnn.so.9: cannot open\); .*'penult\[gpu\]'"),
    ],
)
def test_a_gpu_that_does_not_work_is_refused_with_the_reason(driver: bool, why: str, said: str, monkeypatch: Monkey) -> None:
    provider = devices.ACCELERATORS["cuda"].provider
    monkeypatch.setattr(devices.load(), "get_available_providers", lambda: [provider, "CPUExecutionProvider"])
    monkeypatch.setattr(devices, "driver", lambda: driver)
    monkeypatch.setattr(devices, "cuda_failure", lambda: why)
    with pytest.raises(InputError, match=rf"device cuda: .*{said}.*--device cpu"):
        engines.resolve("cuda")


@ONNXRUNTIME
def test_the_gpu_is_tried_by_computing_a_number(monkeypatch: Monkey) -> None:
    """The processor's provider stands for the GPU's; a provider that is not opened, or raises, is no GPU."""
    one = devices.ACCELERATORS["cuda"]
    monkeypatch.setitem(devices.ACCELERATORS, "cuda", replace(one, provider="CPUExecutionProvider"))
    assert devices.cuda_failure() == ""
    monkeypatch.setitem(devices.ACCELERATORS, "cuda", one)
    devices.cuda_failure.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a provider that this onnxruntime does not know
        assert devices.cuda_failure() == "CUDA or cuDNN cannot be loaded"
    devices.cuda_failure.cache_clear()
    monkeypatch.setattr(devices, "load", lambda: 1 / 0)
    assert devices.cuda_failure() == "division by zero"


def test_what_the_system_says_of_the_cuda_library_is_told(
    tmp_path: Path, monkeypatch: Monkey, caplog: pytest.LogCaptureFixture
) -> None:
    """`auto` says it too, and takes the processor."""
    package(tmp_path, monkeypatch, cuda=True)
    assert "onnxruntime_providers_cuda" in devices._missing_library()
    monkeypatch.setattr(devices, "driver", lambda: True)
    monkeypatch.setattr(devices, "cuda_failure", lambda: "libcudnn.so.9: cannot open")
    assert engines.resolve("auto", "f32") == ("cpu", "f32")
    assert "cannot be used, so the processor is used: libcudnn.so.9: cannot open" in caplog.text
    assert devices.gpu_status() == "unused: libcudnn.so.9: cannot open"


# --- the numbers ---


@ONNXRUNTIME
@pytest.mark.parametrize("precision", ["f32", "f16"])
def test_a_network_known_by_hand(precision: str) -> None:
    for output in ("features", "maps"):
        engine = engines.open_engine(tiny(), CPU, precision, output=output)
        made = engine(noise(5))
        made = made.mean((2, 3)) if output == "maps" else made
        off = 1e-5 if precision == "f32" else 1e-3
        np.testing.assert_allclose(made, by_numpy(noise(5)), rtol=off, atol=off)
        assert (engine.name, engine.device, engine.precision, engine.batch) == ("onnxruntime", CPU, precision, 4)
        engine.close()


@ONNXRUNTIME
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_f32_is_openvinos_f32(channels: str) -> None:
    backbone = backbones.find_builtin("efficientnet_lite0", size=SMALL, channels=channels)
    theirs = network("efficientnet_lite0", size=SMALL, channels=channels)(noise(5, SMALL))
    assert_same_pixels(computed(backbone, "f32", noise(5, SMALL)), theirs)


@ONNXRUNTIME
def test_maps_are_openvinos_maps() -> None:
    backbone = backbones.find_builtin("efficientnet_lite0", size=SMALL)
    ours = computed(backbone, "f32", noise(2, SMALL), output="maps", batch=2)
    assert_same_pixels(ours, network(output="maps", size=SMALL)(noise(2, SMALL)))


@ONNXRUNTIME
@pytest.mark.parametrize("precision", ["f32", "f16"])
def test_features_are_the_golden_ones(precision: str) -> None:
    """f16 keeps their direction: on this provider its weights are rounded, what lies between them mostly is not."""
    renew, golden = golden_features()

    def opened(name: str) -> Any:
        device = "cpu" if backbones.find_builtin(name).function else CPU
        return engines.open_engine(backbones.find_builtin(name), device, precision, batch=1)

    made = renew.features(opened)
    assert set(made) == set(golden)
    for name, wanted in golden.items():
        if precision == "f32":
            assert_same_pixels(made[name], wanted)
        elif backbones.find_builtin(name).function is None:
            np.testing.assert_allclose(made[name], wanted, rtol=0.02, atol=0.02)
            assert not np.array_equal(made[name], wanted)


@with_timm
@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_converted_networks_give_openvinos_features(name: str, tmp_path: Path) -> None:
    """With attention and norms: what torch's exporter writes for the families of timm."""
    from safetensors.torch import save_file

    from penult import zoo
    from penult.zoo.timm_source import import_timm

    model = import_timm().create_model(name)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "w.safetensors")
    backbone = zoo.find_backbone(f"{name}@{tmp_path / 'w.safetensors'}", cache=tmp_path)
    pixels = noise(3, backbone.recipe.size)
    theirs = engines.open_engine(backbone, "cpu", "f32")(pixels)
    assert_same_pixels(computed(backbone, "f32", pixels), theirs)
    assert_same_direction(computed(backbone, "f16", pixels), theirs, backbone.blocks, "f16")


# --- float16 ---


def norm_net() -> Any:
    """Return a network of a convolution, a layer norm and a matrix product, with 4 features."""
    random = np.random.default_rng(0)
    graph = GraphBuilder("norms")
    x = graph.conv(
        graph.preprocess("pixels", tiny().recipe),
        random.normal(size=(4, 3, 8, 8)).astype(np.float32),
        np.zeros(4, np.float32),
        strides=[8, 8],
    )
    x = graph.add("Transpose", x, perm=[0, 2, 3, 1])
    x = graph.add("LayerNormalization", x, graph.constant(np.ones(4, np.float32)), graph.constant(np.zeros(4, np.float32)))
    x = graph.add("MatMul", x, graph.constant(random.normal(size=(4, 4)).astype(np.float32)))
    graph.add("ReduceMean", x, axes=[1, 2], keepdims=0, out="features")
    return replace(
        tiny(),
        name="norms",
        blocks=(4,),
        pooling="none",
        network=StoredGraph(graph.model(SIDE, [("features", (4,))]), tiny().recipe),
    )


@ONNXRUNTIME
def test_the_recipe_the_norms_and_the_pooling_stay_in_float32() -> None:
    """Layers get float16; pixels go in as uint8, features come out as float32; nothing is rounded between nodes that stay."""
    import onnx

    model = onnx.load_from_string(float16.to_float16(onnx.load_from_string(norm_net().graph())))
    onnx.checker.check_model(model)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    kinds = {
        value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    kinds |= {value.name: value.data_type for value in inferred.initializer}
    names = {number: name for name, number in onnx.TensorProto.DataType.items()}
    seen = {node.op_type: names[kinds[node.input[0]]] for node in inferred.node}
    assert (seen["Conv"], seen["MatMul"]) == ("FLOAT16", "FLOAT16")
    assert (seen["Sub"], seen["Mul"], seen["LayerNormalization"], seen["ReduceMean"]) == ("FLOAT",) * 4
    assert (names[kinds["pixels"]], names[kinds["features"]]) == ("UINT8", "FLOAT")
    assert [node.op_type for node in inferred.node].count("Cast") == 5, (
        "uint8 to float32, and in and out of two runs of layers"
    )
    last = next(node for node in inferred.node if "features" in node.output)
    assert last.op_type == "Identity" and any(last.input[0] in n.output for n in inferred.node if n.op_type == "ReduceMean")
    exact = engines.open_engine(norm_net(), "cpu", "f32")(noise(6))
    assert_same_direction(computed(norm_net(), "f16", noise(6)), exact, (4,), "f16")


@ONNXRUNTIME
def test_the_conversion_is_kept_and_used_again(tmp_path: Path, monkeypatch: Monkey) -> None:
    """By its network and its output; a damaged one is made again, with the same numbers."""
    made = []
    real = float16.to_float16
    monkeypatch.setattr(float16, "to_float16", lambda model: made.append(model.graph.output[0].name) or real(model))
    first = computed(tiny(), "f16", noise(5), cache=tmp_path)
    np.testing.assert_array_equal(computed(tiny(), "f16", noise(5), cache=tmp_path), first)
    assert made == ["features"]
    computed(tiny(), "f16", noise(5), cache=tmp_path, output="maps")
    computed(replace(tiny(), weights="1" * 64), "f16", noise(5), cache=tmp_path)
    assert made == ["features", "maps", "features"]
    computed(tiny(), "f32", noise(5), cache=tmp_path)
    blobs = sorted(tmp_path.glob("compiled/*/graph.bin"))
    assert len(blobs) == 3, "f32 needs no conversion and keeps none"
    for blob in blobs:
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    np.testing.assert_array_equal(computed(tiny(), "f16", noise(5), cache=tmp_path), first)
    assert len(made) == 4


@ONNXRUNTIME
def test_importing_the_converter_leaves_the_path_alone() -> None:
    before = list(sys.path)
    float16._converter()
    assert sys.path == before


@ONNXRUNTIME
def test_numbers_that_float16_cannot_hold_are_refused(monkeypatch: Monkey) -> None:
    """The processor's provider computes float16 in float32, so it is made to overflow."""
    real = onnxruntime_engine.OnnxRuntimeSession._run
    monkeypatch.setattr(
        onnxruntime_engine.OnnxRuntimeSession, "_run", lambda network, pixels: real(network, pixels) * np.float32(np.inf)
    )
    engine = engines.open_engine(tiny(), CPU, "f16")
    with pytest.raises(InputError, match=rf"tiny overflows in float16; use --precision f32 on {CPU}"):
        engine(noise(1))
    engine.close()
    assert not np.isfinite(computed(tiny(), "f32", noise(1))).all()


# --- what goes wrong ---


@ONNXRUNTIME
def test_a_graph_of_another_width_is_refused() -> None:
    engine = engines.open_engine(replace(tiny(), blocks=(6,)), CPU, "f32")
    with pytest.raises(DamagedFile, match=r"the graph of tiny gives 5 numbers .* its record says 6"):
        engine(noise(1))
    engine.close()


@ONNXRUNTIME
@pytest.mark.parametrize("graph", [b"", b"\x00 no graph"], ids=["empty", "noise"])
def test_a_damaged_graph_is_refused_where_its_vectors_are_fetched(graph: bytes) -> None:
    engine = engines.open_engine(replace(tiny(), network=StoredGraph(graph, tiny().recipe)), CPU, "f32")
    for _ in range(5):
        engine.submit(noise(1))
    with pytest.raises(DamagedFile, match="the graph of tiny"):
        list(engine.drain())
    engine.close()


@ONNXRUNTIME
def test_a_graph_that_onnxruntime_cannot_run_is_told(monkeypatch: Monkey) -> None:
    def refuse(*asked: Any) -> None:
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(onnxruntime_engine, "_session", refuse)
    engine = engines.open_engine(tiny(), CPU, "f32")
    with pytest.raises(InputError, match=rf"ONNX Runtime cannot run tiny on {CPU} \(no kernel for this\); use --device cpu"):
        engine(noise(1))
    engine.close()


@ONNXRUNTIME
@pytest.mark.parametrize("shape", [[1, -1], [1, 5, 32, 32]], ids=["flattened", "shaped"])
def test_a_graph_that_hard_codes_a_batch_of_one_runs_one_by_one(shape: list[int], caplog: pytest.LogCaptureFixture) -> None:
    """As exporters write it; OpenVINO's engine runs one image at a time anyway."""
    graph = GraphBuilder("one")
    weight = np.random.default_rng(0).normal(size=(5, 3, 1, 1)).astype(np.float32)
    x = graph.conv(graph.preprocess("pixels", tiny().recipe), weight, np.zeros(5, np.float32))
    if len(shape) == 2:
        x = graph.add("ReduceMean", x, axes=[2, 3], keepdims=1)
        graph.add("Reshape", x, graph.constant(np.array(shape, np.int64)), out="features")
    else:
        x = graph.add("Reshape", x, graph.constant(np.array(shape, np.int64)))
        graph.add("ReduceMean", x, axes=[2, 3], keepdims=0, out="features")
    stored = StoredGraph(graph.model(SIDE, [("features", (5,))]), tiny().recipe)
    one = replace(tiny(), name="one", pooling="none", network=stored)
    made = computed(one, "f32", noise(5))
    assert "one runs one image at a time, not 4" in caplog.text
    assert_same_pixels(made, engines.open_engine(one, "cpu", "f32")(noise(5)))


@ONNXRUNTIME
def test_a_graph_that_mixes_the_images_of_a_batch_runs_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    """Its shapes alone would not tell."""
    graph = GraphBuilder("mixed")
    x = graph.conv(graph.preprocess("pixels", tiny().recipe), np.ones((5, 3, 1, 1), np.float32), np.zeros(5, np.float32))
    mean = graph.add("ReduceMean", x, axes=[0], keepdims=1)
    graph.add("ReduceMean", graph.add("Add", x, mean), axes=[2, 3], keepdims=0, out="features")
    stored = StoredGraph(graph.model(SIDE, [("features", (5,))]), tiny().recipe)
    mixed = replace(tiny(), name="mixed", pooling="none", network=stored)
    made = computed(mixed, "f32", noise(5))
    assert "it mixes the images of a batch" in caplog.text
    assert_same_pixels(made, engines.open_engine(mixed, "cpu", "f32")(noise(5)))


class Small:
    """Stands for a device with memory for `most` images: larger runs fail as CUDA's do."""

    def __init__(self, monkeypatch: Monkey, most: int):
        self.most, self.seen = most, []  # type: int, list[int]
        real = onnxruntime_engine.OnnxRuntimeSession._run

        def run(network: onnxruntime_engine.OnnxRuntimeSession, pixels: Any) -> Any:
            self.seen.append(network.size)
            if network.size > self.most:
                raise RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 9")
            return real(network, pixels)

        monkeypatch.setattr(onnxruntime_engine.OnnxRuntimeSession, "_run", run)


@ONNXRUNTIME
def test_too_little_memory_halves_the_batch_and_goes_on(monkeypatch: Monkey, caplog: pytest.LogCaptureFixture) -> None:
    """At opening, and when memory runs short later; the vectors stay the same, and so does what the caller hands over."""
    wanted = computed(tiny(), "f32", noise(11))
    small = Small(monkeypatch, 4)
    engine = engines.open_engine(tiny(), CPU, "f32", batch=8)
    assert_same_pixels(engine(noise(11)), wanted)
    assert small.seen == [8, 4, 4, 4, 4, 4] and "4 images at once from now on" in caplog.text
    small.most = 3
    engine.submit(noise(11), "tag")
    ((tag, vectors),) = engine.drain()
    assert tag == "tag" and engine.batch == 8
    assert_same_pixels(vectors, wanted)
    assert small.seen[6:] == [4, *[2] * 8] and "2 images at once from now on" in caplog.text
    engine.close()


@ONNXRUNTIME
def test_memory_that_is_too_small_for_one_image_is_said(monkeypatch: Monkey) -> None:
    small = Small(monkeypatch, 0)
    engine = engines.open_engine(tiny(), CPU, "f32", batch=2)
    said = f"tiny: the memory of {CPU} is too small for a single image; .*--device cpu"
    with pytest.raises(InputError, match=said):
        engine(noise(2))
    engine.close()
    small.most = 2
    engine = engines.open_engine(tiny(), CPU, "f32", batch=2)
    engine(noise(2))
    small.most = 0
    with pytest.raises(InputError, match=said):
        engine(noise(2))
    engine.close()


@ONNXRUNTIME
@pytest.mark.parametrize("captured", [True, False])
def test_a_network_that_cannot_be_a_cuda_graph_is_launched_node_by_node(
    captured: bool, monkeypatch: Monkey, caplog: pytest.LogCaptureFixture
) -> None:
    """The processor's provider stands for CUDA's: how it is asked for is looked at, and that networks take turns."""
    caplog.set_level(logging.INFO)
    asked = []
    one = devices.ACCELERATORS["cuda"]
    monkeypatch.setitem(devices.ACCELERATORS, "cuda", replace(one, provider="CPUExecutionProvider", memory="cpu"))
    real = onnxruntime_engine._session

    def session(graph: bytes, provider: str, options: dict[str, str], size: int) -> Any:
        assert onnxruntime_engine._gpu.locked()
        asked.append(dict(options))
        if "enable_cuda_graph" in options and not captured:
            raise RuntimeError("This session cannot use the graph capture feature")
        return real(graph, provider, {}, size)

    monkeypatch.setattr(onnxruntime_engine, "_session", session)
    built = onnxruntime_engine.OnnxRuntimeSession(tiny(), engines.Compute("cuda", "f32"), "features", 4, CompiledCache(None))
    assert_same_pixels(built(noise(5)), by_numpy(noise(5)))
    exact = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
    assert asked == [{**exact, "enable_cuda_graph": "1"}, exact][: 1 if captured else 2]
    assert ("is launched node by node: This session cannot" in caplog.text) is not captured


# --- the road to it ---


@ONNXRUNTIME
def test_rows_of_two_engines_never_meet(photos: Callable[..., Path], tmp_path: Path) -> None:
    """A cache knows by which engine, on which device, its rows were computed."""
    paths = sorted(str(p) for p in photos("set", warm=3, cold=3).rglob("*.png"))
    small = backbones.find_builtin("efficientnet_lite0", size=SMALL)
    by = {device: embed(paths, [small], EmbedOptions(device, "f32", str(tmp_path))) for device in ("cpu", CPU)}
    assert [done.embedded for done in by.values()] == [6, 6]
    assert (by[CPU].engine, by[CPU].compute.device) == ("onnxruntime", CPU)
    assert_same_pixels(by[CPU].features(), by["cpu"].features())
    again = embed(paths, [small], EmbedOptions(CPU, "f32", str(tmp_path)))
    assert (again.embedded, again.reused) == (0, 6)


@ONNXRUNTIME
def test_a_model_of_one_engine_is_served_by_another(
    photos: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its samples must give the same answers; one that was trained with torch says what serves it now."""
    folder = photos("train", warm=5, cold=5)
    settings = EmbedOptions(CPU, "f16", str(tmp_path / "cache"))
    options = TrainOptions(str(tmp_path / "run"), ("efficientnet_lite0",), head="logistic", settings=settings)
    model = bundle.load_bundle(train_images(str(folder), None, options).folder)
    assert (model.engine, model.precision) == ("onnxruntime", "f16")
    paths, path = sorted(folder.rglob("*.png")), tmp_path / "model.penult"
    home = predict.load(tmp_path / "run", device=CPU, cache=settings.cache).predict(paths)
    for engine, precision in (("onnxruntime", "f16"), ("torch", "bf16"), ("torch", "tf32")):
        caplog.clear()
        bundle.save_bundle(path, replace(model, engine=engine, precision=precision))
        away = predict.load(path, device="cpu", precision="f32", cache=settings.cache).predict(paths)
        assert f"self-test (openvino, f32; trained with {engine}, {precision})" in caplog.text
        assert ("OpenVINO serves it on a processor" in caplog.text) is (engine == "torch")
        np.testing.assert_allclose(away.proba, home.proba, atol=predict.NEAR)
        assert [p.label for p in away] == [p.label for p in home]
        assert engines.resolve("cpu", bundle.precision_here(bundle.load_bundle(path), "auto", "cpu"))[0] == "cpu"
