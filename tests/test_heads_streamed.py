"""Heads of rows that do not fit in memory: the optimum is the same, the memory is not, and a sample is held out."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from penult import evaluate, heads
from penult.arrays import unit_blocks, widen
from penult.errors import InputError
from penult.heads.sampling import sample_rows
from penult.solver import IGNORED, LEARNT, LossTerms, PartitionedRows, RowScaling, partition
from penult.solver import rows as solver_rows
from penult.solver.reading import chunk_rows, read_rows

MEMORY = 1_200_000  # bytes: 2,343 rows of 32 numbers, beside 12,000


def features(k, n=12_000, d=32, seed=0):
    """Return rows and sorted classes, as folders of classes give them."""
    rng = np.random.default_rng(seed)
    y = np.sort(np.arange(n) % k)
    centres = rng.standard_normal((k, d)) * 0.35
    return (centres[y] + rng.standard_normal((n, d)) * np.linspace(2, 0.3, d) + 0.5).astype(np.float32), y


class Slices:
    """Rows that only give slices, as a data set on disk does, and count how often they are read."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.chunks, self.read = X, X.shape, X.dtype, (100, X.shape[1]), 0

    def __getitem__(self, rows):
        found = self.X[rows]
        self.read += len(found)
        return found

    def __len__(self):
        return len(self.X)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("scaling", ["unit", "none"])
def test_the_optimum_of_all_rows_is_scikit_learns(k, scaling):
    X, y = features(k)
    head = heads.Logistic(C=0.05, scaling=scaling, calibrate=False, clip=None, memory=MEMORY).fit(Slices(X), y)
    scaled = (unit_blocks(X, (32,)) if scaling == "unit" else X).astype(np.float64)
    peer = LogisticRegression(C=0.05, tol=1e-10, max_iter=5000).fit(scaled, y)

    def objective(proba, coef):
        return -0.05 * np.log(proba[np.arange(len(y)), y]).sum() + (coef**2).sum() / 2

    own = objective(head.predict_proba(X), head.to_arrays().arrays["weights"].astype(float))
    assert own <= objective(peer.predict_proba(scaled), peer.coef_) * (1 + 1e-6)


@pytest.mark.parametrize("name", ["logistic", "lda", "blend"])
@pytest.mark.parametrize("scaling", ["unit", "block"])
def test_answers_are_those_of_the_head_in_memory(name, scaling):
    X, y = features(3)
    new, truth = features(3, n=600)
    inside, outside = (heads.make_head(name, scaling=scaling, blocks=(12, 20), memory=m) for m in (None, MEMORY))
    near, far = (one.fit(X, y).predict_proba(new) for one in (inside, outside))
    losses = [-np.log(p[np.arange(600), truth]).mean() for p in (near, far)]
    assert losses[1] == pytest.approx(losses[0], rel=5e-3)
    assert np.abs(near - far).max() < 0.05
    assert len(outside.cv_proba_) < 2400 < len(inside.cv_proba_)


@pytest.mark.parametrize(("name", "fixed"), [("logistic", {"C": 0.05}), ("lda", {"shrinkage": 0.1})])
@pytest.mark.parametrize("k", [2, 3])
def test_with_the_same_settings_the_model_is_that_of_the_head_in_memory(name, fixed, k):
    X, y = features(k)
    new, _ = features(k, n=600)
    settings = {**fixed, "blocks": (12, 20), "calibrate": False, "clip": None}
    inside, outside = (heads.make_head(name, memory=m, **settings).fit(X, y) for m in (None, MEMORY))
    near, far = (one.to_arrays().arrays["weights"] for one in (inside, outside))
    assert np.abs(near - far).max() < 1e-4 * np.abs(near).max()
    assert np.abs(inside.predict_proba(new) - outside.predict_proba(new)).max() < 1e-4


def test_few_passes_are_made_and_no_more_rows_are_asked_for_than_fit():
    X, y = features(2)
    source = Slices(X)
    heads.Blend(memory=MEMORY).fit(source, y)
    assert source.read < 60 * len(X)


def test_a_sample_is_held_out_and_answered_as_if_all_were():
    X, y = features(3)
    classes, groups = ["a", "b", "c"], np.arange(len(y)) // 5
    rows = sample_rows(X, y, groups, MEMORY)
    fold = evaluate.outer_folds(y[rows], classes, groups[rows])
    head = heads.Logistic(memory=MEMORY)
    proba = head.cross_fit(Slices(X), y, fold, rows)[0]
    whole = evaluate.cross_validate(heads.Logistic(), X, y, classes, groups)
    alone = -np.log(whole.proba[rows, y[rows]]).mean()
    assert -np.log(proba[np.arange(len(rows)), y[rows]]).mean() == pytest.approx(alone, rel=0.01)
    assert head.fit_searched().predict_proba(X[:4]).shape == (4, 3)
    # the second look at labels: rows that are left out are not learnt, and the others are answered as before
    head = heads.Logistic(memory=MEMORY)
    first = head.cross_fit(X, y, fold, rows)[0]
    out = np.arange(len(rows)) % 50 == 0
    again = head.cross_fit_again(out)
    assert again.shape == first.shape
    assert 0 < np.abs(again - first).max() < 0.2


@pytest.mark.parametrize(("name", "fixed"), [("logistic", {"C": 0.05}), ("lda", {"shrinkage": 0.1})])
def test_copies_of_rows_that_are_held_out_are_learnt_only_by_the_other_folds_and_by_the_model(name, fixed):
    X, y = features(3)
    rows = sample_rows(X, y, memory=MEMORY)
    fold, held = np.arange(len(rows)) % 3, np.full(len(y), -1, np.int8)
    strange = np.setdiff1d(np.arange(0, len(y), 2), rows)  # every other row has a wrong label
    y = y.copy()
    y[strange] = (y[strange] + 1) % 3
    held[strange] = 0

    def answers(keep, held=None):
        head = heads.make_head(name, calibrate=False, clip=None, memory=MEMORY // 2, **fixed)
        places = np.searchsorted(keep, rows)
        proba = head.cross_fit(Slices(X[keep]), y[keep], fold, places, held)[0]
        assert len(head._searched[0].X) == len(rows)  # no more rows are in memory than are measured
        return proba, head.fit_searched().predict_proba(X[:50])

    every = np.arange(len(y))
    ours, without, wrong = answers(every, held), answers(np.setdiff1d(every, strange)), answers(every)
    first = fold == 0
    assert np.abs(ours[0] - without[0])[first].max() < 0.01 < 0.1 < np.abs(ours[0] - wrong[0])[first].max()
    assert np.abs(ours[0] - wrong[0])[~first].max() < 0.01
    assert np.abs(ours[1] - wrong[1]).max() < 0.01


class TestSample:
    """A stated part of each class, whole groups, no more rows than fit."""

    def test_each_class_keeps_its_share_and_small_ones_ten_rows(self):
        y = np.repeat(["a", "b", "c"], [40_000, 9_975, 25])
        X = np.broadcast_to(np.float32(0), (50_000, 100))
        rows = sample_rows(X, y, memory=100 * 4 * 4 * 5_000)
        assert 4_900 < len(rows) <= 5_000
        assert (np.diff(rows) > 0).all()
        assert np.unique(y[rows], return_counts=True)[1].tolist() == pytest.approx([4_000, 997, 10], rel=0.01)
        assert not np.array_equal(rows, sample_rows(X, y, memory=100 * 4 * 4 * 5_000, seed=1))

    def test_groups_are_whole(self):
        y, groups = np.arange(50_000) % 3, np.arange(50_000) // 7
        rows = sample_rows(np.broadcast_to(np.float32(0), (50_000, 100)), y, groups, memory=100 * 4 * 4 * 5_000)
        assert 4_000 < len(rows) <= 5_000
        assert np.isin(groups, groups[rows]).sum() == len(rows)

    def test_what_fits_is_no_sample_and_what_cannot_is_refused(self):
        X, y = features(2)
        assert sample_rows(X, y) is None
        assert sample_rows(X, y, memory=10**9) is None
        with pytest.raises(InputError, match=r"give at least 2 MB"):
            sample_rows(X, y, memory=10**6)


def test_what_cannot_be_learnt_in_chunks_is_said():
    X, y = features(2)
    with pytest.raises(InputError, match="svm learns in memory"):
        heads.make_head("svm", memory=MEMORY).fit(X, y)
    X = X.astype(np.float16)
    X[11_111, 3] = np.inf
    with pytest.raises(InputError, match="infinity"):
        heads.Logistic(memory=MEMORY).fit(X, y)


def terms(k):
    return LossTerms(np.array([0.5, 2.0]), np.array([1, LEARNT]), np.linspace(0.5, 1.5, k))


@pytest.mark.parametrize("k", [2, 3])
def test_sums_over_partitions_are_those_of_all_rows_and_do_not_depend_on_where_rows_are(k, monkeypatch):
    X, y = features(k, n=3000)
    part = np.where(np.arange(3000) % 7 == 0, 1, np.where(np.arange(3000) % 11 == 0, IGNORED, LEARNT)).astype(np.int8)
    monkeypatch.setattr(solver_rows, "PARTITION_ENTRIES", 32 * 1000)
    parts = partition(Slices(X), y.astype(np.int8), part, RowScaling((32,), centre=np.full(32, 0.1)), 32 * 300)
    assert len(parts) == 3
    W = np.random.default_rng(0).standard_normal((2, terms(k).columns * 33))
    value, G = PartitionedRows(parts).sum("losses", W, terms(k))
    # 1. equal to the same in double precision, all at once
    x = unit_blocks(X.astype(float), (32,)) - 0.1
    for p in range(2):
        w = W[p].reshape(-1, 33)
        z = x @ w[:, :-1].T + w[:, -1]
        logits = np.hstack([np.zeros((3000, 1)), z]) if k == 2 else z
        q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        weight = terms(k).class_weight[y] * terms(k).C[p] * (part != IGNORED) * ((part != 1) | (p == 1))
        assert value[p] == pytest.approx(-(weight * np.log(q[np.arange(3000), y])).sum(), rel=1e-5)
        gap = (q - np.eye(k)[y])[:, 2 - len(w.T[0]) if k == 2 else 0 :] * weight[:, None]
        own = np.c_[gap.T @ x, gap.sum(axis=0)]
        np.testing.assert_allclose(G[p].reshape(own.shape), own, rtol=1e-3, atol=1e-3 * np.abs(own).max())
    # 2. equal to the bit where another process has read its rows once, whoever is asked first
    other = PartitionedRows([pickle.loads(pickle.dumps(one.load())) for one in parts])
    for method, args in (("losses", (W, terms(k))), ("gram", (W[:, :32],)), ("totals", (k,)), ("moments", (k, None))):
        for a, b in zip(PartitionedRows(parts).sum(method, *args), other.sum(method, *args), strict=True):
            assert np.array_equal(a, b)


def test_rows_are_read_from_every_kind_of_source(tmp_path):
    X = np.arange(7000, dtype=np.float32).reshape(1000, 7).astype(np.float16)
    X.tofile(tmp_path / "x.bin")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(64, 7))
        mapped = np.memmap(tmp_path / "x.bin", np.float16, "r", shape=(1000, 7))
        for source in (X, mapped, mapped[13:], file["x"], Slices(X), X.astype(np.float64), np.asfortranarray(X)):
            ahead = 1000 - source.shape[0]
            parts = chunk_rows(5, 900, 100, 64)
            read = np.concatenate([x.copy() for _, x in read_rows(source, parts, np.dtype(np.float32))])
            assert np.array_equal(read, X[5 + ahead : 900 + ahead])
        assert parts[1:-1] == [slice(64 * i, 64 * i + 64) for i in range(1, 14)]
    assert chunk_rows(30, 250, 40, 100) == [slice(30, 40), slice(40, 80), slice(80, 100), slice(100, 140), slice(140, 180),
                                            slice(180, 200), slice(200, 240), slice(240, 250)]  # fmt: skip


def test_every_float16_is_widened_to_the_same_number():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    out = np.empty(1 << 16, np.float32)
    widen(every, out)
    finite = np.isfinite(every)
    assert np.array_equal(out[finite].view(np.uint32), every[finite].astype(np.float32).view(np.uint32))
    assert (np.abs(out[~finite]) >= 65536).all()
