"""A user lists images in a CSV."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penult.errors import InputError, PenultError
from penult.images import ImageSet, TableOptions, scan_labelled, scan_train_and_test, scan_unlabelled

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
    said = complaint(table(tmp_path, "path,one,two\na.jpg,cat,dog\n"), groups="patient")
    assert "has no column 'patient'; the columns 'one', 'two' may all be the label" in said
    assert "its first line names 'path', 'one', 'two'" in said
    assert "--label-column NAME" in said


def test_every_missing_file_is_named_and_where_it_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    said = complaint(table(tmp_path, ROWS + "x.jpg,cat\nfolder,cat\n\x00.jpg,dog\n" + "n" * 300 + ",dog\n"))
    assert "do not exist, or are no regular files: 'x.jpg', 'folder', '\\x00.jpg', 'nnn" in said
    assert f"own folder, '{tmp_path}'" in said
    assert "a.jpg" not in said


def test_more_than_ten_missing_files_are_counted(tmp_path: Path) -> None:
    assert "'9.jpg' and 15 more" in complaint(table(tmp_path, "file,label\n" + "".join(f"{i}.jpg,cat\n" for i in range(25))))


def test_empty_cells_and_short_rows_are_all_named(tmp_path: Path) -> None:
    said = complaint(table(tmp_path, "file,label,g\na.jpg,None,1\n,cat,1\nb/2.jpg\nc.jpg,cat,\n"), groups="g")
    assert "these rows have 'None' for a label" in said
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
    assert "at least two per class are needed: 'cat';" in complaint(
        table(tmp_path, "file,label\na.jpg,dog\nb/2.jpg,dog\nc.jpg,cat\n")
    )
    assert "lists no images" in complaint(table(tmp_path, "file,label\n"))
    assert "is empty" in complaint(table(tmp_path, "\n\n"))


def test_text_that_is_not_such_a_csv_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "save it as 'CSV UTF-8'" in complaint(table(tmp_path, ROWS.encode("utf-16") + b"\0"))
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


NONE = "some images have none"


@pytest.mark.parametrize(
    ("row", "why"), [("a.jpg,newt", "the model has no such classes: 'newt'"), ("a.jpg,", NONE), ("a.jpg", NONE)]
)
def test_labels_of_a_csv_to_predict_are_dropped_when_one_is_strange(tmp_path: Path, row: str, why: str) -> None:
    images = scan_unlabelled(table(tmp_path, f"file,label\n{row}\nc.jpg,cat\n"), classes=("cat", "dog"))
    assert (images.classes, labels(images)) == ((), [None, None])
    assert images.notes[0].endswith(why)


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


def tree(root: Path, *names: str) -> Path:
    """Make empty files below a folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def listed(root: Path, text: str, name: str = "labels.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root / name


IDS = ("0001", "0002", "0003", "0004")
ANIMALS = ("cat", "dog", "cat", "dog")


@pytest.mark.parametrize("image", ["id", "image_id", "image", "filename", "File Name", "path", "img", "anything"])
@pytest.mark.parametrize("label", ["breed", "label", "class", "category", "target", "species", "y", "whatever"])
@pytest.mark.parametrize("ending", ["", ".jpg"])
def test_kaggles_usual_table_is_read_as_it_comes(tmp_path: Path, image: str, label: str, ending: str) -> None:
    """Ids and labels under any names of columns, with or without ending, photos in a folder beside the table."""
    tree(tmp_path, *(f"train/{name}.jpg" for name in IDS), "test/0005.jpg")
    rows = "".join(f"{name}{ending},{kind}\n" for name, kind in zip(IDS, ANIMALS, strict=True))
    images = scan_labelled(listed(tmp_path, f"{image},{label}\n{rows}"))
    assert images.ids == tuple(f"train/{name}.jpg" for name in IDS)
    assert labels(images) == list(ANIMALS)
    assert len(images.notes) == 1
    assert "photos found in 'train'" in images.notes[0]
    assert ("4 names matched by adding the file ending" in images.notes[0]) == (ending == "")


@pytest.mark.parametrize(
    ("rows", "options", "taken"),
    [
        ("id,age,breed\n{},3,{}\n", {}, ("id", "breed")),
        ("id,age,sex\n{},{},m\n", {"label_column": "age"}, ("id", "age")),
        ("name,photo\n{1},{0}\n", {}, ("photo", "name")),
        ("Unnamed: 0,photo,kind\n7,{},{}\n", {}, ("photo", "kind")),
        ("id,other,breed\nx,{},{}\n", {"image_column": "other"}, ("other", "breed")),
        ("id,other,breed\nx,{},{}\n", {}, ("other", "breed")),
        ("id,filename,breed\n{0},{0}.jpg,{1}\n", {}, ("filename", "breed")),
    ],
)
def test_columns_are_found_by_name_and_content_or_named(
    tmp_path: Path, rows: str, options: dict[str, str], taken: tuple[str, str]
) -> None:
    tree(tmp_path, *(f"{name}.jpg" for name in IDS))
    header, row = rows.splitlines()
    path = listed(tmp_path, "\n".join([header, *(row.format(n, a) for n, a in zip(IDS, ANIMALS, strict=True))]))
    images = scan_labelled(path, table=TableOptions(**options))
    assert labels(images) == list(ANIMALS)
    assert f"images by its column '{taken[0]}'" in images.notes[0]
    assert f"'{taken[1]}'" in images.notes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,age,sex\n0001,3,m\n0002,4,f\n", ["the columns 'age', 'sex' may all be the label", "--label-column NAME"]),
        ("id,class,species\n0001,a,b\n0002,c,d\n", ["the columns 'class', 'species' may all be the label"]),
        ("a,b,c\nx,y,z\n", ["none of its columns is known to name the images", "--image-column NAME", "'a', 'b', 'c'"]),
        ("id\n0001\n", ["no column is left to be the label"]),
        ("0001.jpg,cat,3\n0002.jpg,dog,4\n", ["its first line is a row", "write file,label into a line above it"]),
        ("file,label\n0001.jpg,a, b\n0002.jpg,b\n", ["more cells than the first line has columns: '0001.jpg'", "quotation"]),
        ("id,age,cat,dog\n0001,3,1,0\n0002,4,0,1\n", ["'age', 'cat', 'dog' may all be", "give --label-column 'cat,dog'"]),
        ("file,label\nhttps://x.org/a.jpg,a\n0002.jpg,b\n", ["do not exist", "download what is listed by its address"]),
        ('file,label\n"0001.jpg,a\n0002.jpg,b\n', ["do not exist", "look for a quotation mark without its pair"]),
        ("file,label\n1.00002E+09,a\n0002.jpg,b\n", ["do not exist", "format their column as text"]),
        ("one,two,y\n0001,0002,a\n0002,0001,b\n", ["the columns 'one', 'two' name different images", "--image-column NAME"]),
        ("id,score\n0001,0.25\n0002,1.5\n0003,2.75\n", ["its column 'score' look like numbers", "penult classifies"]),
        ("id,label,label\n0001,a,a\n0002,b,c\n", ["its column 'label' stands there twice", "'0002'"]),
        (
            "id,age,sex\n0001,3,m\n9,3,m\n",
            ["may all be the label", "do not exist, or are no regular files: '9'", "--image-dir DIR"],
        ),
    ],
)
def test_all_that_is_wrong_with_a_table_is_said_at_once(tmp_path: Path, text: str, says: list[str]) -> None:
    tree(tmp_path, *(f"train/{name}.jpg" for name in IDS))
    said = complaint(listed(tmp_path, text))
    for part in says:
        assert part in said


def test_columns_of_0_and_1_are_one_class_where_that_is_asked_for(tmp_path: Path) -> None:
    path = listed(tree(tmp_path, "1.jpg", "2.jpg", "3.jpg"), "id,a,b\n1,1,0\n2,1,1\n3,0,0\n")
    with pytest.raises(InputError, match=r"a 1 in more than one class column.*'2'; .*no 1 in any class column: '3'"):
        scan_labelled(path, table=TableOptions(task="classes"))
    assert scan_labelled(path).Y.tolist() == [[1, 0], [1, 1], [0, 0]]


def test_a_first_line_that_is_a_row_is_all_that_is_said(tmp_path: Path) -> None:
    """No column has a name then, so there is nothing to choose from."""
    assert "--label-column" not in complaint(listed(tree(tmp_path, "1.jpg", "2.jpg"), "1.jpg,cat,1\n2.jpg,dog,2\n"))


@pytest.mark.parametrize("header", ["id,y", "file,label"])
@pytest.mark.parametrize(
    ("above", "sign"),
    [("sep=;\r\n", ";"), ("SEP=,\n", ","), ("sep=\t\n", "\t"), ('"sep=|"\n', "|"), ("", "|"), ("\ufeffsep=;\n", ";")],
)
def test_excels_line_about_the_separator_is_followed_and_bars_part_cells_too(
    tmp_path: Path, header: str, above: str, sign: str
) -> None:
    tree(tmp_path, *(f"{i}.jpg" for i in range(4)))
    rows = "\n".join([header, *(f"{i}.jpg,{'ab'[i % 2]}" for i in range(4))]).replace(",", sign)
    images = scan_labelled(listed(tmp_path, above + rows))
    assert (images.ids, labels(images)) == (("0.jpg", "1.jpg", "2.jpg", "3.jpg"), ["a", "b", "a", "b"])


def test_bars_in_labels_do_not_part_cells(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{i}.jpg" for i in range(4)))
    text = "id,y|a|b\n" + "".join(f"{i},{'ab'[i % 2]}|x\n" for i in range(4))
    assert labels(scan_labelled(listed(tmp_path, text))) == ["a|x", "b|x", "a|x", "b|x"]


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
@pytest.mark.parametrize("name", ["list.csv", "list.xlsx", "list.ods"])
def test_a_workbook_is_answered_with_how_to_save_it(tmp_path: Path, head: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(head + bytes(100))
    with pytest.raises(PenultError, match="save it as 'CSV UTF-8'"):
        scan_labelled(tmp_path / name)


def test_one_hot_columns_are_labels(tmp_path: Path) -> None:
    tree(tmp_path, *(f"images/{name}.png" for name in IDS))
    text = "image,MEL,NV,BCC\n0001,1.0,0.0,0.0\n0002,0,1,0\n0003,0,0,1\n0004,False,True,False\n"
    images = scan_labelled(listed(tmp_path, text), classes=("MEL", "NV", "BCC"))
    assert labels(images) == ["MEL", "NV", "BCC", "NV"]
    assert "labels by its 3 columns of 0 and 1" in images.notes[0]


@pytest.mark.parametrize(
    ("files", "cells", "found"),
    [
        (["img/cat1.jpg"], "img\\cat1.jpg", "reading \\ as /"),
        (["img/cat1.jpg"], "img/cat1.JPG", "ignoring letter case"),
        (["img/cat1.jpg"], "IMG/Cat1.jpg", "ignoring letter case"),
        (["img/e\u0301.jpg"], "img/\u00e9.jpg", "in another Unicode form"),
        (["img/\u00e9.jpg"], "img/e\u0301.jpg", "in another Unicode form"),
        (["img/\ufb01.jpg"], "img/fi.jpg", "in another Unicode form"),
        (["img/1.jpg"], " img/1.jpg ", "without the blanks around them"),
        (["img/1.jpg"], "img/1", "by adding the file ending"),
        (["img/1.jpg"], "1", "by adding the file ending"),
        (["img/1.jpg"], "img/1.jpeg", "with the ending spelled otherwise"),
        (["img/1.png"], "img/1.jpg", "with another file ending"),
        (["img/00012.jpg"], "12", "adding zeros in front"),
        (["img/12.jpg"], "12.0", "as whole numbers"),
        (["img/00012.jpg"], "12.0", "as whole numbers"),
        (["img/1.jpg"], "b'img/1.jpg'", "without the b''"),
        (["img/1.jpg", "img/1.JPG"], "img/1.JPG", ""),
    ],
)
def test_a_name_in_another_form_is_matched_when_one_file_fits(
    tmp_path: Path, files: list[str], cells: str, found: str
) -> None:
    tree(tmp_path, *files, "other.jpg")
    images = scan_unlabelled(listed(tmp_path, f"file\n{cells}\n"))
    assert images.ids == (files[-1],)
    assert Path(images.paths[0]).is_file()
    if found:
        assert f"1 name matched {found}" in images.notes[0] or found in images.notes[0]
    else:
        assert images.notes == ()


@pytest.mark.parametrize(
    ("files", "cells", "says"),
    [
        (["1.jpg", "1.png"], "1", "these names fit more than one file: '1' ('1.jpg', '1.png')"),
        (["a/1.jpg", "b/1.jpg"], "1", "more than one folder holds its images: 'a', 'b'; give the one that is meant"),
        (["img/cat1.jpg"], "img/cat.jpg", "did you mean 'img/cat1.jpg'?"),
        (["old/1.jpg", "2.jpg", "3.jpg"], "1.jpg\n2.jpg\n3.jpg", "'1.jpg' (did you mean 'old/1.jpg'?)"),
        (["data/in/1.jpg", "1.jpg"], "../1.png", "do not exist"),
    ],
)  # fmt: skip
def test_a_name_that_fits_several_files_or_none_is_answered_with_them(
    tmp_path: Path, files: list[str], cells: str, says: str
) -> None:
    tree(tmp_path, *files)
    with pytest.raises(InputError) as caught:
        scan_unlabelled(listed(tmp_path, f"file\n{cells}\n"))
    assert says in str(caught.value)


def test_photos_may_lie_in_a_folder_given_or_in_several_below(tmp_path: Path) -> None:
    tree(tmp_path, "part_1/1.jpg", "part_1/2.jpg", "part_2/3.jpg", "far/away/1.jpg", "far/away/2.jpg", "far/away/3.jpg")
    (tmp_path / "set").mkdir()
    path = listed(tmp_path / "set", "id,y\n1,a\n2,a\n3,b\n")
    images = scan_labelled(path, classes=("a", "b"), table=TableOptions(image_dir=str(tmp_path / "far")))
    assert (images.root, images.ids) == (str(tmp_path / "far"), ("away/1.jpg", "away/2.jpg", "away/3.jpg"))
    with pytest.raises(InputError, match="the folder 'nowhere' of --image-dir does not exist"):
        scan_labelled(path, classes=("a", "b"), table=TableOptions(image_dir="nowhere"))
    tree(tmp_path / "set", "part_1/1.jpg", "part_1/2.jpg", "part_2/3.jpg")
    assert scan_labelled(path, classes=("a", "b")).ids == ("part_1/1.jpg", "part_1/2.jpg", "part_2/3.jpg")


def test_of_two_folders_the_one_named_like_the_table_holds_its_photos(tmp_path: Path) -> None:
    tree(tmp_path, "train/1.jpg", "train/2.jpg", "test/1.jpg", "test/2.jpg")
    for part in ("train", "test"):
        for name in (part, f"{part}_labels", f"{part}Labels", f"{part}_v2", part.upper()):
            found = scan_unlabelled(listed(tmp_path, "id\n1\n2\n", f"{name}.csv"))
            assert found.ids == (f"{part}/1.jpg", f"{part}/2.jpg")


def test_what_is_said_of_the_training_table_helps_with_that_of_the_test_part(tmp_path: Path) -> None:
    tree(tmp_path, *(f"train/{i}.jpg" for i in range(4)), "test/7.jpg", "test/8.jpg")
    train = listed(tmp_path, "key,what,extra\n" + "".join(f"{i},{'ab'[i % 2]},{i}\n" for i in range(4)), "train.csv")
    test = listed(tmp_path, "key,what\n7,a\n8,a\n", "sample.csv")
    left, right = scan_train_and_test(str(train), str(test), table=TableOptions(label_column="what"))
    assert (left.classes, left.ids[0]) == (("a", "b"), "train/0.jpg")
    assert right is not None
    assert (right.ids, right.classes) == (("test/7.jpg", "test/8.jpg"), ("a", "b"))
    plain = scan_unlabelled(test, classes=("a", "b"))
    assert plain.classes == ()
    assert "all are 'a', as in a sample submission" in plain.notes[-1] or "all are 'a'" in " ".join(plain.notes)


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-16-le", ""), ("utf-16-be", ""), ("utf-32", ""),
        ("cp1252", "Windows-1252"), ("latin-1", "Windows-1252"),
    ],
)  # fmt: skip
def test_a_table_in_another_encoding_is_read(tmp_path: Path, encoding: str, says: str) -> None:
    """Labels are valid Unicode in every case, and the files are found."""
    tree(tmp_path, "K\u00e4tzchen 1.jpg", "K\u00e4tzchen 2.jpg", "H\u00fcndin 1.jpg", "H\u00fcndin 2.jpg")
    text = "file;label\r\n" + "".join(
        f"{kind} {i}.jpg;{kind}\r\n" for kind in ("K\u00e4tzchen", "H\u00fcndin") for i in (1, 2)
    )
    (tmp_path / "e.csv").write_bytes(text.encode(encoding))
    images = scan_labelled(tmp_path / "e.csv")
    assert images.classes == ("H\u00fcndin", "K\u00e4tzchen")
    assert images.ids[0] == "K\u00e4tzchen 1.jpg"
    assert any("was read as" in note and says in note for note in images.notes) == bool(says)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_names_of_files_keep_their_bytes_where_labels_are_decoded(tmp_path: Path, encoding: str) -> None:
    names = [f"caf\u00e9{i}.jpg".encode(encoding) for i in range(4)]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    rows = b"".join(b"%s,%s\n" % (name, "n\u00e9".encode(encoding) if i % 2 else b"b") for i, name in enumerate(names))
    images = scan_labelled(table(tmp_path, b"file,label\n" + rows, files=""))
    assert [os.fsencode(name) for name in images.ids] == names
    assert images.classes == ("b", "n\u00e9")


@pytest.mark.parametrize(("encoding", "told"), [("gb18030", False), ("gbk", True), ("cp1251", True), ("shift_jis", True)])
def test_chinese_is_recognised_and_any_encoding_may_be_given(tmp_path: Path, encoding: str, told: bool) -> None:
    words = {"cp1251": ("\u041a\u043e\u0448\u043a\u0430", "\u041f\u0451\u0441"), "shift_jis": ("\u732b", "\u72ac")}
    one, two = words.get(encoding, ("\u732b\u54aa", "\u5c0f\u72d7"))
    tree(tmp_path, *(f"{i}.jpg" for i in range(4)))
    rows = "".join(f"{i}.jpg,{one if i % 2 else two}\n" for i in range(4))
    (tmp_path / "e.csv").write_bytes(f"file,label\n{rows}".encode(encoding))
    images = scan_labelled(tmp_path / "e.csv", table=TableOptions(encoding=encoding if told else None))
    assert set(images.classes) == {one, two}
    assert any("GB 18030" in note for note in images.notes) != told


@pytest.mark.parametrize("share", [1, 2, 3])
def test_a_table_of_utf8_with_rows_of_another_encoding_is_read_cell_by_cell(tmp_path: Path, share: int) -> None:
    """As people make it who join two lists; read as Chinese, its letters with accents would be frequent characters."""
    tree(tmp_path, *(f"{i}.jpg" for i in range(8)))
    words = ("K\u00e4tzchen", "H\u00fcndin")
    rows = b"".join(f"{i}.jpg,{words[i % 2]}\n".encode("cp1252" if i < share else "utf-8") for i in range(8))
    (tmp_path / "mixed.csv").write_bytes(b"file,label\n" + rows)
    assert scan_labelled(tmp_path / "mixed.csv").counts == {"H\u00fcndin": 4, "K\u00e4tzchen": 4}


@pytest.mark.parametrize(
    ("encoding", "says"), [("klingon", "unknown encoding 'klingon'"), ("ascii", "it is not text in ascii")]
)
def test_an_encoding_that_cannot_be_is_refused(tmp_path: Path, encoding: str, says: str) -> None:
    tree(tmp_path, "1.jpg")
    with pytest.raises(InputError, match=says):
        scan_labelled(listed(tmp_path, "file,label\n1.jpg,\u00e9\n"), table=TableOptions(encoding=encoding))


@pytest.mark.parametrize("written", ["None", "null", "NULL", "NA", "N/A", "#REF!"])
def test_a_word_that_may_be_a_class_or_a_missing_label_is_refused(tmp_path: Path, written: str) -> None:
    tree(tmp_path, *(f"{i}.jpg" for i in range(6)))
    text = "file,label\n0.jpg,cat\n1.jpg,cat\n2.jpg,dog\n3.jpg,dog\n" + f"4.jpg,{written}\n5.jpg,{written}\n"
    said = complaint(listed(tmp_path, text))
    assert f"these rows have '{written.strip()}' for a label" in said
    assert "'4.jpg', '5.jpg'" in said
    assert scan_labelled(listed(tmp_path, text), classes=("cat", "dog", written.strip())).counts[written.strip()] == 2


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ("\u00e9", "e\u0301", "Unicode form"),
        ("a b", "a\u00a0b", "blanks"),
        ("cat", "cat\u200b", "invisible characters"),
        ("cat", "\u2003cat", ""),
        ("cat", "b'cat'", "b''"),
    ],
)
def test_labels_that_are_certainly_one_are_merged(tmp_path: Path, one: str, two: str, said: str) -> None:
    tree(tmp_path, *(f"{i}.jpg" for i in range(6)))
    rows = "".join(f"{i}.jpg,{(one, two, 'dog')[i % 3]}\n" for i in range(6))
    images = scan_labelled(listed(tmp_path, f"file,label\n{rows}"))
    assert images.counts[one] == 4
    assert len(images.classes) == 2
    assert all(part in " ".join(images.notes) for part in (said,))


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ("Cat", "cat", "'Cat' (2) and 'cat' (2) differ only in letter case"),
        ("guinea pig", "guinea_pig", "blanks, hyphens or underscores"),
        ("c\u0430t", "cat", "characters that look alike"),
        ("\uff43at", "cat", "characters that look alike"),
        ("1", "1.0", "'1' (2) and '1.0' (2) differ only in how a number is written"),
        ("01", "1", "how a number is written"),
        ("1", "10", ""),
        ("\ufb01sh", "fish", "characters that look alike"),
        ("cat indoor", "cat", ""),
    ],
)
def test_classes_that_may_be_one_are_learnt_apart_and_named(tmp_path: Path, one: str, two: str, said: str) -> None:
    tree(tmp_path, *(f"{i}.jpg" for i in range(6)))
    rows = "".join(f"{i}.jpg,{(one, two, 'dog')[i % 3]}\n" for i in range(6))
    images = scan_labelled(listed(tmp_path, f"file,label\n{rows}"))
    assert set(images.classes) == {one, two, "dog"}
    assert said in " ".join(images.notes)
    assert bool(images.notes) == bool(said)


def test_labels_of_several_words_that_recur_are_pointed_out(tmp_path: Path) -> None:
    kinds = ["cat indoor", "dog indoor", "cat", "dog"]
    tree(tmp_path, *(f"{i}.jpg" for i in range(8)))
    images = scan_labelled(listed(tmp_path, "file,label\n" + "".join(f"{i}.jpg,{kinds[i % 4]}\n" for i in range(8))))
    assert "labels that look like several in one cell" in images.notes[0]
    assert "'cat indoor', 'dog indoor'" in images.notes[0]


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (
            ["haze primary", "agriculture clear primary water", "clear primary", "clear habitation primary road", "cloudy"],
            True,
        ),
        (["bell pepper", "red bell pepper", "chili pepper", "onion"], False),
        (["golden retriever", "labrador retriever", "german shepherd", "pug"], False),
    ],
)
def test_tags_in_one_cell_are_told_from_names_of_several_words(tmp_path: Path, kinds: list[str], told: bool) -> None:
    tree(tmp_path, *(f"{i}.jpg" for i in range(2 * len(kinds))))
    text = "file,label\n" + "".join(f"{i}.jpg,{kinds[i % len(kinds)]}\n" for i in range(2 * len(kinds)))
    assert any("look like several in one cell" in note for note in scan_labelled(listed(tmp_path, text)).notes) == told


@pytest.mark.parametrize("known", ["caf\u00e9", "cafe\u0301", " caf\u00e9", "caf\udce9"])
@pytest.mark.parametrize("written", ["caf\u00e9", "cafe\u0301", "caf\u00e9\u00a0"])
def test_a_label_in_any_form_is_the_class_of_a_model(tmp_path: Path, known: str, written: str) -> None:
    """Models of before may have classes in any form, bytes that are no UTF-8 among them."""
    tree(tmp_path, "1.jpg")
    images = scan_labelled(listed(tmp_path, f"file,label\n1.jpg,{written}\n"), classes=("a", known))
    assert labels(images) == [known]


def test_options_of_a_table_are_refused_for_a_folder(tmp_path: Path) -> None:
    tree(tmp_path, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")
    for scan in (scan_labelled, scan_unlabelled):
        with pytest.raises(InputError, match=r"--label-column, --image-dir are about a table, and '.*' is a folder"):
            scan(tmp_path, table=TableOptions(label_column="y", image_dir="x"))
