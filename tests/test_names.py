"""Names that a file system takes and a careless program does not: as photos and as classes, through every command and back."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from penult.cli import main
from penult.images import scan_labelled, scan_unlabelled
from penult.store import read_h5

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")

PHOTOS = (
    b"caf\xe9.png", b"\xff", b"\xed\xb2\x80.png", b"x" * 251 + b".png", b"a\nb.png", b"a\rb.png", b"a\tb.png", b'"q".png',
    b"'s'.png", b"a,b;c.png", "\N{CAT FACE}.png".encode(), "e\u0301.png".encode(), "\u00e9.png".encode(), b"\\.png",
    b"<img src=x onerror=alert(1)>.png", b" lead.png", b"trail.png ", b" ", b"-dash.png", b"--csv", b"=1+1.png", b"con.png",
    b"100%.png", b"{a}.png", b"$x^2_$.png", b"#.png", b"\xef\xbb\xbf.png", b"\x1b[31m.png", "a\u2028b\x85\x0c.png".encode(),
)  # fmt: skip
CLASSES = (
    b"caf\xe9", b"a\nb\t", b'"q";a,b;c;d;e;f;g;h;i;j', "e\u0301".encode(), "\u00e9".encode(), b" -lead ", b"=1+1", b"file",
    b"<img src=x onerror=alert(1)>", b"label", b"$x_{$",
)  # fmt: skip
# The class that is learnt from a folder: valid Unicode in one form, without blanks around it.
LEARNT = {name: name for name in CLASSES} | {
    b"caf\xe9": "caf\u00e9".encode(), "e\u0301".encode(): "\u00e9".encode(), b" -lead ": b"-lead", b"a\nb\t": b"a\nb",
}  # fmt: skip
EACH = 4  # photos of a class, in each part


@dataclass(frozen=True)
class World:
    """A folder with the photos, `train` and `test`, and a run of them, `run`; the names of each part's photos as bytes."""

    root: Path
    train: tuple[bytes, ...]
    test: tuple[bytes, ...]


def picture(kind: int, random: np.random.Generator) -> bytes:
    """Return a PNG in the colour of its class, with a coarse pattern of its own."""
    colour = np.random.default_rng(kind).integers(0, 255, 3)
    coarse = np.kron(random.normal(0, 60, (4, 4, 3)), np.ones((6, 6, 1)))
    file = io.BytesIO()
    Image.fromarray(np.clip(colour + coarse, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def lay_out(root: Path, part: str) -> tuple[bytes, ...]:
    """Write every class folder with the next names of the list, some of them in several classes; return what was written."""
    random = np.random.default_rng(len(part))
    made = []
    for kind, label in enumerate(CLASSES):
        folder = os.path.join(os.fsencode(root), part.encode(), label)
        os.makedirs(folder)
        for i in range(EACH):
            name = PHOTOS[(kind * (EACH - 1) + i) % len(PHOTOS)]
            with open(os.path.join(folder, name), "wb") as file:
                file.write(picture(kind, random))
            made.append(label + b"/" + name)
    bad = CLASSES[0] + b"/bad\xfe\n.jpg"
    with open(os.path.join(os.fsencode(root / part), bad), "wb") as file:
        file.write(b"\xff\xd8\xff")
    return (*made, bad)


def say(*words: object) -> str:
    """Run a command that must succeed, with a strict UTF-8 standard output; return that. The bad photo is told beside it."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
        out.flush()
        err.flush()
    assert code == 0
    told = err.buffer.getvalue().decode()  # type: ignore[attr-defined]
    lines = told.splitlines()
    assert not told or any(line.startswith("note: 1 of 45 images cannot be read: ") for line in lines)
    assert all(line.isprintable() for line in lines)
    return out.buffer.getvalue().decode()  # type: ignore[attr-defined]


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def names(path: Path, column: int = 0) -> list[bytes]:
    return [os.fsencode(row[column]) for row in rows(path)[1:]]


def learnt(name: str) -> str:
    """Return the class of a training photo."""
    return os.fsdecode(LEARNT[os.fsencode(name.partition("/")[0])])


def copied(table: Path, folder: Path) -> Path:
    """Return a copy of a table beside the photos that it names."""
    (folder / "list.csv").write_bytes(table.read_bytes())
    return folder / "list.csv"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENULT_CACHE", str(root / "cache"))
        made = World(root, lay_out(root, "train"), lay_out(root, "test"))
        with (root / "sample.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            csv.writer(file).writerows(
                [("id", "label"), *((os.fsdecode(n), os.fsdecode(CLASSES[5])) for n in made.test[::-1])]
            )
        test = ["--test", root / "test", "--submission", root / "sample.csv", "--review", "1", "--out", root / "run", "--json"]
        shown = json.loads(say("train", root / "train", "-b", "colour_histogram", *test))
    assert set(map(os.fsencode, shown["classes"])) == set(LEARNT.values())
    yield made


@pytest.fixture(autouse=True)
def in_the_world(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENULT_CACHE", str(world.root / "cache"))
    monkeypatch.chdir(world.root)


def test_every_name_of_the_list_is_in_both_parts(world: World) -> None:
    for part in (world.train, world.test):
        assert {name.partition(b"/")[2] for name in part} >= set(PHOTOS)


def test_tables_name_the_very_bytes(world: World) -> None:
    run, bad = world.root / "run", world.train[-1]
    good = set(world.train) - {bad}
    assert sorted(names(run / "predictions.csv")) == sorted(world.test)
    assert sorted(names(run / "review.csv")) == sorted(world.test)
    assert sorted(names(run / "oof.csv")) == sorted(names(run / "map.csv")) == sorted(good)
    assert names(run / "skipped.csv") == [bad, bad]
    assert set(names(run / "findings.csv", 1)) <= {*world.train, *world.test, *LEARNT.values()}
    for name, label in ((row[0], row[1]) for row in rows(run / "oof.csv")[1:]):
        assert learnt(name) == label
    header = rows(run / "predictions.csv")[0]
    assert list(map(os.fsencode, header[3:-1])) == sorted(
        set(LEARNT.values()), key=lambda c: header[3:-1].index(os.fsdecode(c))
    )


def test_feature_files_name_the_very_bytes(world: World) -> None:
    path = world.root / "run/data_colour_histogram.h5"
    read = read_h5(path)
    assert read.train_files is not None
    assert read.classes is not None
    assert read.label is not None
    assert sorted(map(os.fsencode, read.train_files)) == sorted(set(world.train) - {world.train[-1]})
    for name, label in zip(read.train_files, read.label, strict=True):
        assert learnt(name) == read.classes[label]
    with h5py.File(path) as file:
        assert [bytes(n) for n in file["train_files"][:]] == [os.fsencode(n) for n in read.train_files]


def test_what_is_printed_has_one_line_a_photo_and_no_control_signs(world: World) -> None:
    lines = say("predict", "run", "test").splitlines()
    assert len(lines) == len(world.test)
    for text in ("\n".join(lines), say("evaluate", "run", "test"), say("similar", "run", "test"), say("report", "run")):
        assert text.replace("\n", "").isprintable()
    told = json.loads(say("predict", "run", "test", "--json"))
    assert sorted(os.fsencode(one["file"]) for one in told) == sorted(world.test)


def test_predictions_are_read_back_as_a_list_of_the_same_photos(world: World) -> None:
    say("predict", "run", "test", "--csv", "first.csv")
    given = copied(world.root / "first.csv", world.root / "test")
    say("predict", "run", given, "--csv", "second.csv")
    assert (world.root / "second.csv").read_bytes() == (world.root / "first.csv").read_bytes()
    given.unlink()


def test_out_of_fold_answers_are_read_back_as_labelled_photos(world: World) -> None:
    given = copied(world.root / "run/oof.csv", world.root / "train")
    classes = [os.fsdecode(label) for label in set(LEARNT.values())]
    found = scan_labelled(given, classes=classes)
    given.unlink()
    assert sorted(map(os.fsencode, found.ids)) == sorted(set(world.train) - {world.train[-1]})
    assert all(learnt(image.id) == image.label for image in found.images)


def test_a_submission_follows_a_sample_with_such_names(world: World) -> None:
    answers = {row[0]: row[1] for row in rows(world.root / "run/predictions.csv")}
    bad = [name for name, label in answers.items() if not label]  # in a submission it has the most frequent class
    assert len(bad) == 1
    answers[bad[0]] = "é"
    wanted = [[os.fsdecode(name), answers[os.fsdecode(name)]] for name in world.test[::-1]]
    assert rows(world.root / "run/submission.csv") == [["id", "label"], *wanted]


def test_the_page_escapes_every_name(world: World) -> None:
    say("report", "run")
    page = (world.root / "run/report.html").read_text(encoding="utf-8")
    handlers = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            handlers.extend(name for name, _ in attributes if name.startswith("on"))
            handlers.extend(value for name, value in attributes if name == "src" and value == "x")

    Reader().feed(page)
    assert handlers == []
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert r"caf\xe9" in page


def test_neighbours_and_explanations_tell_the_very_bytes(world: World) -> None:
    say("similar", "run", "test", "--csv", "similar.csv")
    table = world.root / "similar.csv"
    assert set(names(table)) == set(world.test) - {world.test[-1]}
    assert set(names(table, 2)) <= {*world.train, *world.test}
    assert {row[4] for row in rows(table)[1:]} <= {*map(os.fsdecode, LEARNT.values()), ""}
    folder = os.fsdecode(b"test/" + CLASSES[8])
    told = json.loads(say("explain", "run", folder, "--class", os.fsdecode(CLASSES[8]), "--json"))
    assert {os.fsencode(one["file"]) for one in told} == {
        name.partition(b"/")[2] for name in world.test if name.startswith(CLASSES[8])
    }
    assert all(Path(one["picture"]).name.isascii() for one in told)


def test_photos_are_moved_by_a_list_with_such_names(world: World) -> None:
    photo, place = world.test[4], CLASSES[1] + b'/new,\n"\xfd".png'
    for old, new in ((photo, place), (place, photo)):
        with (world.root / "moves.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            csv.writer(file).writerows([("file", "to"), (os.fsdecode(old), os.fsdecode(new))])
        say("audit", "test", "--apply", "moves.csv")
        assert (world.root / "test" / os.fsdecode(new)).is_file()
        assert not (world.root / "test" / os.fsdecode(old)).exists()


def test_what_is_written_may_bear_such_a_name_too(world: World) -> None:
    odd = os.fsdecode(b"\xfe<&\n")
    shutil.copytree("run", f"run{odd}")
    some = [row[:2] for row in rows(world.root / "run/oof.csv")[1:] if row[1] in ("=1+1", "file")]
    with (world.root / "train/some.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file).writerows([("file", "label"), *some])
    say("report", f"run{odd}")
    assert r"predictions written to p\xfe<&\n.csv" in say("predict", f"run{odd}", "test", "--csv", f"p{odd}.csv")
    assert r"s\xfe<&\n.csv" in say("similar", f"run{odd}", "test", "--csv", f"s{odd}.csv")
    assert r"written: f\xfe<&\n.h5" in say("embed", "train/some.csv", "-b", "colour_histogram", "--out", f"f{odd}.h5")
    assert r"again\xfe<&\n/model.penult" in say("train", "--features", f"f{odd}.h5", "--out", f"again{odd}")
    assert (world.root / f"p{odd}.csv").is_file()


def test_an_error_names_what_it_is_about_in_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    odd = os.fsdecode(b"no\xfe\x1b[31m")
    for words in (
        ["train", odd],
        ["predict", "run", odd],
        ["predict", odd, "test"],
        ["report", odd],
        ["similar", odd, "test"],
    ):
        assert main(words) != 0
        said = capsys.readouterr().err
        assert r"no\xfe\x1b[31m" in said
        assert said.rstrip("\n").isprintable()


def test_photos_given_one_by_one_keep_their_names(world: World) -> None:
    given = [os.path.join("test", os.fsdecode(name)) for name in world.test]
    told = json.loads(say("predict", "run", "--json", "--", *given))
    assert [one["file"] for one in told] == given
    assert scan_unlabelled(given).ids == tuple(given)


def test_signs_that_the_terminals_encoding_lacks_are_escaped(world: World) -> None:
    out = io.TextIOWrapper(io.BytesIO(), "ascii", newline="")
    with contextlib.redirect_stdout(out):
        assert main(["predict", "run", "test"]) == 0
    out.flush()
    assert out.buffer.getvalue().isascii()  # type: ignore[attr-defined]
    assert rb"\U0001f431.png" in out.buffer.getvalue()  # type: ignore[attr-defined]
