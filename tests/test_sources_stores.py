"""Images in object stores: which ones, in which order, and files that are read by parts."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

import archives
from objectstore import FaultyProxy, S3Server
from penult import sources
from penult.errors import InputError
from penult.images.records import Image
from penult.images.walk import ScanLog, walk
from penult.objects import ObjectStore, open_store
from penult.sources import ordering, remote_file
from penult.sources.names import path_key

PNG = b"\x89PNG\r\n\x1a\n"
NAMES = [
    "cat/10.jpg",
    "cat/2.jpg",
    "cat/old/1.png",
    "a10.jpg",
    "a9.jpg",
    "dog 1/ä.jpg",
    "dog 1.jpg",
    "dog 10/x.JPG",
    "dog 2/x.gif",
]


def _lay_out(root: Path) -> None:
    for name in (*NAMES, "cat/notes.txt", "cat/.hidden.jpg", "__MACOSX/x.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (root / "no ending").write_bytes(PNG + b"rest")
    (root / "no image").write_bytes(b"text")


def test_objects_are_those_of_a_folder_in_its_order(s3: S3Server, tmp_path: Path) -> None:
    url = s3.bucket("walked") + "/deep er/photos/"
    _lay_out(s3.root / "walked" / "deep er" / "photos")
    _lay_out(tmp_path)
    (s3.root / "walked" / "deep er" / "photos2").mkdir()
    (s3.root / "walked" / "deep er" / "photos2" / "x.jpg").write_bytes(b"")
    skipped: list[tuple[str, str]] = []
    found = list(sources.members(url, lambda kind, name: skipped.append((kind, name))))
    walked: list[Image] = list(walk(str(tmp_path), ScanLog()))
    assert [member.id for member in found] == [image.id for image in walked]
    assert sorted(name for _, name in skipped) == ["__MACOSX/x.jpg", "cat/.hidden.jpg", "cat/notes.txt", "no image"]
    read = list(sources.read_ahead(found))
    assert [member for member, _ in read] == found
    assert [data for _, data in read] == [Path(image.path).read_bytes() for image in walked]
    assert [member.size for member in found] == [len(data) for _, data in read if isinstance(data, bytes)]
    (one,) = sources.members(url + "cat/2.jpg")
    assert (one.id, one.read()) == ("2.jpg", b"cat/2.jpg")


def test_an_object_that_is_lost_is_one_image_that_cannot_be_read(s3: S3Server) -> None:
    url = s3.bucket("lost")
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        (s3.root / "lost" / name).write_bytes(name.encode())
    found = list(sources.members(url))
    open_store(url).delete("2.jpg")
    first, second, third = (data for _, data in sources.read_ahead(found))
    assert (first, third) == (b"1.jpg", b"3.jpg")
    assert isinstance(second, FileNotFoundError)


def test_an_empty_prefix_has_no_members(s3: S3Server) -> None:
    assert list(sources.members(s3.bucket("empty") + "/nothing")) == []
    with pytest.raises(InputError, match="no bucket"):
        list(sources.members("s3://unheard-of/x"))


def test_many_paths_are_sorted_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"{a}/{b}/img{number}.jpg" for a in ("x2", "x10") for b in "bä" for number in range(30)] + ["x2.jpg", "x3"]
    expected = sorted(paths, key=path_key)
    random.Random(0).shuffle(paths)
    monkeypatch.setattr(ordering, "_RUN", 7)
    monkeypatch.setattr(ordering, "_BLOCK", 3)
    assert list(ordering.in_folder_order((path, str(len(path)), "") for path in paths)) == [
        (path, str(len(path)), "") for path in expected
    ]


def test_a_remote_file_is_read_like_a_local_one(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random.Random(0).randbytes(10_000)
    url = s3.bucket("parts") + "/big.bin"
    (s3.root / "parts" / "big.bin").write_bytes(data)
    (tmp_path / "big.bin").write_bytes(data)
    monkeypatch.setattr(remote_file, "_BLOCK", 256)
    with remote_file.open_binary(url) as remote, remote_file.open_binary(str(tmp_path / "big.bin")) as local:
        for file in (remote, local):
            file.seek(-100, 2)
        chance = random.Random(1)
        for _ in range(30):
            assert remote.tell() == local.tell()
            size = chance.choice((0, 1, 30, 700, -1))
            assert remote.read(size) == local.read(size)
            place = chance.randrange(10_100)
            assert remote.seek(place) == local.seek(place)
    with zipfile.ZipFile(s3.root / "parts" / "a.zip", "w") as made:
        made.writestr("x.txt", b"hello" * 1000, zipfile.ZIP_DEFLATED)
    with remote_file.open_binary(s3.bucket("parts") + "/a.zip") as remote, zipfile.ZipFile(remote) as read:
        assert read.read("x.txt") == b"hello" * 1000
    with pytest.raises(FileNotFoundError, match="no such object"):
        remote_file.open_binary(s3.bucket("parts") + "/b.zip")


def test_buckets_and_folders_may_be_called_like_archives(s3: S3Server) -> None:
    """As Spark and Dask write `data.parquet/part-0.parquet`; and a bucket that holds archives alone."""
    bucket = s3.bucket("all.tar")
    inside = {"cat/1.jpg": b"1", "dog/2.jpg": b"2"}
    archives.lay_out(s3.root / "all.tar", {"data.zip/a.tar": archives.tar(inside)})
    assert sources.kind_of(bucket) == "objects"
    for source in (bucket, f"{bucket}/data.zip", f"{bucket}/data.zip/a.tar"):
        found = list(sources.members(source))
        assert [one.id[-9:] for one in found] == list(inside)
        assert [one.read() for one in found] == list(inside.values())
    assert [one.id for one in sources.members(f"{bucket}/data.zip/a.tar/dog")] == ["2.jpg"]
    assert list(sources.members(f"{bucket}/x.tar")) == []
    assert list(sources.members(s3.bucket("empty"))) == []


def test_a_part_that_could_not_be_fetched_is_asked_for_again(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = s3.bucket("again") + "/a.bin"
    (s3.root / "again" / "a.bin").write_bytes(b"content")
    failures = [OSError("lost")]
    fetch = ObjectStore.get_range

    def get_range(self: ObjectStore, *asked: Any) -> bytes:
        if failures:
            raise failures.pop()
        return fetch(self, *asked)

    monkeypatch.setattr(ObjectStore, "get_range", get_range)
    with remote_file.open_binary(url) as file:
        with pytest.raises(OSError, match="lost"):
            file.read()
        assert file.read() == b"content"


def test_a_part_of_another_content_is_no_part(s3: S3Server, faulty_s3: FaultyProxy) -> None:
    store = open_store(s3.bucket("changed"))
    (s3.root / "changed" / "a.bin").write_bytes(b"content")
    known = store.head("a.bin")
    assert known is not None
    assert store.get_range("a.bin", 3, 2, known.tag) == b"te"
    assert store.ranges
    with pytest.raises(OSError, match="changed while it was read"):
        store.get_range("a.bin", 3, 2, "the tag of another content")
