"""Kaggle's submission file follows the sample's columns, ids and order, or says what does not match."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from penult.errors import InputError
from penult.predict.sample_submission import SampleSubmission, plain_submission

CLASSES = ("cat", "dog")
NAMES = ("test1/10.jpg", "test1/2.jpg", "test1/1.jpg")
PROBA = np.array([[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]])


def sample(folder: Path, text: str) -> Path:
    path = folder / "sample.csv"
    path.write_text(text, encoding="utf-8")
    return path


def written(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_sample_of_one_number_gets_the_probability_of_the_second_class_in_its_order(tmp_path: Path) -> None:
    sheet = SampleSubmission.read(sample(tmp_path, "id,label\n1,0.5\n2,0.5\n10,0.5\n"), CLASSES)
    sheet.write(tmp_path / "out.csv", NAMES, CLASSES, PROBA)
    assert written(tmp_path / "out.csv") == [["id", "label"], ["1", "0.5"], ["2", "0.75"], ["10", "0.1"]]


def test_a_sample_of_class_names_gets_labels(tmp_path: Path) -> None:
    sheet = SampleSubmission.read(sample(tmp_path, "image,class\n2.jpg,cat\n1.jpg,cat\n10.jpg,cat\n"), CLASSES)
    sheet.write(tmp_path / "out.csv", NAMES, CLASSES, PROBA)
    assert written(tmp_path / "out.csv")[1:] == [["2.jpg", "dog"], ["1.jpg", "cat"], ["10.jpg", "cat"]]


def test_a_sample_with_a_column_a_class_gets_all_probabilities_in_its_order(tmp_path: Path) -> None:
    sheet = SampleSubmission.read(sample(tmp_path, "id,Dog,Cat\n10,0,0\n1,0,0\n2,0,0\n"), CLASSES)
    sheet.write(tmp_path / "out.csv", NAMES, CLASSES, PROBA)
    assert written(tmp_path / "out.csv")[1] == ["10", "0.1", "0.9"]


def test_ids_and_images_without_a_partner_are_all_named(tmp_path: Path) -> None:
    sheet = SampleSubmission.read(sample(tmp_path, "id,label\n1,0\n2,0\n7,0\n8,0\n"), CLASSES)
    with pytest.raises(InputError, match=r"2 ids of the sample have no image \(7, 8\).*1 images are not in the sample \(10\)"):
        sheet.rows_of(NAMES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs a header"),
        ("id,label\n1,0,3\n", "equally long"),
        ("id,label\n1,0\n1,0\n", "more than once: 1"),
        ("id,label\n1,bird\n", "neither class names nor"),
        ("id,cat,bird\n1,0,0\n", "only on one side: bird, dog"),
    ],
)
def test_a_sample_that_fits_no_form_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        SampleSubmission.read(sample(tmp_path, text), CLASSES)


def test_a_sample_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv cannot be read"):
        SampleSubmission.read(tmp_path / "none.csv", CLASSES)


def test_numbers_with_three_classes_are_refused_since_nobody_knows_what_they_mean(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="with two classes"):
        SampleSubmission.read(sample(tmp_path, "id,label\n1,0\n"), ("a", "b", "c"))


def test_without_a_sample_two_classes_give_id_and_the_probability_of_the_second(tmp_path: Path) -> None:
    plain_submission(NAMES, CLASSES).write(tmp_path / "out.csv", NAMES, CLASSES, PROBA)
    assert written(tmp_path / "out.csv") == [["id", "label"], ["10", "0.1"], ["2", "0.75"], ["1", "0.5"]]


def test_without_a_sample_many_classes_give_labels_and_equal_stems_keep_their_paths(tmp_path: Path) -> None:
    names = ("a/1.jpg", "b/1.jpg")
    proba = np.array([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2]])
    plain_submission(names, ("x", "y", "z")).write(tmp_path / "out.csv", names, ("x", "y", "z"), proba)
    assert written(tmp_path / "out.csv") == [["id", "label"], ["a/1.jpg", "y"], ["b/1.jpg", "x"]]


def test_names_with_commas_quotes_and_newlines_come_back(tmp_path: Path) -> None:
    names = ('a,"b"\nc.jpg', "d.jpg")
    plain_submission(names, CLASSES).write(tmp_path / "out.csv", names, CLASSES, PROBA[:2])
    assert [row[0] for row in written(tmp_path / "out.csv")] == ["id", 'a,"b"\nc', "d"]


def test_classes_that_differ_in_capitals_or_blanks_alone_keep_their_columns(tmp_path: Path) -> None:
    classes = ("Cat", "cat", " cat")
    sheet = SampleSubmission.read(sample(tmp_path, "id,cat, cat,Cat\n1,0,0,0\n"), classes)
    assert sheet.order == (1, 2, 0)
    assert SampleSubmission.read(sample(tmp_path, "id,label\n1, cat\n"), ("Cat", " cat")).kind == "label"


def lines_of(folder: Path, text: str, classes: tuple[str, ...], submit: str | None = None) -> tuple[list[list[str]], str]:
    """Return the rows that are written for a sample, and what is said of them."""
    proba = np.array([[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]]) if len(classes) == 2 else np.eye(3, len(classes)) * 0.7 + 0.1
    sheet = SampleSubmission.read(sample(folder, text), classes, submit)  # type: ignore[arg-type]
    sheet.write(folder / "out.csv", NAMES, classes, proba)
    return written(folder / "out.csv"), sheet.describe(classes)


@pytest.mark.parametrize(
    "values", [("0", "0", "0"), ("1", "1", "1"), ("0", "1", "0"), ("0.0", "1.0", "0"), ("0.5", "0.5", "0.5")]
)
@pytest.mark.parametrize("classes", [("0", "1"), ("cat", "dog")])
def test_a_sample_of_numbers_for_two_classes_gets_probabilities_unless_labels_are_asked_for(
    tmp_path: Path, values: tuple[str, ...], classes: tuple[str, str]
) -> None:
    """Whole numbers may be placeholders: Kaggle's cancer detection has 0 everywhere and scores the probability."""
    text = "id,label\n" + "".join(f"{name},{value}\n" for name, value in zip(("10", "2", "1"), values, strict=True))
    rows, told = lines_of(tmp_path, text, classes)
    assert rows[1:] == [["10", "0.1"], ["2", "0.75"], ["1", "0.5"]]
    assert told == f"submission.csv: probability of class {classes[1]}; use --submit labels for class labels"
    assert lines_of(tmp_path, text, classes, "probabilities") == (rows, told)
    rows, told = lines_of(tmp_path, text, classes, "labels")
    assert rows[1:] == [["10", classes[0]], ["2", classes[1]], ["1", classes[0]]]
    assert told == "submission.csv: class labels; use --submit probabilities for probabilities"


@pytest.mark.parametrize(
    ("values", "classes"),
    [(("1", "2", "1"), ("1", "2")), (("3", "3", "3"), ("3", "7")), (("cat", "cat", "cat"), ("cat", "dog"))],
)
def test_a_sample_of_class_names_that_are_no_probabilities_gets_labels_unless_probabilities_are_asked_for(
    tmp_path: Path, values: tuple[str, ...], classes: tuple[str, str]
) -> None:
    text = "id,label\n" + "".join(f"{name},{value}\n" for name, value in zip(("10", "2", "1"), values, strict=True))
    assert [row[1] for row in lines_of(tmp_path, text, classes)[0][1:]] == [classes[0], classes[1], classes[0]]
    assert lines_of(tmp_path, text, classes, "probabilities")[0][1:] == [["10", "0.1"], ["2", "0.75"], ["1", "0.5"]]


def test_numbers_that_are_classes_of_three_or_more_stay_labels(tmp_path: Path) -> None:
    rows, told = lines_of(tmp_path, "ImageId,Label\n10,0\n2,0\n1,0\n", ("0", "1", "2"))
    assert [row[1] for row in rows[1:]] == ["0", "1", "2"]
    assert told == "submission.csv: class labels"
    with pytest.raises(InputError, match="their probabilities need a column each"):
        lines_of(tmp_path, "id,label\n10,0\n2,0\n1,0\n", ("0", "1", "2"), "probabilities")


def test_a_column_named_after_one_of_two_classes_gets_its_probability(tmp_path: Path) -> None:
    rows, told = lines_of(tmp_path, "id,Cat\n10,0\n2,0\n1,0\n", CLASSES)
    assert rows[1:] == [["10", "0.9"], ["2", "0.25"], ["1", "0.5"]]
    assert "probability of class cat" in told


def test_a_column_a_class_of_whole_numbers_gets_probabilities_or_one_and_zero(tmp_path: Path) -> None:
    text = "id,dog,cat\n10,1,0\n2,1,0\n1,1,0\n"
    assert lines_of(tmp_path, text, CLASSES)[0][1:] == [["10", "0.1", "0.9"], ["2", "0.75", "0.25"], ["1", "0.5", "0.5"]]
    rows, told = lines_of(tmp_path, text, CLASSES, "labels")
    assert rows[1:] == [["10", "0", "1"], ["2", "1", "0"], ["1", "0", "1"]]
    assert "1 for the class of each image" in told


@pytest.mark.parametrize("column", ["cat", "Cat ", "is_cat", "has-cat", "p(cat)", "probability of cat", "cat_prob"])
def test_a_column_whose_name_has_one_class_in_it_gets_its_probability(tmp_path: Path, column: str) -> None:
    rows, told = lines_of(tmp_path, f"id,{column}\n10,0\n2,0\n1,0\n", CLASSES)
    assert rows[1:] == [["10", "0.9"], ["2", "0.25"], ["1", "0.5"]]
    assert "probability of class cat" in told


@pytest.mark.parametrize("column", ["target", "category", "cats", "cat_or_dog", "label"])
def test_a_column_that_names_no_single_class_gets_the_probability_of_the_second(tmp_path: Path, column: str) -> None:
    assert "probability of class dog" in lines_of(tmp_path, f"id,{column}\n10,0\n2,0\n1,0\n", CLASSES)[1]


@pytest.mark.parametrize(
    ("classes", "kind"), [(("cat", "dog"), "probability"), (("0", "1"), "probability"), (("a", "b", "c"), "label")]
)
def test_a_sample_without_values_gets_what_one_column_can_hold(tmp_path: Path, classes: tuple[str, ...], kind: str) -> None:
    assert SampleSubmission.read(sample(tmp_path, "id,label\n1,\n2,\n10, \n"), classes).kind == kind


def test_a_sample_of_strange_values_is_refused_with_the_option_that_passes_over_them(tmp_path: Path) -> None:
    text = "id,label\n1,0\n2,0\n10,0\n"
    with pytest.raises(InputError, match="give --submit labels where its values mean nothing"):
        SampleSubmission.read(sample(tmp_path, text), ("cat", "dog", "mug"))
    assert SampleSubmission.read(sample(tmp_path, text), ("cat", "dog", "mug"), "labels").kind == "label"


def test_more_images_than_the_sample_has_are_answered_with_the_sample_as_the_list_to_predict(tmp_path: Path) -> None:
    """Some competitions have the photos of both parts in one folder."""
    sheet = SampleSubmission.read(sample(tmp_path, "id,label\n1,0\n2,0\n"), CLASSES)
    with pytest.raises(InputError, match=r"1 images are not in the sample \(10\).*\(--test .*sample\.csv\)"):
        sheet.rows_of(NAMES)


def test_a_sample_without_test_images_is_answered_with_the_option_that_gives_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there are no test images.*--test"):
        SampleSubmission.read(sample(tmp_path, "id,label\n1,0\n2,0\n"), CLASSES).rows_of([])


@pytest.mark.parametrize("ids", [("1", "2", "10"), ("1.0", "2.0", "10.0"), ("01", "02", "10")])
def test_ids_that_a_spreadsheet_took_for_numbers_find_their_image(tmp_path: Path, ids: tuple[str, ...]) -> None:
    sheet = SampleSubmission.read(sample(tmp_path, "id,label\n" + "".join(f"{id},0.5\n" for id in ids)), CLASSES)
    assert sheet.rows_of(["0010.jpg", "0002.jpg", "0001.jpg"]) == [2, 1, 0]


@pytest.mark.parametrize("submit", ["labels", "probabilities", None])
@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_without_a_sample_the_form_is_what_is_asked_for(submit: str | None, classes: tuple[str, ...]) -> None:
    kind = plain_submission(NAMES, classes, submit).kind  # type: ignore[arg-type]
    usual = "probability" if len(classes) == 2 else "label"
    wide = "probability" if len(classes) == 2 else "columns"
    assert kind == {"labels": "label", "probabilities": wide, None: usual}[submit]


@pytest.mark.parametrize("id", ["\u00c9.JPG", "e\u0301", "\u00e9.png", " \u00e9 "])
def test_ids_in_another_form_find_their_image(tmp_path: Path, id: str) -> None:
    sheet = SampleSubmission.read(sample(tmp_path, f"id,label\n{id},0.5\n2,0.5\n"), CLASSES)
    assert sheet.rows_of(["2.jpg", "test1/\u00e9.jpg"]) == [1, 0]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_a_sample_in_another_encoding_has_the_same_classes(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "sample.csv").write_bytes("id,label\n1,H\u00fcndin\n".encode(encoding))
    assert SampleSubmission.read(tmp_path / "sample.csv", ("H\u00fcndin", "K\u00e4tzchen")).kind == "label"


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_what_is_written_for_a_sample_in_another_encoding_is_utf8_throughout(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "sample.csv").write_bytes("Fl\u00e4che,Art\n\u00e9,H\u00fcndin\n".encode(encoding))
    classes = ("H\u00fcndin", "K\u00e4tzchen")
    SampleSubmission.read(tmp_path / "sample.csv", classes).write(
        tmp_path / "out.csv", ["\u00e9.jpg"], classes, np.array([[0.9, 0.1]])
    )
    assert written(tmp_path / "out.csv") == [["Fl\u00e4che", "Art"], ["\u00e9", "H\u00fcndin"]]
