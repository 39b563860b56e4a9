"""Thumbnails are made where photos are decoded for their features, are the right photo's, and damage is never a picture."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penult import pixels, store
from penult.cli import main
from penult.embed import Embedding, EmbedOptions, PhotoThumbnails, embed
from penult.errors import DamagedFile
from penult.pixels.resizing import compiled_resize
from penult.store.blobs import BlobShards, read_blob_table, write_blobs
from penult.store.inventory import plan, scan, verify
from penult.zoo import find_backbone

pytestmark = pytest.mark.usefixtures("quick_disk")
NETWORK = "colour_histogram"


def embedded(files: list[Path], cache: Path | bool, workers: int = 0) -> Embedding:
    settings = EmbedOptions(cache=cache, workers=workers).with_thumbnails()
    return embed([str(file) for file in files], [find_backbone(NETWORK)], settings)


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "JPEG"
    return picture.convert("RGB")


def painted(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (320, 200), turn: int = 0) -> Path:
    """Save a photo of one color with a white left edge, which the viewer is to turn."""
    picture = Image.new("RGB", size, color)
    picture.paste((255, 255, 255), (0, 0, size[0] // 4, size[1]))
    exif = Image.Exif()
    if turn:
        exif[0x0112] = turn
    picture.save(path, quality=95, exif=exif)
    return path


@pytest.mark.parametrize("workers", [0, 2])
def test_each_photo_gets_its_own_upright_thumbnail_in_the_one_pass(tmp_path: Path, workers: int) -> None:
    colors = [(200, 30, 30), (30, 160, 40), (40, 50, 200)]
    files = [painted(tmp_path / f"{i}.jpg", color, turn=6 if i == 2 else 0) for i, color in enumerate(colors)]
    files += [painted(tmp_path / "tiny.png", (90, 90, 90), (40, 30)), tmp_path / "bad.jpg"]
    files[-1].write_bytes(b"no photo")
    done = embedded(files, tmp_path / "cache", workers)
    assert (done.embedded, done.reused, len(done.failures)) == (4, 0, 1)
    files[0].unlink()  # it is not decoded again
    small = done.photo_thumbnails()
    found = small.read(range(len(small)))
    assert [None if one is None else opened(one).size for one in found] == [(160, 100), (160, 100), (100, 160), (40, 30), None]
    for one, color in zip(found, colors, strict=False):
        shown = np.asarray(opened(one)).astype(int)
        assert np.abs(shown[-8, -8] - color).max() <= 6
    turned = np.asarray(opened(found[2])).astype(int)  # the left edge is the upper one now
    assert turned[8, 50].min() > 240
    assert list(small.failures) == [4]


def test_the_thumbnail_is_what_pillow_makes_of_the_photo(tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 256, (50, 70, 3), np.uint8)).resize((700, 233))
    file = io.BytesIO()
    picture.resize((160, 53), Image.Resampling.BILINEAR).save(file, "JPEG", quality=80)
    shown, wanted = (np.asarray(opened(one)).astype(int) for one in (pixels.encode_thumbnail(picture), file.getvalue()))
    assert np.abs(shown - wanted).mean() < (0.01 if compiled_resize() else 4)


def test_what_an_older_cache_lacks_is_made_once_and_a_warm_run_decodes_nothing(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(photos("train", warm=3, cold=3).rglob("*.png"))
    settings = EmbedOptions(cache=tmp_path / "cache", workers=0)
    embed([str(file) for file in files], [find_backbone(NETWORK)], settings)
    done = embedded(files, tmp_path / "cache")
    assert (done.embedded, done.reused) == (0, 6)
    assert not list((tmp_path / "cache").glob("thumbnails/*/*.bin")), "features alone were asked for, and they were there"
    steps = []
    done.photo_thumbnails().make_all(lambda *step: steps.append(step))
    assert steps[-1] == ("thumbnails", 6, 6)
    monkeypatch.setattr(pixels, "prepare_with_thumbnails", lambda *_, **__: pytest.fail("a photo is decoded again"))
    again = PhotoThumbnails.of_files([str(file) for file in files], settings)
    assert again.read(range(6)) == done.photo_thumbnails().read(range(6))
    again.make_all()


def test_without_a_cache_they_stay_in_memory(photos: Callable[..., Path], tmp_path: Path) -> None:
    files = sorted(photos("train", warm=2, cold=2).rglob("*.png"))
    small = embedded(files, False).photo_thumbnails()
    assert [len(one or b"") > 600 for one in small.read(range(4))] == [True] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train"]


def blobs(numbers: range) -> tuple[np.ndarray, list[bytes]]:
    digests = [np.frombuffer(hashlib.sha256(b"%d" % i).digest(), np.uint8) for i in numbers]
    return np.array(digests), [b"picture %d " % i * (i + 1) for i in numbers]


FACTS = {"side": "160", "road": "1"}


def test_any_change_of_a_shard_is_told_and_never_a_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    digests, files = blobs(range(5))
    path = write_blobs(tmp_path, digests, files, "")
    whole = path.read_bytes()
    for at in (*range(0, len(whole), 7), len(whole) - 1):
        for changed in (whole[:at], whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]):
            path.write_bytes(changed)
            with pytest.raises(DamagedFile):
                read_blob_table(path, whole=True)
            caplog.clear()
            found = BlobShards(tmp_path).fetch(digests)
            assert all(one in (None, file) for one, file in zip(found, files, strict=True))
            assert None in found
            assert "damaged" in caplog.text
            assert not path.exists(), "it is dropped, so that its thumbnails are made again"
    path.write_bytes(whole)
    assert BlobShards(tmp_path).fetch(digests[::-1]) == files[::-1]


def test_two_caches_see_what_the_other_has_written_and_nothing_half(tmp_path: Path) -> None:
    digests, files = blobs(range(8))
    one, other = store.BlobCache(tmp_path, FACTS), store.BlobCache(tmp_path, FACTS)
    for digest, file in zip(digests[:6], files, strict=False):
        one.add(bytes(digest), file)
    assert other.read(digests) == [None] * 8
    one.flush()
    assert other.read(digests[[5, 7, 0]]) == [files[5], None, files[0]]
    assert {bytes(row) for row in other.known()} == {bytes(row) for row in digests[:6]}
    (shard,) = one.folder.glob("shard-*.bin")
    (one.folder / ".tmp-00000000-1-ab").write_bytes(shard.read_bytes()[:70])
    shard.unlink()
    assert store.BlobCache(tmp_path, FACTS).read(digests) == [None] * 8
    assert other.read(digests[:1]) == [None]


def test_the_cache_command_counts_verifies_and_prunes_them(
    photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    files = sorted(photos("train", warm=3, cold=3).rglob("*.png"))
    embedded(files, tmp_path / "cache")
    assert main(["cache", "--cache", str(tmp_path / "cache")]) == 0
    assert "thumbnails of 6 photos: " in capsys.readouterr().out
    (shard,) = (tmp_path / "cache").glob("thumbnails/*/*.bin")
    data = bytearray(shard.read_bytes())
    data[-3] ^= 1
    shard.write_bytes(data)
    assert [(one.path, one.reason) for one in verify(scan(tmp_path / "cache"))] == [(shard, "a checksum differs")]
    assert main(["cache", "--cache", str(tmp_path / "cache"), "--verify", "-q"]) == 1
    assert not shard.exists()
    embedded(files, tmp_path / "cache").photo_thumbnails().make_all()
    found = scan(tmp_path / "cache")
    assert {one.path.parent.name for one in plan(found, older=0.0, now=2e10)} == {"features", "thumbnails"}
