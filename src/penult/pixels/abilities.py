"""What this machine can do with pictures: formats, the compiled resize, worker processes; each is tried, not looked up.

In: nothing. Out: plain values for whoever tells them to a person.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from penult.pixels import decoding, kernel, preparing
from penult.pixels.recipe import Failure, Recipe
from penult.pixels.road import DECODER


def formats() -> dict[str, bool]:
    """Return for each format that penult reads whether a small picture of it is read here; HEIC is always among them."""
    from PIL import Image

    found = {}
    for name in decoding._PLUGINS:
        there, packed = decoding._opener(name), BytesIO()
        if there and name in Image.SAVE:
            try:
                Image.new("RGB", (16, 16), (200, 90, 30)).save(packed, format=name)
            except (OSError, KeyError, ValueError, RuntimeError):  # the library behind it was left out of this Pillow
                there = False
            else:
                there = not isinstance(decoding.decode(packed.getvalue()), Failure)
        found[name] = there
    return {**found, "HEIC": decoding._heif()}


def resize() -> str:
    """Return how pictures are made smaller: "compiled", "absent" (never compiled), or "other" (not as this Pillow rounds)."""
    if find_spec("penult.pixels._resample") is None:
        return "absent"
    return "other" if kernel._compiled() is None else "compiled"


def start_worker(decoder: str = DECODER) -> None:
    """Have a worker process read one small picture. Raises `RuntimeError` where none starts, or it cannot."""
    from PIL import Image

    from penult.pixels.crew import Crew, NoWorkers
    from penult.pixels.worker import Order

    recipe = Recipe(8, "squash", 1.0)
    with tempfile.TemporaryDirectory(prefix="penult-") as folder:
        path = Path(folder, "picture.png")
        Image.new("RGB", (16, 16), (200, 90, 30)).save(path)
        order = Order((recipe,), (), -1, 0, 30.0, 4 << 30, decoder)
        try:
            with Crew(order, [memoryview(b"")], 1) as crew:
                seen = next(iter(crew.run([(0, str(path).encode())])))
        except NoWorkers as error:
            raise RuntimeError(str(error)) from error
    if seen.failure is not None:
        raise RuntimeError(f"{seen.failure.reason}: {seen.failure.detail}")


def room() -> tuple[int, int, int]:
    """Return the cores and the bytes of memory that this process may use, and how many workers it would start."""
    return preparing._cores(), preparing._memory(), preparing._workers()
