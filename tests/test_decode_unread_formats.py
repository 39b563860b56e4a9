"""Whole files of a kind that is not read are named, with what to do; they are never called damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badimages import photo, save
from penult import images
from penult.errors import InputError
from penult.pixels import CURES, REASONS, Failure, advice, decode, summarize_failures
from penult.pixels.failures import unread_kind
from penult.pixels.headers import first_directory
from penult.signatures import unread_by_head

DICOM = bytes(128) + b"DICM" + bytes(400)
BY_SIGHT = {
    "DICOM": DICOM,
    "JPEG XL": b"\xff\x0a" + bytes(60),
    "JPEG XR": b"II\xbc\x01" + bytes(60),
    "QOI": b"qoif" + bytes(60),
    "camera raw": b"FUJIFILMCCD-RAW " + bytes(60),
    "Photoshop": b"8BPS\0\1" + bytes(60),
    "PDF": b"%PDF-1.7\n" + bytes(60),
    "SVG": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "video": struct.pack(">I", 24) + b"ftypisom" + bytes(60),
    "OpenEXR": b"v/1\1" + bytes(60),
    "FITS": b"SIMPLE  =                    T" + bytes(60),
    "DDS": b"DDS |" + bytes(60),
    "ICNS": b"icns" + bytes(60),
    "SGI": b"\x01\xda\x01\x01" + bytes(60),
    "PAM": b"P7\nWIDTH 4\n" + bytes(60),
    "PFM": b"PF\n32 32\n-1.0\n" + bytes(60),
    "PCX": b"\n\5\1\x08" + bytes(60),
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(60),
    "EMF": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "XPM": b"/* XPM */" + bytes(60),
    "NIfTI": bytes((92, 1)) + bytes(342) + b"n+1\0" + bytes(60),
}
OTHERS = {  # more ways in which formats begin
    "a DICOM without a preamble": (b"\x08\0\5\0CS\x0a\0ISO_IR 100" + bytes(60), "DICOM"),
    "a QuickTime without ftyp": (b"\0\0\0\x08wide" + bytes(60), "video"),
}
NO_PICTURES = {
    "a web page": b"\r\n<!DOCTYPE HTML><html>404",
    "JSON": b'{"error": "not found"}',
    "XML": b"\xef\xbb\xbf<?xml version='1.0'?><Error/>",
    "a pointer of Git LFS, not the photo": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a pointer of git-annex, not the photo": b"/annex/objects/MD5E-s1--0.jpg\n",
    "a JPEG in Base64": b"/9j/4AAQSkZJRgABAQ==",
    "a picture as a data URL": b"data:image/jpeg;base64,/9j/4AAQ",
    "a file that was saved as text, which destroyed it": "\ufffd\ufffd\ufffd\ufffd\0\x10JFIF".encode(),
    "the answer of a web server with its header": b"HTTP/1.1 200 OK\r\n\r\n\xff\xd8\xff",
    "a zip archive": b"PK\3\4" + bytes(60),
    "a gzip archive": b"\x1f\x8b\x08" + bytes(60),
    "what macOS keeps beside a file": b"\0\5\x16\7" + bytes(60),
    "nothing but zeros": bytes(5000),
    "a TGA picture, which is not read": b"\0\0\2" + bytes(60) + b"TRUEVISION-XFILE.\0",
}


@pytest.mark.parametrize("name", BY_SIGHT)
def test_a_foreign_format_is_named_with_its_cure(name: str) -> None:
    found = decode(BY_SIGHT[name])
    assert isinstance(found, Failure)
    assert (found.reason, found.detail) == ("unsupported format", name)
    assert advice(found)


@pytest.mark.parametrize("name", OTHERS)
def test_a_foreign_format_is_known_by_other_beginnings_too(name: str) -> None:
    data, format = OTHERS[name]
    found = decode(data)
    assert isinstance(found, Failure)
    assert (found.reason, found.detail) == ("unsupported format", format)


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_never_was_a_picture_is_named_with_how_to_get_the_photo(name: str) -> None:
    found = decode(NO_PICTURES[name])
    assert isinstance(found, Failure)
    assert (found.reason, found.detail) == ("not an image", name)
    assert found.cure
    assert found.detail in summarize_failures([found, found])


def jpeg(frame: int, bits: int) -> bytes:
    """Return a JPEG whose frame is of another kind, or says another number of bits a sample."""
    data = bytearray(save(photo(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = frame, bits
    return bytes(data)


def tiff(bits: int, samples: int = 1, sample_format: int = 1, compression: int = 1, photometric: int = 1) -> bytes:
    tags = {256: 8, 257: 8, 258: bits, 259: compression, 262: photometric, 273: 200, 277: samples, 278: 8, 279: 4096}
    tags |= {339: sample_format} if sample_format != 1 else {}
    entries = b"".join(
        struct.pack("<HHI", tag, 3 if tag in (258, 339) else 4, samples if tag in (258, 339) else 1)
        + (struct.pack("<2H", value, value) if tag in (258, 339) else struct.pack("<I", value))
        for tag, value in sorted(tags.items())
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return head.ljust(200, b"\0") + bytes(4096)


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (jpeg(0xC1, 12), "unsupported depth", "JPEG of 12 bits"),
        (jpeg(0xC3, 16), "unsupported depth", "lossless JPEG of 16 bits"),
        (jpeg(0xF7, 8), "unsupported format", "JPEG-LS"),
        (jpeg(0xC5, 8), "unsupported format", "hierarchical JPEG"),
        (tiff(16, samples=2), "unsupported depth", "TIFF of unsigned 16-bit numbers, 2 a pixel, gray"),
        (tiff(16, sample_format=2), "unsupported depth", "signed 16-bit numbers"),
        (tiff(32, sample_format=3), "unsupported depth", "32-bit numbers"),
        (tiff(64, sample_format=3), "unsupported depth", "floating-point 64-bit numbers"),
        (tiff(24), "unsupported depth", "24-bit"),
        (tiff(8, compression=34661), "unsupported format", "TIFF packed with JBIG"),
        (tiff(8, compression=34887), "unsupported format", "TIFF packed with LERC"),
        (tiff(8, compression=50002), "unsupported format", "TIFF packed with JPEG XL"),
        (tiff(8, compression=64999), "unsupported format", "TIFF packed with compression 64999"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_odd_kind_of_a_known_format_is_not_called_damaged(data: bytes, reason: str, words: str) -> None:
    found = decode(data)
    assert isinstance(found, Failure)
    assert found.reason == reason, found
    assert words in found.detail


@pytest.mark.parametrize(("tags", "raw"), [
    ({254: 1, 330: 1000}, True), ({254: 1, 50706: b"\1\4\0\0"}, True), ({}, False), ({254: 1}, False), ({330: 1000}, False),
])  # fmt: skip
def test_the_preview_in_a_camera_raw_file_is_not_taken_for_the_photo(tags: dict[int, object], raw: bool) -> None:
    """Readers of TIFF see a thumbnail in a NEF or DNG, and nothing else."""
    found = decode(save(photo(), "TIFF", tiffinfo=tags))
    assert isinstance(found, Failure) == raw
    if isinstance(found, Failure):
        assert (found.reason, found.detail) == ("unsupported format", "camera raw")


@pytest.mark.parametrize("bits", [None, *BY_SIGHT.values()], ids=["whole", *BY_SIGHT])
def test_no_damaged_file_is_called_whole(bits: bytes | None) -> None:
    """Zeros in the middle of an ordinary TIFF, a JPEG whose tables are gone: damage, whatever was read of the head."""
    data = bytearray(save(photo(), "TIFF", compression="tiff_lzw"))
    data[8 : len(data) // 2] = (bits or b"").ljust(len(data) // 2 - 8, b"\0")[: len(data) // 2 - 8]
    found = decode(bytes(data))
    assert isinstance(found, Failure)
    assert found.reason == "damaged"


def bitmap(alpha: int) -> bytes:
    """Return a BMP (V4, 32 bits) of 4 x 3 red pixels with this alpha."""
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    about = struct.pack("<IiiHHIIiiII", 108, 4, 3, 1, 32, 3, 48, 0, 0, 0, 0) + masks + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + 108 + 48, 0, 0, 122) + about + bytes((0, 0, 255, alpha)) * 12


def test_a_bitmap_whose_alpha_is_zero_throughout_shows_its_colors() -> None:
    assert (decode(bitmap(0)) == np.array([255, 0, 0])).all()
    assert (decode(bitmap(255)) == np.array([255, 0, 0])).all()
    half = decode(bitmap(128))
    assert not isinstance(half, Failure)
    assert abs(int(half[0, 0, 1]) - 127) <= 1


def test_every_reason_has_a_cure_and_several_failures_are_told_in_one_sentence() -> None:
    assert set(CURES) == set(REASONS)
    failures = [Failure("truncated")] * 3 + [Failure("unsupported format", "DICOM", "export it")] * 4
    assert summarize_failures(failures) == f"4 unsupported format (DICOM): export it; 3 truncated: {CURES['truncated']}"
    many = [Failure("unsupported format", f"kind {i}", "x") for i in range(40)]
    assert summarize_failures(many).endswith("36 for other reasons")


# --- what a scan says of them ---


@pytest.mark.parametrize(
    ("names", "files", "cure"),
    [
        (("a.dcm", "b.DCM"), "2 DICOM files", "export them as PNG"),
        (("IM0001", "IM0002"), "2 DICOM files", "export them as PNG"),
        (("a.raf", "b.orf"), "2 camera raw files", "export them as JPEG or TIFF"),
        (("a.pdf", "b.pdf"), "2 PDF files", "save their pages"),
        (("a.mp4", "b.mov"), "2 videos", "save their frames"),
        (("a.psd", "b.psd"), "2 Photoshop files", "save them as JPEG or PNG"),
    ],
)
def test_a_folder_of_nothing_but_an_unread_format_says_which_and_what_to_do(
    names: tuple[str, ...], files: str, cure: str, tmp_path: Path
) -> None:
    (tmp_path / "cat").mkdir()
    for name in names:
        (tmp_path / "cat" / name).write_bytes(DICOM if "IM" in name else bytes(300))
    for scan in (images.scan_labelled, images.scan_unlabelled):
        with pytest.raises(InputError) as raised:
            scan(str(tmp_path))
        assert files in str(raised.value)
        assert cure in str(raised.value)
    with pytest.raises(InputError, match=cure):
        images.scan_unlabelled([str(tmp_path / "cat" / name) for name in names])


def test_photos_of_an_unread_format_beside_others_are_named_and_a_strict_run_minds_them(tmp_path: Path) -> None:
    for name, data in {"1.jpg": save(photo(), "JPEG"), "2.dcm": DICOM, "3": DICOM, "notes.pdf": b"%PDF"}.items():
        (tmp_path / name).write_bytes(data)
    found = images.scan_unlabelled(str(tmp_path))
    assert found.ids == ("1.jpg",)
    assert found.ignored == {"DICOM files": 2, "files that are not images": 1}
    (note,) = found.notes
    assert note.startswith("DICOM files were ignored: '2.dcm', '3'; export them as PNG")
    assert images.skipped_notes(found) == (note,)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_naming_takes_any_bytes(data: st.DataObject) -> None:
    """Heads that are damaged in every way give a reason of the list or none, and raise nothing."""
    seeds = [tiff(16, 2), jpeg(0xC3, 16), DICOM, save(photo(8, 8), "TIFF"), b"MM\0+" + bytes(40), b""]
    seed = bytearray(data.draw(st.sampled_from(seeds)))
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, max(0, min(len(seed), 260) - 1)))
        seed[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=5))
    for opened in (True, False):
        named = unread_kind(bytes(seed), opened)
        assert named is None or named.reason in REASONS
    first_directory(bytes(seed))
    for weak in (True, False):
        unread_by_head(bytes(seed[:132]), weak)
