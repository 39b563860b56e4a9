"""`penult predict --csv` goes part by part: the same table as all at once, and none where too many photos are bad."""

from collections.abc import Callable
from pathlib import Path

import pytest

import penult
from finished import Finished
from objectstore import S3Server
from penult import predict
from penult.cli import main
from penult.images import ImageStream, scan_unlabelled, stream_unlabelled
from penult.predict import predictor


@pytest.fixture
def parts_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "LEAST_PART", 4)
    monkeypatch.setattr(predictor, "PART_NUMBERS", 1)


@pytest.mark.usefixtures("parts_of_four")
def test_parts_give_the_table_that_all_at_once_give(
    finished: Finished, photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, run = photos("new", first=60, any=5, warm=4), str(finished.folder)
    for name in ("a.jpg", "any/broken.jpg"):
        (new / name).write_bytes(b"no picture")
    assert main(["predict", run, str(new), "--csv", str(tmp_path / "parts.csv"), "--review", "0.99"]) == 0
    told = capsys.readouterr()
    assert "11 predictions written" in told.out and "2 images unreadable" in told.out
    assert "2 of 11 images cannot be read: 'a.jpg' (not an image), 'any/broken.jpg' (not an image). 2 not an image" in told.err
    found = scan_unlabelled(str(new))
    answers = penult.load_model(run).predict(list(found.paths), found.ids)
    answers.write_csv(tmp_path / "whole.csv")
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    predict.write_review(tmp_path / "whole_review.csv", answers, 0.99)
    assert (tmp_path / "review.csv").read_bytes() == (tmp_path / "whole_review.csv").read_bytes()


@pytest.mark.usefixtures("parts_of_four")
def test_photos_in_a_store(finished: Finished, photos: Callable[..., Path], tmp_path: Path, s3: S3Server) -> None:
    new, run, address = photos("new", first=60, any=5, warm=4), str(finished.folder), s3.bucket("to-predict")
    for path in new.rglob("*.*"):
        (s3.root / "to-predict" / path.relative_to(new)).parent.mkdir(exist_ok=True)
        (s3.root / "to-predict" / path.relative_to(new)).write_bytes(path.read_bytes())
    for source, name in ((str(new), "disk.csv"), (address, "store.csv")):
        assert main(["predict", run, source, "--csv", str(tmp_path / name), "-q"]) == 0
    assert (tmp_path / "store.csv").read_bytes() == (tmp_path / "disk.csv").read_bytes()


@pytest.mark.usefixtures("parts_of_four")
def test_nothing_is_written_where_too_many_are_bad_or_all(
    finished: Finished, photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, out = photos("new", first=60, any=6), tmp_path / "out.csv"
    (new / "any" / "zz.jpg").write_bytes(b"no picture")  # the last one
    assert main(["predict", str(finished.folder), str(new), "--csv", str(out), "--max-bad", "0"]) == 3
    assert (
        "1 of 7 images (14.3%) cannot be read (--max-bad 0 allows 0): 'any/zz.jpg'. 1 not an image" in capsys.readouterr().err
    )
    for path in (new / "any").iterdir():
        path.write_bytes(b"no picture")
    assert main(["predict", str(finished.folder), str(new), "--csv", str(out)]) == 1
    assert "none of the 7 images can be read" in capsys.readouterr().err
    assert list(tmp_path.glob("*.csv")) == [] and list(tmp_path.glob(".tmp*")) == []


def test_a_folder_is_a_stream_that_says_what_a_scan_says(photos: Callable[..., Path]) -> None:
    new = photos("new", first=60, any=3, warm=2)
    (new / "link").symlink_to(new)
    (new / "top.png").write_bytes(b"")
    stream, scan = stream_unlabelled([str(new)], ["warm", "cold"]), scan_unlabelled(str(new), ["warm", "cold"])
    assert isinstance(stream, ImageStream) and len(stream) == len(scan) == 6
    assert [list(stream), list(stream)] == [list(scan.images)] * 2
    assert (stream.notes, stream.ignored) == (scan.notes, scan.ignored) and len(stream.notes) == 2
