"""Pictures of explanations: whole files under names that any system takes, whatever the photo and its name are."""

from __future__ import annotations

import dataclasses
import functools
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainable import linear, model, square
from penult import plots
from penult.errors import OutputError
from penult.explain import Explanation, explain, heat_png, write_picture
from penult.explain.explanation import file_name
from penult.plots import style
from tinynet import noise, tiny

HOSTILE = [
    "<img src=x onerror=alert(1)>.jpg",
    "two\nlines\t.png",
    "not \udcff\udcfe utf8.jpg",
    "$5 bill$ _x_^2.png",
    "../../etc/passwd",
    "C:\\photos\\cat.jpg",
    "猫の写真.jpg",
    "." * 40,
    "",
    "long " * 200 + ".jpg",
    "\u202egpj.exe",
]


@functools.cache
def usual() -> Explanation:
    return one(square(90, 120, 30, 40, 30))


def one(photo: np.ndarray | None = None, **changes: object) -> Explanation:
    found = usual() if photo is None else explain(model((tiny(),), linear([[1, 0, 0, 0, 0]])), [photo], "b")[0]
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def pixels(data: bytes) -> np.ndarray:
    return np.array(Image.open(BytesIO(data)))


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_of_photo_and_class_is_drawn_and_written(name: str, tmp_path: Path) -> None:
    path = write_picture(one(file=name, label=name[:60] or "b"), tmp_path / "out")
    assert path.parent == tmp_path / "out"
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    assert len(path.name) < 150 and not path.name.startswith((".", "-"))
    assert pixels(path.read_bytes()).ndim == 3
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_each_explanation_has_a_name_of_its_own_and_always_the_same() -> None:
    base = one(file="photos/cat.1.jpg", label="cat")
    assert file_name(base) == file_name(dataclasses.replace(base)) != ""
    assert file_name(base).startswith("cat.1-cat-")
    others = [
        dataclasses.replace(base, **change)  # type: ignore[arg-type]
        for change in ({"file": "other/cat.1.jpg"}, {"file": "photos/cat.1.png"}, {"label": "dog"}, {"method": "occlusion"})
    ]
    assert len({file_name(e) for e in (base, *others)}) == 5


def test_the_same_explanation_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = write_picture(one(), tmp_path / "1"), write_picture(one(), tmp_path / "2")
    assert first.read_bytes() == second.read_bytes()


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_picture(one(), tmp_path / "file")


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3000, 20), (33, 2000)])
def test_a_photo_of_any_shape_is_drawn(shape: tuple[int, int], tmp_path: Path) -> None:
    photo = np.full((*shape, 3), 90, np.uint8)
    found = one(photo)
    assert pixels(write_picture(found, tmp_path).read_bytes()).shape[0] > 100
    assert max(pixels(heat_png(found)).shape[:2]) <= 160


def test_the_small_picture_is_the_photo_under_its_heat() -> None:
    found = one(square(300, 400, 90, 120, 90))
    small = pixels(heat_png(found, 100)).astype(int)  # (75, 100, 3)
    assert small.shape == (75, 100, 3)
    there, elsewhere = small[33, 41], small[5, 90]
    assert there[0] - there[2] > 100  # vermilion, for the class
    assert np.ptp(elsewhere) < 30  # grey
    against = dataclasses.replace(found, heat=-found.heat)
    there = pixels(heat_png(against, 100)).astype(int)[33, 41]
    assert there[2] - there[0] > 100  # blue, against it


def test_colour_is_the_heat_and_nothing_else() -> None:
    photo = noise(1)[0]
    cold = plots.overlay(photo, np.zeros(photo.shape[:2]))
    np.testing.assert_array_equal(cold, plots.overlay(photo, np.zeros(photo.shape[:2])))
    assert (np.ptp(cold, axis=-1) == 0).all()
    heat = np.linspace(-1, 1, 32)[None].repeat(32, 0)
    np.testing.assert_array_equal(plots.overlay(photo, heat), plots.overlay(photo, 1000 * heat))
    strongest = plots.overlay(photo, heat)[:, -1].astype(int)
    assert (np.ptp(strongest, axis=-1) > 0.8 * np.ptp(_rgb(style.VERMILION))).all()


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def test_the_legend_says_class_method_unit_ends_and_what_is_not_seen() -> None:
    photo, heat = square(90, 120, 30, 40, 30), np.zeros((90, 120))
    heat[40, 50] = -0.25
    caption = plots.Caption("cat", 0.987, "photos/cat.1.jpg", "occlusion", "scale: logit lost", (0.2, 0, 0.8, 1))
    said = words(plots.plot_heat_map(photo, heat, caption))
    for wanted in (
        "cat  98.7%",
        "photos/cat.1.jpg",
        "occlusion\nscale: logit lost",
        "for cat",
        "against cat",
        "+0.25",
        "−0.25",
    ):
        assert any(wanted in text for text in said), wanted
    assert any("dashed: the part that the networks see" in text for text in said)
    whole = dataclasses.replace(caption, seen=(0.0, 0.0, 1.0, 1.0))
    assert not any("dashed" in text for text in words(plots.plot_heat_map(photo, heat, whole)))


def words(figure: object) -> list[str]:
    return [text.get_text() for text in figure.texts]  # type: ignore[attr-defined]


def test_the_two_methods_are_named_as_what_they_are(tmp_path: Path) -> None:
    exact = one()
    assert exact.unit == "logit per 1% of the photo"
    assert exact.shown.mean() * 100 == pytest.approx(float(exact.heat.sum()), rel=1e-5)
    assert exact.to_dict().keys() == {"file", "label", "probability", "method", "logit", "intercept", "predicted"}
    found = explain(model((tiny(),), linear([[1, 0, 0, 0, 0]])), [noise(1)[0]], "b", "occlusion")[0]
    assert (found.method, found.unit) == ("occlusion", "logit lost when covered")
    assert write_picture(exact, tmp_path) != write_picture(dataclasses.replace(found, file=exact.file), tmp_path)
