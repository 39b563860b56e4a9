"""`find` and `penult backbones`: a network of one's own from file to prediction, and what is said where none is to be had."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from onnxnets import RECIPE, classifier, run_graph
from penult import Embedder, zoo
from penult.cli import build, main
from penult.errors import DamagedFile, InputError, MissingExtra, PenultError, UnknownName
from penult.store import CacheEntry
from penult.zoo import catalog, model_cache, recipe_file

Photos = Callable[..., Path]


def written(folder: Path) -> Path:
    """A classifier as an exporter writes it, its recipe beside it."""
    path = folder / "net.onnx"
    onnx.save(classifier(), path)
    recipe_file.beside(path).write_text(recipe_file.recipe_text(RECIPE), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder in which that classifier is converted."""
    cache = tmp_path_factory.mktemp("converted")
    zoo.find_backbone(str(written(tmp_path_factory.mktemp("net"))), cache=cache)
    return cache


@pytest.fixture
def model(tmp_path: Path, converted: Path) -> Path:
    """The classifier, which this machine has converted before."""
    shutil.copytree(converted, os.environ["PENULT_CACHE"], dirs_exist_ok=True)
    return written(tmp_path)


@pytest.fixture
def no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither torch nor what stands on it is installed."""
    real = importlib.util.find_spec
    gone = {"torch", "torchvision", "timm", "keras", "onnxscript"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in gone else real(name, *rest))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(w) for w in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_an_onnx_file_is_converted_once_and_its_features_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = written(tmp_path)
    found = zoo.find_backbone(str(model))
    pixels = np.random.default_rng(0).integers(0, 256, (3, RECIPE.size, RECIPE.size, 3), dtype=np.uint8)
    assert found.name == "net.onnx" and found.recipe == RECIPE and found.has_maps
    assert run_graph(found.graph(), RECIPE, pixels=pixels).shape == (3, found.width)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("converted a second time")

    monkeypatch.setattr(catalog, "_convert", never)
    again = zoo.find_backbone(str(model))
    assert again.digest == found.digest and again.graph() == found.graph()


def test_the_place_of_the_file_does_not_matter_and_its_content_does(model: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "net.onnx"
    moved.parent.mkdir()
    for end in (".onnx", ".recipe.json"):
        moved.with_suffix(end).write_bytes(model.with_suffix(end).read_bytes())
    assert zoo.catalog_folder(str(moved)) == zoo.catalog_folder(str(model))
    zoo.find_backbone(str(model))
    renamed = moved.rename(moved.with_name("other.ONNX"))
    recipe_file.beside(renamed).write_bytes(recipe_file.beside(model).read_bytes())
    assert zoo.find_backbone(str(renamed)).name == "other.ONNX"
    recipe = {**RECIPE.to_dict(), "mean": [0.1, 0.2, 0.3]}
    assert zoo.find_backbone(str(model), recipe=recipe).digest != zoo.find_backbone(str(model)).digest


def test_a_renamed_file_computes_nothing_again(model: Path, photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    train = photos("train", warm=3, cold=3)
    assert "6 computed, 0 from cache" in run(capsys, "embed", train, "-b", model, "--out", train.parent / "f.h5")[1]
    renamed = model.rename(model.with_name("renamed.onnx"))
    recipe_file.beside(model).rename(recipe_file.beside(renamed))
    assert "0 computed, 6 from cache" in run(capsys, "embed", train, "-b", renamed, "--out", train.parent / "f.h5")[1]


def test_another_output_of_one_file_is_another_backbone(model: Path) -> None:
    own = zoo.find_backbone(str(model))
    recipe = {**RECIPE.to_dict(), "output": onnx.load(model).graph.output[0].name}
    other = zoo.find_backbone(str(model), recipe=recipe)
    assert other.width != own.width and other.weights != own.weights


def test_what_a_pictures_geometry_is_needs_no_other_conversion(model: Path) -> None:
    cropped = zoo.find_backbone(str(model), crop_mode="crop", crop=0.9)
    assert cropped.recipe.crop_mode == "crop" and cropped.recipe.crop == 0.9
    assert cropped.graph() == zoo.find_backbone(str(model)).graph() and cropped.digest != zoo.find_backbone(str(model)).digest
    with pytest.raises(InputError, match="has no pooling"):
        zoo.find_backbone(str(model), pooling="mean+max")


def test_from_an_onnx_file_to_a_prediction(
    model: Path, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = photos("train", warm=9, cold=9)
    code, out, err = run(capsys, "train", train, "-b", model, "--out", tmp_path / "run")
    assert (code, err) == (0, "") and "net.onnx: ONNX file net.onnx; the features are" in out
    assert (tmp_path / "run" / "data_net.onnx.h5").is_file()
    model.unlink()  # the model file carries its graph
    code, out, err = run(capsys, "predict", tmp_path / "run", train / "warm", "--json")
    assert (code, err) == (0, "") and {one["label"] for one in json.loads(out)} == {"warm"}


def test_an_embedder_without_a_cache_leaves_nothing_behind(model: Path, photos: Photos, tmp_path: Path) -> None:
    photo = photos("train", warm=1) / "warm" / "warm.0.png"
    script = (
        "from penult import Embedder; from penult.store import cache_folder; "
        f"print(Embedder({str(model)!r}, cache=False).transform([{str(photo)!r}]).shape, cache_folder.temporary_cache())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    shape, folder = done.stdout.split(") ")
    assert shape == f"(1, {zoo.find_backbone(str(model)).width}" and not Path(folder.strip()).exists()
    assert Embedder(str(model)).transform([photo]).shape == (1, zoo.find_backbone(str(model)).width)


def test_without_the_extras_the_pip_line_is_said(no_extras: None) -> None:
    with pytest.raises(MissingExtra, match=r"'resnet50' is not available yet\. Install: pip install 'penult\[timm\]'"):
        zoo.find_backbone("resnet50")
    with pytest.raises(MissingExtra, match=r"'keras:Xception' is not available yet\. Install: pip install 'penult\[keras\]'"):
        zoo.find_backbone("keras:Xception")
    with pytest.raises(UnknownName, match=r"did you mean efficientnet_lite0.*penult\[timm\]"):
        zoo.find_backbone("efficientnet_light0")
    with pytest.raises(UnknownName, match="did you mean lite"):
        zoo.listing("lites")


def test_a_network_that_was_converted_before_needs_no_extras(no_extras: None) -> None:
    from tinynet import tiny

    folder = zoo.catalog_folder("resnet50")
    assert folder is not None
    model_cache.put(CacheEntry(folder), tiny().graph(), tiny().to_dict())
    assert zoo.find_backbone("resnet50").digest == tiny().digest


def test_a_converter_that_dies_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "CHILD", f"{__name__}:dies")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    with pytest.raises(PenultError, match=r"converting net\.onnx ended without an answer \(exit code 9\)"):
        zoo.find_backbone(str(written(tmp_path)))


def dies(sent: Iterator[Any]) -> Iterator[Any]:
    """Stand for a converter that the system kills."""
    import os

    next(sent)
    os._exit(9)
    yield


@pytest.mark.parametrize("kept", ["graph.onnx", "nothing"])
def test_a_kill_in_the_middle_leaves_nothing_that_is_taken_for_whole(kept: str, model: Path) -> None:
    first = zoo.find_backbone(str(model))
    folder = zoo.catalog_folder(str(model))
    assert folder is not None
    (folder / "record.json").unlink()
    if kept == "nothing":
        (folder / "graph.onnx").unlink()
    assert zoo.find_backbone(str(model)).digest == first.digest


def test_a_changed_graph_is_made_again_by_the_next_run(model: Path) -> None:
    first = zoo.find_backbone(str(model))
    folder = zoo.catalog_folder(str(model))
    assert folder is not None
    (folder / "graph.onnx").write_bytes(b"changed")
    with pytest.raises(DamagedFile, match="run again"):
        zoo.find_backbone(str(model)).graph()
    assert zoo.find_backbone(str(model)).graph() == first.graph()


def test_the_table_shows_what_is_built_in_what_was_converted_and_the_presets(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo.find_backbone(str(model))
    code, out, err = run(capsys, "backbones")
    assert (code, err) == (0, "")
    for name in ("efficientnet_lite0", "net.onnx", "  lite: ", "  blog2017: keras:ResNet50", "  modern: "):
        assert name in out, name
    code, out, _ = run(capsys, "backbones", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["net.onnx"]["state"] == "cached" and rows["net.onnx"]["width"] == zoo.find_backbone(str(model)).width
    assert rows["efficientnet_lite1"]["top1"] == 76.7 and rows["efficientnet_lite1"]["images_per_second"] is None


def test_a_pattern_chooses_among_the_names(no_extras: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row.name for row in zoo.listing("*LITE[01]")] == ["efficientnet_lite0", "efficientnet_lite1"]
    assert [row.name for row in zoo.listing("histo")] == ["colour_histogram"]
    code, out, err = run(capsys, "backbones", "nothing_like_it")
    assert (code, out) == (1, "") and err.startswith("penult: unknown backbone 'nothing_like_it'; known: ")


def test_a_preset_in_the_table_is_its_networks(no_extras: None) -> None:
    assert [row.name for row in zoo.listing("lite")] == list(zoo.PRESETS["lite"])
    for name in ("blog2017", "seed"):  # the second is the old one
        assert [(row.name, row.source) for row in zoo.listing(name)] == [
            (member, "keras") for member in zoo.PRESETS["blog2017"]
        ]


def test_a_recipe_where_no_onnx_file_is_is_refused(photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    train = photos("train", warm=4, cold=4)
    for command in ("train", "compare"):
        code, _, err = run(capsys, command, train, "-b", "colour_histogram", "--recipe", "size=64")
        assert code == 1 and "no -b names one" in err


def test_all_networks_that_are_out_of_reach_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from penult.training import TrainOptions
    from penult.training.options import find_backbones

    def find(name: str, *_: Any, **__: Any) -> Any:
        raise zoo.Unreachable(f"{name} is far away")

    monkeypatch.setattr(zoo, "find_backbone", find)
    with pytest.raises(InputError, match=r"--fetch keras:ResNet50 --fetch keras:InceptionV3 --fetch keras:Xception"):
        find_backbones(TrainOptions.of_blog2017(), lambda *_: None)
    with pytest.raises(InputError, match=r"resnet50 is far away"):
        find_backbones(TrainOptions(backbones=("resnet50",)), lambda *_: None)


def test_the_speed_that_was_measured_here_is_in_the_table(photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    train = photos("train", warm=20, cold=20)
    words = ("embed", train, "--out", train.parent / "f.h5", "-b")
    assert run(capsys, *words, "efficientnet_lite0:64")[0] == 0
    assert _rates(capsys) == [None]  # at 224 nothing was measured yet
    assert run(capsys, *words, "efficientnet_lite0")[0] == 0
    assert _rates(capsys)[0] > 0


def _rates(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    code, out, _ = run(capsys, "backbones", "lite0", "--json")
    assert code == 0
    return [row["images_per_second"] for row in json.loads(out)]


def test_fetch_says_where_the_network_is_for_a_machine_without_network(
    model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "backbones", "--fetch", model, "--fetch", "efficientnet_lite0", "--cache", tmp_path / "c")
    assert code == 0, err
    folder = zoo.catalog_folder(str(model), cache=tmp_path / "c")
    assert f"in {folder}" in out and "efficientnet_lite0: 3584 features, built in" in out
    assert folder is not None and (folder / "record.json").is_file()


def test_fetching_again_keeps_what_is_there(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, folder = zoo.fetch(str(model))
    monkeypatch.setattr(catalog, "CHILD", f"{__name__}:dies")  # no converter to be had any more
    assert zoo.fetch(str(model)) == (first, folder)


def test_show_recipe_prints_what_an_onnx_file_wants_beside_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "backbones", "--show-recipe", "efficientnet_lite2")
    file = tmp_path / "x.recipe.json"
    file.write_text(out, encoding="utf-8")
    assert code == 0 and recipe_file.read(file) == zoo.find_backbone("efficientnet_lite2").recipe.to_dict()


def test_the_recipe_may_be_given_on_the_command_line(
    model: Path, photos: Photos, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    recipe_file.beside(model).unlink()
    train = photos("train", warm=4, cold=4)
    words = ("embed", train, "-b", model, "--out", tmp_path / "f.h5")
    code, _, err = run(capsys, *words)
    assert code == 1 and "--show-recipe" in err and "--recipe size=224" in err
    pairs = [
        f"{k}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in RECIPE.to_dict().items()
    ]  # fmt: skip
    assert run(capsys, *words, "--recipe", *pairs)[0] == 0
    code, _, err = run(capsys, *words, "--recipe", "size=sixty")
    assert code == 1 and "size" in err


def test_the_protocol_of_the_blog_leaves_nothing_to_choose(photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    train = photos("train", warm=4, cold=4)
    with pytest.raises(SystemExit) as caught:
        main(["train", str(train), "--protocol", "blog2017", "--head", "svm"])
    assert caught.value.code == 2 and "--protocol sets head" in capsys.readouterr().err


def test_the_old_name_of_the_protocol_still_works_and_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert build().parse_args(["train", "photos", "--protocol", "seed"]).protocol == "blog2017"
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "{blog2017}" in capsys.readouterr().out


def test_the_protocol_of_the_blog_is_the_blogs(monkeypatch: pytest.MonkeyPatch) -> None:
    from penult import training as room
    from penult.training.options import find_backbones
    from tinynet import tiny

    asked: dict[str, dict[str, Any]] = {}

    def find(name: str, pooling: str | None = None, **changes: Any) -> Any:
        asked[name] = {k: v for k, v in changes.items() if k in recipe_settings}
        return tiny()

    recipe_settings = set(asdict(RECIPE))
    monkeypatch.setattr(zoo, "find_backbone", find)
    options = room.TrainOptions.of_blog2017()
    find_backbones(options, lambda *_: None)
    squashed = {"crop_mode": "squash", "crop": 1.0, "interpolation": "nearest"}
    assert asked == {
        "keras:ResNet50": {**squashed, "mean": (0.0,) * 3, "std": (1 / 255,) * 3, "channels": "rgb"},
        "keras:InceptionV3": squashed,
        "keras:Xception": squashed,
    }
    assert (options.head, options.clip) == ("dense", 0.005)
