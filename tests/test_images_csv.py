"""A user lists images in a CSV."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penult.errors import InputError
from penult.images import ImageSet, scan_labelled, scan_unlabelled

ROWS = "file,label\nb/2.jpg,dog\nb/10.jpg,cat\na.jpg,dog\nc.jpg,cat\n"


def table(root: Path, text: str | bytes, files: str = "b/2.jpg b/10.jpg a.jpg c.jpg") -> Path:
    """Write a CSV and the empty files that it lists."""
    for name in files.split():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    path = root / "list.CSV"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(path: Path, groups: str | None = None) -> str:
    """Return the words with which a CSV is refused."""
    with pytest.raises(InputError) as caught:
        scan_labelled(path, groups)
    return str(caught.value)


def labels(images: ImageSet) -> list[str | None]:
    return [image.label for image in images.images]


def test_a_csv_keeps_its_order_and_its_names(tmp_path: Path) -> None:
    images = scan_labelled(table(tmp_path, ROWS))
    assert images.ids == ("b/2.jpg", "b/10.jpg", "a.jpg", "c.jpg")
    assert images.paths == tuple(str(tmp_path / name) for name in images.ids)
    assert images.classes == ("cat", "dog")
    assert images.y.tolist() == [1, 0, 1, 0]
    assert (images.root, images.groups) == (str(tmp_path), None)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + ROWS,
        ROWS.replace(",", ";"),
        ROWS.replace(",", "\t"),
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("file,label", " File , LABEL "),
        ROWS.replace(",dog", ', dog ,"a, b"').replace("file,label", "file,label,remark"),
        "\n" + ROWS + "\n,\n",
    ],
    ids=["byte order mark", "semicolons", "tabs", "CRLF", "capitals", "spaces, more columns", "blank lines"],
)
def test_the_csvs_that_other_programs_write_are_read(tmp_path: Path, text: str) -> None:
    images = scan_labelled(table(tmp_path, text))
    assert images.ids == ("b/2.jpg", "b/10.jpg", "a.jpg", "c.jpg")
    assert labels(images) == ["dog", "cat", "dog", "cat"]


def test_names_with_commas_newlines_and_bytes_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    names = [b"a,b.jpg", b"new\nline.jpg", b"caf\xe9.jpg", "☃ 😀.jpg".encode()]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    rows = b"".join(b'"%s",%s\n' % (name, b"odd" if i % 2 else b"even") for i, name in enumerate(names))
    images = scan_labelled(table(tmp_path, b"file,label\n" + rows, files=""))
    assert [os.fsencode(name) for name in images.ids] == names
    assert all(Path(path).exists() for path in images.paths)


def test_absolute_paths_and_files_of_any_extension_are_taken_as_they_are_listed(tmp_path: Path) -> None:
    rows = f"file,label\n{tmp_path}/a.jpg,x\nb.dat,x\nc.txt,y\n.hidden.jpg,y\n"
    images = scan_labelled(table(tmp_path, rows, files="a.jpg b.dat c.txt .hidden.jpg"))
    assert images.ids == (f"{tmp_path}/a.jpg", "b.dat", "c.txt", ".hidden.jpg")
    assert images.paths[0] == str(tmp_path / "a.jpg")


def test_a_groups_column_numbers_the_groups_as_they_appear(tmp_path: Path) -> None:
    text = "Patient,file,label\np9,b/2.jpg,dog\np1,b/10.jpg,cat\np9,a.jpg,dog\n p1 ,c.jpg,cat\n"
    images = scan_labelled(table(tmp_path, text), groups="patient")
    assert images.groups is not None
    assert images.groups.tolist() == [0, 1, 0, 1]
    assert images.images[3].group == "p1"


def test_missing_columns_are_all_named_beside_those_that_are_there(tmp_path: Path) -> None:
    said = complaint(table(tmp_path, "path,class\na.jpg,cat\n"), groups="patient")
    assert "has no column 'file', 'label', 'patient'; its first line names 'path', 'class'" in said
    assert "it must name file,label,patient" in said


def test_every_missing_file_is_named_and_where_it_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    said = complaint(table(tmp_path, ROWS + "x.jpg,cat\nfolder,cat\n\x00.jpg,dog\n" + "n" * 300 + ",dog\n"))
    assert "do not exist, or are no regular files: 'x.jpg', 'folder', '\\x00.jpg', 'nnn" in said
    assert f"own folder, '{tmp_path}'" in said
    assert "a.jpg" not in said


def test_more_than_ten_missing_files_are_counted(tmp_path: Path) -> None:
    assert "'9.jpg' and 15 more" in complaint(table(tmp_path, "file,label\n" + "".join(f"{i}.jpg,cat\n" for i in range(25))))


def test_empty_cells_and_short_rows_are_all_named(tmp_path: Path) -> None:
    said = complaint(table(tmp_path, "file,label,g\na.jpg, ,1\n,cat,1\nb/2.jpg\nc.jpg,cat,\n"), groups="g")
    assert "these rows have no label: 'a.jpg', 'b/2.jpg';" in said
    assert "these rows name no file: 'line 3';" in said
    assert "these rows have no group: 'c.jpg';" in said


def test_files_with_two_labels_are_all_named_once(tmp_path: Path) -> None:
    said = complaint(table(tmp_path, ROWS + "a.jpg,cat\na.jpg,owl\n./c.jpg,dog\n"))
    assert "more than once, with different labels or groups: 'a.jpg', './c.jpg';" in said


def test_a_file_with_one_label_and_two_groups_is_refused(tmp_path: Path) -> None:
    text = "file,label,g\na.jpg,cat,1\na.jpg,cat,2\n"
    assert "different labels or groups: 'a.jpg'" in complaint(table(tmp_path, text), groups="g")


def test_a_repeated_row_counts_once(tmp_path: Path) -> None:
    images = scan_labelled(table(tmp_path, ROWS + "b/../a.jpg,dog\n"))
    assert images.ids == ("b/2.jpg", "b/10.jpg", "a.jpg", "c.jpg")
    assert images.ignored == {"images named more than once": 1}
    assert images.notes == ("images named more than once were ignored: 'b/../a.jpg'",)


def test_a_csv_with_too_little_to_learn_from_is_refused(tmp_path: Path) -> None:
    assert "has one class, 'dog'" in complaint(table(tmp_path, "file,label\na.jpg,dog\nc.jpg,dog\n"))
    assert "two are the least: 'cat';" in complaint(table(tmp_path, "file,label\na.jpg,dog\nb/2.jpg,dog\nc.jpg,cat\n"))
    assert "lists no images" in complaint(table(tmp_path, "file,label\n"))
    assert "is empty" in complaint(table(tmp_path, "\n\n"))


def test_text_that_is_not_such_a_csv_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "save it as 'CSV UTF-8'" in complaint(table(tmp_path, ROWS.encode("utf-16")))
    assert "quotation mark" in complaint(table(tmp_path, 'file,label\n"' + "x" * 200_000))


def test_a_csv_that_cannot_be_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, ROWS)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert "cannot be read (Permission denied)" in complaint(path)


def test_a_csv_of_images_to_predict_needs_no_labels(tmp_path: Path) -> None:
    images = scan_unlabelled(table(tmp_path, "file\nc.jpg\na.jpg\n"), classes=("cat", "dog"))
    assert (images.ids, images.classes, images.notes) == (("c.jpg", "a.jpg"), (), ())


def test_labels_of_a_csv_to_predict_are_used_when_all_are_classes(tmp_path: Path) -> None:
    images = scan_unlabelled(table(tmp_path, ROWS), classes=("dog", "cat", "owl"))
    assert images.classes == ("dog", "cat", "owl")
    assert images.y.tolist() == [0, 1, 0, 1]
    assert scan_unlabelled(table(tmp_path, ROWS)).classes == ()


@pytest.mark.parametrize(("row", "named"), [("a.jpg,newt", "'newt'"), ("a.jpg,", "''"), ("a.jpg", "''")])
def test_labels_of_a_csv_to_predict_are_dropped_when_one_is_strange(tmp_path: Path, row: str, named: str) -> None:
    images = scan_unlabelled(table(tmp_path, f"file,label\n{row}\nc.jpg,cat\n"), classes=("cat", "dog"))
    assert (images.classes, labels(images)) == ((), [None, None])
    assert images.notes[0].endswith(f"the model has no such classes: {named}")


def test_a_csv_without_rows_has_no_images_to_predict(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images in"):
        scan_unlabelled(table(tmp_path, "file\n"))


@pytest.mark.parametrize("sign", ",;\t")
def test_a_quoted_name_in_the_first_line_does_not_decide_what_parts_the_columns(tmp_path: Path, sign: str) -> None:
    (tmp_path / "1.jpg").touch()
    header = ["file", "label", '"a,,,,b;;;;c\t\t\t\td\n"']
    row = ["1.jpg", "cat", "0.5"]
    (tmp_path / "list.csv").write_text(f"{sign.join(header)}\n{sign.join(row)}\n")
    assert scan_unlabelled(tmp_path / "list.csv", ("cat", "dog")).images[0].label == "cat"


def test_blanks_around_a_label_are_dropped_unless_the_class_is_known_with_them(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "list.csv").write_text("file,label\n1.jpg, cat\n2.jpg, dog\n")
    for scan in (scan_labelled, scan_unlabelled):
        found = scan(tmp_path / "list.csv", classes=(" cat", "dog"))
        assert [image.label for image in found.images] == [" cat", "dog"]
