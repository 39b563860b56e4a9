"""One picture twice is told from two that look alike, and only the first is called a duplicate."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from penult.audit import AuditData, AuditPart, Pairs, Photos, find_all, group, leaks
from penult.audit.registration import one_picture

SIDE = 96


def texture(seed, side=288, frame=None):
    """Return a picture of soft shapes at many scales, as photos have them; `frame` is what all photos of one kind share."""
    rng = np.random.default_rng(seed)
    out = np.zeros((side, side), np.float32)
    for cells, strength in ((4, 30), (12, 25), (36, 20), (96, 12)):
        coarse = Image.fromarray(rng.normal(0, strength, (cells, cells)).astype(np.float32))
        out += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    if frame is not None:
        out = 0.25 * out + np.asarray(frame, np.float32)[..., 0] - 120
    return Image.fromarray(np.clip(120 + out, 0, 255).astype(np.uint8)).convert("RGB")


def saved(picture, quality=90):
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue())).convert("RGB")


def crop(picture, left, top):
    w, h = picture.size
    return picture.crop((int(left * w), int(top * h), int((left + 0.9) * w), int((top + 0.9) * h)))


EDITS = {
    "exact": lambda p: p,
    "half the size": lambda p: saved(p.resize((p.width // 2, p.height // 2), Image.Resampling.BICUBIC)),
    "the middle": lambda p: saved(crop(p, 0.05, 0.05)),
    "a corner": lambda p: saved(crop(p, 0.1, 0.0)),
    "strongly compressed": lambda p: saved(p, 40),
    "brighter": lambda p: saved(ImageEnhance.Brightness(p).enhance(1.3)),
    "mirrored": lambda p: saved(ImageOps.mirror(p)),
    "a mirrored corner": lambda p: saved(ImageOps.mirror(crop(p, 0.0, 0.1))),
}


def gray(picture, side=SIDE):
    return np.asarray(picture.convert("L").resize((side, side), Image.Resampling.BICUBIC), np.float32).ravel()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_texture_is_one_picture(edit):
    whole = [texture(seed) for seed in range(12)]
    pictures = np.stack([gray(p) for p in whole] + [gray(EDITS[edit](p)) for p in whole])
    assert one_picture(pictures, np.arange(12), np.arange(12, 24)).sum() >= 12


def test_photos_of_one_kind_are_not_one_picture():
    """The frame, and most of the shapes, are the same; the detail is not."""
    frame = texture(99)
    pictures = np.stack([gray(saved(texture(seed, frame=frame))) for seed in range(20)])
    assert not one_picture(pictures, np.arange(10), np.arange(10, 20)).any()


def test_edited_photos_are_found_where_features_say_nothing():
    """Among 40 photos whose features are drawn by lot, as those of small or strongly compressed copies may be."""
    edits = ("half the size", "strongly compressed", "brighter", "mirrored")
    whole = [texture(seed) for seed in range(40)]
    those = photos([*whole, *(EDITS[edit](whole[i]) for i, edit in enumerate(edits))])
    X = np.random.default_rng(2).normal(size=(44, 64)).astype(np.float32)
    tied = group(those.digests, X, thumbnails=those.thumbnails, pictures=those.pictures).groups
    assert tied.tolist() == [*range(40), *range(4)]


def test_where_there_is_nothing_to_see_nothing_is_called_one_picture():
    """Bare walls, lit a little differently."""
    slope = np.linspace(100, 140, SIDE, dtype=np.float32)[None, :].repeat(SIDE, axis=0)
    pictures = np.stack([slope.ravel(), slope.T.ravel(), np.zeros(SIDE * SIDE, np.float32)])
    assert not one_picture(pictures, np.array([0, 0, 2]), np.array([1, 2, 2])).any()


def audited(pairs, train, test=None):
    """Return the findings on photos with these larger pictures; rows 0.. of class a, the last of class b."""
    n = len(train.digests)
    names = [f"{i}.png" for i in range(n)]
    y = np.r_[np.zeros(n - 1, np.intp), 1]
    theirs = None
    if test is not None:
        tests = [f"t{i}.png" for i in range(len(test.digests))]
        theirs = AuditPart("test", tests, tests, test)
    ours = AuditPart("training", names, names, train, y)
    nobody = np.zeros(0, np.intp), np.zeros((0, 2)), np.zeros(0)
    return find_all(AuditData(ours, theirs, ("a", "b"), (8,), (8,), pairs, *nobody))


def photos(pictures, start=0, seed=0):
    n = len(pictures)
    digests = np.zeros((n, 32), np.uint8)
    digests[:, 0] = start + np.arange(n)
    thumbnails = np.stack([gray(p, 16) for p in pictures])
    X = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    large = np.stack([gray(p) for p in pictures])
    return Photos(digests, X, thumbnails, lambda rows: large[rows])


def test_only_one_picture_twice_is_called_a_duplicate():
    train = photos([texture(seed) for seed in range(4)])
    told = Pairs(np.array([0, 1]), np.array([3, 2]), np.array([0.99, 0.98], np.float32), np.array([True, False]))
    found = {one.kind: one for one in audited(told, train) if one.kind in ("near_copy", "group")}
    assert found["near_copy"].suggestion == "same picture under two labels: keep the right one"
    assert (found["near_copy"].file, found["near_copy"].related) == ("3.png", "0.png")
    assert found["group"].suggestion == "keep both"
    assert found["group"].reason == "pair of look-alikes within a"


def near(one, other, seed=5):
    """Return features (n, 8) of `other` that are near those of `one`."""
    return one + 0.02 * np.random.default_rng(seed).normal(size=other).astype(np.float32)


def test_a_leak_says_whether_it_is_the_picture_or_a_look_alike():
    frames = [texture(seed) for seed in range(40)]
    train = photos(frames)
    scene = texture(500, frame=frames[1])
    alike = Image.blend(frames[1], scene, 0.5)
    test = photos([EDITS["mirrored"](frames[0]), alike], start=100)
    X = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    train = Photos(train.digests, X, train.thumbnails, train.pictures)
    test = Photos(test.digests, near(X[:2], (2, 8)), test.thumbnails, test.pictures)
    pairs = leaks(train, test)
    assert dict(zip(pairs.second.tolist(), pairs.first.tolist(), strict=True)) == {0: 0, 1: 1}
    assert dict(zip(pairs.second.tolist(), pairs.one_picture.tolist(), strict=True)) == {0: True, 1: False}
    said = {one.file: one for one in audited(Pairs.none(), train, test) if one.kind == "leak"}
    assert said["t0.png"].suggestion == "remove it from the test set"
    assert said["t1.png"].suggestion == "look-alikes of training photos: the score may flatter you"


def test_a_crop_among_photos_that_all_look_alike_is_found_and_kept_with_its_picture():
    """By the thumbnails, one is a part of the other; by the larger pictures, it is one picture."""
    frame = texture(7)
    whole = [texture(seed, frame=frame) for seed in range(30)]
    pictures = [*whole, *(EDITS["the middle"](p) for p in whole[:5])]
    those = photos(pictures)
    X = np.random.default_rng(0).normal(size=(30, 64))
    X = np.vstack([X, X[:5] + 0.6 * np.random.default_rng(1).normal(size=(5, 64))]).astype(np.float32)
    tied = group(those.digests, X, thumbnails=those.thumbnails, pictures=those.pictures)
    assert [tied.groups[i] == tied.groups[30 + i] for i in range(5)] == [True] * 5
    copies = tied.pairs.select(tied.pairs.one_picture)
    assert set(zip(copies.first.tolist(), copies.second.tolist(), strict=True)) == {(i, 30 + i) for i in range(5)}
