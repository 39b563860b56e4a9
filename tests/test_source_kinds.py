"""The same photos in a folder, a table, archives and an object store: one plan, one set of features."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="shards need the extra `cloud`")

import archives
from badimages import photo, save
from objectstore import FaultyProxy, S3Server
from penult import shards
from penult.cli import main
from penult.shards.plan import Plan

FILES = {
    f"{label}/{i}.jpg": save(photo(20, 30, seed=i + 9 * (label == "cat")), "JPEG")
    for label in ("cat", "dog")
    for i in range(4)
}
FILES |= {"cat/broken.jpg": b"\xff\xd8\xff no photo", "dog/copy.jpg": FILES["dog/1.jpg"]}
NAMES = sorted(FILES)
QUICK = ("-b", "colour_histogram", "-q")


def _source(kind: str, place: Path, s3: S3Server) -> str:
    files = {name: FILES[name] for name in NAMES}
    if kind == "table":
        archives.lay_out(place, files)
        rows = "".join(f"{name},{name.partition('/')[0]}\n" for name in NAMES)
        (place / "photos.csv").write_text("file,label\n" + rows)
        return str(place / "photos.csv")
    if kind.startswith("s3"):
        bucket = s3.bucket("kinds")
        if kind == "s3":
            archives.lay_out(s3.root / "kinds" / "photos", files)
            return f"{bucket}/photos"
        return f"{bucket}/{Path(archives.source(kind.removeprefix('s3 '), s3.root / 'kinds', files)).name}"
    return archives.source(kind, place, files)


@pytest.mark.parametrize("kind", ["folder", "table", "tar", "zip", "parquet", "s3", "s3 tar", "s3 zip", "s3 parquet"])
def test_every_kind_gives_the_same_plan_and_the_same_features(kind: str, tmp_path: Path, s3: S3Server) -> None:
    source, out = _source(kind, tmp_path, s3), tmp_path / "features"
    assert main(["embed", source, "--out", str(out), "--rows", "4", *QUICK]) == 0
    plan = Plan.open(str(out / "plan.parquet"))
    assert [one.id for task in plan.tasks() for one in plan.members(task.number)] == NAMES
    assert [label for task in plan.tasks() for label in plan.labels(task.number)] == [name[:3] for name in NAMES]
    features = shards.open_features(str(out))
    whole = [name for name in NAMES if name != "cat/broken.jpg"]
    assert features.ids() == whole
    assert features.labels() == [name[:3] for name in whole]
    assert [row.tobytes() for row in features.digests()] == [hashlib.sha256(FILES[name]).digest() for name in whole]
    assert [(id, reason) for id, reason, _ in features.failures()] == [("cat/broken.jpg", "damaged")]
    single = tmp_path / "one.h5"
    assert main(["embed", source, "--out", str(single), *QUICK]) == 0
    with h5py.File(single) as file:
        assert [name.decode() for name in file["train_files"]] == whole
        np.testing.assert_array_equal(features[:], file["train"][:].astype(np.float16).astype(np.float32))


def test_a_store_that_fails_leaves_no_failed_images(
    s3: S3Server, faulty_s3: FaultyProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = _source("s3", tmp_path, s3), tmp_path / "features"
    command = ["embed", source, "--out", str(out), "--rows", "4", *QUICK]
    faulty_s3.fault = lambda method, path: "403 AccessDenied" if method == "GET" and ".jpg" in path else None
    assert main(command) == 1
    assert "the store refuses these credentials (AccessDenied); set AWS_ACCESS_KEY_ID" in capsys.readouterr().err
    assert not list(out.rglob("shards/*.parquet"))
    faulty_s3.fault = lambda method, path: None
    assert main(command) == 0
    features = shards.open_features(str(out))
    assert (len(features), features.failed) == (len(NAMES) - 1, 1)
