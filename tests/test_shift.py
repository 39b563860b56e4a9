"""Test photos of another kind lead the verdict, with the likely causes; test photos of the same kind do not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from conftest import draw
from finished import finish
from penult import heads, texts
from penult.cli.summary import lines, summary
from penult.evaluate import Evaluation, accuracy_gap, at_chance, cross_validate, score, verdict
from penult.evaluate.shift import class_shares, features_apart, other_features, other_sizes, unlike_share
from penult.images import name_groups
from penult.training.shift import groups_in_names, too_small

CLASSES = ("normal", "ill")


def photos(n: int, seed: int, apart: float = 4.0, moved: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 20) of two classes, all moved to one side by another camera."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 20))
    X[:, 0] += apart * y + moved
    X[:, 1] += moved
    return X.astype(np.float32), y


def measured(X: np.ndarray, y: np.ndarray, Z: np.ndarray, labels: np.ndarray) -> tuple[Evaluation, Evaluation]:
    """Return the evaluation out of fold, and that on the test photos."""
    head = heads.make_head("centroid", blocks=(20,))
    ours = cross_validate(head, X, y, CLASSES)
    return ours, score(labels, head.fit(X, y).predict_proba(Z), CLASSES)


def accuracy(found: Evaluation) -> str:
    """Return it as texts write it beside its interval."""
    score = found.scores["accuracy"]
    return f"{texts.measured(score.value, score.low, score.high, share=True)[0]}%"


def test_a_test_set_of_another_kind_leads_and_says_which_number_to_believe() -> None:
    X, y = photos(300, 0)
    Z, labels = photos(200, 1, moved=2.5)
    ours, test = measured(X, y, Z, labels)
    said = verdict(ours, test=test)
    right, held_out = accuracy(test), accuracy(ours)
    assert said.startswith(
        f"Your test photos are of another kind than your training photos: believe the {right} accuracy on them"
    )
    assert f"not the {held_out} on held-out training photos" in said
    assert "On them it is overconfident" in said and "Worst class: 'normal'" in said
    area, chance = features_apart(X, y, Z, labels, (20,))
    assert area > 0.8 and chance < 0.01 and other_features(area, chance) is not None


@pytest.mark.parametrize("seed", range(8))
def test_a_test_set_of_the_same_kind_has_both_numbers_and_no_alarm(seed: int) -> None:
    X, y = photos(200, seed, apart=2.0)
    Z, labels = photos(150, 100 + seed, apart=2.0)
    ours, test = measured(X, y, Z, labels)
    said = verdict(ours, test=test)
    numbers = [accuracy(one) for one in (ours, test)]
    assert said.startswith(f"{numbers[0]} accuracy on held-out photos") and f"and {numbers[1]} on 150 test photos" in said
    assert "always answering" in said
    assert other_features(*features_apart(X, y, Z, labels, (20,))) is None
    assert class_shares(ours.to_dict(), test.to_dict(), np.full(2, 0.5)) is None


def test_a_test_set_of_copies_is_not_believed() -> None:
    X, y = photos(300, 0, apart=1.0)
    ours = cross_validate(heads.make_head("centroid", blocks=(20,)), X, y, CLASSES)
    copies = score(y[:200], np.eye(2)[y[:200]] * 0.98 + 0.01, CLASSES)
    said = verdict(ours, test=copies)
    assert said.startswith("Your test photos are easier than held-out training photos, or copies of some")
    assert said.split("; expect the ")[1].startswith(f"{accuracy(ours)} on new photos")


def test_at_chance_one_sentence_and_no_advice(tmp_path: Path) -> None:
    X, y = photos(240, 3, apart=0.0)
    Z, labels = photos(100, 4, apart=0.0)
    ours, test = measured(X, y, Z, labels)
    assert at_chance(ours, test)
    said = verdict(ours, test=test)
    assert said.count(". ") == 0 and "than always answering 'normal' (50.0%)." in said
    review = {"level": 0.9, "share": 0.4, "accuracy_kept": 0.7, "accuracy_all": 0.5, "written": None}
    metrics = {"verdict": said, "review": review, "scores": ours.to_dict(), "test": test.to_dict()}
    finding = SimpleNamespace(kind="label", about="photo", file="a.jpg", related="", reason="odd", suggestion="move it")
    assert [name for name, _ in lines(summary(metrics, tmp_path, [finding]))] == ["model"]  # type: ignore[list-item]


def test_other_class_shares_are_told_with_what_they_explain() -> None:
    """Classes of recall 1 and 0.6 in other shares give another accuracy, and nothing else differs."""
    right = np.r_[np.ones(200, bool), np.arange(200) % 5 < 3]
    y = np.repeat([0, 1], 200)
    proba = np.eye(2)[np.where(right, y, 1 - y)] * 0.9 + 0.05
    few = np.r_[0:20, 200:400]
    ours, test = score(y, proba, CLASSES), score(y[few], proba[few], CLASSES)
    gap = accuracy_gap(ours.to_dict(), test.to_dict())
    assert gap is not None and gap.worse
    cause = class_shares(ours.to_dict(), test.to_dict(), proba[few].mean(axis=0))
    assert cause is not None and cause.kind == "classes"
    assert "'normal' is 50.0% of the training photos and 9.1% of the test photos" in cause.found
    assert f"by {100 * gap.value:+.1f} points" in cause.found.replace("accuracy by", "by")


def test_more_unlike_photos_than_usual_are_told() -> None:
    assert unlike_share(np.r_[np.full(97, 0.5), np.full(3, 1.2)]) is None
    cause = unlike_share(np.r_[np.full(80, 0.5), np.full(20, 1.2), np.nan])
    assert cause is not None and cause.found.startswith("20.0% of the test photos are unlike")


def test_photos_of_another_size_are_told() -> None:
    assert other_sizes([1000.0] * 20, [900.0] * 20) is None
    cause = other_sizes([1000.0] * 20, [300.0] * 20)
    assert cause is not None and "1,000 pixels in training and 300 in the test" in cause.found


def xrays(n: int, person: str = "person") -> tuple[list[str], np.ndarray]:
    """Return names as a hospital's export has them: several photos of a patient in one class, and others of no pattern."""
    files = [f"ill/{person}{i // 3}_virus_{1000 + i}.jpeg" for i in range(n)]
    return [*files, *(f"normal/IM-{i:04d}-0001.jpeg" for i in range(n))], np.repeat([1, 0], n)


def test_file_names_show_patients() -> None:
    files, y = xrays(60)
    found = name_groups(files, y)
    assert found is not None and found.example.startswith("person")
    assert len(np.unique(found.groups)) == 20 + 60  # of `normal` each photo is alone
    scenes = name_groups([f"c{i % 2}/scene {i % 12}/{i}.jpg" for i in range(60)], np.arange(60) % 2)
    assert scenes is not None and scenes.pattern == r"^[^/]+/.+(?=/)" and len(np.unique(scenes.groups)) == 12


@pytest.mark.parametrize(
    "files",
    [
        [f"cat/cat.{i}.jpg" for i in range(60)],
        [f"cat/cell{i:04d}.png" for i in range(60)],
        [f"cat/IMG_{i:04d}.jpg" for i in range(60)],
        [f"cat/{i * 7919:08x}-3bd5-4dc6.jpg" for i in range(60)],
        [f"cat/set1_{i}.jpg" for i in range(60)],  # one group of all
    ],
)
def test_names_without_groups_show_none(files: list[str]) -> None:
    assert name_groups(files, np.zeros(len(files), int)) is None


@pytest.mark.parametrize("alike", [True, False])
def test_patients_are_named_where_their_photos_look_alike(alike: bool) -> None:
    files, y = xrays(90)
    rng = np.random.default_rng(0)
    patients = np.r_[np.arange(90) // 3, 30 + np.arange(90)]
    X = rng.normal(size=(180, 20)) + (3 * rng.normal(size=(200, 20))[patients] if alike else 0)
    X[:, 0] += 3 * y
    X = X.astype(np.float32)
    near = np.argsort(((X[:, None] - X[None]) ** 2).sum(axis=2) + np.eye(180) * 1e9, axis=1)[:, :5]
    train = SimpleNamespace(X=X, ok_y=y, ok_files=files)
    data = SimpleNamespace(train=train, groups=None, classes=CLASSES, blocks=(20,))
    head = heads.make_head("knn", blocks=(20,))
    ours = cross_validate(head, X, y, CLASSES)
    cause = groups_in_names(head, data, ours, near, 0)  # type: ignore[arg-type]
    assert (cause is not None) is alike
    if cause is not None:
        assert cause.advice.endswith(r"--groups 'person\d+'")
        assert "with each group in one fold the out-of-fold accuracy is" in cause.found


@pytest.mark.parametrize(("side", "right", "told"), [(1000, 0.5, True), (1000, 0.95, False), (300, 0.5, False)])
def test_photos_seen_too_small_are_told_where_little_was_learnt(tmp_path: Path, side: int, right: float, told: bool) -> None:
    for i in range(4):
        Image.new("L", (side, side)).save(tmp_path / f"{i}.png")
    backbone = SimpleNamespace(name="efficientnet_lite0", has_maps=True, recipe=SimpleNamespace(size=224))
    done = SimpleNamespace(sources=[str(tmp_path / f"{i}.png") for i in range(4)], backbones=(backbone,))
    y = np.arange(200) % 2
    hit = np.arange(200) < 200 * right
    scores = score(y, np.eye(2)[np.where(hit, y, 1 - y)] * 0.9 + 0.05, CLASSES).to_dict()
    cause = too_small(done, 4, scores)  # type: ignore[arg-type]
    assert (cause is not None) is told
    if cause is not None:
        assert "1,000 pixels a side and the networks see 224" in cause.found and "-b efficientnet_lite0:448" in cause.advice


def test_a_run_says_it_in_its_record_its_page_and_its_last_lines(tmp_path: Path) -> None:
    """Drawn pictures: the test part has its colours exchanged, as by another camera."""
    for part, swapped in (("train", False), ("test", True)):
        for label in ("warm", "cold"):
            folder = tmp_path / "base" / part / label
            folder.mkdir(parents=True)
            for i in range(24):
                picture = draw(label, i + (100 if swapped else 0))
                Image.fromarray(picture[:, :, ::-1] if swapped else picture).save(folder / f"{i}.png")
    run = finish(tmp_path / "base")
    metrics = run.metrics
    assert metrics["verdict"].startswith("Your test photos are of another kind than your training photos: believe the ")
    shift = metrics["shift"]
    assert shift["worse"] and shift["accuracy_difference"]["high"] < 0
    kinds = [one["kind"] for one in shift["causes"]]
    assert "features" in kinds
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "of another kind than your training photos" in page
    assert page.index("Your test photos are of another kind") < page.index("What to do next") < page.index("AUC 1.00 (0.5")
    about = lines(summary(metrics, run.folder, []))
    assert about[0][0] == "why" and shift["causes"][0]["found"] in about[0][1]
