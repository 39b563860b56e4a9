"""Small files that would be huge are refused before memory is taken; of long films only the first picture is looked at."""

from __future__ import annotations

import base64
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from badimages import bombs, cases, photo, save
from penult.pixels import Failure, Recipe, decode, decode_failures, prepare_all

PEAK = """
import resource, sys
from penult.pixels import Failure, decode
decode(open(sys.argv[1], "rb").read())
unit = 1 if sys.platform == "darwin" else 1024
for path in sys.argv[2:]:
    data = open(path, "rb").read()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = decode(data)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    print(found.reason if isinstance(found, Failure) else "ok", grown, sep=",")
"""


def test_a_bomb_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    """The peak of a process of its own grows by less than 16 MB, for each of them; texts that unpack to much are left out."""
    paths = [tmp_path / "good.jpg"]
    paths[0].write_bytes(save(photo(), "JPEG"))
    for case in bombs():
        paths.append(tmp_path / case.filename)
        paths[-1].write_bytes(case.data)
    done = subprocess.run([sys.executable, "-c", PEAK, *map(str, paths)], capture_output=True, text=True, check=True)
    assert done.stderr == ""  # Pillow complains of some of them: not on our standard error
    lines = [line.split(",") for line in done.stdout.splitlines()]
    told = {case.name: (reason, int(grown) < 16 << 20) for case, (reason, grown) in zip(bombs(), lines, strict=True)}
    assert told == {case.name: (case.expect, True) for case in bombs()}


def test_each_bomb_is_a_small_file() -> None:
    for case in bombs():
        assert len(case.data) < 1_100_000, case.name


def test_nobody_asks_how_many_frames_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """To count them Pillow goes through the whole file."""
    from PIL import GifImagePlugin, TiffImagePlugin

    def count(self: object) -> int:
        raise AssertionError("frames were counted")

    for kind in (GifImagePlugin.GifImageFile, TiffImagePlugin.TiffImageFile):
        monkeypatch.setattr(kind, "n_frames", property(count))
    films = [case for case in cases() if case.name.endswith(("frames", "pages"))]
    assert len(films) == 5
    for case in films:
        assert not isinstance(decode(case.data), Failure), case.name


# Drawn with pillow-heif: 48 x 32, red above blue.
HEIC = zlib.decompress(base64.b85decode(
    "c-muNV30{GsVvAy%}izhg51nBLl8SRGck>Ufw49>wIq=N0u(b+a*CjAhJwuG5(YG&l$nzcHpIn&fe{FSfN>#&27;MDtelydmj>p6L`8v|R3<1dqb%7F#N;"
    "c;EXjo{`I}i#Q~;#!W)>vp1L-oLGG|6+kkACMBDoI?fBydX!N9=JoB-4z;lRkl`2Rmh0W(MiGYHA;Vsc0XN@_VVGNQ>WP-tYG_Ug&9ojW)(3>1Ju%pih6F$t)g"
    "&4uw`@qtdDCBn)1IYoKNITb)rUIw-XppZyraX~87XAV%Tk(`qVa+v|t@d_aN|Ns9VfHV`3egL9@SfC)YA`_&MnS+A^NJ(TC<iY|O7;dbMOw6n;K=#7iltfS<Pt"
    "{;t&-p;n(nS9Mi(~!&w|U;IYxG&@vH1U-iCzD;{q6trN|gV>B9D2DJ1={iENo1eRQe#`*35@70@L=bKYf9HYs}hbT<u)35tp}W9`E|R%<qJRqU=G_c!$$f7o=;"
    "~++F_R*wuJTEBWw{?a^D6KE}7t{j@Q1nKE~4%x2ETB}M+tR$5auMQjc7Hg(OO`beT6*m~DK-i8MNg@>5)"
))  # fmt: skip


def test_a_photo_of_a_phone_says_which_extra_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    monkeypatch.setattr("penult.pixels.failures.find_spec", lambda name: None)
    monkeypatch.setattr("penult.pixels.decoding._heif", lambda: False)
    found = decode(HEIC)
    assert isinstance(found, Failure)
    assert found == Failure("unsupported format", "HEIC/HEIF", "pip install 'penult[heif]', or save it as JPEG or PNG")


def test_a_photo_of_a_phone_is_read_with_the_extra(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    found = decode(HEIC)
    assert not isinstance(found, Failure)
    assert found.shape == (32, 48, 3)
    assert abs(found[2, 2].astype(int) - (220, 40, 40)).max() < 8
    assert abs(found[-2, -2].astype(int) - (40, 40, 220)).max() < 8
    (tmp_path / "photo.heic").write_bytes(HEIC)
    (tmp_path / "half.heic").write_bytes(HEIC[: len(HEIC) // 2])
    whole, half = prepare_all([tmp_path / "photo.heic", tmp_path / "half.heic"], [Recipe(16)])
    assert whole.failure is None
    assert half.failure is not None
    assert half.failure.reason == "damaged"


@pytest.mark.usefixtures("real_workers")
def test_one_file_is_decoded_in_a_process_of_its_own_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash would take this one along, the run and the tests."""
    (tmp_path / "deadly.py").write_text("import os\ndef decode(data):\n    os._exit(9)\n")
    (tmp_path / "1.png").write_bytes(save(photo(), "PNG"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (one,) = prepare_all([tmp_path / "1.png"], [Recipe(8)], decoder="deadly:decode")
    assert one.failure == Failure("decoder crashed", "exit code 9, twice")
    assert list(decode_failures([tmp_path / "1.png"], decoder="deadly:decode")) == [one.failure]
    assert list(decode_failures([tmp_path / "1.png", photo()])) == [None, None]
