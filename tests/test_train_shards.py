"""Training, evaluating and predicting from shards of features: the same model as of the photos, and what is left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from objectstore import FaultyProxy, S3Server
from penult import bundle, heads, shards, training, zoo
from penult.cli import main
from penult.embed import EmbedOptions
from penult.errors import DamagedFile, InputError
from penult.heads import make_head
from penult.images import TableOptions
from penult.predict import Predictor
from penult.predict.stored import predict_stored
from penult.runs import read_table
from penult.training import TrainOptions, evaluate_stored
from penult.training.stored import SelectedRows, StoredFeatures
from penult.training.stored_data import from_stored
from penult.training.stored_labels import RowLabels, read_labels

CHEAP = "colour_histogram"


@pytest.fixture(autouse=True)
def _quick(quick_disk: None) -> None:
    pytest.importorskip("pyarrow")


def embed(source: Path, out: Path, rows: int = 20, float32: bool = True, finish: bool = True) -> str:
    """Write shards of a source."""
    shards.make_ready(str(source), str(out), [zoo.find_backbone(CHEAP)], EmbedOptions(), rows=rows, float32=float32)
    if finish:
        assert shards.run_shards(str(out), workers=0).manifest is not None
    return str(out)


def kept(tmp_path: Path, name: str, **others: object) -> TrainOptions:
    return TrainOptions(out=str(tmp_path / name), backbones=(CHEAP,), **others)  # type: ignore[arg-type]


def test_shards_teach_the_same_model_as_the_photos_and_it_serves_photos(
    photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In float32 to the bit, in float16 nearly; and `evaluate` and `predict` say the same of shards as of the photos."""
    folder = photos("train", warm=26, cold=24, green=22)
    new = photos("new", first=60, warm=9, cold=9, green=9)
    (folder / "warm/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    options = kept(tmp_path, "photos", near_duplicates="separate")
    ours = training.train_images(str(folder), None, options)
    for name, float32, tolerance in (("exact", True, 0.0), ("half", False, 5e-3)):
        out = embed(folder, tmp_path / f"shards-{name}", float32=float32)
        theirs = training.train_source(out, None, TrainOptions(out=str(tmp_path / name), near_duplicates="separate"))
        np.testing.assert_array_equal(theirs.evaluation.fold, ours.evaluation.fold)
        np.testing.assert_allclose(theirs.evaluation.proba, ours.evaluation.proba, rtol=0, atol=tolerance)
        assert theirs.metrics["digests"] == ours.metrics["digests"]
        np.testing.assert_array_equal(theirs.model.seen, ours.model.seen)
    assert theirs.metrics["features"]["manifest"] == shards.open_features(out).digest
    assert theirs.metrics["images"] | {"train": 0} == {
        "scanned": 73, "embedded": 0, "reused": 72, "failed": 1, "train": 0, "test": 0, "unlabelled": 0, "sample": 72,
    }  # fmt: skip
    assert [row["file"] for row in read_table(theirs.folder / "skipped.csv")] == ["warm/broken.png"]
    assert not list(theirs.folder.glob("data_*.h5"))
    assert {f.kind for f in theirs.findings} >= {"unreadable"}
    # the networks are in the model file: it serves photos, and its self-test is one that holds
    (new / "warm/zz.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")  # gets the class frequencies; the last, as in shards
    held = embed(new, tmp_path / "held-out")
    run, answers = tmp_path / "exact", {}
    for where in (str(new), held):
        assert main(["evaluate", str(run), where, "--json", "-q"]) == 0
        answers[where] = json.loads(capsys.readouterr().out)
    assert answers[str(new)]["scores"] == answers[held]["scores"] and answers[held]["in_training"] == 0
    assert [answers[where]["unreadable"] for where in (str(new), held)] == [1, 1] and answers[held]["labelled"] == 28
    assert main(["predict", str(run), "--features", held, "--csv", str(tmp_path / "a.csv")]) == 0
    assert main(["predict", str(run), str(new), "--csv", str(tmp_path / "b.csv"), "-q"]) == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    said = []
    for asked in (["--features", held], [str(new), "-q"]):
        capsys.readouterr()
        assert main(["predict", str(run), *asked, "--csv", str(tmp_path / "a.csv"), "--json"]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[0] == said[1] and len(said[0]) == 28
    model = bundle.load_bundle(run)
    assert len(model.selftest["images"]) == 1
    other = training.open_shards(held)
    networks = tuple(replace(network, digest="0" * 64) for network in other.X.facts.networks)
    other.X.manifest = replace(other.X.manifest, facts=replace(other.X.facts, networks=networks))
    with pytest.raises(InputError, match="embed the images again with the networks of the model"):
        evaluate_stored(Predictor(model), other)  # of equal width
    with pytest.raises(InputError, match=r"has features of colour_histogram \(112\), and the model needs those of 9 columns"):
        next(predict_stored(Predictor(replace(model, backbones=(), widths=(9,))), shards.open_features(held)))


def test_shards_that_are_not_complete_or_damaged_are_refused(
    photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(embed(photos("train", warm=8, cold=8), tmp_path / "out", rows=8, finish=False))
    assert main(["train", str(out), "--out", str(tmp_path / "run"), "-q"]) == 1
    assert "not complete" in capsys.readouterr().err and not (tmp_path / "run").exists()
    shards.run_shards(str(out), workers=0)
    shard = next((out / "shards").iterdir())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DamagedFile, match="run the command that wrote it again"):
        training.train_source(str(out), None, TrainOptions(out=str(tmp_path / "run")))
    with pytest.raises(InputError, match="stored features"):
        training.train_source(str(tmp_path / "train"), None, kept(tmp_path, "run2", memory=10**9))
    with pytest.raises(InputError, match="networks of stored features"):
        training.train_source(str(out), None, kept(tmp_path, "run2"))
    with pytest.raises(InputError, match="penult evaluate"):
        training.train_source(str(out), str(out), TrainOptions(out=str(tmp_path / "run2")))


def test_shards_in_an_object_store_are_fetched_once(
    photos: Callable[..., Path], tmp_path: Path, faulty_s3: FaultyProxy, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos("train", warm=12, cold=12)
    out, runs = embed(folder, s3.bucket("learnt") + "/features", rows=5), []
    for name, free in (("once", 10**12), ("no-space", 0)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        faulty_s3.requests.clear()
        runs.append(training.train_source(out, None, TrainOptions(out=str(tmp_path / name))))
        fetched = Counter(path for method, path in faulty_s3.requests if method == "GET" and "/features/shards/" in path)
        assert len(fetched) == 5 and (set(fetched.values()) == {1}) == (name == "once")
    np.testing.assert_array_equal(runs[0].evaluation.proba, runs[1].evaluation.proba)


def made_up(n: int = 6000, d: int = 40, k: int = 3, seed: int = 0, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, d) of classes that overlap a little, and class numbers (n,)."""
    random = np.random.default_rng(seed)
    centres, y = random.standard_normal((k, d)) * spread / np.sqrt(d) * 2, random.integers(0, k, n)
    return (centres[y] + random.standard_normal((n, d))).astype(np.float32), y


class Slices:
    """Rows that are only given in slices or by numbers."""

    def __init__(self, X: np.ndarray) -> None:
        self._X, self.shape, self.dtype, self.ndim, self.chunks = X, X.shape, X.dtype, 2, (100, X.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: object) -> np.ndarray:
        return self._X[at].copy()


def stored(X: object, y: np.ndarray, names: list[str | None], digests: np.ndarray | None = None) -> StoredFeatures:
    n, d = X.shape  # type: ignore[attr-defined]
    ids = np.array([f"{i}.jpg" for i in range(n)])
    digests = np.random.default_rng(9).integers(0, 256, (n, 32), np.uint8) if digests is None else digests
    return StoredFeatures(
        "made-up", X, ("net",), (d,), ((d,),), lambda at: ids[at].tolist(), lambda at: [names[i] for i in y[at]],
        lambda at: digests[at],
    )  # fmt: skip


def test_more_rows_than_memory_are_all_learnt_and_a_sample_is_measured(tmp_path: Path) -> None:
    X, y = made_up(26_000)
    names: list[str | None] = ["a", "b", "c", None]
    y[::13] = 3
    options = TrainOptions(out=str(tmp_path / "run"), head="logistic", memory=3_000_000)
    run = training.train_stored(stored(Slices(X), y, names), options)
    left = int((y < 3).sum())
    assert run.metrics["classes"] == {c: int((y == i).sum()) for i, c in enumerate("abc")}
    assert run.metrics["images"]["unlabelled"] == 26_000 - left and run.model.facts["trained_on"] == left
    m = run.metrics["images"]["sample"]
    assert 2000 <= m == len(run.evaluation.y) == len(read_table(run.folder / "oof.csv")) < 10_000
    said = " ".join(run.metrics["notes"])
    assert f"learns all {left:,} images" in said and f"of {m:,} of them" in said
    assert "2,000 of 26,000 images have no label" in said
    # the model is that of all rows: as good on them as one that is fitted in memory, and it is measured honestly
    whole = make_head("logistic").fit(X[y < 3], y[y < 3])
    fresh, labels = X[y == 3], made_up(26_000)[1][y == 3]
    answers = [Predictor(run.model).score(fresh), whole.predict_proba(fresh)]
    off = np.abs(answers[0] - answers[1])  # C and temperature are chosen by other rows
    assert off.max() < 0.06 and off.mean() < 0.01
    settings = {"C": run.model.facts["choice"]["C"], "calibrate": False, "clip": None}
    peer = heads.make_head("logistic", **settings).fit(X[y < 3], y[y < 3]).to_arrays().arrays["weights"]
    assert (
        np.abs(run.model.head.arrays["weights"] - peer).max() < 2e-4 * np.abs(peer).max()
    )  # with that C it is the same model
    right = np.mean(answers[0].argmax(axis=1) == labels)
    accuracy = run.evaluation.scores["accuracy"]
    assert accuracy.low is not None and accuracy.high is not None and accuracy.low - 0.01 <= right <= accuracy.high + 0.01


def test_copies_outside_the_sample_are_not_learnt_by_the_model_that_judges_a_row(tmp_path: Path) -> None:
    """Labels mean nothing here; each row is there 30 times: who learns one of them knows the answer for the others."""
    random = np.random.default_rng(3)
    X, y = random.standard_normal((400, 120)).astype(np.float32), random.integers(0, 2, 400)
    X, y, who = np.tile(X, (30, 1)), np.tile(y, 30), np.tile(np.arange(400), 30)
    digests = random.integers(0, 256, (12_000, 32), np.uint8)
    digests[who < 100] = digests[who[who < 100]]  # the same files; the others are only the same pictures
    options = TrainOptions(out=str(tmp_path / "run"), head="blend", memory=8_000_000)
    source = stored(Slices(X), y, ["a", "b"], digests)
    data = from_stored(source, read_labels(source), options)
    assert data.every is not None and data.groups is not None
    outside = np.setdiff1d(np.flatnonzero(np.isin(who, who[data.every.sample])), data.every.sample)
    np.testing.assert_array_equal(np.unique(data.every.copies), outside)
    assert len(outside) > 8000 and len(data.every.copies) < 40_000  # not each with all of its originals
    np.testing.assert_array_equal(who[data.every.copies], who[data.every.sample[data.every.originals]])
    low = training.train_stored(source, options).evaluation.scores["accuracy"].low
    assert low is not None and low < 0.5


def test_the_groups_of_copies_are_held_out_whole(tmp_path: Path) -> None:
    X, y = made_up(12_000)
    X[6000:] = X[:6000]
    codes, groups = y % 2, np.arange(12_000) // 4
    options = TrainOptions(out=str(tmp_path / "run"), memory=3_400_000)
    data = from_stored(stored(Slices(X), codes, ["a", "b"]), RowLabels(codes, ("a", "b"), groups), options)
    assert data.every is not None and data.groups is not None
    sample = data.every.sample
    twins = (sample + 6000) % 12_000
    alike = np.setdiff1d(np.flatnonzero(np.isin(groups, groups[twins])), sample)
    np.testing.assert_array_equal(np.sort(data.every.copies), alike)
    np.testing.assert_array_equal(groups[data.every.copies] % 1500, groups[sample[data.every.originals]] % 1500)


def test_other_heads_and_too_little_memory_are_refused(tmp_path: Path) -> None:
    X, y = made_up(6000)
    source = stored(Slices(X), y, ["a", "b", "c"])
    for change, said in (
        ({"head": "knn"}, "--head blend or lda or logistic"),
        ({"memory": 0}, "0 MB are too little"),
    ):
        options = TrainOptions(out=str(tmp_path / "run"), **{"memory": 1_000_000, **change})  # type: ignore[arg-type]
        with pytest.raises(InputError, match=said):
            training.train_stored(source, options)
    with pytest.raises(InputError, match=r"0\.8 MB are too little .* give at least \d+ MB") as told:
        training.train_stored(source, TrainOptions(out=str(tmp_path / "run"), memory=800_000))
    enough = int(str(told.value).split("at least ")[1].split(" MB")[0]) * 10**6
    data = from_stored(source, read_labels(source), TrainOptions(memory=enough))
    assert data.every is not None
    with pytest.raises(InputError, match=r"fewer than two rows of made-up have the label: c \(1\)"):
        training.train_stored(stored(X[:100], np.r_[y[:99] % 2, 2], ["a", "b", "c"]), TrainOptions(out=str(tmp_path / "run")))


def test_labels_come_from_a_column_from_names_or_from_a_table(tmp_path: Path) -> None:
    X, _ = made_up(6)
    folders = ["warm/1.jpg", "warm/2.jpg", "cold/1.jpg", "cold/2.jpg", "cold/3.jpg", "else.jpg"]

    def of(ids: list[str], labels: list[str | None]) -> StoredFeatures:
        return StoredFeatures(
            "made-up", X, ("net",), (40,), ((40,),), lambda at: np.array(ids)[at].tolist(),
            lambda at: np.array(labels, object)[at].tolist(), lambda at: np.zeros((6, 32), np.uint8)[at],
        )  # fmt: skip

    column = read_labels(of(folders, ["x", "y", "x ", None, "", "y"]))
    assert column.classes == ("x", "y") and column.codes.tolist() == [0, 1, 0, -1, -1, 1]
    assert any("2 of 6 images have no label" in note for note in column.notes)
    names = read_labels(of(folders, [None] * 6), groups=r"\d")
    assert names.classes == ("cold", "warm") and names.codes.tolist() == [1, 1, 0, 0, 0, -1]
    assert (
        names.groups is not None and names.groups[:5].tolist() == [0, 1, 0, 1, 2] and names.groups[5] not in names.groups[:5]
    )
    kaggle = read_labels(of([f"{'cat' if i % 2 else 'dog'}.{i}.jpg" for i in range(6)], [None] * 6))
    assert kaggle.classes == ("cat", "dog") and kaggle.codes.tolist() == [1, 0] * 3
    table = tmp_path / "labels.csv"
    table.write_text("id_code,diagnosis,patient\nwarm/1,sick,p\nwarm/2.jpg,well,q\nelse,sick,p\n")
    listed = read_labels(of(folders, ["x"] * 6), str(table), "patient", TableOptions(label_column="diagnosis"))
    assert listed.classes == ("sick", "well") and listed.codes.tolist() == [0, 1, -1, -1, -1, 0]
    assert listed.groups is not None and listed.groups[0] == listed.groups[5] != listed.groups[1]
    table.write_text("id_code,diagnosis\nwarm/1,sick\nnowhere.jpg,well\n")
    with pytest.raises(InputError, match=r"there are no images of these names: 'nowhere.jpg'"):
        read_labels(of(folders, [None] * 6), str(table))
    with pytest.raises(InputError, match=r"not classes of the model: 'y'"):
        read_labels(of(folders, ["x", "y", "x", None, "", "y"]), classes=("x", "z"))
    with pytest.raises(InputError, match="--labels"):
        read_labels(of(["1.jpg"] * 6, [None] * 6))


def test_rows_are_selected_without_a_copy() -> None:
    X, _ = made_up(50)
    some = SelectedRows(Slices(X), np.arange(1, 50, 2))
    assert len(some) == 25 and some.shape == (25, 40)
    np.testing.assert_array_equal(some[3:9], X[1::2][3:9])
    np.testing.assert_array_equal(some[np.array([0, 24])], X[1::2][[0, 24]])


def test_large_feature_files_are_read_in_slices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import h5py

    X, y = made_up(20_000)
    with h5py.File(tmp_path / "data_net.h5", "w") as file:
        file["train"], file["label"] = X, y + 1
    words = ["train", "--features", str(tmp_path / "data_net.h5"), "--head", "logistic", "-v"]
    assert main([*words, "--out", str(tmp_path / "small"), "--memory", "3MB"]) == 0
    said = capsys.readouterr().out
    assert "learns all 20,000 images" in said and "are numbers (1, 2, 3), which name the classes" in said
    ours, whole = bundle.load_bundle(tmp_path / "small"), make_head("logistic").fit(X, y)
    assert ours.classes == ("1", "2", "3") and ours.facts["trained_on"] == 20_000
    assert np.abs(Predictor(ours).score(X[:500]) - whole.predict_proba(X[:500])).mean() < 0.01
    X[7, 3] = np.nan
    with h5py.File(tmp_path / "data_net.h5", "r+") as file:
        file["train"][7] = X[7]
    assert main([*words, "--out", str(tmp_path / "run"), "--memory", "3MB"]) == 1
    assert "NaN or infinite" in capsys.readouterr().err
