"""Copies and near copies are found and tied together; pictures that only look alike are not."""

import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from penult.audit import Pairs, Photos, copy_groups, group, leaks, near_copies, near_pictures
from penult.audit.alignment import aligned, turned, upright
from penult.audit.pairs import WIDE
from penult.errors import InputError


def digests(numbers):
    """Return one digest (n, 32) for each number, the same for the same number."""
    return np.array([[n % 256, n // 256] + [7] * 30 for n in numbers], dtype=np.uint8)


def vectors(n, d=64, seed=0, common=5.0):
    """Return features (n, d) of different photos that have much in common, as those of one camera do."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=d) * common + rng.normal(size=(n, d))).astype(np.float32)


def found(pairs):
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), max_size=40))
def test_images_have_one_number_exactly_when_they_have_one_digest(numbers):
    groups = copy_groups(digests(numbers) if numbers else np.zeros((0, 32), dtype=np.uint8))
    assert len(groups) == len(numbers)
    for i, a in enumerate(numbers):
        for j, b in enumerate(numbers):
            assert (groups[i] == groups[j]) == (a == b)


def test_a_slightly_changed_vector_is_a_near_copy_and_others_are_not():
    X = vectors(60)
    X[40:50] = X[:10] + 0.15 * np.random.default_rng(1).normal(size=(10, 64))
    pairs = near_copies(X)
    assert found(pairs) == {(i, i + 40) for i in range(10)}
    assert (np.diff(pairs.similarity) <= 0).all()
    assert pairs.similarity.min() > 0.9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 80), st.sampled_from([0.0, 5.0, 500.0]))
def test_different_photos_are_never_near_copies_whatever_they_have_in_common(seed, n, common):
    assert len(near_copies(vectors(n, seed=seed, common=common))) == 0


def test_two_tight_classes_are_not_two_photos():
    """Where a class is easy, its images lie closely together: that alone makes them no copies."""
    X = 0.1 * vectors(40, common=0)
    X[20:] += 3.0
    assert len(near_copies(X)) == 0


def test_a_few_images_of_easy_classes_are_not_copies():
    """Eight images a class, so that the tenth neighbour is of the other class."""
    rng = np.random.default_rng(0)
    X = np.repeat(3 * rng.normal(size=(2, 40)), 8, axis=0) + rng.normal(size=(16, 40))
    assert len(near_copies(X)) == 0


def test_every_block_counts_the_same_however_wide_it_is():
    """The narrow network sees that the photos differ; the wide one, of larger numbers, sees no difference."""
    rng = np.random.default_rng(0)
    wide = 1000 * np.repeat(rng.normal(size=(30, 400)), 2, axis=0)
    X = np.hstack([wide, rng.normal(size=(60, 40))]).astype(np.float32)
    assert found(near_copies(X)) == {(i, i + 1) for i in range(0, 60, 2)}
    assert len(near_copies(X, [400, 40])) == 0


def test_constant_columns_and_constant_rows_do_no_harm():
    X = vectors(30)
    X[:, 5] = 12345.678
    X[:, 6] = 0
    assert len(near_copies(X)) == 0
    assert np.isfinite(near_copies(np.zeros((4, 3))).similarity).all()
    assert len(near_pictures(np.full((5, 256), 90, dtype=np.uint8))) == 0


def scene(number, side=48):
    """Return a picture (side, side) of soft shapes that no other number has."""
    rng = np.random.default_rng([7, number])
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def edited(picture, rng):
    """Return a picture cropped, mirrored, turned and brightened a little, as augmentations do."""
    w, h = picture.size
    left, top, right, bottom = rng.integers(0, w // 12 + 1, 4)
    picture = picture.crop((left, top, w - right, h - bottom))
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = picture.rotate(rng.uniform(-8, 8), resample=Image.Resampling.BICUBIC)
    by = rng.uniform(0.8, 1.2)
    return picture.point(lambda v: min(255, round(v * by)))


def copies(count, m, seed=0, d=64):
    """Return features, thumbnails and numbers of m edited copies of `count` scenes, all in disorder."""
    rng = np.random.default_rng(seed)
    number = rng.permutation(np.repeat(np.arange(count), m))
    center = vectors(count, d=d, seed=seed)
    X = center[number] + 0.35 * rng.normal(size=(len(number), d))
    return X.astype(np.float32), np.stack([thumbnail(edited(scene(k), rng)) for k in number]), number


def same_groups(groups, number):
    """Return whether two ways of naming the groups of the rows are the same."""
    return len(np.unique(groups)) == len(np.unique(number)) == len(np.unique(np.stack([groups, number]), axis=1).T)


@pytest.mark.parametrize(("count", "m"), [(5, 1), (5, 2), (5, 20), (20, 3), (12, 11), (40, 1), (40, 2)])
def test_every_family_of_copies_is_one_group_whatever_its_size(count, m):
    """No copy is the surroundings by which another is judged: eleven hide each other no better than two."""
    X, looks, number = copies(count, m, seed=count + m)
    tied = group(digests(range(len(X))), X, thumbnails=looks)
    assert same_groups(tied.groups, number)
    assert len(tied.pairs) == count * (m - 1)  # just what holds the families together


TURN = Image.Transpose
WAYS = [None, TURN.FLIP_TOP_BOTTOM, TURN.ROTATE_90, TURN.ROTATE_180, TURN.ROTATE_270, TURN.TRANSPOSE, TURN.TRANSVERSE]


@pytest.mark.parametrize(("count", "m"), [(5, 11), (12, 8), (40, 2)])
def test_copies_turned_by_quarters_or_upside_down_are_one_group(count, m):
    """To the network a turned photo is hardly like the first, and no neighbor among those that stand the same way."""
    rng = np.random.default_rng(count + m)
    number, way = np.repeat(np.arange(count), m), np.tile(np.arange(m) % len(WAYS), count)
    whole = [scene(k) if WAYS[w] is None else scene(k).transpose(WAYS[w]) for k, w in zip(number, way, strict=True)]
    looks = np.stack([thumbnail(picture.crop((1, 0, 48, 48))) for picture in whole])
    side = vectors(len(WAYS), seed=9)[way]  # photos that stand the same way have something in common
    X = vectors(count, seed=count)[number] + side + 0.35 * rng.normal(size=side.shape)
    tied = group(digests(range(len(X))), X.astype(np.float32), thumbnails=looks)
    assert same_groups(tied.groups, number)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_picture_is_brought_upright_whichever_way_it_is_turned(seed):
    picture = np.random.default_rng(seed).normal(128, 40, (16, 16)).astype(np.float32)
    ways = [way for p in (picture, picture.T) for way in (p, p[:, ::-1], p[::-1], p[::-1, ::-1])]
    row, way, stood = upright(np.stack([way.ravel() for way in ways]))
    number = {(k, p.tobytes()): w for k, w, p in zip(row.tolist(), way.tolist(), stood, strict=True)}
    same = next(p for k, p in number if all((other, p) in number for other in range(8)))
    found = np.array([number[k, same] for k in range(8)])
    assert turned(found[:1].repeat(8), found).tolist() == [False, False] + [True] * 6
    assert aligned(np.stack([picture.ravel()] * 8), np.stack([way.ravel() for way in ways])).min() > 0.999


def test_parts_that_lie_otherwise_under_one_camera_are_no_family():
    """The parts are turned, and not the whole picture: each is another part."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    looks = []
    for _ in range(40):
        angle, left, top = rng.uniform(0, 2 * np.pi), *rng.uniform(-0.4, 0.4, 2)
        along = np.abs((x - left) * np.cos(angle) + (y - top) * np.sin(angle)) < 0.45
        part = along & (np.abs((y - top) * np.cos(angle) - (x - left) * np.sin(angle)) < 0.15)
        looks.append(thumbnail(Image.fromarray(np.where(part, 60, 150 + 25 * x).astype(np.uint8))))
    tied = group(digests(range(40)), vectors(40, common=2), thumbnails=np.stack(looks))
    assert np.bincount(tied.groups).max() <= 3


@cache
def film(kind, first, frames=60):
    """Return features and thumbnails of a film: a still scene, one that is panned over, or an object that moves."""
    rng = np.random.default_rng([first, frames])
    wide, start = scene(first, 96), vectors(1, seed=first)
    way = vectors(1, seed=first + 1, common=0)
    looks, X = [], []
    for t in range(frames):
        at = {"still": 0, "pan": round(24 * t / frames), "object": 0}[kind]
        frame = wide.crop((at, at, at + 72, at + 72))
        if kind == "object":
            frame.paste(230, (t, 30, t + 14, 44))
        noisy = np.asarray(frame, float) * rng.uniform(0.98, 1.02) + rng.normal(0, 3, (72, 72))
        looks.append(thumbnail(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))))
        X.append(start[0] + (0 if kind == "still" else 1.5 * t / frames) * way[0] + 0.05 * rng.normal(size=64))
    return np.array(X, np.float32), np.stack(looks)


@pytest.mark.parametrize("kinds", [("still", "still"), ("pan", "still"), ("object", "pan")])
@pytest.mark.parametrize("others", [0, 40])
def test_the_frames_of_a_film_are_one_group(kinds, others):
    """Sixty frames, more than the neighbors that are looked at, with and without other photos around."""
    films = [film(kind, 100 * i + 5) for i, kind in enumerate(kinds)]
    X = np.vstack([f[0] for f in films] + ([vectors(others, seed=3)] if others else []))
    looks = np.vstack([f[1] for f in films] + [thumbnail(scene(900 + i))[None] for i in range(others)])
    tied = group(digests(range(len(X))), X, thumbnails=looks)
    assert same_groups(tied.groups, np.r_[np.repeat([0, 1], 60), 2 + np.arange(others)])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 120))
def test_different_photos_are_no_family(seed, n):
    looks = np.stack([thumbnail(scene(1000 * seed + i)) for i in range(n)])
    assert len(group(digests(range(n)), vectors(n, seed=seed), thumbnails=looks).pairs) == 0


def test_photos_that_all_look_alike_are_no_family():
    """Parts under one camera: near by features and by pixels, and none much nearer than the next."""
    rng = np.random.default_rng(0)
    looks = np.stack([np.asarray(thumbnail(scene(1)), float) + rng.normal(0, 14, 256) for _ in range(150)])
    tied = group(digests(range(150)), vectors(150, common=0), thumbnails=looks)
    assert len(np.unique(tied.groups)) > 140


def test_training_photos_that_are_one_picture_are_compared_with_test_photos() -> None:
    X, looks = vectors(3, seed=1), np.stack([thumbnail(scene(i)) for i in range(3)])
    same = np.zeros(4, int)
    train = Photos(digests(same), X[same], looks[same])
    train = replace(train, look=group(train.digests, train.X, thumbnails=train.thumbnails).look)
    found = leaks(train, Photos(digests([0, 1, 2]), X, looks))
    assert set(found.second.tolist()) == {0}


@pytest.mark.parametrize("m", [1, 2, 11])
def test_every_copy_of_a_training_photo_among_the_test_photos_leaks(m):
    """The last copy of each family is a test photo; as many other test photos are none."""
    X, looks, number = copies(15, m + 1, seed=m)
    last = np.array([row == np.flatnonzero(number == k)[-1] for row, k in enumerate(number)])
    other, theirs = vectors(20, seed=50), np.stack([thumbnail(scene(500 + i)) for i in range(20)])
    rows = digests(range(len(X) + 20))
    train = Photos(rows[: len(X)][~last], X[~last], looks[~last])
    test = Photos(
        np.vstack([rows[: len(X)][last], rows[len(X) :]]), np.vstack([X[last], other]), np.vstack([looks[last], theirs])
    )
    found = leaks(train, test)
    known = leaks(replace(train, look=group(train.digests, train.X, thumbnails=train.thumbnails).look), test)
    assert (known.first == found.first).all() and (known.second == found.second).all()
    assert sorted(found.second.tolist()) == list(range(15))
    assert (number[~last][found.first] == number[last][found.second]).all()


def test_near_duplicates_may_be_asked_to_stay_apart_and_are_reported_all_the_same():
    X, looks, _ = copies(20, 3)
    tied = group(digests(range(60)), X, thumbnails=looks, near=False)
    assert len(np.unique(tied.groups)) == 60
    assert len(tied.pairs) == 40
    assert "each counts as a photo of its own" in tied.notes[0]


def test_thumbnails_are_laid_on_each_other():
    """Shifted, cropped, turned, mirrored or brightened: the same scene correlates; other scenes do not."""
    rng = np.random.default_rng(0)
    whole = np.stack([thumbnail(scene(i)) for i in range(60)])
    again = np.stack([thumbnail(edited(scene(i), rng)) for i in range(60)])
    same, other = aligned(whole, again), aligned(whole, again[::-1])
    assert np.quantile(same, 0.05) > 0.9
    assert other.max() < 0.8
    assert np.abs(aligned(whole, whole) - 1).max() < 1e-3
    assert np.isfinite(aligned(np.zeros((3, 256)), whole[:3])).all()


def test_equal_vectors_are_tied_even_where_there_are_dozens():
    X = np.vstack([np.repeat(vectors(1), 30, axis=0), vectors(40, seed=1)])
    tied = group(digests(range(70)), X)
    assert len(np.unique(tied.groups[:10])) < 10
    assert len(np.unique(tied.groups[30:])) == 40


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_a_handful_of_images_is_no_special_case(n):
    assert len(near_copies(vectors(n) if n != 2 else np.eye(2))) == 0
    assert group(digests(range(n)) if n else np.zeros((0, 32), np.uint8), vectors(n)).groups.tolist() == list(range(n))


def test_many_images_are_compared_in_narrower_form_with_the_same_result():
    X = vectors(WIDE + 200, d=600)
    X[-20:] = X[:20] + 0.2 * np.random.default_rng(1).normal(size=(20, 600))
    assert found(near_copies(X)) == {(i, len(X) - 20 + i) for i in range(20)}


def test_blocks_that_are_not_the_features_are_refused():
    with pytest.raises(InputError, match=r"widths \(3, 4\) add up to 7, and X has 64 columns"):
        near_copies(vectors(5), [3, 4])


def save(image, quality):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


CHANGES = {
    "saved again": lambda im: save(im, 60),
    "half the size": lambda im: im.resize((im.width // 2, im.height // 2), Image.Resampling.BICUBIC),
    "larger": lambda im: im.resize((im.width * 3 // 2, im.height * 3 // 2), Image.Resampling.BICUBIC),
    "brighter": lambda im: im.point(lambda v: min(255, round(v * 1.1))),
    "cropped": lambda im: im.crop((im.width // 40, im.height // 40, im.width * 39 // 40, im.height * 39 // 40)),
    "grey": lambda im: im.convert("L").convert("RGB"),
}


def thumbnail(image):
    return np.asarray(image.convert("L").resize((16, 16), Image.Resampling.BICUBIC)).ravel()


def test_changed_copies_of_real_photos_are_found_by_thumbnails_and_nothing_else_is(real_photos):
    files = sorted((real_photos / "train").rglob("*.jpg"))[:120:2]
    images = [Image.open(file).convert("RGB") for file in files]
    originals = np.stack([thumbnail(image) for image in images])
    assert len(near_pictures(originals)) == 0
    for name, change in CHANGES.items():
        copies = np.stack([thumbnail(change(image)) for image in images[:15]])
        pairs = near_pictures(np.vstack([originals, copies]))
        assert found(pairs) == {(i, 60 + i) for i in range(15)}, name


def test_a_module_of_solar_cells_that_was_photographed_twice_is_found():
    """Cells 1735-1784 of the ELPV data are there again, blurred, as 2277-2326; all cells look alike."""
    elpv = pytest.importorskip("elpv_dataset", reason="the extra `demo` is not installed")
    folder = Path(elpv.__file__).parent / "data" / "images"
    numbers = [*range(1735, 1835), *range(2277, 2377)]
    cells = np.stack([thumbnail(Image.open(folder / f"cell{n:04d}.png")) for n in numbers])
    tied = group(digests(range(200)), vectors(200), thumbnails=cells)
    assert sum(tied.groups[i] == tied.groups[i + 100] for i in range(50)) >= 49
    assert np.bincount(tied.groups).max() <= 6
    assert sum(tied.groups[i] == tied.groups[i + 100] for i in range(50, 100)) == 0


def test_exact_copies_near_copies_and_the_users_groups_hang_together():
    X = vectors(40)
    X[7] = X[3] + 0.1 * np.random.default_rng(1).normal(size=64)
    numbers = list(range(40))
    X[20], numbers[20] = X[7], 7
    user = np.array([f"scene {i}" for i in range(40)])
    user[30] = user[20]
    tied = group(digests(numbers), X, user_groups=user)
    assert len({int(tied.groups[i]) for i in (3, 7, 20, 30)}) == 1
    assert len(np.unique(tied.groups)) == 37
    assert found(tied.pairs) == {(3, 7)}
    assert tied.notes[0].startswith("1 image is an exact copy of another")
    assert tied.notes[1].startswith("2 images are near-duplicates or look-alikes (1 group)")


def test_pairs_are_numbered_as_the_images_are_whatever_order_the_digests_have():
    X = vectors(40)
    X[31] = X[4] + 0.1 * np.random.default_rng(1).normal(size=64)
    tied = group(digests(range(40))[::-1].copy(), X)
    assert found(tied.pairs) == {(4, 31)}


def test_without_copies_every_image_is_its_own_group_and_nothing_is_said():
    tied = group(digests(range(30)), vectors(30))
    assert tied.groups.tolist() == list(range(30))
    assert tied.notes == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_the_users_groups_are_never_parted(seed, n):
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 8, n)
    numbers = rng.integers(0, n, n)
    X = vectors(n)[numbers]
    tied = group(digests(numbers.tolist()), X, user_groups=user).groups
    for name in (user, numbers):
        for value in np.unique(name):
            assert len(np.unique(tied[name == value])) == 1
    assert sorted(set(tied.tolist())) == list(range(tied.max() + 1))


def test_a_chain_of_near_copies_never_ties_a_large_part_of_the_images(monkeypatch):
    """Frames of a film, each like the next: the weakest links are dropped, and a note says so."""
    chain = Pairs(np.arange(99), np.arange(1, 100), np.linspace(1, 0.9, 99, dtype=np.float32))
    monkeypatch.setattr("penult.audit.same_photo._close", lambda *_: chain)
    tied = group(digests(range(100)), vectors(100))
    assert np.bincount(tied.groups).max() == 10
    assert len(np.unique(tied.groups[:10])) == 1
    assert "were not kept together" in tied.notes[-1]
    assert "--groups" in tied.notes[-1]


def test_a_large_group_of_the_user_is_kept_whole():
    tied = group(digests(range(60)), vectors(60), user_groups=np.zeros(60))
    assert tied.groups.tolist() == [0] * 60


def test_lengths_that_differ_are_refused_all_at_once():
    with pytest.raises(InputError, match=r"5 digests, but \{'features': 4, 'groups': 3, 'thumbnails': 2\}"):
        group(digests(range(5)), vectors(4), user_groups=np.zeros(3), thumbnails=np.zeros((2, 256)))


def test_exact_copies_are_numbered_as_their_digests_sort_also_where_two_begin_alike():
    rng = np.random.default_rng(0)
    digests = np.frombuffer(rng.bytes(500 * 32), np.uint8).reshape(500, 32).copy()
    digests[[3, 40, 41]] = digests[7]
    for alike in (False, True):
        if alike:
            digests[100, :8] = digests[200, :8]
        assert (copy_groups(digests) == np.unique(digests.view("V32").ravel(), return_inverse=True)[1]).all()
