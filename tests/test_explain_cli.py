"""`penult explain`: a picture a photo, a line for each, exact where it can be, one line for a refusal."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from explainable import some
from finished import lay_out
from penult import TransferClassifier
from penult.cli import build, main
from penult.explain import METHODS
from test_imports_are_light import loaded

Photos = Callable[..., Path]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(w) for w in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENULT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def histogram(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose network has no maps."""
    base = tmp_path_factory.mktemp("histogram")
    lay_out(base / "train", warm=9, cold=9)
    paths = sorted((base / "train").rglob("*.png"))
    TransferClassifier("colour_histogram").fit(paths, [p.parent.name for p in paths]).save(base / "model.penult")
    return base / "model.penult"


@pytest.fixture(scope="module")
def lite(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose network has maps, on drawn photos; they lie beside it in `train`."""
    base = tmp_path_factory.mktemp("lite")
    for i, photo in enumerate(some(8)):
        folder = base / "train" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(folder / f"{i}.png")
    paths = sorted((base / "train").rglob("*.png"))
    TransferClassifier("efficientnet_lite0").fit(paths, [p.parent.name for p in paths]).save(base / "model.penult")
    return base / "model.penult"


def test_it_writes_a_picture_a_photo_and_says_which(
    lite: Path, tmp_path: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "explain", lite, lite.parent / "train" / "a")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 4
    for line in out.splitlines():
        picture = line.split("  cam: ")[1]
        assert Path(picture).parent == Path("penult-explain")
        assert (in_folder / picture).read_bytes().startswith(b"\x89PNG")
    _, said, _ = run(capsys, "predict", lite, lite.parent / "train" / "a")
    assert [line.split()[1:3] for line in out.splitlines()] == [line.split()[1:] for line in said.splitlines()]


def test_json_has_the_numbers_that_add_up(lite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", lite, lite.parent / "train" / "a", "--class", "b", "--json", "--out", tmp_path / "pictures"]
    code, out, _ = run(capsys, *words)
    assert code == 0
    for about in json.loads(out):
        assert about["label"] == "b" and about["method"] == "cam" and about["intercept"] is not None
        assert Path(about["picture"]).is_file()


def test_a_model_without_maps_is_explained_by_occlusion(
    histogram: Path, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = photos("new", first=40, warm=1, cold=1)
    code, out, err = run(capsys, "explain", histogram, new, "--class", "warm", "--out", tmp_path / "pictures")
    assert (code, err) == (0, "")
    cold, warm = out.splitlines()
    assert "warm  (predicted: cold)  cold/cold.40.png  occlusion: " in cold
    assert "predicted" not in warm
    code, out, err = run(capsys, "explain", histogram, new, "--method", "cam")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1 and "no exact activation map" in err and "use the method occlusion" in err


def test_an_unreadable_image_costs_itself_alone(
    histogram: Path, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = photos("new", first=40, warm=2) / "warm"
    (new / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    code, out, err = run(capsys, "explain", histogram, new, "--out", tmp_path / "pictures")
    assert code == 0
    assert err.startswith("note: 1 of 3 images cannot be read: 'bad.jpg' (damaged). 1 damaged: copy it again")
    assert len(list((tmp_path / "pictures").iterdir())) == 2
    assert [("(unreadable: " in line) for line in out.splitlines()] == [True, False, False]
    _, out, _ = run(capsys, "explain", histogram, new, "--out", tmp_path / "pictures", "--json")
    assert json.loads(out)[0].keys() == {"file", "unreadable"}


def test_hostile_names_are_inert(histogram: Path, tmp_path: Path, photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    source = next(photos("new", first=40, warm=1).rglob("*.png")).read_bytes()
    folder = tmp_path / "odd"
    folder.mkdir()
    names = [b"<img onerror=x>.png", b"\xff\xfe.png", b"a\x1b[31m\nb.png", b"-q.png"]
    for name in names:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(source)
    code, out, err = run(capsys, "explain", histogram, folder, "--out", tmp_path / "pictures")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 4 and "\x1b" not in out
    assert r"\xff\xfe.png" in out
    pictures = [p.name for p in (tmp_path / "pictures").iterdir()]
    assert len(pictures) == 4 and all(name.isascii() and name.isprintable() and "<" not in name for name in pictures)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["{run}", "nowhere.jpg"], "nowhere.jpg"),
        (["nothing.penult", "{new}"], "there is no model at nothing.penult"),
        (["{run}", "{new}", "--class", "warmth"], "unknown class 'warmth'; did you mean warm?"),
        (["{run}", "{new}", "--precision", "int8"], "leave --precision out"),
        (["{run}", "{new}", "--out", "{run}"], "model.penult"),
    ],
)
def test_a_users_mistake_is_one_line(
    words: list[str], says: str, histogram: Path, photos: Photos, capsys: pytest.CaptureFixture[str]
) -> None:
    new = photos("new", first=40, warm=1)
    code, out, err = run(capsys, "explain", *[w.format(run=histogram, new=new) for w in words])
    assert (code, out) == (1, "")
    assert err.startswith("penult: ") and err.count("\n") == 1
    assert says in err


def test_it_needs_neither_scikit_learn_nor_torch(lite: Path, tmp_path: Path) -> None:
    words = ["explain", str(lite), str(lite.parent / "train" / "a"), "--out", str(tmp_path / "pictures")]
    assert loaded(f"from penult.cli import main\nassert main({words!r}) == 0") & {"sklearn", "scipy", "torch", "onnx"} == set()


def test_the_methods_that_help_names_are_the_methods_that_exist() -> None:
    for method in METHODS:
        assert build().parse_args(["explain", "m", "p", "--method", method]).method == method
    with pytest.raises(SystemExit):
        build().parse_args(["explain", "m", "p", "--method", "guess"])
