"""The compiled resize is Pillow's to the bit for every shape, stays inside its memory, and can be done without."""

import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from penult.pixels import Recipe, prepare, prepare_all, resizing
from tolerance import RESIZED

compiled = pytest.importorskip("penult.pixels._resample", reason="there was no compiler when penult was installed")

Pair = tuple[int, int]
shown = pytest.mark.skipif(not resizing._shows_pixels(), reason="this Pillow does not show its pixels, or not safely")
GUARD = bytes(range(64))


@pytest.fixture(params=["vectors", "plain"], scope="module", autouse=True)
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    """With the vector instructions of this processor, and without."""
    if compiled.vectors(request.param == "vectors") != (request.param == "vectors"):
        pytest.skip("this processor has none of the vector instructions that there is code for")
    yield request.param
    compiled.vectors(True)


def noise(width: int, height: int, mode: str) -> Image.Image:
    """Return a picture of noise that is mostly black and white, where overshooting and rounding show most."""
    random = np.random.default_rng([width, height])
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    values = random.integers(-128, 384, shape).clip(0, 255).astype(np.uint8)
    return Image.fromarray(values)


def ours(picture: Image.Image, size: int, resized: Pair, corner: Pair, how: Image.Resampling, step: int) -> bytes:
    """Return the compiled function's crop; step 0 takes the picture as `resizing` does. Guards lie on both sides."""
    raw = {1: "L", 3: "RGB", 4: "RGBX"}
    whole = bytearray(GUARD + bytes(size * size * 3) + GUARD)
    down_first = not resizing._x_first(picture.size, resized)
    pixels: Any = picture.tobytes("raw", raw[step]) if step else resizing._pixels(picture)
    step = step or (4 if picture.mode == "RGB" else 1)
    place = memoryview(whole)[64:-64]
    compiled.resample(place, pixels, step, picture.size, resized, corner, size, how.name == "BICUBIC", down_first)
    assert whole[:64] == whole[-64:] == GUARD
    return bytes(place)


def pillows(picture: Image.Image, size: int, resized: Pair, corner: Pair, how: Image.Resampling) -> bytes:
    box = (*corner, corner[0] + size, corner[1] + size)
    return picture.resize(resized, how).crop(box).convert("RGB").tobytes()


sides = st.one_of(st.integers(1, 40), st.integers(1, 400))
both = st.sampled_from([Image.Resampling.BICUBIC, Image.Resampling.BILINEAR])


@given(sides, sides, sides, sides, st.data(), both)
@settings(max_examples=120, deadline=None)
@example(1, 1, 300, 300, None, Image.Resampling.BICUBIC)
@example(400, 1, 1, 400, None, Image.Resampling.BICUBIC)
@example(1, 400, 400, 1, None, Image.Resampling.BILINEAR)
@example(17, 16, 17, 16, None, Image.Resampling.BICUBIC)
def test_any_picture_to_any_size_and_any_crop_of_it(
    width: int, height: int, wide: int, high: int, data: Any, how: Image.Resampling
) -> None:
    draw = (lambda low, high: data.draw(st.integers(low, high))) if data else (lambda low, high: high)
    size = draw(1, min(wide, high))
    corner = draw(0, wide - size), draw(0, high - size)
    for mode, steps in (("RGB", (0, 3, 4)), ("L", (0, 1))):
        picture = noise(width, height, mode)
        wanted = pillows(picture, size, (wide, high), corner, how)
        for step in steps:
            assert ours(picture, size, (wide, high), corner, how, step) == wanted, (mode, step)


@pytest.mark.parametrize("shape", [(65_000, 3), (3, 65_000), (65_535, 1), (1, 65_535), (5_000, 40), (40, 5_000)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_extreme_ratios(shape: Pair, mode: str) -> None:
    picture, how = noise(*shape, mode), Image.Resampling.BICUBIC
    for resized in ((32, 32), (300, 32), (32, 300), (min(max(shape[0], 32), 3000), 32)):
        corner = resized[0] - 32, resized[1] - 32
        assert ours(picture, 32, resized, corner, how, 0) == pillows(picture, 32, resized, corner, how)


@pytest.mark.parametrize("shape", [(400, 360), (500, 375), (375, 500), (333, 500), (1024, 768), (320, 240), (224, 224)])
@pytest.mark.parametrize("resized", [(224, 224), (299, 299), (256, 256)])
def test_photos_of_usual_sizes(shape: Pair, resized: Pair) -> None:
    picture, how = noise(*shape, "RGB"), Image.Resampling.BICUBIC
    found = np.frombuffer(ours(picture, 224, resized, (0, 0), how, 0), np.uint8).astype(int)
    wanted = np.frombuffer(pillows(picture, 224, resized, (0, 0), how), np.uint8)
    assert np.abs(found - wanted).max() <= RESIZED


def test_one_size_that_only_has_one_colour_stays_that_colour() -> None:
    """Weights that are rounded one by one need not sum to 1; Pillow's do not, either."""
    for value in (0, 1, 127, 254, 255):
        flat = Image.new("RGB", (301, 207), (value, value, value))
        assert set(ours(flat, 64, (93, 64), (7, 0), Image.Resampling.BICUBIC, 0)) == {value}


GOOD = {
    "step": 3,
    "picture": (5, 4),
    "resized": (7, 6),
    "corner": (1, 1),
    "size": 5,
    "bicubic": True,
    "down_first": False,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": 2},
        {"step": 0},
        {"step": -3},
        {"step": 4},  # the pixels are fewer than that
        {"step": 1},
        {"picture": (5, 5)},
        {"picture": (0, 4)},
        {"picture": (-5, -4)},
        {"picture": (65_536, 4)},
        {"picture": (4, 65_536)},
        {"resized": (5, 6)},
        {"resized": (7, 5)},
        {"resized": (-7, 6)},
        {"resized": (1_000_000_001, 6)},
        {"corner": (3, 1)},
        {"corner": (1, 2)},
        {"corner": (-1, 1)},
        {"corner": (1, -1)},
        {"corner": (2**31 - 1, 1)},
        {"size": 0},
        {"size": -1},
        {"size": 6},
        {"size": 4},
        {"size": 65_536},
    ],
    ids=str,
)
def test_sizes_that_do_not_fit_together_are_refused(wrong: dict[str, Any]) -> None:
    pixels, place = bytes(5 * 4 * 3), bytearray(5 * 5 * 3)
    compiled.resample(place, pixels, *GOOD.values())
    with pytest.raises(ValueError, match=r"do not fit together|more or fewer"):
        compiled.resample(place, pixels, *{**GOOD, **wrong}.values())


def test_places_and_pixels_of_other_kinds_are_refused() -> None:
    pixels, place, rest = bytes(60), bytearray(75), tuple(GOOD.values())
    with pytest.raises((TypeError, BufferError)):
        compiled.resample(bytes(75), pixels, *rest)  # read-only
    with pytest.raises(TypeError):
        compiled.resample(place, 5, *rest)
    with pytest.raises((BufferError, ValueError)):
        compiled.resample(place, memoryview(bytes(120))[::2], *rest)
    with pytest.raises(OverflowError):
        compiled.resample(place, pixels, *{**GOOD, "size": 2**40}.values())


@shown
def test_a_capsule_of_something_else_is_refused() -> None:
    picture, rest = noise(5, 4, "RGB"), tuple({**GOOD, "step": 4}.values())
    schema, array = picture.__arrow_c_array__()
    with pytest.raises(ValueError, match=r"capsule|Capsule"):
        compiled.resample(bytearray(75), schema, *rest)
    for other in (noise(5, 5, "RGB"), noise(5, 4, "L"), noise(20, 4, "L")):
        with pytest.raises(ValueError, match="not the pixels of such a picture"):
            compiled.resample(bytearray(75), other.__arrow_c_array__()[1], *rest)
    with pytest.raises(ValueError, match="not the pixels of such a picture"):
        compiled.resample(bytearray(75), array, *{**GOOD, "step": 1}.values())
    compiled.resample(bytearray(75), array, *rest)


def test_the_interpreter_goes_on_meanwhile() -> None:
    """No thread is made to give way here, so this one gets its turn only where the other lets go: within the resize."""
    picture, most = Image.new("RGB", (1_000, 1_000)), 1_000
    job = (bytearray(224 * 224 * 3), picture.tobytes(), 3, picture.size, (256, 256), (16, 16), 224, True, False)
    began, turn, calls = threading.Event(), threading.Event(), 0

    def resize_until_the_other_had_its_turn() -> None:
        nonlocal calls
        began.set()
        while not turn.is_set() and calls < most:
            compiled.resample(*job)
            calls += 1

    other, interval = threading.Thread(target=resize_until_the_other_had_its_turn), sys.getswitchinterval()
    sys.setswitchinterval(3600)
    try:
        other.start()
        began.wait()
        turn.set()
        other.join()
    finally:
        sys.setswitchinterval(interval)
    assert calls < most


def test_many_threads_at_once_get_each_their_own() -> None:
    pictures = [noise(300 + i, 200 + i, "RGB") for i in range(8)]
    wanted = [pillows(p, 64, (96, 64), (9, 0), Image.Resampling.BICUBIC) for p in pictures]
    found: dict[int, set[bytes]] = {}

    def work(i: int) -> None:
        found[i] = {ours(pictures[i], 64, (96, 64), (9, 0), Image.Resampling.BICUBIC, 0) for _ in range(10)}

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(8)] == [{w} for w in wanted]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold RLIMIT_AS")
def test_without_memory_it_says_so_and_leaks_none(instructions: str) -> None:
    import subprocess

    code = f"""
import resource
from penult.pixels import _resample
_resample.vectors({instructions == "vectors"})
job = (bytearray(500 * 500 * 3), bytes(60000 * 8 * 3), 3, (8, 60000), (500, 500), (0, 0), 500, True, False)
_resample.resample(*job)  # between the passes it needs 60,000 x 1,500 bytes
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
soft = int(open("/proc/self/statm").read().split()[0]) * 4096 + (40 << 20)
resource.setrlimit(resource.RLIMIT_AS, (soft, soft))
failed = 0
for _ in range(50):
    try:
        _resample.resample(*job)
    except MemoryError:
        failed += 1
assert failed == 50, failed
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss <= peak + 16_000
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_large_picture_in_several_pieces_is_left_to_pillow() -> None:
    """Pillow keeps more than 16 MB as several blocks, which it does not show."""
    values: NDArray[np.uint8] = np.random.default_rng(3).integers(0, 256, (2_200, 2_100, 3), dtype=np.uint8)
    picture, how = Image.fromarray(values), Image.Resampling.BICUBIC
    assert not resizing.resize_compiled(bytearray(64 * 64 * 3), picture, 64, (73, 76), (4, 6), how)
    wanted = np.asarray(picture.resize((73, 76), how).crop((4, 6, 68, 70)))
    assert (prepare(values, Recipe(64)) == wanted).all()


def test_sides_that_are_too_long_are_left_to_pillow() -> None:
    values = np.asarray(noise(65_536, 8, "RGB"))
    wanted = np.asarray(Image.fromarray(values).resize((16, 16), Image.Resampling.BICUBIC))
    assert (prepare(values, Recipe(16, "squash", 1.0)) == wanted).all()


@shown
def test_workers_keep_a_large_picture_in_one_piece(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is resized where it is. The stand-in fails for pictures that are not shown."""
    code = """
from penult.pixels.decoding import open_picture

def decode(data):
    picture = open_picture(data)
    picture.__arrow_c_array__()
    return picture
"""
    (tmp_path / "in_one_piece.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    values: NDArray[np.uint8] = np.random.default_rng(3).integers(0, 256, (2_200, 2_100, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "large.bmp")
    paths = [tmp_path / "large.bmp"] * 9
    for result in prepare_all(paths, [Recipe(64)], workers=1, decoder="in_one_piece:decode"):
        assert result.failure is None
        assert (result.pixels[0] == prepare(values, Recipe(64))).all()


@shown
def test_a_pillow_that_shows_no_pixels_is_asked_for_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(90, 70, "RGB")
    shown, copied = bytearray(64 * 64 * 3), bytearray(64 * 64 * 3)
    job = (picture, 64, (82, 64), (9, 0), Image.Resampling.BICUBIC)
    assert resizing.resize_compiled(shown, *job)
    monkeypatch.setattr(resizing, "_shows_pixels", lambda: False)
    assert resizing.resize_compiled(copied, *job)
    assert shown == copied


def test_a_function_that_rounds_otherwise_than_pillow_is_not_used() -> None:
    def off_by_one(rgb: bytearray, *job: Any) -> None:
        compiled.resample(rgb, *job)
        rgb[7] ^= 1

    assert resizing._agrees(compiled.resample)
    assert not resizing._agrees(off_by_one)


def test_without_the_module_pillow_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.asarray(noise(90, 70, "RGB"))
    wanted = prepare(values, Recipe(32))
    monkeypatch.setitem(sys.modules, "penult.pixels._resample", None)
    resizing.compiled_resize.cache_clear()
    try:
        assert resizing.compiled_resize() is None
        assert (prepare(values, Recipe(32)) == wanted).all()
    finally:
        monkeypatch.undo()
        resizing.compiled_resize.cache_clear()
    assert resizing.compiled_resize() is not None
