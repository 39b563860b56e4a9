"""The inverted file finds what comparing every row finds."""

import numpy as np
import pytest

from penult import neighbors
from penult.arrays import unit_rows
from penult.neighbors import nearest_neighbors, nearest_rows


def rows(n, d=48, seed=0):
    """Return unit vectors in clusters, the last tenth near copies of the first."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n // 100 + 1, d))
    Z = centers[rng.integers(0, len(centers), n)] + rng.normal(size=(n, d))
    Z[-n // 10 :] = Z[: n // 10 + (n % 10 > 0)][: n // 10 + (n % 10 > 0)] + 0.2 * rng.normal(size=(len(Z[-n // 10 :]), d))
    return unit_rows(Z).astype(np.float32)


def test_near_rows_among_many_are_found_and_their_cosines_are_exact(monkeypatch):
    monkeypatch.setattr(neighbors, "MANY", 1000)
    Z = rows(4000)
    exact, cosine = nearest_rows(Z, Z, 10, own=0)
    found, alike = nearest_neighbors(Z, 10)
    near = cosine >= 0.8
    assert near.sum() > 500
    hit = (found[:, :, None] == exact[:, None, :]).any(axis=1)
    assert hit[near].mean() >= 0.99
    assert np.abs(alike - np.einsum("nd,nkd->nk", Z, Z[found])).max() < 1e-5
    assert not (found == np.arange(4000)[:, None]).any()
    assert (np.diff(alike, axis=1) <= 0).all()


@pytest.mark.parametrize("most", [100, 1000])
def test_the_neighbors_of_the_last_rows_are_those_that_they_have_among_all(monkeypatch, most):
    monkeypatch.setattr(neighbors, "MANY", most)
    Z = rows(600)
    every, last = nearest_neighbors(Z, 4), nearest_neighbors(Z, 4, since=450)
    assert (last[0] == every[0][450:]).mean() > 0.99  # sums of other sizes round otherwise
    assert np.abs(last[1] - every[1][450:]).max() < 1e-5


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_few_rows_are_compared_with_all_and_none_is_its_own_neighbor(n):
    Z = rows(max(n, 10))[:n]
    found, alike = nearest_neighbors(Z, 4)
    assert found.shape == alike.shape == (n, min(4, n - 1))
    assert not (found == np.arange(n)[:, None]).any()


def test_equal_rows_and_rows_of_zeros_have_all_the_neighbors_that_are_asked_for(monkeypatch):
    monkeypatch.setattr(neighbors, "MANY", 100)
    Z = rows(600)
    Z[:200], Z[200:210] = Z[0], 0
    found, alike = nearest_neighbors(Z, 12)
    assert found.min() >= 0
    assert alike.min() > -1.5
    assert (alike[:200, 0] > 0.999).all()
    assert all(len(set(row)) == 12 for row in found.tolist())


def test_the_answer_depends_neither_on_cores_nor_on_where_the_rows_are_and_halves_are_settled_in_full(monkeypatch, tmp_path):
    monkeypatch.setattr(neighbors, "MANY", 1000)
    monkeypatch.setattr(neighbors, "BLOCK", 700)  # five parts, by several threads
    half = rows(3000).astype(np.float16)
    np.save(tmp_path / "Z.npy", half)
    answers = [nearest_neighbors(Z, 5) for Z in (half, np.load(tmp_path / "Z.npy", mmap_mode="r"))]
    monkeypatch.setattr(neighbors, "in_threads", lambda function, parts: [function(part) for part in parts[::-1]][::-1])
    answers.append(nearest_neighbors(half, 5))
    for found, alike in answers[1:]:
        assert (found == answers[0][0]).all() and (alike == answers[0][1]).all()
    Z = unit_rows(half.astype(np.float32))
    assert np.abs(answers[0][1] - np.einsum("nd,nkd->nk", Z, Z[answers[0][0]])).max() < 1e-6


def test_equal_rows_are_not_all_compared_with_each_other(monkeypatch):
    """Of 6,000 rows 3,000 are equal: they are in one cell, of which a row sees a part."""
    monkeypatch.setattr(neighbors, "MANY", 1000)
    monkeypatch.setattr(neighbors, "LEAST", 400)
    Z = rows(6000)
    Z[1000:4000] = Z[0]
    file = neighbors._InvertedFile.of(Z, 48)
    assert max(len(inside) for inside in file.members) == 400
    assert np.array_equal(np.sort(np.concatenate(file.members)), np.arange(6000))
    found, alike = nearest_neighbors(Z, 10)
    assert (alike[1000:4000, -1] > 0.999).all()
    assert all(len(set(row)) == 10 for row in found[1000:1100].tolist())
