"""The map: what is alike lies together, the same seed gives the same places, and every row has one."""

from __future__ import annotations

import numpy as np
import pytest

from penult.audit import photo_map


def groups(sizes: tuple[int, ...], width: int = 60, spread: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Return rows around one centre a group, shuffled, and their groups."""
    random = np.random.default_rng(5)
    y = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (random.normal(size=(len(sizes), width))[y] + spread * random.normal(size=(len(y), width))).astype("float32"), y


def same_class_beside(places: np.ndarray, y: np.ndarray) -> float:
    """Return how many rows have a row of their own group as the next one on the map."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(np.mean(y[apart.argmin(axis=1)] == y))


def test_groups_stay_together_and_places_fill_the_frame():
    X, y = groups((40, 30, 50))
    found = photo_map(X, [60])
    assert same_class_beside(found.places, y) == 1.0
    assert found.places.min() >= 0 and found.places.max() <= 1
    assert np.isclose(np.ptp(found.places, axis=0).max(), 1)
    assert found.landmark.all()


def test_rows_that_are_no_landmarks_lie_beside_what_they_are_like():
    X, y = groups((120, 90, 100))
    found = photo_map(X, [60], landmarks=80)
    assert found.landmark.sum() == 80
    assert same_class_beside(found.places, y) > 0.98
    assert len(np.unique(found.places, axis=0)) == len(X)  # no two rows on one dot


def test_the_same_seed_gives_the_same_map_and_another_one_another():
    X, _ = groups((30, 30))
    first, again, other = photo_map(X, [60], seed=1), photo_map(X, [60], seed=1), photo_map(X, [60], seed=2, landmarks=30)
    assert np.array_equal(first.places, again.places)
    assert not np.array_equal(first.places, other.places)


def test_the_nearest_rows_are_the_nearest_and_never_the_row_itself():
    X, y = groups((20, 25))
    near = photo_map(X, [60]).near
    assert near.shape == (45, 5)
    assert (y[near] == y[:, None]).all()
    assert not (near == np.arange(45)[:, None]).any()
    twin = np.vstack([X, X[7]])
    assert photo_map(twin, [60]).near[45, 0] == 7


def test_a_wide_part_does_not_drown_a_narrow_one():
    random = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    told = np.where(y, 3.0, -3.0)[:, None] + random.normal(size=(60, 4))
    X = np.hstack([told, 1000 * random.normal(size=(60, 400))]).astype("float32")
    assert np.mean(y[photo_map(X, [4, 400]).near] == y[:, None]) > np.mean(y[photo_map(X, [404]).near] == y[:, None]) + 0.2


@pytest.mark.parametrize("n", [2, 3, 6, 11, 12])
def test_a_handful_has_a_map_too(n: int):
    X = np.random.default_rng(n).normal(size=(n, 8)).astype("float32")
    found = photo_map(X, [8])
    assert np.isfinite(found.places).all()
    assert found.near.shape == (n, min(5, n - 1))


def test_rows_that_are_all_the_same_have_a_place():
    assert np.isfinite(photo_map(np.ones((30, 5), np.float32), [5]).places).all()


@pytest.mark.parametrize("n", [0, 1])
def test_a_photo_alone_is_in_the_middle(n: int) -> None:
    drawn = photo_map(np.ones((n, 6), np.float32), (6,))
    assert drawn.places.tolist() == [[0.5, 0.5]] * n and drawn.near.shape == (n, 0)


def test_of_many_photos_the_neighbors_are_those_of_the_near_duplicates(monkeypatch):
    from penult.audit import group, near_duplicates

    monkeypatch.setattr(near_duplicates, "MANY", 100)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8)).astype(np.float32)
    X[200] = X[100] = X[7]  # three files of one picture
    digests = np.frombuffer(rng.bytes(300 * 32), np.uint8).reshape(300, 32).copy()
    digests[[100, 200]] = digests[7]
    near = group(digests, X).most_alike
    assert near.shape == (300, 5) and set(near[100, :2]) == {7, 200} and set(near[7, :2]) == {100, 200}
    assert not (near == np.arange(300)[:, None]).any()
    assert photo_map(X, [8], near=near).near is near
    monkeypatch.setattr(near_duplicates, "MANY", 300)
    assert group(digests, X).most_alike is None
