"""What lies about in real folders: droppings, wrong extensions, links, pipes, odd names."""

from __future__ import annotations

import inspect
import io
import os
import socket
import string
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from penult.errors import InputError
from penult.images import natural_key, quoted, scan_labelled, scan_unlabelled
from penult.signatures import looks_like_image
from penult.texts import printable

JPEG = b"\xff\xd8\xff\xe0" + bytes(40)


def drawn(format: str) -> bytes:
    """Return a small picture in one of Pillow's formats."""
    file = io.BytesIO()
    Picture.new("RGB", (8, 8), "red").save(file, format)
    return file.getvalue()


PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "PPM", "JPEG2000", "MPO")

FORMATS: dict[str, Callable[[], bytes]] = {
    **{name: partial(drawn, name) for name in PILLOW_FORMATS},
    "big-endian TIFF": lambda: b"MM\x00*\x00\x00\x00\x08",
    "BigTIFF": lambda: b"II+\x00\x08\x00\x00\x00",
    "HEIC": lambda: b"\x00\x00\x00\x24ftypheic\x00\x00\x00\x00mif1heic",
    "HEIF with its brand second": lambda: b"\x00\x00\x00\x24ftypabcd\x00\x00\x00\x00xxxxheic",
    "JPEG 2000 code stream": lambda: b"\xff\x4f\xff\x51\x00\x2f",
    "PGM with a comment": lambda: b"P5\n# by hand\n2 2\n255\n",
}

TEXTS = {
    "nothing": b"",
    "prose": b"BM is the beginning of this text, and no bitmap",
    "a letter": b"P1 visit of Monday",
    "half a number": b"P5\n",
    "sound": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "film": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41",
    "zip": b"PK\x03\x04" + bytes(28),
}


@pytest.mark.parametrize("name", ["photo", "photo.dat", "cat.1", "PHOTO.", "a.b.unknown"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_name_that_tells_nothing_counts_when_the_bytes_are_an_image(tmp_path: Path, format: str, name: str) -> None:
    (tmp_path / name).write_bytes(FORMATS[format]())
    assert scan_unlabelled(tmp_path).ids == (name,)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_name_that_tells_nothing_does_not_count_when_the_bytes_are_none(tmp_path: Path, kind: str) -> None:
    (tmp_path / "photo").write_bytes(TEXTS[kind])
    (tmp_path / "1.jpg").write_bytes(JPEG)
    images = scan_unlabelled(tmp_path)
    assert images.ids == ("1.jpg",)
    assert images.ignored == {"files that are not images": 1}
    assert images.notes == ()


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.Png", "a.webp", "a.heic", "a.tif", "a.jp2", "a.avif"])
def test_an_image_extension_counts_whatever_the_bytes_so_that_damage_is_recorded(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not a picture")
    assert scan_unlabelled(tmp_path).ids == (name,)


def test_files_whose_name_tells_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1.jpg", "2.png", "list.csv", "notes.txt", "data.h5", "x.zip", "run.py", "film.mp4"):
        (tmp_path / name).write_bytes(JPEG)

    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(Path, "open", refuse)
    assert scan_unlabelled(tmp_path).ids == ("1.jpg", "2.png")


@given(st.binary(max_size=40))
def test_any_bytes_can_be_asked(head: bytes) -> None:
    assert looks_like_image(head) in (True, False)
    assert looks_like_image(JPEG[:4] + head)


def test_droppings_are_ignored_counted_and_not_entered(tmp_path: Path) -> None:
    drawing = ".DS_Store ._1.jpg Thumbs.db THUMBS.DB desktop.ini .hidden/1.jpg __MACOSX/cat/1.jpg"
    for name in (drawing + " @eaDir/1.jpg $RECYCLE.BIN/2.jpg cat/._2.jpg cat/.3 cat/2.jpg").split():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(JPEG)
    images = scan_unlabelled(tmp_path, classes=("cat", "dog"))
    assert images.ids == ("cat/2.jpg",)
    assert images.classes == ("cat", "dog")
    assert images.ignored == {"hidden or system files": 11}
    assert images.notes == ()


def test_links_to_a_folder_above_or_to_one_that_is_read_anyway_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "train/cat").mkdir(parents=True)
    (tmp_path / "train/cat/1.jpg").touch()
    (tmp_path / "train/cat/again").symlink_to(tmp_path / "train")
    (tmp_path / "train/dog").symlink_to(tmp_path / "train/cat")
    (tmp_path / "link").symlink_to(tmp_path / "train")
    images = scan_unlabelled(tmp_path / "link")
    assert images.ids == ("cat/1.jpg",)
    assert images.ignored == {"links to a folder that they lie in": 1, "links to folders that are read already": 1}
    assert images.notes[-2:] == (
        "links to a folder that they lie in were ignored: 'cat/again'",
        "links to folders that are read already were ignored: 'dog'",
    )
    with pytest.raises(InputError, match=r"one folder of images, 'cat' \(ignored: 1 links to a folder that they lie in, 1 "):
        scan_labelled(tmp_path / "train")


@pytest.mark.parametrize("scan", [scan_labelled, scan_unlabelled])
def test_links_to_class_folders_elsewhere_are_followed(tmp_path: Path, scan: Callable[..., Any]) -> None:
    """As torchvision, timm, Keras and fastai do: also below the classes, and into hidden folders."""
    for name in ("elsewhere/cat/1.jpg", "elsewhere/cat/2.jpg", "train/.store/dog/1.jpg", "more/2.jpg", "train/owl/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "train/owl/2.jpg").touch()
    (tmp_path / "train/cat").symlink_to(tmp_path / "elsewhere/cat")
    (tmp_path / "train/dog").symlink_to(".store/dog")
    (tmp_path / "train/.store/dog/more").symlink_to(tmp_path / "more")
    images = scan(tmp_path / "train", classes=("cat", "dog", "owl"))
    assert images.ids == ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/more/2.jpg", "owl/1.jpg", "owl/2.jpg")
    assert [image.label for image in images.images] == ["cat", "cat", "dog", "dog", "owl", "owl"]
    assert images.notes == ()


LOOP, TWICE = "links to a folder that they lie in", "links to folders that are read already"
OWN, FAR = ["a/1.jpg", "b/1.jpg"], ["c/1.jpg", "c/in/1.jpg"]


@pytest.mark.parametrize(
    ("links", "ids", "kind"),
    [
        ({"a/up": "..", "b/up": "../.."}, OWN, LOOP),
        ({"a/root": "/"}, OWN, LOOP),
        ({"a/x": "../b", "b/y": "../a"}, OWN, TWICE),
        ({"c": "../far", "d": "../far"}, OWN + FAR, TWICE),
        ({"c": "../far/in", "d": "../far"}, [*OWN, "c/1.jpg", "d/1.jpg"], TWICE),
        ({"c": "../far", "../far/back": ".."}, OWN + FAR, LOOP),
    ],
)
def test_no_ring_of_links_is_walked_and_no_folder_twice(
    tmp_path: Path, links: dict[str, str], ids: list[str], kind: str
) -> None:
    for name in ("t/a/1.jpg", "t/b/1.jpg", "far/1.jpg", "far/in/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name, target in links.items():
        (tmp_path / "t" / name).symlink_to(target)
    images = scan_unlabelled(tmp_path / "t")
    assert list(images.ids) == ids
    assert kind in images.ignored
    assert any(note.startswith(kind) for note in images.notes)


def test_links_to_files_are_followed_and_broken_ones_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "photo").write_bytes(JPEG)
    os.mkfifo(tmp_path / "pipe")
    targets = {"a.jpg": "../photo", "b": "../photo", "c.jpg": "nowhere", "d.jpg": "d.jpg", "e.jpg": "../pipe"}
    for name, target in targets.items():
        (tmp_path / "in" / name).symlink_to(target)
    images = scan_unlabelled(tmp_path / "in")
    assert images.ids == ("a.jpg", "b")
    assert images.notes == ("links that lead to no file were ignored: 'c.jpg', 'd.jpg', 'e.jpg'",)


@pytest.fixture
def bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 108 bytes at most
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        yield "socket.jpg"


def test_pipes_and_sockets_do_not_stop_a_scan(tmp_path: Path, bound: str) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "1.jpg").touch()
    for source in (tmp_path, sorted(tmp_path.iterdir())):
        images = scan_unlabelled(source)
        assert [Path(path).name for path in images.paths] == ["1.jpg"]
        assert images.ignored == {"pipes, sockets or devices": 3}
        assert bound in images.notes[0]


def test_what_may_not_be_opened_is_named_and_the_rest_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "secret").write_bytes(JPEG)
    (tmp_path / "1.jpg").touch()
    listed, opened = os.scandir, Path.open

    def scandir(path: str) -> Any:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    def open_(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "secret":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **options)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "open", open_)
    images = scan_unlabelled(tmp_path)
    assert images.ids == ("1.jpg",)
    assert images.notes == ("files or folders that could not be opened were ignored: 'locked', 'secret'",)
    given = scan_unlabelled([tmp_path / "secret", tmp_path / "1.jpg"])
    assert given.ignored == {"files or folders that could not be opened": 1}
    with pytest.raises(InputError, match=r"locked' cannot be opened \(Permission denied\); check"):
        scan_unlabelled(tmp_path / "locked")


def test_a_tree_deeper_than_the_recursion_limit_is_walked(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 200)
    deep.mkdir(parents=True)
    (deep / "1.jpg").touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 120)
    try:
        images = scan_unlabelled(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert images.ids == ("d/" * 200 + "1.jpg",)


def test_odd_names_survive_and_are_shown_on_one_line(tmp_path: Path) -> None:
    names = [
        b"x" * 251 + b".jpg",
        b"new\nline.jpg",
        "😀 é e\u0301.jpg".encode(),
        b"caf\xe9\xff.jpg",
        b"\x1b[31m.jpg",
    ]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    images = scan_unlabelled(tmp_path)
    assert sorted(os.fsencode(name) for name in images.ids) == sorted(names)
    assert all(Path(path).exists() for path in images.paths)
    with pytest.raises(InputError) as caught:
        scan_labelled(tmp_path)
    assert "new\\nline.jpg" in str(caught.value)
    assert "caf\\xe9\\xff.jpg" in str(caught.value)
    assert "\\x1b[31m.jpg" in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.binary(max_size=30).map(os.fsdecode) | st.text(max_size=30) | st.just("\ud800"))
def test_every_name_can_be_shown(name: str) -> None:
    assert printable(name).isprintable()
    assert printable(name).encode("utf-8").decode("utf-8") == printable(name)
    assert printable(printable(name)) == printable(name)


def test_a_list_of_names_says_how_many_it_leaves_out() -> None:
    assert quoted(["a"]) == "'a'"
    assert quoted(["a", "b"], total=1_203) == "'a', 'b' and 1,201 more"
    assert quoted([]) == ""


NAMES = st.text(string.digits + "a.-_é\n\udcff²", max_size=8)


@given(NAMES, NAMES, NAMES)
def test_natural_order_is_total(one: str, two: str, three: str) -> None:
    a, b, c = natural_key(one), natural_key(two), natural_key(three)
    assert (a < b) + (b < a) + (one == two) == 1
    assert not (a <= b <= c) or a <= c


@given(NAMES, st.integers(0), st.integers(0), st.sampled_from(["", ".jpg", "-x", "/"]))
def test_natural_order_compares_numbers_as_numbers(stem: str, one: int, two: int, rest: str) -> None:
    stem = stem.rstrip(string.digits)
    keys = [natural_key(f"{stem}{number}{rest}") for number in (one, two)]
    assert (keys[0] < keys[1]) == (one < two)


def test_natural_order_by_example() -> None:
    names = [
        "10.jpg",
        "2.jpg",
        "02.jpg",
        "a10b2",
        "a10b10",
        "a9",
        "A1",
        "1" * 5_000,
        "9" * 4_999,
        "",
        "a",
        "a1",
    ]
    expected = [
        "",
        "02.jpg",
        "2.jpg",
        "10.jpg",
        "9" * 4_999,
        "1" * 5_000,
        "A1",
        "a",
        "a1",
        "a9",
        "a10b2",
        "a10b10",
    ]
    assert sorted(names, key=natural_key) == expected
