"""A user points at a folder to learn from: class folders, or Kaggle's flat names."""

from __future__ import annotations

import os
import pickle
import random
import string
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penult.errors import InputError
from penult.images import Image, ImageSet, natural_key, scan_labelled, scan_unlabelled

CAT_AND_DOG = "cat/2.jpg cat/10.jpg cat/1.jpg dog/b.png dog/a.png"


def tree(root: Path, drawing: str) -> Path:
    """Make empty files, and folders where a path ends in a slash."""
    for path in drawing.split():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).mkdir() if path.endswith("/") else (root / path).touch()
    return root


def complaint(source: Path, **options: object) -> str:
    """Return the words with which a source is refused."""
    with pytest.raises(InputError) as caught:
        scan_labelled(source, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_class_folders_give_labels_ids_and_paths_in_natural_order(tmp_path: Path) -> None:
    images = scan_labelled(tree(tmp_path, CAT_AND_DOG))
    assert images.ids == ("cat/1.jpg", "cat/2.jpg", "cat/10.jpg", "dog/a.png", "dog/b.png")
    assert images.paths == tuple(str(tmp_path / name) for name in images.ids)
    assert images.classes == ("cat", "dog")
    assert images.images[0] == Image("cat/1.jpg", str(tmp_path / "cat/1.jpg"), "cat")
    assert (len(images), images.root, images.labelled) == (5, str(tmp_path), True)
    assert images.counts == {"cat": 3, "dog": 2}
    assert images.y.dtype == np.intp
    assert images.y.tolist() == [0, 0, 0, 1, 1]
    assert (images.groups, images.notes, images.ignored) == (None, (), {})


def test_a_set_of_images_can_be_sent_to_another_process(tmp_path: Path) -> None:
    images = scan_labelled(tree(tmp_path, CAT_AND_DOG))
    assert pickle.loads(pickle.dumps(images)) == images


def test_a_folder_may_be_given_as_text_bytes_or_path_and_with_a_slash(tmp_path: Path) -> None:
    expected = scan_labelled(tree(tmp_path, CAT_AND_DOG)).ids
    for source in (str(tmp_path), os.fsencode(tmp_path), f"{tmp_path}/"):
        assert scan_labelled(source).ids == expected  # type: ignore[arg-type]


def test_the_class_is_the_first_level_however_deep_the_image_lies(tmp_path: Path) -> None:
    images = scan_labelled(tree(tmp_path, "cat/dog/1.jpg cat/a/b/c/2.jpg dog/3.jpg dog/x/4.jpg"))
    assert images.ids == ("cat/a/b/c/2.jpg", "cat/dog/1.jpg", "dog/3.jpg", "dog/x/4.jpg")
    assert [image.label for image in images.images] == ["cat", "cat", "dog", "dog"]


def test_classes_come_in_natural_order(tmp_path: Path) -> None:
    names = ["10 years", "2 years", "Zebra", "ape", "écureuil"]
    for name in names:
        (tmp_path / name).mkdir()
        for photo in "ab":
            (tmp_path / name / f"{photo}.jpg").touch()
    assert scan_labelled(tmp_path).classes == ("2 years", "10 years", "Zebra", "ape", "écureuil")


def test_kaggle_flat_names_give_labels(tmp_path: Path) -> None:
    images = scan_labelled(tree(tmp_path, "dog.7.jpg cat.123.jpg cat.9.jpeg dog.12.jpg"))
    assert images.ids == ("cat.9.jpeg", "cat.123.jpg", "dog.7.jpg", "dog.12.jpg")
    assert images.y.tolist() == [0, 0, 1, 1]


def test_a_flat_folder_with_other_names_is_refused_and_every_such_name_is_told(tmp_path: Path) -> None:
    said = complaint(tree(tmp_path, "cat.1.jpg cat.2.jpg dog.1.jpg dog.2.jpg IMG_1.jpg cat.x.jpg"))
    assert "'IMG_1.jpg', 'cat.x.jpg';" in said
    assert "cat.1.jpg" not in said
    assert "folder of its own" in said


def test_images_beside_the_class_folders_are_left_out_and_named(tmp_path: Path) -> None:
    images = scan_labelled(tree(tmp_path, CAT_AND_DOG + " stray.jpg"))
    assert "stray.jpg" not in images.ids
    assert images.ignored == {"images outside the class folders": 1}
    assert images.notes == ("images outside the class folders were ignored: 'stray.jpg'",)


def test_folders_without_images_are_no_classes_and_all_are_named(tmp_path: Path) -> None:
    images = scan_labelled(tree(tmp_path, CAT_AND_DOG + " empty/ notes/readme.txt deep/er/"))
    assert images.classes == ("cat", "dog")
    assert images.notes == ("empty folders are not taken as classes: 'deep', 'empty', 'notes'",)


def test_a_folder_without_any_image_is_refused_with_a_count_of_what_is_there(tmp_path: Path) -> None:
    said = complaint(tree(tmp_path, "a/x.txt b/.DS_Store b/y.csv c/"))
    assert "no images in" in said
    assert "1 hidden or system files" in said
    assert "2 files that are not images" in said
    assert "one folder of images for each class" in said


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    said = complaint(tree(tmp_path, "cat/1.jpg cat/2.jpg dog/"))
    assert "one folder of images, 'cat'" in said
    assert "add a folder of images for each other class" in said


def test_a_single_label_in_flat_names_is_refused(tmp_path: Path) -> None:
    assert "has one class, 'cat'" in complaint(tree(tmp_path, "cat.1.jpg cat.2.jpg"))


@pytest.mark.parametrize("inner", ["cat/1.jpg data/cat/2.jpg", "cat.1.jpg"])
def test_a_wrapper_folder_is_refused_with_the_folder_to_give_instead(tmp_path: Path, inner: str) -> None:
    cat = inner.split(maxsplit=1)[0]
    tree(tmp_path, f"data/{cat} data/{cat.replace('1', '2')} data/{cat.replace('cat', 'dog')}")
    assert f"if 'data' holds the classes, give '{tmp_path / 'data'}'" in complaint(tmp_path)


def test_a_single_class_with_photos_at_two_depths_is_no_wrapper(tmp_path: Path) -> None:
    assert "each other class" in complaint(tree(tmp_path, "cat/1.jpg cat/2015/1.jpg cat/2016/1.jpg"))


def test_train_and_test_are_not_taken_for_two_classes(tmp_path: Path) -> None:
    tree(tmp_path, "Test/test1/1.jpg Test/test1/2.jpg train/cat/1.jpg train/dog/1.jpg valid/cat/3.jpg")
    said = complaint(tmp_path)
    assert "not classes: 'train', 'Test', 'valid'" in said
    assert f"such as '{tmp_path / 'train'}'" in said


@pytest.mark.parametrize(
    "parts", ["train_images test_images", "train-jpg test-jpg", "Train Test_Images", "images_train images_test"]
)
def test_parts_by_longer_names_are_not_taken_for_classes(tmp_path: Path, parts: str) -> None:
    one, two = parts.split()
    tree(tmp_path, f"{one}/1.jpg {one}/2.jpg {two}/3.jpg {two}/4.jpg")
    assert "are parts of a data set, not classes" in complaint(tmp_path)


@pytest.mark.parametrize("given", ["", "train", "one"])
def test_a_csv_that_lies_near_is_named_where_a_folder_has_no_classes(tmp_path: Path, given: str) -> None:
    """Kaggle's usual layout, the folder given instead of the table."""
    tree(tmp_path, "train/0001.jpg train/0002.jpg test/0003.jpg one/0004.jpg")
    for name in ("labels.csv", "sample_submission.csv"):
        (tmp_path / name).write_text("id,breed\n")
    (tmp_path / "one/cat").mkdir()
    said = complaint(tmp_path / given) if given else complaint(tree(tmp_path / "in", "train/1.jpg test/2.jpg"))
    assert f"if '{tmp_path / 'labels.csv'}' holds the labels, give that instead of the folder" in said


def test_trains_may_be_a_class_beside_others(tmp_path: Path) -> None:
    assert scan_labelled(tree(tmp_path, "train/1.jpg train/2.jpg bus/1.jpg bus/2.jpg")).classes == (
        "bus",
        "train",
    )


def test_all_classes_with_one_image_are_named_at_once(tmp_path: Path) -> None:
    said = complaint(tree(tmp_path, CAT_AND_DOG + " owl/1.jpg newt/1.jpg"))
    assert "at least two per class are needed: 'newt', 'owl';" in said


def test_a_long_list_of_offenders_ends_after_ten(tmp_path: Path) -> None:
    said = complaint(tree(tmp_path, " ".join(f"c{i}/1.jpg" for i in range(1, 14))))
    assert "'c1', 'c2'," in said
    assert "'c10' and 3 more;" in said
    assert "c11" not in said


def test_a_source_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "nowhere' does not exist" in complaint(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["photo.jpg", "list.md"])
def test_a_file_that_is_no_csv_is_refused(tmp_path: Path, name: str) -> None:
    said = complaint(tree(tmp_path, name) / name)
    assert "is neither a folder nor a CSV" in said
    assert "give a folder of class folders" in said


def test_groups_of_a_folder_are_a_regular_expression_of_names(tmp_path: Path) -> None:
    names = [f"{label}/person{i // 2}_{i}.jpg" for label in ("cat", "dog") for i in range(4)]
    images = scan_labelled(tree(tmp_path, " ".join([*names, "dog/other.jpg"])), groups=r"person\d+")
    assert images.groups is not None
    assert images.groups.tolist() == [0, 0, 1, 1, 2, 0, 0, 1, 1]  # cat and dog of one person are one group, `other` is alone


@pytest.mark.parametrize(("pattern", "said"), [("patient", "match the name of no image"), ("(", "are no regular expression")])
def test_groups_of_a_folder_that_match_nothing_are_refused(tmp_path: Path, pattern: str, said: str) -> None:
    assert said in complaint(tree(tmp_path, CAT_AND_DOG), groups=pattern)
    assert r"such as 'person\d+'" in complaint(tree(tmp_path / "again", CAT_AND_DOG), groups=pattern)


def test_the_classes_of_a_model_keep_their_order_and_need_no_minimum(tmp_path: Path) -> None:
    images = scan_labelled(tree(tmp_path, "dog/1.jpg"), classes=("dog", "cat"))
    assert images.classes == ("dog", "cat")
    assert images.y.tolist() == [0]
    assert images.counts == {"dog": 1, "cat": 0}


def test_labels_that_the_model_does_not_know_are_all_named(tmp_path: Path) -> None:
    said = complaint(tree(tmp_path, CAT_AND_DOG + " owl/1.jpg newt/1.jpg"), classes=("dog", "cat"))
    assert "are not classes of the model: 'newt', 'owl'; rename or remove them; the model's classes: 'dog', 'cat'" in said


def test_images_without_labels_have_no_y() -> None:
    unlabelled = ImageSet("", (Image("a.jpg", "a.jpg"),), (), {}, ())
    assert not unlabelled.labelled
    assert unlabelled.counts == {}
    with pytest.raises(InputError, match="no labels"):
        _ = unlabelled.y


NAMES = st.text(string.ascii_letters + string.digits + "-_ é☃", min_size=1, max_size=6).map(str.strip)


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.tuples(st.sampled_from(["b", "a10", "a2"]), NAMES.filter(bool)), min_size=1, unique=True),
    chance=st.randoms(use_true_random=False),
)
def test_order_does_not_depend_on_the_order_of_creation(names: list[tuple[str, str]], chance: random.Random) -> None:
    ids = []
    for turn in (names, chance.sample(names, len(names))):
        with tempfile.TemporaryDirectory() as folder:
            for part, name in turn:
                Path(folder, part).mkdir(exist_ok=True)
                Path(folder, part, f"{name}.jpg").touch()
            ids.append(scan_unlabelled(folder).ids)
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(names)
    assert list(ids[0]) == sorted(ids[0], key=lambda id: [natural_key(part) for part in id.split("/")])


def photos() -> Path:
    """Return the folder of Kaggle's cats and dogs, or skip."""
    sibling = Path(__file__).resolve().parents[2] / "shared" / "data" / "cats_dogs"
    folder = Path(os.environ.get("PENULT_TEST_PHOTOS", sibling))
    if not folder.is_dir():
        pytest.skip("Kaggle's photos are not here; set PENULT_TEST_PHOTOS to a folder with train/ and test/")
    return folder


def test_the_cats_and_dogs_of_kaggle() -> None:
    train = scan_labelled(photos() / "train")
    assert (len(train), train.classes, train.notes) == (222, ("cat", "dog"), ())
    test = scan_unlabelled(photos() / "test", classes=train.classes)
    assert (len(test), test.labelled, len(test.notes)) == (111, False, 1)
    assert test.notes[0].endswith("were not read as labels: 'test1'")
    assert test.ids[0] == "test1/99.jpg"
    assert "parts of a data set" in complaint(photos())


@pytest.mark.parametrize(
    ("one", "two", "label", "says"),
    [
        ("canich\u00e9", "caniche\u0301", "canich\u00e9", "Unicode form"),
        ("cat", " cat", "cat", ""),
        ("cat", "cat\u200b", "cat", "invisible characters"),
        ("a b", "a\u00a0b", "a b", "blanks"),
    ],
)
def test_class_folders_that_are_certainly_one_are_merged_with_a_note(
    tmp_path: Path, one: str, two: str, label: str, says: str
) -> None:
    for folder in (one, two, "dog"):
        (tmp_path / folder).mkdir()
        for photo in "ab":
            (tmp_path / folder / f"{photo}.jpg").touch()
    images = scan_labelled(tmp_path)
    assert images.counts == {label: 4, "dog": 2}
    assert all(Path(path).is_file() for path in images.paths)
    assert says in " ".join(images.notes)
    assert scan_unlabelled(tmp_path, classes=(label, "dog")).counts == {label: 4, "dog": 2}


def test_class_folders_that_differ_in_letter_case_stay_two_with_a_note(tmp_path: Path) -> None:
    images = scan_labelled(tree(tmp_path, "Cat/1.jpg Cat/2.jpg cat/1.jpg cat/2.jpg"))
    assert images.classes == ("Cat", "cat")
    assert "'Cat' (2) and 'cat' (2) differ only in letter case" in images.notes[0]


def test_a_class_folder_that_is_no_utf8_is_a_class_in_valid_unicode(tmp_path: Path) -> None:
    for folder in (b"caf\xe9", b"tea"):
        for photo in (b"1.jpg", b"2.jpg"):
            os.makedirs(os.path.join(os.fsencode(tmp_path), folder), exist_ok=True)
            Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), folder, photo))).touch()
    images = scan_labelled(tmp_path)
    assert images.classes == ("caf\u00e9", "tea")
    assert os.fsencode(images.ids[0]) == b"caf\xe9/1.jpg"
    assert scan_labelled(tmp_path, classes=("caf\udce9", "tea")).counts == {"caf\udce9": 2, "tea": 2}


@pytest.mark.parametrize("name", ["nan", "None", "NA", "null"])
def test_a_class_folder_named_like_a_missing_value_is_a_class_with_a_note(tmp_path: Path, name: str) -> None:
    images = scan_labelled(tree(tmp_path, f"{name}/1.jpg {name}/2.jpg dog/1.jpg dog/2.jpg"))
    assert name in images.classes
    assert f"named like a missing value are taken as classes: '{name}'" in images.notes[0]
