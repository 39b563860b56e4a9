"""The main job end to end: folders of photos in, a run folder out; with the small backbone that needs no network."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from penult import bundle, heads
from penult.errors import InputError, OutputError, UnknownName
from penult.predict import Predictor
from penult.training import TrainOptions, train_images

Photos = Callable[..., Path]


def quick(tmp_path: Path, **changes: object) -> TrainOptions:
    """Say what is trained: the cheapest head, but where the test says otherwise."""
    return TrainOptions(**{"out": str(tmp_path / "run"), "backbones": ("colour_histogram",), "head": "centroid", **changes})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("real_figures", "real_workers")
def test_one_call_makes_every_file_of_the_run(photos: Photos, tmp_path: Path) -> None:
    train_folder = photos("train", warm=14, cold=12)
    test_folder = photos("test", first=50, unsorted=3)
    run = train_images(str(train_folder), str(test_folder), quick(tmp_path, head=TrainOptions().head))
    made = {p.relative_to(run.folder).as_posix() for p in run.folder.rglob("*") if p.is_file()}
    assert {
        "model.penult", "metrics.json", "oof.csv", "skipped.csv", "predictions.csv", "submission.csv",
        "data_colour_histogram.h5", "figures/confusion.png", "figures/confusion.svg",
    } <= made  # fmt: skip
    assert not [name for name in made if "tmp" in name]
    assert run.metrics["images"] == {
        "scanned": 29, "embedded": 29, "reused": 0, "failed": 0, "train": 26, "test": 3,
    }  # fmt: skip
    assert run.metrics["scores"]["scores"]["accuracy"]["value"] == 1.0
    assert json.loads((run.folder / "metrics.json").read_text())["status"] == "done"


def test_the_seeds_second_script_reads_the_feature_file_as_it_is(photos: Photos, tmp_path: Path) -> None:
    run = train_images(str(photos("train", warm=6, cold=8)), str(photos("test", first=90, any=4)), quick(tmp_path))
    with h5py.File(run.folder / "data_colour_histogram.h5", "r") as h:
        X_train, X_test, y_train = np.array(h["train"]), np.array(h["test"]), np.array(h["label"])
        names = [n.decode() for n in h["train_files"]]
    assert X_train.shape[0] == 14
    assert X_test.shape == (4, X_train.shape[1])
    assert y_train.tolist() == [0] * 8 + [1] * 6  # cold before warm
    assert names[0] == "cold/cold.0.png"


@pytest.mark.usefixtures("real_workers")
def test_a_second_run_reuses_every_row_and_makes_the_same_files(photos: Photos, tmp_path: Path) -> None:
    folder, test = photos("train", warm=8, cold=8), photos("test", first=30, any=3)
    first = train_images(str(folder), str(test), quick(tmp_path))
    names = (
        "data_colour_histogram.h5",
        "model.penult",
        "oof.csv",
        "predictions.csv",
        "submission.csv",
    )
    before = {n: (first.folder / n).read_bytes() for n in names}
    second = train_images(str(folder), str(test), quick(tmp_path))
    assert second.metrics["images"]["reused"] == 19
    assert {n: (second.folder / n).read_bytes() for n in names} == before


def test_what_an_earlier_run_left_and_this_one_did_not_make_is_gone(photos: Photos, tmp_path: Path) -> None:
    folder = str(photos("train", warm=8, cold=8))
    first = train_images(folder, str(photos("test", first=30, any=2)), quick(tmp_path, head="logistic"))
    (first.folder / "data_another.h5").write_bytes(b"old")
    assert (first.folder / "figures/regularisation.png").exists()
    second = train_images(folder, None, quick(tmp_path, head="centroid"))
    left = {p.relative_to(second.folder).as_posix() for p in second.folder.rglob("*") if p.is_file()}
    assert not left & {"data_another.h5", "figures/regularisation.png", "predictions.csv", "submission.csv"}
    assert left == {*second.metrics["files"], "metrics.json"}


def test_moving_renaming_and_relabelling_compute_nothing_and_new_photos_only_themselves(
    photos: Photos, tmp_path: Path
) -> None:
    folder = photos("train", warm=8, cold=8)
    train_images(str(folder), None, quick(tmp_path))
    (folder / "warm" / "warm.0.png").rename(folder / "cold" / "a new name.png")
    assert train_images(str(folder), None, quick(tmp_path)).metrics["images"]["embedded"] == 0
    photos("train", first=100, warm=5, cold=5)
    assert train_images(str(folder), None, quick(tmp_path)).metrics["images"]["embedded"] == 10


def test_an_unreadable_image_is_not_learnt_and_has_no_class_but_in_the_submission(photos: Photos, tmp_path: Path) -> None:
    folder, test = photos("train", warm=9, cold=6), photos("test", first=30, any=3)
    (folder / "warm" / "warm.3.png").write_bytes(b"")
    (test / "any" / "any.31.png").write_bytes(b"this is no picture")
    run = train_images(str(folder), str(test), quick(tmp_path))
    skipped = rows(run.folder / "skipped.csv")
    assert [(r["file"], r["reason"], r["part"]) for r in skipped] == [
        ("warm/warm.3.png", "empty", "train"),
        ("any/any.31.png", "not an image", "test"),
    ]
    bad = rows(run.folder / "predictions.csv")[1]
    assert bad["file"] == "any/any.31.png" and set(bad.values()) == {"any/any.31.png", ""}
    submitted = {row["id"]: row["label"] for row in rows(run.folder / "submission.csv")}
    assert len(submitted) == 3 and float(submitted["any.31"]) == pytest.approx(8 / 14, abs=1e-5)
    assert len(rows(run.folder / "oof.csv")) == 14


def test_a_labelled_test_folder_is_measured(photos: Photos, tmp_path: Path) -> None:
    run = train_images(str(photos("train", warm=9, cold=9)), str(photos("test", first=40, warm=4, cold=4)), quick(tmp_path))
    assert run.metrics["test"]["measured"] == 8
    assert run.metrics["test"]["scores"]["accuracy"]["value"] == 1.0


def test_the_saved_model_gives_what_training_predicted(photos: Photos, tmp_path: Path) -> None:
    test = photos("test", first=30, any=12)
    run = train_images(str(photos("train", warm=9, cold=9)), str(test), quick(tmp_path, head=TrainOptions().head))
    files = [str(test / r["file"]) for r in rows(run.folder / "predictions.csv")]
    answers = Predictor(bundle.load_bundle(run.folder / "model.penult")).predict(files)
    wanted = [[float(r["cold"]), float(r["warm"])] for r in rows(run.folder / "predictions.csv")]
    np.testing.assert_allclose(answers.proba, wanted, rtol=1e-5, atol=1e-6)


def test_copies_of_one_picture_never_stand_on_both_sides_of_a_split(photos: Photos, tmp_path: Path) -> None:
    folder = photos("train", warm=10, cold=10)
    for i in range(4):
        (folder / "warm" / f"copy{i}.png").write_bytes((folder / "warm" / "warm.1.png").read_bytes())
    run = train_images(str(folder), None, quick(tmp_path))
    folds = {r["fold"] for r in rows(run.folder / "oof.csv") if "copy" in r["file"] or r["file"].endswith("warm.1.png")}
    assert len(folds) == 1
    assert run.metrics["images"]["reused"] == 4


def test_the_users_groups_are_never_split(photos: Photos, tmp_path: Path) -> None:
    folder = photos("train", warm=12, cold=12)
    lines = [
        f"{p.relative_to(folder).as_posix()},{p.parent.name},patient{i % 6}"
        for i, p in enumerate(sorted(folder.rglob("*.png")))
    ]
    table = folder / "labels.csv"
    table.write_text("file,label,patient\n" + "\n".join(lines))
    run = train_images(str(table), None, quick(tmp_path, groups="patient"))
    patient = {line.split(",")[0]: line.split(",")[2] for line in lines}
    seen: dict[str, set[str]] = {}
    for row in rows(run.folder / "oof.csv"):
        seen.setdefault(patient[row["file"]], set()).add(row["fold"])
    assert all(len(folds) == 1 for folds in seen.values())


def test_the_sample_submission_is_followed_or_refused_before_anything_is_computed(photos: Photos, tmp_path: Path) -> None:
    folder, test = photos("train", warm=6, cold=6), photos("test", first=30, t=2)
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("id,label\nt.31,0\nt.30,0\n")
    bad.write_text("id,label\nt.31,0\nt.99,0\n")
    run = train_images(str(folder), str(test), quick(tmp_path, submission=str(good)))
    assert [r["id"] for r in rows(run.folder / "submission.csv")] == ["t.31", "t.30"]
    with pytest.raises(InputError, match=r"t\.99"):
        train_images(str(folder), str(test), quick(tmp_path, submission=str(bad), out=str(tmp_path / "other")))
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("head", ["logistic", "svm", "knn", "centroid", "lda", "blend", "blend3", "dense", "auto"])
def test_every_head_trains_saves_and_predicts(head: str, photos: Photos, tmp_path: Path) -> None:
    folder = photos("train", warm=7, cold=6, green=5)
    run = train_images(str(folder), str(photos("test", first=60, warm=2)), quick(tmp_path, head=head))
    assert len(run.metrics["classes"]) == 3
    answers = Predictor(bundle.load_bundle(run.folder)).predict([str(p) for p in sorted(folder.rglob("*.png"))])
    np.testing.assert_allclose(answers.proba.sum(axis=1), 1, atol=1e-9)
    assert len(run.metrics["compared"]) == (1 + len(heads.CANDIDATES) if head == "auto" else 1)
    assert (run.folder / "history.csv").exists() == (head == "dense")


def test_feature_files_can_be_given_instead_of_images(photos: Photos, tmp_path: Path) -> None:
    from penult.training import train_features

    first = train_images(str(photos("train", warm=9, cold=9)), str(photos("test", first=30, any=5)), quick(tmp_path))
    again = train_features(
        [str(first.folder / "data_colour_histogram.h5")], quick(tmp_path, out=str(tmp_path / "from-features"))
    )
    wanted, got = rows(first.folder / "predictions.csv"), rows(again.folder / "predictions.csv")
    assert [r["file"] for r in got] == [r["file"] for r in wanted]
    np.testing.assert_allclose([float(r["warm"]) for r in got], [float(r["warm"]) for r in wanted], atol=1e-6)
    model = Predictor(bundle.load_bundle(again.folder))
    with pytest.raises(InputError, match="has no network in it"):
        model.predict(["a.jpg"])
    assert len(model.predict_features([str(first.folder / "data_colour_histogram.h5")])) == 5


def test_the_seeds_own_files_carry_no_names_so_rows_are_numbered_or_listed(tmp_path: Path) -> None:
    from penult.training import train_features

    random = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    for name in ("gap_A", "gap_B"):
        with h5py.File(tmp_path / f"{name}.h5", "w") as h:
            h.create_dataset("train", data=(random.normal(size=(40, 6)) + 3 * y[:, None]).astype("float32"))
            h.create_dataset("test", data=random.normal(size=(7, 6)).astype("float32"))
            h.create_dataset("label", data=y)
    paths = [str(tmp_path / "gap_A.h5"), str(tmp_path / "gap_B.h5")]
    run = train_features(paths, quick(tmp_path))
    assert [r["file"] for r in rows(run.folder / "predictions.csv")] == [str(i) for i in range(7)]
    listing = tmp_path / "names.txt"
    listing.write_text("\n".join(f"cat.{i}.jpg" for i in range(40)))
    run = train_features(paths, quick(tmp_path, files=str(listing)))
    assert rows(run.folder / "oof.csv")[3]["file"] == "cat.3.jpg"
    listing.write_text("just one")
    with pytest.raises(InputError, match="lists 1 names, the feature files have 40 training rows"):
        train_features(paths, quick(tmp_path, files=str(listing)))


def test_unknown_names_are_answered_with_the_nearest_before_anything_is_made(photos: Photos, tmp_path: Path) -> None:
    folder = str(photos("train", warm=4, cold=4))
    with pytest.raises(UnknownName, match=r"did you mean .*efficientnet_lite0"):
        train_images(folder, None, quick(tmp_path, backbones=("efficientnet_lite",)))
    with pytest.raises(UnknownName, match="logistic"):
        train_images(folder, None, quick(tmp_path, head="logistics"))
    assert not (tmp_path / "run").exists()


def test_a_class_that_is_left_with_one_readable_image_is_named(photos: Photos, tmp_path: Path) -> None:
    folder = photos("train", warm=4, cold=4)
    for i in range(3):
        (folder / "cold" / f"cold.{i}.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(InputError, match=r"fewer than two readable images in: cold \(1 of 4 readable\)"):
        train_images(str(folder), None, quick(tmp_path))


def test_a_cache_that_cannot_be_written_is_one_sentence(photos: Photos, tmp_path: Path) -> None:
    from penult.embed import EmbedOptions

    (tmp_path / "file").write_text("")
    with pytest.raises((OutputError, InputError), match="--cache"):
        train_images(
            str(photos("train", warm=4, cold=4)),
            None,
            quick(tmp_path, settings=EmbedOptions(cache=str(tmp_path / "file" / "x"))),
        )
