"""Tables of the shapes that competitions have: each trains, or is refused in the right sentence; what else a table says."""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pytest
from PIL import Image

from conftest import draw
from penult.cli import main
from penult.errors import InputError, MissingExtra
from penult.images import TableOptions, expand_sources, labels_from, scan_labelled, scan_unlabelled
from penult.training import TrainOptions, train_images
from penult.training.repairs import apply_repairs

KINDS = ("warm", "cold")
N = 12


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train_images/000.png ..., alternately warm and cold."""
    root = tmp_path_factory.mktemp("competition")
    (root / "train_images").mkdir()
    for i in range(N):
        Image.fromarray(draw(KINDS[i % 2], i)).save(root / f"train_images/{i:03d}.png")
    return root


def rows(row: Callable[[int, str], str], header: str, n: int = N) -> str:
    return "\n".join([header, *(row(i, KINDS[i % 2]) for i in range(n))]) + "\n"


def workbook(cells: Sequence[Sequence[Any]], sheets: int = 1) -> bytes:
    """Return the least that is an .xlsx file."""
    main_ns = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    pack = "http://schemas.openxmlformats.org/package/2006"

    def cell(value: Any) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in cells)
    names = "".join(f'<sheet name="s{i}" sheetId="{i}" r:id="rId{i}"/>' for i in range(1, sheets + 1))
    links = "".join(
        f'<Relationship Id="rId{i}" Type="{rel}/worksheet" Target="worksheets/sheet{i}.xml"/>' for i in range(1, 4)
    )
    office = f'<Relationship Id="rId1" Type="{rel}/officeDocument" Target="xl/workbook.xml"/>'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    members = {
        "[Content_Types].xml": f'<Types xmlns="{pack}/content-types"><Default Extension="rels" ContentType='
        f'"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{pack}/relationships">{office}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main_ns}" xmlns:r="{rel}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{pack}/relationships">{links}</Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main_ns}"><sheetData>{body}</sheetData></worksheet>',
        "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{main_ns}"><sheetData/></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return out.getvalue()


def parquet(**columns: Sequence[Any]) -> bytes:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def of_columns(names: str) -> str:
    """Return rows of two columns of 0 and 1, both 1 in every third row."""
    return rows(lambda i, kind: f"{i:03d},{int(kind == 'warm' or i % 3 == 0)},{int(kind == 'cold' or i % 3 == 0)}", names)


TABLES: dict[str, tuple[str, str | bytes | Callable[[], bytes]]] = {
    "id and target": ("train.csv", rows(lambda i, kind: f"{i:03d}.png,{kind}", "image_id,target")),
    "no ending": ("train.csv", rows(lambda i, kind: f"{i:03d},{kind}", "id,breed")),
    "one-hot": ("train.csv", rows(lambda i, kind: f"{i:03d},{int(kind == 'warm')},{int(kind == 'cold')}", "id,warm,cold")),
    "semicolons": ("train.csv", rows(lambda i, kind: f"{i:03d}.png;{kind};1,5", "filename;category;size")),
    "byte order mark": ("train.csv", "\ufeff" + rows(lambda i, kind: f"{i:03d}.png,{kind}", "file,label")),
    "UTF-16": ("train.tsv", rows(lambda i, kind: f"{i:03d}.png\t{kind}", "file\tlabel").encode("utf-16")),
    "blanks, no header": ("labels.txt", "".join(f"{i:03d}.png {KINDS[i % 2]}\n" for i in range(N))),
    "sub-folders": ("train.csv", rows(lambda i, kind: f"train_images/{i:03d}.png,{kind}", "path,class")),
    "a column of folds": ("train.csv", rows(lambda i, kind: f"{i:03d},{kind},{i // 4}", "image,label,fold")),
    "Parquet": (
        "train.parquet",
        lambda: parquet(id=[f"{i:03d}" for i in range(N)], diagnosis=[KINDS[i % 2] for i in range(N)]),
    ),
    "Excel": ("labels.xlsx", lambda: workbook([["photo", "class"], *([i, KINDS[i % 2]] for i in range(N))], 2)),
}


TRAINED = ("id and target", "a column of folds", "Parquet", "Excel")


def written(root: Path, name: str, content: str | bytes | Callable[[], bytes]) -> Path:
    data = content() if callable(content) else content
    path = root / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("name", TABLES)
def test_a_competitions_table_trains_as_it_comes(
    photos: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without any option but the folder of the photos: every photo has its class. The same set of images is trained alike,
    so of tables that differ in how they are written alone one is trained.
    """
    if name == "Excel":
        pytest.importorskip("python_calamine")
    path = written(tmp_path, *TABLES[name])
    source, table = labels_from(str(photos), str(path), TableOptions())
    found = scan_labelled(source, table=table)
    assert found.ids == tuple(f"train_images/{i:03d}.png" for i in range(N))
    assert [image.label for image in found] == [KINDS[i % 2] for i in range(N)]
    assert (found.task, found.unlabelled, found.classes) == ("classes", None, ("cold", "warm"))
    if name not in TRAINED:
        return
    own = ["--folds", "fold"] if name == "a column of folds" else []
    words = ["train", str(photos), "--labels", str(path), *own, "-b", "colour_histogram", "--out", str(tmp_path / "run")]
    assert main([*words, "--json", "--quiet"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["classes"] == {"cold": N // 2, "warm": N // 2}
    assert said["scores"]["scores"]["accuracy"]["value"] == 1
    with (tmp_path / "run/oof.csv").open() as file:
        folds = {row["file"]: row["fold"] for row in csv.DictReader(file)}
    if own:
        assert folds == {f"train_images/{i:03d}.png": str(i // 4) for i in range(N)}


@pytest.mark.parametrize(
    "text",
    [
        of_columns("image,warm,cold"),
        rows(lambda i, kind: f"{i:03d},{kind}{' mixed' if i % 3 == 0 else ''}", "image,labels"),
        rows(lambda i, kind: f"{i:03d},{kind};{'inside' if i % 3 else 'outside'}", "image,labels"),
        rows(lambda i, kind: f"{i:03d},\"['{kind}', 'x{i % 3}']\"", "image,labels"),
        rows(lambda i, kind: f"{i:03d},{kind}|y|x{i % 3}", "image,tags"),
    ],
    ids=["columns of 0 and 1", "blanks that are not sure", "semicolons", "lists of Python", "bars"],
)
def test_several_labels_a_photo_are_recognised_and_told(photos: Path, tmp_path: Path, text: str) -> None:
    found = scan_labelled(written(tmp_path, "train.csv", text), table=TableOptions(image_dir=str(photos)))
    if "mixed" in text:  # `mixed` never stands alone: it may be a word in the name of a class
        assert found.task == "classes"
        assert "give --task labels" in " ".join(found.notes)
        return
    assert found.task == "labels"
    assert found.Y.shape == (N, len(found.classes)) and set(np.unique(found.Y)) == {0, 1}
    assert {"warm", "cold"} <= set(found.classes)
    place = found.classes.index("warm")
    assert found.Y[::2, place].all() and not found.Y[1::6, place].any()
    assert "columns of 0 and 1" in found.notes[0] or "--task classes" in found.notes[0]


def test_what_nobody_said_of_a_label_is_unknown_and_rows_of_one_photo_are_joined(photos: Path, tmp_path: Path) -> None:
    text = "id,a,b,c\n000,1,0,\n001,0,1,1\n002,-1,0,0\n003,,,\n"
    found = scan_labelled(written(tmp_path, "t.csv", text), table=TableOptions(image_dir=str(photos)))
    np.testing.assert_array_equal(found.Y, [[1, 0, np.nan], [0, 1, 1], [np.nan, 0, 0]])
    assert found.unlabelled is not None and found.unlabelled.ids == ("train_images/003.png",)
    long = written(tmp_path, "long.csv", "id,label\n000,cat\n000,sofa\n001,cat\n002,dog\n")
    with pytest.raises(InputError, match="give --task labels"):
        scan_labelled(long, table=TableOptions(image_dir=str(photos)))
    joined = scan_labelled(long, table=TableOptions(image_dir=str(photos), task="labels"))
    assert [image.labels for image in joined] == [("cat", "sofa"), ("cat",), ("dog",)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (rows(lambda i, _: f"{i:03d},{i * 0.37:.2f}", "id,score"), "look like numbers, not classes"),
        (rows(lambda i, _: f"{i:03d};{i},5", "id;score"), "look like numbers, not classes"),
        (rows(lambda i, _: f"{i:03d},", "id,label"), "has no label for any of its 12 images"),
        (rows(lambda i, kind: f"{i:03d},{kind},{i},{i * 2}", "id,what,height_cm,age"), "may all be the label"),
        (rows(lambda i, kind: f"9{i:03d},{kind}", "id,label"), "do not exist"),
    ],
    ids=["float target", "decimal commas", "no labels", "several columns", "other photos"],
)
def test_what_cannot_be_learnt_is_refused_with_what_to_do(photos: Path, tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        scan_labelled(written(tmp_path, "train.csv", text), table=TableOptions(image_dir=str(photos)))
    assert ";" in str(caught.value)


def test_photos_without_a_label_are_predicted_as_predict_does_and_not_learnt(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = rows(lambda i, kind: f"{i:03d},{kind if i < 8 else ('', 'NaN')[i % 2]},{1 + i % 3},p{i // 2}", "id,label,w,patient")
    path = written(tmp_path, "train.csv", text)
    options = TrainOptions(str(tmp_path / "run"), ("colour_histogram",), labels=str(path), weights="w")
    run = train_images(str(photos), None, options)
    assert run.metrics["classes"] == {"cold": 4, "warm": 4}
    assert run.metrics["unlabelled"] == {"photos": 4, "unreadable": 0}
    assert "--groups patient" in " ".join(run.metrics["notes"])
    rest = [str(photos / f"train_images/{i:03d}.png") for i in range(8, N)]
    assert main(["predict", str(tmp_path / "run"), *rest, "--csv", str(tmp_path / "answers.csv"), "-q"]) == 0
    answers = [line.split(",")[1:] for line in (tmp_path / "answers.csv").read_text().splitlines()]
    written_ = [line.split(",") for line in (tmp_path / "run/unlabelled_predictions.csv").read_text().splitlines()]
    assert [cells[1:] for cells in written_] == answers
    assert [cells[0] for cells in written_[1:]] == [f"train_images/{i:03d}.png" for i in range(8, N)]
    plain = TrainOptions(str(tmp_path / "plain"), ("colour_histogram",), labels=str(path))
    even = train_images(str(photos), None, plain)
    assert not np.allclose(even.evaluation.proba, run.evaluation.proba)  # weights count
    assert main(["evaluate", str(tmp_path / "run"), str(photos), "--labels", str(path), "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measured"] == 8


def test_photos_that_the_table_of_their_labels_does_not_list_have_no_label(photos: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", rows(lambda i, kind: f"{i:03d},{kind}", "id,label", 8))
    rest = tuple(f"train_images/{i:03d}.png" for i in range(8, N))
    source, table = labels_from(str(photos), str(path), TableOptions())
    found = scan_labelled(source, table=table)
    assert found.unlabelled is not None and found.unlabelled.ids == rest and len(found) == 8
    predicted = scan_unlabelled(source, ("cold", "warm"), table)
    assert predicted.ids[8:] == rest and predicted.classes == () and "some images have none" in predicted.notes[0]
    alone = scan_labelled(path, table=TableOptions(image_dir=str(photos)))  # the folder may have other photos in it
    assert alone.unlabelled is None
    source, table = labels_from(
        [str(photos / "train_images"), str(photos / "train_images/000.png")], str(path), TableOptions()
    )
    found = scan_labelled(source, table=table)
    assert found.unlabelled is not None and (len(found), len(found.unlabelled)) == (8, 4)


@pytest.mark.parametrize(
    ("column", "cells", "says"),
    [
        ("folds", ["1"] * N, "are all '1'; give two or more"),
        ("folds", [str(i % 2) for i in range(N)], "all photos of 'cold', 'warm' .* are in one fold"),
        ("folds", ["", *("12" * N)[1:N]], "these rows have no fold"),
        ("weights", ["-1", *"1" * (N - 1)], "no weight of 0 or more"),
        ("weights", ["0"] * N, "all of its weights are 0"),
    ],
)
def test_folds_and_weights_that_cannot_be_are_refused(
    photos: Path, tmp_path: Path, column: str, cells: list[str], says: str
) -> None:
    path = written(tmp_path, "t.csv", rows(lambda i, kind: f"{i:03d},{kind},{cells[i]}", "id,label,own"))
    with pytest.raises(InputError, match=says):
        scan_labelled(path, table=TableOptions(image_dir=str(photos), **{column: "own"}))


def test_near_duplicates_across_given_folds_are_told_and_stay(photos: Path, tmp_path: Path) -> None:
    for i in range(N):
        source = photos / f"train_images/{min(i, N - 2):03d}.png"  # the last is a copy
        (tmp_path / f"{i:03d}.png").write_bytes(source.read_bytes())
    text = rows(lambda i, _: f"{i:03d},{KINDS[min(i, N - 2) % 2]},{i // 2 % 3 if i < N - 1 else 0}", "id,label,fold")
    run = train_images(
        str(written(tmp_path, "t.csv", text)), None, TrainOptions(str(tmp_path / "run"), ("colour_histogram",), folds="fold")
    )
    (told,) = [note for note in run.metrics["notes"] if "another fold of --folds" in note]
    assert "(2 of them an exact copy)" in told
    assert not any("never on both sides" in note or "stays in one fold" in note for note in run.metrics["notes"])
    assert run.evaluation.fold.tolist() == [i // 2 % 3 if i < N - 1 else 0 for i in range(N)]


def test_lists_patterns_and_several_folders_are_sources(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(N):
        (tmp_path / KINDS[i % 2]).mkdir(exist_ok=True)
        (tmp_path / KINDS[i % 2] / f"{i}.png").write_bytes((photos / f"train_images/{i:03d}.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("\ufeff" + "".join(f"{KINDS[i % 2]}/{i}.png\n" for i in range(N)), encoding="utf-8")
    for words in (["warm", "cold"], ["warm/*.png", "cold/*.png"], ["*o*d", "w*m"], ["@list.txt"]):
        found = scan_labelled(expand_sources(words))
        assert found.counts == {"cold": N // 2, "warm": N // 2}
        assert set(found.ids) == {f"{KINDS[i % 2]}/{i}.png" for i in range(N)}
    assert main(["train", "*/*.png", "-b", "colour_histogram", "--out", "run", "-q"]) == 0
    piped = io.TextIOWrapper(io.BytesIO(b"warm/0.png\0cold/1.png\0"))
    monkeypatch.setattr(sys, "stdin", piped)
    assert main(["predict", "run", "-", "--json", "-q"]) == 0
    assert [(one["file"], one["label"]) for one in json.loads(capsys.readouterr().out)] == [
        ("warm/0.png", "warm"), ("cold/1.png", "cold"),
    ]  # fmt: skip
    table = written(tmp_path, "labels.csv", rows(lambda i, kind: f"{i},{kind}", "id,label"))
    found = scan_labelled(table, table=TableOptions(photos=("warm", "cold")))
    assert (found.ids[0], found.images[1].label, found.root) == ("warm/0.png", "cold", "")


def test_two_sources_make_the_file_of_the_blog_post(photos: Path, tmp_path: Path) -> None:
    import h5py

    (tmp_path / "test").mkdir()
    for i in range(3):
        (tmp_path / f"test/{i}.png").write_bytes((photos / f"train_images/{i:03d}.png").read_bytes())
    path = written(tmp_path, "t.csv", rows(lambda i, kind: f"{i:03d},{kind if i < 9 else ''}", "id,label"))
    for words, test in (([str(path), str(tmp_path / "test")], 3), ([str(path)], 3)):
        more = ["--image-dir", str(photos), "-b", "colour_histogram", "--out", str(tmp_path / "gap.h5"), "-q"]
        assert main(["embed", *words, *more]) == 0
        with h5py.File(tmp_path / "gap.h5") as file:
            assert (len(file["train"]), len(file["test"]), file["label"][:].tolist()) == (9, test, [1, 0] * 4 + [1])
            same = np.array_equal(file["train"][:3], file["test"][:3])
            assert same == (len(words) == 2)  # of one source the photos without a label are the test part


def test_a_corrected_copy_of_any_table_is_a_csv(photos: Path, tmp_path: Path) -> None:
    path = written(tmp_path, *TABLES["Parquet"])
    listing = written(tmp_path, "found.csv", "file,kind,decision\ntrain_images/003.png,label,move:warm\n")
    done = apply_repairs(str(path), str(listing), table=TableOptions(image_dir=str(photos)))
    assert done.table == str(tmp_path / "train-corrected.csv")
    lines = (tmp_path / "train-corrected.csv").read_text().splitlines()
    assert (lines[0], lines[4], lines[6]) == ("id,diagnosis", "003,warm", "005,cold")


def test_a_workbook_is_read_by_its_first_sheet_that_has_cells(tmp_path: Path, photos: Path) -> None:
    pytest.importorskip("python_calamine")
    path = written(tmp_path, "t.xlsx", workbook([["id", "grade"], *([i, float(i % 2)] for i in range(N))], 2))
    found = scan_labelled(path, table=TableOptions(image_dir=str(photos)))
    assert found.classes == ("0", "1") and len(found) == N
    assert "its sheet 's1' was read, and not 's2'" in found.notes[0]


def test_a_workbook_without_its_extra_is_answered_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtra, match=r"pip install 'penult\[tables\]', or save it as 'CSV UTF-8'"):
        scan_unlabelled(written(tmp_path, "t.xlsx", workbook([["id"]])))
