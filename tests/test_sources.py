"""The same images from a folder, a tar, zip or Parquet file; and archives that are cut, damaged, hostile or hasty."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import archives
import zips
from badimages import photo, save
from penult.errors import InputError
from penult.sources import FileContent, Member, ParquetColumns, kind_of, members, read_ahead, reading_order
from penult.sources.entries import CUT, DAMAGED
from penult.sources.folder import HIDDEN, NOT_IMAGE, SPECIAL

JPEG = save(photo(20, 30), "JPEG")
FILES = {f"{label}/{i}.jpg": save(photo(20, 30, seed=i), "JPEG") for label in ("cat", "dog") for i in range(9)} | {
    "cat/empty.png": b"", "dog/no photo.jpg": b"<html>", "dog/long " + 120 * "n" + ".png": save(photo(), "PNG"),
}  # fmt: skip


def listed(source: str, **options: Any) -> tuple[list[Member], list[tuple[str, str]]]:
    skipped: list[tuple[str, str]] = []
    return list(members(source, lambda kind, name: skipped.append((kind, name)), **options)), skipped


def written(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


@pytest.mark.parametrize("kind", archives.KINDS)
def test_every_kind_of_source_has_the_same_images(tmp_path: Path, kind: str) -> None:
    source = archives.source(kind, tmp_path, {**FILES, "notes.txt": b"about"} if kind not in ("parquet",) else FILES)
    found, skipped = listed(source)
    assert kind_of(source) == {"folder": "folder", "zip": "zip", "parquet": "parquet"}.get(
        kind.rsplit(".", maxsplit=1)[-1], "tar"
    )
    assert {one.id: one.read() for one in found} == FILES
    assert all(one.size in (-1, len(FILES[one.id])) and one.tag for one in found)
    assert skipped == ([] if kind == "parquet" else [(NOT_IMAGE, "notes.txt")])
    assert {one.id: content for one, content in read_ahead(found)} == FILES
    backwards = found[::-1]
    assert {one.id: content for one, content in read_ahead(backwards)} == FILES
    order = reading_order(backwards)
    assert order == (None if found[0].in_place else list(range(len(found)))[::-1])


def test_a_folder_of_archives_is_looked_into_where_it_has_no_images(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    written(tmp_path, "a.tar", archives.tar({"1.jpg": JPEG}))
    written(tmp_path / "b", "c.zip", archives.zipped({"1.jpg": JPEG}))
    found, skipped = listed(str(tmp_path))
    assert [one.id for one in found] == ["a.tar/1.jpg", "b/c.zip/1.jpg"]
    assert skipped == []
    written(tmp_path, "photo.jpg", JPEG)
    found, skipped = listed(str(tmp_path))
    assert [one.id for one in found] == ["photo.jpg"]
    assert [name for _, name in skipped] == ["a.tar", "b/c.zip"]


# --- tar ---


def header(name: str, size: int, kind: bytes = b"0", link: str = "") -> bytes:
    about = tarfile.TarInfo(name)
    about.size, about.type, about.linkname = size, kind, link
    return about.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def test_names_of_a_tar_are_ids_that_lead_nowhere_and_are_unique(tmp_path: Path) -> None:
    """Absolute names and `..` are paths inside; of two members of one name, as `tar --append` makes them, both are there."""
    names = ["/etc/a.jpg", "../../b.jpg", "./c/./d.jpg", "x.jpg", "x.jpg", "x (2).jpg"]
    data = b"".join(header(name, len(JPEG)) + padded(JPEG) for name in names) + bytes(1024)
    found, _ = listed(written(tmp_path, "a.tar", data))
    assert [one.id for one in found] == ["etc/a.jpg", "b.jpg", "c/d.jpg", "x.jpg", "x (2).jpg", "x (2) (2).jpg"]
    assert {one.read() for one in found} == {JPEG}


def test_links_sparse_files_and_devices_cost_themselves(tmp_path: Path) -> None:
    sparse = bytearray(header("s.jpg", len(JPEG), b"S"))
    data = (
        header("a.jpg", 0, b"1", "b.jpg") + header("l.jpg", 0, b"2", "/etc/passwd") + bytes(sparse) + padded(JPEG)
        + header("pipe.jpg", 0, b"6") + header("._ok.jpg", 4) + padded(b"mac!") + header("ok.jpg", len(JPEG)) + padded(JPEG)
    )  # fmt: skip
    found, skipped = listed(written(tmp_path, "a.tar", data + bytes(1024)))
    whys = {}
    for one in found[:-1]:
        with pytest.raises(OSError, match="it is") as error:
            one.read()
        whys[one.id] = error.value.strerror
    assert list(whys) == ["a.jpg", "l.jpg", "s.jpg"]
    assert "link" in str(whys["a.jpg"]) and "sparse" in str(whys["s.jpg"])
    assert found[-1].read() == JPEG
    assert skipped == [(SPECIAL, "pipe.jpg"), (HIDDEN, "._ok.jpg")]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_tar_that_ends_too_early_gives_what_is_whole(tmp_path: Path, packed: bool) -> None:
    files = {f"{i}.jpg": save(photo(40, 60, seed=i), "PNG") for i in range(6)}
    data = archives.tar(files, mode="w:gz" if packed else "w")
    source = written(tmp_path, "a.tar.gz" if packed else "a.tar", data[: len(data) // 2])
    found, skipped = listed(source)
    read = dict(read_ahead(found))
    whole = [one.id for one, content in read.items() if not isinstance(content, OSError)]
    assert 1 < len(whole) == len(found) - 1 < 6
    assert all(read[one] == files[one.id] for one in found[:-1])
    assert skipped == [(CUT, source)]


def test_a_damaged_header_costs_its_member(tmp_path: Path) -> None:
    data = bytearray(archives.tar({f"{i}.jpg": JPEG for i in range(4)}))
    data[512 + len(padded(JPEG)) + 3] ^= 1
    found, skipped = listed(source := written(tmp_path, "a.tar", bytes(data)))
    assert [one.id for one in found] == ["0.jpg", "2.jpg", "3.jpg"]
    assert skipped == [(DAMAGED, source)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"nothing of the kind" * 99, "is no tar file"),
        (b"BZh9" + bytes(600), "is packed by bzip2; unpack it"),
    ],
)
def test_what_is_no_tar_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why):
        listed(written(tmp_path, "a.tar", data))


def test_numbers_that_no_file_has_end_nothing(tmp_path: Path) -> None:
    """Sizes beyond the file, in octal and in base 256; an extended header that lies about its length."""
    lying = header("x", 24, b"x") + padded(b"999999 path=a/b.jpg\nxxxx") + header("a.jpg", len(JPEG)) + padded(JPEG)
    for size in (1 << 30, 1 << 40, (1 << 63) + 5, 1 << 80):
        found, skipped = listed(source := written(tmp_path, "a.tar", lying + header("big.jpg", size) + JPEG))
        assert [one.id for one in found] == ["a.jpg", "big.jpg"]
        assert found[0].read() == JPEG
        with pytest.raises(OSError, match=r"bytes; at most|archive ends"):
            found[1].read()
        assert skipped == [(CUT, source)]


@pytest.mark.parametrize("digits", ["9" * 5000, "1" + "0" * 30])
def test_a_size_of_pax_that_no_file_has(tmp_path: Path, digits: str) -> None:
    record = f" size={digits}\n"
    record = f"{len(record) + len(str(len(record)))}{record}"
    data = header("x", len(record), b"x") + padded(record.encode()) + header("a.jpg", len(JPEG)) + padded(JPEG)
    (one,), skipped = listed(source := written(tmp_path, "a.tar", data))
    assert one.size < 1 << 63
    assert "at most" in reason(one)
    assert skipped == [(CUT, source)]


def test_parts_of_gzip_may_end_anywhere_and_what_follows_them_is_told(tmp_path: Path) -> None:
    """The second part begins at the last byte of a piece that is read; then something that is no gzip follows."""
    import gzip
    import random

    files = {"a.jpg": random.Random(0).randbytes(300_000), "b.jpg": JPEG, "c.jpg": JPEG}
    data = b"".join(header(name, len(content)) + padded(content) for name, content in files.items())  # without an end
    for cut in range(261_900, 262_200):
        first = gzip.compress(data[:cut], 0)
        if len(first) == (256 << 10) - 1:
            break
    assert len(first) == (256 << 10) - 1
    packed = first + gzip.compress(data[cut:])
    found, skipped = listed(written(tmp_path, "a.tar.gz", packed + bytes(99)))
    assert {one.id: content for one, content in read_ahead(found)} == files
    assert skipped == []
    found, skipped = listed(source := written(tmp_path, "b.tar.gz", packed + b"garbage"))
    assert [one.id for one in found] == list(files)
    assert skipped == [(CUT, source)]


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_photos_of_an_archive_that_changed_are_not_read_as_others(tmp_path: Path, kind: str) -> None:
    files = {"cat/a.jpg": JPEG, "dog/b.jpg": JPEG[::-1]}
    source = archives.source(kind, tmp_path, files)
    found, _ = listed(source)
    archives.source(kind, tmp_path, dict(zip(files, reversed(files.values()), strict=True)))
    for content in (content for _, content in read_ahead(found)):
        assert isinstance(content, OSError)
        assert "the archive changed" in str(content)
    assert "the archive changed" in reason(found[0])
    assert {one.id: one.read() for one in listed(source)[0]} == dict(zip(files, reversed(files.values()), strict=True))


def test_a_thousand_members_of_one_name() -> None:
    from penult.sources.names import UniqueNames

    unique, asked = UniqueNames(), 0

    class Counting(str):
        def __format__(self, spec: str) -> str:
            nonlocal asked
            asked += 1
            return str.__format__(self, spec)

        def __getitem__(self, key: Any) -> Counting:
            return Counting(str.__getitem__(self, key))

    names = [unique(Counting("x.jpg")) for _ in range(1000)]
    assert names == ["x.jpg", *(f"x ({i}).jpg" for i in range(2, 1001))]
    assert asked < 3000  # names that were tried


def test_a_tar_that_unpacks_beyond_all_measure_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from penult.sources import gzip_stream

    monkeypatch.setattr(gzip_stream, "_FREE", 1 << 20)
    files = {"a.jpg": JPEG, "zeros.bin": bytes(40 << 20), "b.jpg": JPEG}
    found, skipped = listed(source := written(tmp_path, "a.tgz", archives.tar(files, mode="w:gz")))
    assert [one.id for one in found] == ["a.jpg"]
    assert skipped == [(NOT_IMAGE, "zeros.bin"), (CUT, source)]


def test_labels_of_webdataset_stand_beside_images_which_are_never_grouped(tmp_path: Path) -> None:
    files = {
        "0001.cls": b"7\n", "0001.jpg": JPEG, "0002.jpg": JPEG, "0002.json": b'{"label": "owl", "n": 1}',
        "0003.left.jpg": JPEG, "0003.right.jpg": JPEG, "0003.cls": b"two eyes", "cat.1.jpg": JPEG, "cat.2.jpg": JPEG,
        "0004.jpg": JPEG, "0004.json": b"[" * 90_000, "0005.jpg": JPEG, "0005.txt": b"a caption",
        "0006.jpg": JPEG, "0006.json": b'{"label": "\\ud800"}',
    }  # fmt: skip
    found, _ = listed(written(tmp_path, "a.tar", archives.tar(files)))
    assert {one.id: one.label for one in found} == {
        "0001.jpg": "7", "0002.jpg": "owl", "0003.left.jpg": "two eyes", "0003.right.jpg": "two eyes", "cat.1.jpg": None,
        "cat.2.jpg": None, "0004.jpg": None, "0005.jpg": None, "0006.jpg": None,
    }  # fmt: skip


# --- zip ---


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def entry(name: str, data: bytes = JPEG, **lies: Any) -> zips.Entry:
    return zips.Entry(name, data, **lies)


def reason(member: Member) -> str:
    try:
        member.read()
    except OSError as error:
        return str(error.strerror)
    return ""


UNREADABLE_ENTRIES: dict[str, tuple[Callable[[], zips.Entry], str]] = {
    "encrypted": (lambda: entry("a.jpg", flags=1), "encrypted"),
    "LZMA": (lambda: entry("a.jpg", method=14), "packed by LZMA"),
    "unknown": (lambda: entry("a.jpg", method=77), "packed by method 77"),
    "link": (lambda: entry("a.jpg", mode=0o120777), "link"),
    "bomb": (lambda: entry("a.jpg", deflated(bytes(1 << 20)), method=8, size=900), "other bytes than"),
    "larger": (lambda: entry("a.jpg", deflated(JPEG), method=8, size=len(JPEG) + 1), "other bytes than"),
    "sum": (lambda: entry("a.jpg", crc=1), "other bytes than"),
    "elsewhere": (lambda: entry("a.jpg", offset=5), "no file where"),
    "beyond": (lambda: entry("a.jpg", offset=1 << 30), "no file where"),
    "huge": (lambda: entry("a.jpg", size=1 << 31), "at most 200,000,000"),
    "noise": (lambda: entry("a.jpg", b"\7\7\7" * 50, method=8, size=90), "cannot be unpacked"),
}


@pytest.mark.parametrize("what", UNREADABLE_ENTRIES)
def test_an_entry_of_a_zip_that_cannot_be_read_costs_itself(tmp_path: Path, what: str) -> None:
    make, why = UNREADABLE_ENTRIES[what]
    made = replace(make(), mode=make().mode)
    data = zips.put([made, entry("b.jpg")])
    if made.mode:  # made on Unix
        data = data.replace(b"PK\1\2\x14\0", b"PK\1\2\x14\3")
    found, skipped = listed(written(tmp_path, "a.zip", data))
    assert [one.id for one in found] == ["a.jpg", "b.jpg"]
    assert why in reason(found[0])
    assert found[1].read() == JPEG
    assert skipped == []


def test_entries_that_share_their_bytes_are_no_images(tmp_path: Path) -> None:
    """As in a bomb (Fifield 2019): a thousand entries, all of them the same bytes of the file."""
    same = [entry(f"{i}.jpg", offset=0, local_name="0.jpg") for i in range(50)]
    body, directory = same[0].local(), b"".join(one.central(0) for one in same)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 50, 50, len(directory), len(body), 0)
    found, _ = listed(written(tmp_path, "a.zip", body + directory + end))
    read = [one for one in found if not reason(one)]
    assert len(found) == 50
    assert sum(one.size for one in read) <= len(body + directory)
    assert "zip bomb" in reason(found[-1])


def test_zip64_program_in_front_and_names_of_windows(tmp_path: Path) -> None:
    size, packed, extra = zips.zip64(len(JPEG), len(JPEG))
    data = zips.put([entry("cat\\1.jpg"), entry("/x/../2.jpg", size=size, packed=packed, extra=extra)])
    found, _ = listed(written(tmp_path, "a.zip", b"#!program\n" + data))
    assert [one.id for one in found] == ["cat/1.jpg", "x/2.jpg"]
    assert {one.read() for one in found} == {JPEG}


def test_a_zip_without_its_end_is_refused_and_a_damaged_directory_told(tmp_path: Path) -> None:
    data = archives.zipped({f"{i}.jpg": JPEG for i in range(4)})
    for cut in (b"", data[:-30], data[: len(data) // 2], b"text" * 100):
        with pytest.raises(InputError, match=r"zip file|is empty"):
            listed(written(tmp_path, "a.zip", cut))
    places = [at for at in range(len(data)) if data[at : at + 4] == b"PK\1\2"]
    broken = bytearray(data)
    broken[places[2]] ^= 1
    found, skipped = listed(source := written(tmp_path, "b.zip", bytes(broken)))
    assert [one.id for one in found] == ["0.jpg", "1.jpg"]
    assert skipped == [(DAMAGED, source)]


def test_a_place_of_zip64_that_no_file_has(tmp_path: Path) -> None:
    far = struct.pack("<2HQ", 1, 8, (1 << 64) - 9)
    data = zips.put([entry("a.jpg", offset=0xFFFFFFFF, extra=far), entry("a", offset=0xFFFFFFFF, extra=far), entry("b.jpg")])
    found, skipped = listed(written(tmp_path, "a.zip", data))
    assert [one.id for one in found] == ["a.jpg", "b.jpg"]
    assert "no file where" in reason(found[0])
    assert found[1].read() == JPEG
    assert skipped == [(NOT_IMAGE, "a")]


def test_one_photo_in_an_archive_can_be_named(tmp_path: Path) -> None:
    source = archives.source("zip", tmp_path, {"a/b/1.jpg": JPEG, "a/b/1.jpg.jpg": JPEG, "a/2.jpg": JPEG})
    assert [one.id for one in listed(f"{source}/a/b/1.jpg")[0]] == ["1.jpg"]


# --- Parquet ---


def table(path: Path, **columns: Any) -> str:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path, row_group_size=2)
    return str(path)


def test_columns_of_a_parquet_file_are_found_or_named(tmp_path: Path) -> None:
    web = table(tmp_path / "a.parquet", url=["u", "v"], key=["7", "8"], jpg=[JPEG, None], caption=["one", "two"])
    found, _ = listed(web)
    assert [(one.id, one.label) for one in found] == [("7", None), ("8", None)]
    assert found[0].read() == JPEG
    assert "nothing in the column jpg" in reason(found[1])
    several = table(tmp_path / "b.parquet", left=[JPEG], right=[JPEG], sort=["owl"], label=[3])
    with pytest.raises(InputError, match="several columns that may hold images: left, right; name one with --image-column"):
        listed(several)
    found, _ = listed(several, columns=ParquetColumns("right", "sort"))
    assert [(one.id, one.key, one.label) for one in found] == [("row-00000000", "0:0:right", "owl")]
    assert listed(several, columns=ParquetColumns("left"))[0][0].label == "3"
    with pytest.raises(InputError, match="has no column 'x'; give one that it has: left, right, sort, label"):
        listed(several, columns=ParquetColumns("left", "x"))
    with pytest.raises(InputError, match=r"has no column that holds images .* its columns: a; give a file that has"):
        listed(table(tmp_path / "c.parquet", a=[1]))
    with pytest.raises(InputError, match="is no Parquet file as it was written"):
        listed(written(tmp_path, "d.parquet", b"PAR1" + bytes(99)))


def test_numbers_of_classes_have_their_names(tmp_path: Path) -> None:
    source = archives.source("parquet", tmp_path, FILES)
    assert {one.id: one.label for one in listed(source)[0]} == {name: name.split("/")[0] for name in FILES}


def test_bombs_of_parquet_cost_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros pack to nothing; and one value in a dictionary is as large as all rows that name it."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    from penult.parquet import ParquetReader
    from penult.sources import unpacking

    monkeypatch.setattr(unpacking, "MAX_BYTES", 3 << 20)
    monkeypatch.setattr(unpacking, "_MOST_AT_ONCE", 5 << 20)
    read, at_once = ParquetReader.batches, []
    monkeypatch.setattr(ParquetReader, "batches", lambda self, *asked: at_once.append(asked[-1]) or read(self, *asked))
    for size, dictionary, rows in ((2 << 20, True, 2), (2 << 20, False, 0), (4 << 20, True, 0)):
        table = pa.table({"image": [bytes(size)] * 16})
        pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=dictionary)
        found = listed(str(tmp_path / "a.parquet"))[0]
        at_once.clear()
        contents = [content for _, content in read_ahead(found)]
        assert at_once == [rows] * (rows > 0)
        if rows:
            assert contents == [bytes(size)] * 16
        else:
            assert all("at most" in str(content) for content in contents)


def test_parts_of_one_row_group_are_read_once_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from penult.parquet import ParquetReader

    found, _ = listed(str(archives.parquet(tmp_path / "a.parquet", FILES, group_rows=100)))
    read, begun = ParquetReader.batches, []
    monkeypatch.setattr(ParquetReader, "batches", lambda self, *asked: begun.append(asked) or read(self, *asked))
    parts = [dict(read_ahead(found[at : at + 4])) for at in range(0, len(found), 4)]
    assert {one.id: content for part in parts for one, content in part.items()} == FILES
    assert len(begun) == 1


def test_metadata_of_others_that_is_no_text(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({"image": [JPEG]}).replace_schema_metadata({b"blob": b"\xff\xfe"})
    pq.write_table(table, tmp_path / "a.parquet")
    assert [one.read() for one in listed(str(tmp_path / "a.parquet"))[0]] == [JPEG]


def test_contents_must_be_bytes() -> None:
    assert FileContent(bytearray(b"ab")).data == b"ab"
    with pytest.raises(InputError, match="got a str for the bytes of a photo"):
        FileContent("cat.jpg")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="got a BytesIO"):
        FileContent(io.BytesIO())  # type: ignore[arg-type]
