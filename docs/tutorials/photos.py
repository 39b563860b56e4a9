"""Photos to try the tutorials of penult on: `python photos.py SET` writes one set below the current folder.

    pairs         blog2017.md: apples and pears with Kaggle's flat names, train/apple.0.jpg ..., test/1.jpg ...
    cells         quality-control.md: real solar cells (pip install elpv-dataset), train/ and test/ in class folders, later/
    competition   kaggle.md: images/, train.csv, sample_submission.csv, with some faults to find
    unlabelled    label-500.md: 500 photos in one folder, and truth.csv, which you are not to look at
    fruit         model-to-web-page.md: train/ and test/ in class folders, four kinds of fruit
    archives      ten-million.md: tar files of labelled photos, and one of photos without labels

The fruit is drawn, so it belongs to nobody: four kinds, of any size, color, light and ground; some pears are round and some
apples yellow, so that not all are easy. Same number, same picture. It needs numpy and Pillow.
"""

from __future__ import annotations

import csv
import shutil
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 260
KINDS = ("apple", "lemon", "pear", "plum")
COLORS = {
    "apple": [(200, 40, 45), (170, 30, 40), (150, 185, 60), (225, 190, 70), (215, 95, 60)],
    "lemon": [(245, 215, 60), (235, 200, 45), (190, 200, 70)],
    "pear": [(185, 195, 80), (150, 175, 70), (215, 195, 95), (170, 120, 60)],
    "plum": [(90, 45, 105), (65, 40, 95), (125, 45, 85), (165, 55, 75)],
}
GROUNDS = [(226, 214, 196), (120, 92, 70), (205, 215, 222), (60, 66, 74), (238, 236, 230), (150, 170, 150), (196, 170, 140)]


def picture(kind: str, number: int) -> np.ndarray:
    """Return one picture (h, w, 3); the same kind and number give the same one."""
    random = np.random.default_rng([number, zlib.crc32(kind.encode())])
    down, along = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    scene = ground(random, along, down)
    count = 1 if random.random() < 0.7 else 2
    for _ in range(count):
        place = random.uniform(-0.16, 0.16, 2) * (1 if count == 1 else 1.6)
        scene = laid(scene, kind, random, along - place[0], down - place[1])
    scene = scene * random.uniform(0.72, 1.12) + random.normal(0, random.uniform(2, 9), scene.shape)
    return np.clip(scene, 0, 255).astype(np.uint8)


def ground(random: np.random.Generator, along: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return an empty table: a color, light from one side, and the grain of wood or cloth."""
    color = np.array(GROUNDS[random.integers(len(GROUNDS))], float)
    light = 1 + random.uniform(-0.5, 0.5) * along + random.uniform(0, 0.4) * down
    turn, pitch = random.uniform(0, np.pi), random.uniform(30, 160)
    grain = np.sin(pitch * (along * np.cos(turn) + down * np.sin(turn)) + 3 * np.sin(9 * along) + 2 * np.sin(7 * down))
    return color * (light + random.uniform(0, 0.07) * grain)[..., None]


def laid(scene: np.ndarray, kind: str, random: np.random.Generator, along: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Lay one fruit with its shadow on the scene."""
    size, turn = random.uniform(0.2, 0.34), random.normal(0, 0.5)
    u = (along * np.cos(turn) + down * np.sin(turn)) / size
    v = (down * np.cos(turn) - along * np.sin(turn)) / size
    far = distance(kind, random, u, v)  # 1 at the outline
    shade = np.exp(-3 * np.maximum(distance(kind, random, u - 0.25, v - 0.3) - 0.75, 0)) * 0.45
    scene = scene * (1 - np.where(far > 1, shade, 0))[..., None]
    height = np.sqrt(np.clip(1 - far**2, 0, 1))
    lit = 0.42 + 0.5 * height + 0.3 * np.clip(-u - v, -1, 1) * np.clip(far, 0, 1)
    colors = COLORS[kind]
    base = np.array(colors[random.integers(len(colors))], float) + random.normal(0, 10, 3)
    blush = np.array(colors[random.integers(len(colors))], float)
    mix = np.clip(0.5 + 0.7 * (u * np.cos(3 * turn) + v) + 0.2 * np.sin(14 * u), 0, 1)[..., None]
    skin = (base * (1 - 0.6 * mix) + blush * 0.6 * mix) * lit[..., None]
    gloss = np.exp(-(((u + 0.35) ** 2 + (v + 0.4) ** 2) / 0.035)) * random.uniform(20, 120)
    skin = skin + gloss[..., None] - (45 * (kind == "plum") * np.exp(-(((u - 0.3 * v) / 0.06) ** 2)) * (v < 0.8))[..., None]
    edge = np.clip((1.02 - far) * 30, 0, 1)[..., None]
    scene = scene * (1 - edge) + skin * edge
    if kind in ("apple", "pear"):
        stem = (
            (np.abs(u - 0.12 * (v + 1)) < 0.045) & (v < -0.72 - 0.3 * (kind == "pear")) & (v > -1.12 - 0.35 * (kind == "pear"))
        )
        scene = np.where(stem[..., None], np.array((88, 62, 40)) * lit.clip(0.7, 1)[..., None], scene)
    return scene


def distance(kind: str, random: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return how far from the middle of a fruit each place is, 1 at its outline."""
    if kind == "apple":
        dent = 0.16 * np.exp(-((u / 0.28) ** 2)) * (v < 0)
        return np.sqrt(u**2 + (v * 1.06 * (1 + dent * 1.6)) ** 2) + dent
    if kind == "lemon":
        return np.sqrt((u / 1.16) ** 2 + (v / 0.84) ** 2) - 0.16 * np.exp(-(((np.abs(u) - 1.2) ** 2 + v**2) / 0.05))
    if kind == "pear":
        width = 0.56 + 0.34 / (1 + np.exp(-4.2 * (v + 0.12)))
        return np.sqrt((u / width) ** 2 + ((v - 0.05) / 1.14) ** 2)
    return np.sqrt((u / 0.92) ** 2 + v**2)


def jpeg(pixels: np.ndarray) -> bytes:
    """Return a picture as the bytes of a JPEG file."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=88)
    return file.getvalue()


def write(path: Path, data: bytes) -> None:
    """Write a file, and its folder where that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def drawn(kinds: tuple[str, ...], first: int, last: int) -> Iterator[tuple[str, int, bytes]]:
    """Yield kind, number and file of so many pictures of each kind, in an order that tells nothing."""
    every = [(kind, number) for kind in kinds for number in range(first, last)]
    for kind, number in sorted(every, key=lambda one: zlib.crc32(f"{one[0]}{one[1]}".encode())):
        yield kind, number, jpeg(picture(kind, number))


def pairs(folder: Path) -> None:
    """Write 200 training photos and 60 test photos of apples and pears, as Kaggle names cats and dogs."""
    for kind, number, data in drawn(("apple", "pear"), 0, 100):
        write(folder / "train" / f"{kind}.{number}.jpg", data)
    for place, (_, _, data) in enumerate(drawn(("apple", "pear"), 100, 130), 1):
        write(folder / "test" / f"{place}.jpg", data)


def fruit(folder: Path) -> None:
    """Write 60 training photos and 15 test photos of each kind."""
    for kind, number, data in drawn(KINDS, 0, 75):
        write(folder / ("train" if number < 60 else "test") / kind / f"{kind}.{number}.jpg", data)


def unlabelled(folder: Path) -> None:
    """Write 500 photos with numbers for names, and beside the folder which kind each is."""
    truth = []
    for place, (kind, _, data) in enumerate(drawn(KINDS, 0, 125), 1):
        truth.append((f"{place:03}.jpg", kind))
        write(folder / "photos" / truth[-1][0], data)
    table(folder / "truth.csv", ("file", "label"), truth)


def archives(folder: Path) -> None:
    """Write 240 labelled photos in 4 tar files, a file `.cls` with the kind beside each, and 120 without labels in one."""
    (folder / "train").mkdir(parents=True, exist_ok=True)
    labelled = list(drawn(KINDS, 0, 60))
    for part in range(4):
        pack(folder / "train" / f"{part:05}.tar", labelled[part::4], True)
    pack(folder / "new.tar", list(drawn(KINDS, 60, 90)), False)


def pack(path: Path, photos: list[tuple[str, int, bytes]], labelled: bool) -> None:
    """Write a tar file as webdataset has it."""
    with tarfile.open(path, "w") as tar:
        for place, (kind, _, data) in enumerate(photos):
            for ending, content in (("jpg", data), ("cls", kind.encode()))[: 1 + labelled]:
                entry = tarfile.TarInfo(f"{path.stem}-{place:04}.{ending}")
                entry.size = len(content)
                tar.addfile(entry, BytesIO(content))


def competition(folder: Path) -> None:
    """Write what a competition gives: two photos of each scene, a table, a sample submission; and what is wrong in it."""
    labels = []
    for kind, scene, data in drawn(KINDS, 0, 30):
        for view in range(2):
            labels.append((f"{zlib.crc32(f'{kind}{scene}{view}'.encode()):08x}", kind, f"{kind[0]}{scene:02}"))
            write(folder / "images" / f"{labels[-1][0]}.jpg", data if view == 0 else again(data))
    labels.sort()
    wrong = {"apple": "pear", "pear": "apple", "lemon": "pear", "plum": "apple"}
    labels = [(i, wrong[k] if place in (17, 90, 160) else k, s) for place, (i, k, s) in enumerate(labels)]  # three slips
    table(folder / "train.csv", ("id", "label", "scene"), labels)
    ids = []
    for kind, number, data in drawn(KINDS, 30, 48):
        ids.append(f"{zlib.crc32(f'{kind}{number}test'.encode()):08x}")
        write(folder / "images" / f"{ids[-1]}.jpg", data)
    for place in (4, 44):  # two test photos that are training photos
        shutil.copy(folder / "images" / f"{labels[place][0]}.jpg", folder / "images" / f"{ids[place]}.jpg")
    table(folder / "sample_submission.csv", ("id", *KINDS), [(i, *[0.25] * 4) for i in sorted(ids)])


def again(data: bytes) -> bytes:
    """Return a second photo of a scene: a little nearer, a little darker."""
    with Image.open(BytesIO(data)) as whole:
        near = whole.crop((10, 6, SIDE - 12, SIDE - 16)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return jpeg((np.asarray(near) * 0.93).astype(np.uint8))


def cells(folder: Path) -> None:
    """Lay out real solar cells: 300 to train, 150 to test, and 60 later ones as a lamp that grows dim would show them."""
    spec = find_spec("elpv_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The photos of solar cells are not here: pip install elpv-dataset (90 MB)")
    data = Path(next(iter(spec.submodule_search_locations))) / "data"
    rows = [line.split() for line in (data / "labels.csv").read_text(encoding="utf-8").splitlines() if line.strip()]
    rows.sort(key=lambda row: zlib.crc32(row[0].encode()))
    for place, (name, probability, _) in enumerate(rows[:510]):
        label = "defective" if float(probability) > 0.5 else "functional"
        file = Path(name).name
        if place < 450:
            write(folder / ("train" if place < 300 else "test") / label / file, (data / name).read_bytes())
            continue
        with Image.open(data / name) as cell:
            (folder / "later").mkdir(parents=True, exist_ok=True)
            Image.fromarray((np.asarray(cell) * 0.6).astype(np.uint8)).save(folder / "later" / file)


def table(path: Path, head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Write a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


SETS: dict[str, Callable[[Path], None]] = {
    one.__name__: one for one in (pairs, cells, competition, unlabelled, fruit, archives)
}


def main() -> None:
    """Write the set that is named."""
    if len(sys.argv) != 2 or sys.argv[1] not in SETS:
        raise SystemExit(__doc__)
    SETS[sys.argv[1]](Path())


if __name__ == "__main__":
    main()
