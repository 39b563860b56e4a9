"""Networks of `keras.applications` are seen as their family sees pictures, and take weights from every file of Keras."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extras import convert_in_process
from penult.errors import DamagedFile, InputError, MissingExtra, UnknownName
from penult.zoo import checkpoint, names
from penult.zoo.keras_network import (
    DataFormat,
    application,
    applications,
    build,
    family,
    fastest_module,
    import_keras,
    rescalings,
    state,
)
from penult.zoo.keras_source import is_official, like_imagenet, recipe_of
from penult.zoo.keras_weights import fill, opened
from penult.zoo.sources import LoadedModel, ModelSpec

pytestmark = [pytest.mark.timm, pytest.mark.filterwarnings("default")]
NAME, SIZE = "MobileNetV3Small", 64  # the quickest to build


@pytest.fixture(scope="module", autouse=True)
def keras_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keras writes into its folder when it is imported; its settings are what they were afterwards.

    On one thread: small work on two, beside other processes, waits five times as long as it computes.
    """
    if not all(importlib.util.find_spec(name) for name in ("torch", "keras")):
        pytest.skip("the extra `keras` is not installed: pip install 'penult[keras]'")
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        patch.setenv("KERAS_BACKEND", "torch")
        config = import_keras().config
        before = config.image_data_format(), config.floatx(), config.dtype_policy().name
        yield
        assert (config.image_data_format(), config.floatx(), config.dtype_policy().name) == before
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def small() -> Any:
    """Return a small network without its last layer."""
    from kerasnets import healthy

    return healthy(NAME, SIZE)


@pytest.fixture(scope="module")
def files(small: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return files of the small network: of every format, with a last layer for three classes."""
    from kerasnets import save, with_top

    folder, whole = tmp_path_factory.mktemp("files"), with_top(NAME, SIZE, small)
    return {end: save(whole, folder / f"net{end}") for end in (".weights.h5", ".h5", ".old.h5", ".keras")}


@pytest.fixture(scope="module")
def digest_of(small: Any) -> Callable[[Path], str]:
    """Return a function that gives the digest of the small network with the weights of a file."""
    model = build(NAME, SIZE)

    def filled(path: Path) -> str:
        model.set_weights([np.full_like(w, 9.0) for w in model.get_weights()])
        with opened(path) as file:
            fill(model, file, NAME)
        return checkpoint.of_tensors(state(model))

    return filled


def load(path: Path | None, name: str = NAME, size: int = SIZE) -> LoadedModel:
    from penult.zoo.keras_source import load

    weights = None if path is None else str(path)
    return load(ModelSpec("keras", name, weights, size))


# What the network sees, and what it gives


@pytest.mark.parametrize(
    ("name", "size", "end", "pooling"),
    [
        ("ResNet50", 64, ".keras", "mean"),
        ("InceptionV3", 75, ".h5", "mean"),  # all its layers are numbered by Keras
        ("Xception", 71, ".old.h5", "mean"),
        ("MobileNetV3Small", 64, ".weights.h5", "mean"),
        ("ConvNeXtTiny", 64, ".weights.h5", "none"),
        ("EfficientNetB0", 64, ".h5", "mean"),
    ],
)
def test_features_are_those_that_keras_gives(name: str, size: int, end: str, pooling: str, tmp_path: Path) -> None:
    """Saved, loaded, and shown the same pixels: Keras's model on its family's preprocessing and ours agree."""
    from kerasnets import difference, healthy, keras_features, our_outputs, pictures, save

    model, pixels = healthy(name, size), pictures(6, size, seed=2)
    wanted = keras_features(name, model, pixels)
    loaded = load(save(model, tmp_path / f"net{end}"), name, size=size)
    features, *maps = our_outputs(loaded, pixels)
    error = difference(features, wanted)
    assert error < 1e-4
    assert difference(our_outputs(loaded, pixels[..., ::-1])[0], wanted) > 10 * max(error, 1e-2)  # the test can fail
    assert (loaded.pooling, len(maps)) == (pooling, int(pooling == "mean"))
    for one in maps:
        np.testing.assert_allclose(one.mean((2, 3)), features, rtol=1e-4, atol=1e-4)
    assert not loaded.network.training
    assert loaded.params == sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert loaded.source.startswith("keras.applications 3.")


def test_a_network_is_built_channels_first_where_it_can_be(files: dict[str, Path], tmp_path: Path) -> None:
    """It runs twice as fast so; ConvNeXt cannot be, and its images are permuted."""
    from kerasnets import save

    assert load(files[".keras"]).network.inner.input_shape == (None, 3, SIZE, SIZE)
    convnext = load(save(build("ConvNeXtTiny", SIZE), tmp_path / "c.weights.h5"), "ConvNeXtTiny")
    assert convnext.network.inner.input_shape == (None, SIZE, SIZE, 3)


@pytest.mark.parametrize("fault", ["another answer", "no answer"])
def test_a_network_that_differs_channels_first_is_not_used_so(fault: str, small: Any) -> None:
    keras = import_keras()

    def other(order: DataFormat) -> Any:
        twin = build(NAME, SIZE, order)
        layer = next(one for one in twin.layers if isinstance(one, keras.layers.Conv2D))
        if fault == "another answer":
            layer.activation = keras.activations.relu
        else:
            layer.data_format = "channels_last"
        return twin

    recipe = recipe_of(NAME, SIZE)
    assert fastest_module(small, other, recipe)[0].inner.input_shape == (None, SIZE, SIZE, 3)
    sane, _ = fastest_module(small, lambda order: build(NAME, SIZE, order), recipe)
    assert sane.inner.input_shape == (None, 3, SIZE, SIZE)


# The recipe


@pytest.mark.parametrize(
    ("name", "size", "crop", "mean", "std", "channels"),
    [
        ("ResNet50", 224, 0.875, (103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3, "bgr"),
        ("Xception", 299, 0.8975, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "rgb"),
        ("DenseNet121", 224, 0.875, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "rgb"),
        ("EfficientNetB1", 240, 0.875, (0.0, 0.0, 0.0), (1 / 255,) * 3, "rgb"),
        ("MobileNetV3Large", 224, 0.875, (0.0, 0.0, 0.0), (1 / 255,) * 3, "rgb"),
        ("InceptionV3", 299, 0.875, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "rgb"),
    ],
)
def test_recipes_known_by_heart(name: str, size: int, crop: float, mean: Any, std: Any, channels: str) -> None:
    """Means and deviations stand in the order of the channels that the network sees."""
    recipe = recipe_of(name)
    assert (recipe.size, recipe.crop_mode, recipe.crop, recipe.interpolation) == (size, "crop", crop, "bicubic")
    assert recipe.channels == channels
    np.testing.assert_allclose((recipe.mean, recipe.std), (mean, std), rtol=1e-12, atol=1e-15)


def test_every_family_has_a_recipe() -> None:
    assert {recipe_of(name, 64).channels for name in applications()} == {"rgb", "bgr"}


def test_another_size_changes_nothing_else() -> None:
    recipe = recipe_of("ResNet50", 128)
    assert recipe.size == 128 and recipe.channels == "bgr" and recipe.std == (pytest.approx(1 / 255),) * 3


@pytest.mark.parametrize(
    "preprocess",
    [lambda x: x**2, lambda x: x[..., [1, 0, 2]], lambda x: x @ np.ones((3, 3)), lambda x: -x, lambda x: x - x.mean()],
    ids=["bent", "odd order", "mixed", "negative", "by picture"],
)
def test_a_preprocessing_that_no_recipe_can_say_is_refused(preprocess: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family("Xception"), "preprocess_input", lambda x, data_format: preprocess(x))
    with pytest.raises(InputError, match=r"xception\.preprocess_input does more than scale and shift"):
        recipe_of("Xception", 96)


# Files


@pytest.mark.parametrize(
    ("end", "classes"),
    [(".weights.h5", 0), (".weights.h5", 1000), (".h5", 1), (".old.h5", 1000), (".keras", 1), (".keras", 0)],
)
def test_one_set_of_weights_has_one_digest(
    end: str, classes: int, small: Any, digest_of: Callable[[Path], str], tmp_path: Path
) -> None:
    """Whatever the format, whatever the last layer, whatever was built before."""
    from kerasnets import save, with_top

    model = with_top(NAME, SIZE, small, classes) if classes else small
    assert digest_of(save(model, tmp_path / f"net{end}")) == checkpoint.of_tensors(state(small))


def test_the_digest_is_that_of_the_network_without_its_last_layer(files: dict[str, Path], small: Any) -> None:
    assert load(files[".weights.h5"]).weights == checkpoint.of_tensors(state(small))


def test_another_set_of_weights_has_another_digest(small: Any) -> None:
    first = state(small)
    assert checkpoint.of_tensors(first) == checkpoint.of_tensors(state(small))
    changed = {name: array + (name == next(iter(first))) for name, array in first.items()}
    assert checkpoint.of_tensors(first) != checkpoint.of_tensors(changed)


@pytest.mark.parametrize(("end", "frozen"), [(".weights.h5", False), (".h5", False), (".h5", True), (".keras", True)])
def test_a_network_used_as_one_layer_is_found(
    end: str, frozen: bool, small: Any, digest_of: Callable[[Path], str], tmp_path: Path
) -> None:
    """Fine-tuning as Keras's guide shows it: the network inside somebody's model, maybe behind other layers."""
    from kerasnets import save

    keras = import_keras()
    inner = keras.models.clone_model(small)
    inner.set_weights(small.get_weights())
    inner.trainable = not frozen
    pictures = keras.Input((SIZE, SIZE, 3))
    outputs = keras.layers.Dense(2)(keras.layers.Dropout(0.5)(inner(keras.layers.RandomFlip()(pictures))))
    path = save(keras.Model(pictures, outputs), tmp_path / f"around{end}")
    assert digest_of(path) == checkpoint.of_tensors(state(small))


def test_names_of_another_time_are_taken_in_their_order(files: dict[str, Path], digest_of: Callable[[Path], str]) -> None:
    """As Keras does: the old files for ResNet50 call every layer otherwise."""
    import h5py

    from kerasnets import copied

    path = copied(files[".old.h5"], "renamed.h5")
    with h5py.File(path, "a") as file:
        old = list(file.attrs["layer_names"])
        for name in old:
            file.move(name, f"x_{name}")
        file.attrs["layer_names"] = [f"x_{name}" for name in old]
    assert digest_of(path) == digest_of(files[".keras"])


def test_long_lists_of_names_come_in_parts(files: dict[str, Path], digest_of: Callable[[Path], str]) -> None:
    """Keras cuts an attribute of more than 64 KB into name0, name1 ..."""
    import h5py

    from kerasnets import copied

    path = copied(files[".old.h5"], "parts.h5")
    with h5py.File(path, "a") as file:
        all_names = list(file.attrs["layer_names"])
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = all_names[:20], all_names[20:]
    assert digest_of(path) == digest_of(files[".keras"])


def test_digits_in_a_file_name_mean_nothing(files: dict[str, Path], digest_of: Callable[[Path], str]) -> None:
    """Eight hex digits behind a dash are torch's way of saying a checksum, not Keras's."""
    from kerasnets import copied

    path = copied(files[".weights.h5"], "net-0123abcd.h5")
    assert digest_of(path) == digest_of(files[".keras"])


@pytest.mark.parametrize("end", [".weights.h5", ".old.h5"])
def test_all_that_does_not_fit_is_named(end: str, files: dict[str, Path], digest_of: Callable[[Path], str]) -> None:
    import h5py

    from kerasnets import copied

    path = copied(files[end], f"misfit{end}")
    with h5py.File(path, "a") as file:
        if end == ".old.h5":
            layers = list(file.attrs["layer_names"])
            layers.remove("conv_bn")
            layers.insert(3, "stranger")
            file.attrs["layer_names"] = layers
            file.create_group("stranger").attrs["weight_names"] = ["a/kernel"]
            file["stranger/a/kernel"] = np.ones(3)
            shaped = "conv/conv/kernel"
        else:
            file.move("layers/batch_normalization", "layers/stranger")
            shaped = "layers/conv2d/vars/0"
        del file[shaped]
        file[shaped] = np.ones((3, 3, 3, 17), np.float32)
    with pytest.raises(InputError) as caught:
        digest_of(path)
    text = str(caught.value)
    first = {".weights.h5": "layers/batch_normalization", ".old.h5": "conv_bn"}[end]
    for part in ("gamma", "beta", "moving_mean", "moving_variance"):
        assert f"{first}/{part}" in text
    missing, unexpected, shape = text.split("; ")
    assert f"misfit{end} does not fit {NAME}: missing: {first}" in missing
    assert unexpected.startswith("unexpected: ") and "stranger/" in unexpected
    assert unexpected.count("/") == unexpected.count("stranger/") * (2 if end == ".weights.h5" else 1)  # no last layer
    assert "/kernel (3, 3, 3, 17), (3, 3, 3, 16) wanted" in shape and shape.count("wanted") == 1


def test_a_layer_with_another_number_of_arrays_is_named(files: dict[str, Path], digest_of: Callable[[Path], str]) -> None:
    import h5py

    from kerasnets import copied

    path = copied(files[".weights.h5"], "bias.h5")
    with h5py.File(path, "a") as file:
        file["layers/conv2d/vars/1"] = np.ones(16)
    with pytest.raises(InputError, match=r"of another shape: layers/conv2d \(2 arrays, 1 wanted\)\. Name the network"):
        digest_of(path)


@pytest.mark.parametrize("end", [".weights.h5", ".h5"])
def test_the_file_of_a_sibling_is_refused(end: str, files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"does not fit MobileNetV3Large: missing: .*; of another shape: ") as caught:
        load(files[end], "MobileNetV3Large")
    assert len(str(caught.value)) < 1500


def test_a_layer_in_front_of_the_network_is_refused(files: dict[str, Path], digest_of: Callable[[Path], str]) -> None:
    """What changes the pictures before the network sees them is no last layer."""
    import h5py

    from kerasnets import copied

    path = copied(files[".old.h5"], "front.h5")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["front", *file.attrs["layer_names"]]
        file.create_group("front").attrs["weight_names"] = ["front/kernel"]
        file["front/front/kernel"] = np.ones((1, 1, 3, 3))
    with pytest.raises(InputError, match="unexpected: front/kernel"):
        digest_of(path)


def test_weights_that_are_not_finite_are_named(files: dict[str, Path], digest_of: Callable[[Path], str]) -> None:
    import h5py

    from kerasnets import copied

    path = copied(files[".old.h5"], "nan.h5")
    with h5py.File(path, "a") as file:
        file["conv/conv/kernel"][0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"weights in .*nan\.h5 are not finite: conv/kernel; take an earlier save"):
        digest_of(path)


def test_efficientnet_rescales_as_often_as_its_weights_want(tmp_path: Path) -> None:
    """Built for ImageNet's weights it has one layer more, without weights: the file's other layers tell which it is."""
    from kerasnets import difference, healthy, keras_features, our_outputs, pictures, save

    name, pixels = "EfficientNetB0", pictures(4, SIZE, seed=3)
    twice = healthy(name, SIZE, like_imagenet(name, SIZE))
    loaded = load(save(twice, tmp_path / "twice.weights.h5"), name)
    assert difference(our_outputs(loaded, pixels)[0], keras_features(name, twice, pixels)) < 1e-4
    assert (rescalings(loaded.network.inner), rescalings(build(name, SIZE))) == (2, 1)
    with opened(save(twice, tmp_path / "twice.h5")) as file:
        assert file.rescalings == 2
    assert "0003 rescaling scale" in state(twice)  # which is a part of the digest


def test_keras_own_file_is_known_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras's own file of EfficientNet is older than the layer that its code adds for it."""
    import hashlib

    from kerasnets import save

    name = "EfficientNetB0"
    path = save(build(name, SIZE), tmp_path / "efficientnetb0_notop.h5")
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    hashes = family(name).WEIGHTS_HASHES
    monkeypatch.setitem(hashes, "b0", (md5, "0" * 32))
    assert rescalings(load(path, name).network.inner) == 2
    monkeypatch.setitem(hashes, "b0", ("0" * 32, md5))
    assert is_official(name, SIZE, path)
    path.write_bytes(path.read_bytes() + b"\0")
    assert not is_official(name, SIZE, path)


def test_a_file_that_does_not_say_how_often_it_rescales_is_refused(tmp_path: Path) -> None:
    """The old layout keeps only the weights of a network inside another."""
    from kerasnets import save

    keras, name = import_keras(), "EfficientNetB0"
    pictures = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(pictures, keras.layers.Dense(2)(build(name, SIZE)(pictures)))
    with pytest.raises(InputError, match="does not say whether its EfficientNetB0 rescales its input once or twice"):
        load(save(model, tmp_path / "around.h5"), name)


# Keras's own weights


def test_without_a_file_keras_is_asked_for_imagenet(
    files: dict[str, Path], small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kerasnets import save

    path, asked = save(small, tmp_path / "came.h5"), []

    def get_file(name: str, origin: str, **options: Any) -> str:
        asked.append((name, origin, options["cache_subdir"], len(options["file_hash"])))
        return str(path)

    monkeypatch.setattr(family(NAME).file_utils, "get_file", get_file)
    loaded = load(None)
    host = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3/"
    file = "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"
    assert asked == [(file, host + file, "models", 32)]
    assert loaded.weights == load(files[".keras"]).weights
    assert family(NAME).file_utils.get_file is get_file


def test_no_network_is_answered_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keras's own download finds no network."""
    monkeypatch.setattr(family(NAME).file_utils, "urlretrieve", no_way)
    with pytest.raises(InputError) as caught:
        load(None)
    text = str(caught.value)
    for part in (
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "storage.googleapis.com",
        f"`penult backbones --fetch keras:{NAME}`",
        str(Path(os.environ["KERAS_HOME"]) / "models"),
        "KERAS_HOME",
        "Name or service not known",
    ):
        assert part in text, part


def no_way(*_: Any, **__: Any) -> None:
    import urllib.error

    raise urllib.error.URLError("Name or service not known")


def test_a_download_with_another_digest_names_the_file_to_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    def urlretrieve(_url: str, target: str, *_: Any) -> None:
        Path(target).write_bytes(b"something else")

    monkeypatch.setattr(family(NAME).file_utils, "urlretrieve", urlretrieve)
    with pytest.raises(DamagedFile, match=r"another digest: Incomplete .* Delete .*no_top_v2\.h5 and try again"):
        load(None)


# Names, sizes, doors


def test_all_networks_of_keras_have_names() -> None:
    known = list(applications())
    assert set(known) == names.KERAS  # what is understood without the prefix
    assert {"ResNet50", "InceptionV3", "Xception", "MobileNetV3Small", "ConvNeXtTiny", "EfficientNetV2S", "VGG16"} <= set(
        known
    )
    assert len(known) >= 40 and known == sorted(known)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown keras backbone 'Resnet50'; did you mean ResNet50"):
        load(None, "Resnet50")


def test_what_keras_cannot_build_is_told_in_its_words(files: dict[str, Path]) -> None:
    with pytest.raises(
        InputError, match=r"Keras cannot build MobileNetV3Small for inputs of \(16, 16, 3\): Input size must be"
    ):
        load(files[".keras"], size=16)
    with pytest.raises(InputError, match=r"Keras cannot build NASNetMobile.*not available with the torch backend"):
        load(files[".keras"], "NASNetMobile")
    assert import_keras().config.image_data_format() == "channels_last"


def test_settings_of_the_user_do_not_reach_the_network(files: dict[str, Path]) -> None:
    config, wanted = import_keras().config, load(files[".keras"]).weights
    try:
        config.set_image_data_format("channels_first")
        config.set_dtype_policy("mixed_float16")
        loaded = load(files[".keras"])
        assert (config.image_data_format(), config.dtype_policy().name) == ("channels_first", "mixed_float16")
    finally:
        config.set_image_data_format("channels_last")
        config.set_dtype_policy("float32")
    assert loaded.weights == wanted
    assert {layer.compute_dtype for layer in loaded.network.inner.layers} == {"float32"}


def test_a_missing_keras_is_answered_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"torch, keras: not installed; pip install 'penult\[keras\]'"):
        import_keras()


def test_a_keras_on_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_keras().config, "backend", lambda: "jax")
    with pytest.raises(InputError, match="with the backend 'jax', and penult needs 'torch'; set the environment variable"):
        import_keras()


def test_the_torch_backend_is_chosen_over_the_environment(tmp_path: Path) -> None:
    code = "from penult.zoo.keras_source import import_keras; print(import_keras().config.backend())"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["torch"]


def test_the_table_has_size_width_and_parameters_of_the_networks_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from penult import zoo

    convert_in_process(monkeypatch)
    row = {row.name: row for row in zoo.listing("keras:MobileNetV3S*")}["keras:MobileNetV3Small"]
    assert (row.source, row.state, row.size, row.width) == ("keras", "", 224, 576)
    trained = application("MobileNetV3Small")(weights=None, include_top=False).trainable_weights
    assert row.params == sum(np.prod(w.shape) for w in trained)
