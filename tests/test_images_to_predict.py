"""A user points at images to predict: a folder, files, or both."""

from __future__ import annotations

from pathlib import Path

import pytest

from penult.errors import InputError
from penult.images import scan_unlabelled

CLASSES = ("dog", "cat")


def tree(root: Path, drawing: str) -> Path:
    """Make empty files."""
    for path in drawing.split():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_a_flat_folder(tmp_path: Path) -> None:
    images = scan_unlabelled(tree(tmp_path, "10.jpg 9.jpg cat.1.jpg"), CLASSES)
    assert images.ids == ("9.jpg", "10.jpg", "cat.1.jpg")
    assert (images.classes, images.notes, images.root) == ((), (), str(tmp_path))
    assert images.images[0].label is None


def test_sub_folders_that_are_no_classes_are_not_labels_and_that_is_said_once(tmp_path: Path) -> None:
    images = scan_unlabelled(tree(tmp_path, "test1/1.jpg test1/x/2.jpg test2/3.jpg none/a.txt"), CLASSES)
    assert images.ids == ("test1/1.jpg", "test1/x/2.jpg", "test2/3.jpg")
    assert [image.label for image in images.images] == [None, None, None]
    assert images.notes == (f"sub-folders of '{tmp_path}' were not read as labels: 'test1', 'test2'",)


def test_sub_folders_are_labels_when_all_of_them_are_classes(tmp_path: Path) -> None:
    images = scan_unlabelled(tree(tmp_path, "cat/1.jpg cat/x/2.jpg dog/3.jpg notes/a.txt"), CLASSES)
    assert images.classes == CLASSES
    assert images.y.tolist() == [1, 1, 0]
    assert images.notes == ()


@pytest.mark.parametrize("other", ["3.jpg", "owl/3.jpg"])
def test_sub_folders_are_no_labels_when_one_image_has_none(tmp_path: Path, other: str) -> None:
    images = scan_unlabelled(tree(tmp_path, f"cat/1.jpg dog/2.jpg {other}"), CLASSES)
    assert (len(images), images.classes) == (3, ())
    assert "'cat', 'dog'" in images.notes[0]


def test_one_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree(tmp_path, "new/1.jpg"))
    images = scan_unlabelled("new/1.jpg")
    assert (images.ids, images.paths, images.root) == (("new/1.jpg",), ("new/1.jpg",), "")


def test_a_list_of_one_folder_is_that_folder(tmp_path: Path) -> None:
    tree(tmp_path, "cat/1.jpg dog/2.jpg")
    assert scan_unlabelled([tmp_path], CLASSES) == scan_unlabelled(tmp_path, CLASSES)


def test_files_and_folders_in_a_list_keep_their_order_and_the_names_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree(tmp_path, "z.jpg b/10.jpg b/2.jpg a/c/1.jpg"))
    images = scan_unlabelled(["z.jpg", Path("b"), "a/", "./b"])
    assert images.ids == ("z.jpg", "b/2.jpg", "b/10.jpg", "a/c/1.jpg", "./b/2.jpg", "./b/10.jpg")
    assert all(Path(path).is_file() for path in images.paths)
    assert (images.classes, images.notes) == ((), ())


def test_an_image_given_twice_counts_once_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree(tmp_path, "b/1.jpg b/2.jpg"))
    images = scan_unlabelled(["b/2.jpg", "b", "b/2.jpg"])
    assert images.ids == ("b/2.jpg", "b/1.jpg")
    assert images.ignored == {"images named more than once": 2}
    assert images.notes == ("images named more than once were ignored: 'b/2.jpg', 'b/2.jpg'",)


def test_given_files_that_are_no_images_are_left_out_and_named(tmp_path: Path) -> None:
    tree(tmp_path, "1.jpg notes.txt .2.jpg")
    images = scan_unlabelled(sorted(tmp_path.iterdir()))
    assert [Path(path).name for path in images.paths] == [".2.jpg", "1.jpg"]
    assert images.notes == (f"given files that are not images were ignored: '{tmp_path}/notes.txt'",)


def test_all_paths_that_do_not_exist_are_named(tmp_path: Path) -> None:
    tree(tmp_path, "1.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    with pytest.raises(InputError) as caught:
        scan_unlabelled([tmp_path / name for name in ("1.jpg", "x.jpg", "dangling.jpg", "y" * 300)])
    assert f"not found: '{tmp_path}/x.jpg', '{tmp_path}/dangling.jpg', '{tmp_path}/yyy" in str(caught.value)


@pytest.mark.parametrize("source", ["empty", "notes.md", ["notes.md", "empty"]])
def test_nothing_to_predict_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | list[str]) -> None:
    monkeypatch.chdir(tree(tmp_path, "notes.md empty/.DS_Store"))
    with pytest.raises(InputError, match=r"no images in '.*\(ignored: 1 .*; give images or a folder of them"):
        scan_unlabelled(source)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(InputError, match="no images were given"):
        scan_unlabelled([])
