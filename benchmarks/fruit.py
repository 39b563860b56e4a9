"""Draw fruit: pictures that belong to nobody, for the screenshots of the docs.

Four kinds, of any size, colour, light and ground; some pears are round and some apples yellow, so that not all are easy.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

SIDE = 260
KINDS = ("apple", "lemon", "pear", "plum")
COLOURS = {
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
    """Return an empty table: a colour, light from one side, and the grain of wood or cloth."""
    colour = np.array(GROUNDS[random.integers(len(GROUNDS))], float)
    light = 1 + random.uniform(-0.5, 0.5) * along + random.uniform(0, 0.4) * down
    turn, pitch = random.uniform(0, np.pi), random.uniform(30, 160)
    grain = np.sin(pitch * (along * np.cos(turn) + down * np.sin(turn)) + 3 * np.sin(9 * along) + 2 * np.sin(7 * down))
    return colour * (light + random.uniform(0, 0.07) * grain)[..., None]


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
    colours = COLOURS[kind]
    base = np.array(colours[random.integers(len(colours))], float) + random.normal(0, 10, 3)
    blush = np.array(colours[random.integers(len(colours))], float)
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


def lay_out(folder: Path, each: int = 70) -> None:
    """Write the pictures as `<kind>/<kind>.<n>.jpg`, with a few mistakes of the kind that people make."""
    from PIL import Image

    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            Image.fromarray(picture(kind, i)).save(folder / kind / f"{kind}.{i}.jpg", quality=88)
    for number, (kind, other) in enumerate((("apple", "pear"), ("plum", "apple"), ("lemon", "pear"), ("pear", "lemon"))):
        source = folder / kind / f"{kind}.{20 + number}.jpg"
        source.rename(folder / other / f"{other}.{each + number}.jpg")
    for kind, other in (("apple", "plum"), ("lemon", "lemon")):
        copy = (folder / kind / f"{kind}.5.jpg").read_bytes()
        (folder / other / f"{other}.{each + 9}.jpg").write_bytes(copy)
    Image.new("RGB", (SIDE, SIDE), (4, 4, 5)).save(folder / "plum" / f"plum.{each + 12}.jpg")
