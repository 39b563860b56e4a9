"""Plans: which images, in which shards, under which names; what is added later; what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pyarrow", reason="plans need the extra `cloud`")

import archives
from badimages import photo, save
from objectstore import S3Server
from penult import images, shards
from penult.cli import main
from penult.embed import EmbedOptions
from penult.errors import InputError, OutputError
from penult.objects import open_store
from penult.parquet import to_parquet
from penult.shards import plan as plans
from penult.shards import planning
from penult.shards.facts import NetworkFacts, PlanFacts
from penult.shards.place import fitted_networks
from penult.shards.plan import Plan
from penult.shards.planning import PlanSummary, make_plan
from penult.sources import Member
from penult.store.disk import Disk
from penult.zoo import find_backbone
from sharded import make_place

FACTS = PlanFacts("", (NetworkFacts("colour_histogram", "0" * 64, (4,)),), "cpu", "numpy", "f32", "1.pillow12", rows=4)


@pytest.fixture(autouse=True)
def two_shards_a_row_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "GROUP_ROWS", 8)


def _photos(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"{number} {name}".encode("utf-8", "surrogateescape"))
        os.utime(folder / name, ns=(number, 10**18 + number))
    return folder


def _ten(tmp_path: Path) -> Path:
    return _photos(tmp_path / "photos", [f"{'cat' if number % 2 else 'dog'}/{number}.jpg" for number in range(10)])


def _plan(source: Path | str, out: Path, **options: object) -> PlanSummary:
    return make_plan(str(source), str(out), FACTS, **options)  # type: ignore[arg-type]


def test_a_plan_has_every_image_once_in_shards_named_by_content(tmp_path: Path) -> None:
    source, out = _ten(tmp_path), tmp_path / "plan.parquet"
    summary = _plan(source, out)
    plan = Plan.open(str(out))
    assert (summary.shards, summary.rows, summary.new) == (len(plan), plan.rows, plan.rows) == (3, 10, 10)
    members = [one for task in plan.tasks() for one in plan.members(task.number)]
    assert [one.id for one in members] == [f"cat/{n}.jpg" for n in (1, 3, 5, 7, 9)] + [f"dog/{n}.jpg" for n in (0, 2, 4, 6, 8)]
    assert all(one.read() == (source / one.id).read_bytes() for one in members)
    assert [label for n in range(3) for label in plan.labels(n)] == ["cat"] * 5 + ["dog"] * 5
    assert [(task.rows, task.number, task.plan) for task in plan.tasks()] == [
        (4, 0, str(out)),
        (4, 1, str(out)),
        (2, 2, str(out)),
    ]
    assert plan.facts == replace(FACTS, source=str(source))
    first = out.read_bytes()
    _plan(source, out)
    assert out.read_bytes() == first  # the same source, the same bytes
    moved = tmp_path / "elsewhere"
    source.rename(moved)
    _plan(moved, out)
    assert [task.name for task in Plan.open(str(out)).tasks()] == [task.name for task in plan.tasks()]
    (moved / "dog/8.jpg").write_bytes(b"another")
    _plan(moved, out)
    names = [task.name for task in Plan.open(str(out)).tasks()]
    assert names[:2] == [task.name for task in plan.tasks()][:2]
    assert names[2] != plan.tasks()[2].name
    make_plan(str(moved), str(out), replace(FACTS, precision="bf16"))
    assert not {task.name for task in Plan.open(str(out)).tasks()} & {*names}


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["cat/1.jpg", "dog/old/2.jpg"], ["cat", "dog"]),
        (["cat/1.jpg", "dog/2.jpg", "3.jpg"], ["cat", "dog", None]),  # one that is in no class
        (["cat.1.jpg", "dog.2.jpg"], ["cat", "dog"]),  # Kaggle's names
        (["cat.1.jpg", "dog.2.jpg", "3.jpg"], [None, None, None]),
        (["photo.1.jpg", "photo.2.jpg"], [None, None]),
        (["cat/1.jpg", "cat/2.jpg"], [None, None]),  # one folder is no classes
        (["test/1.jpg", "train/2.jpg"], [None, None]),  # parts of a data set
    ],
)
def test_labels_are_class_folders_where_that_is_sure(tmp_path: Path, names: list[str], labels: list[str | None]) -> None:
    _plan(_photos(tmp_path / "photos", names), tmp_path / "plan.parquet")
    plan = Plan.open(str(tmp_path / "plan.parquet"))
    assert {one.id: label for one, label in zip(plan.members(0), plan.labels(0), strict=True)} == dict(
        zip(names, labels, strict=True)
    )


def test_an_added_image_outside_the_class_folders_leaves_their_labels(tmp_path: Path) -> None:
    source, out = _ten(tmp_path), tmp_path / "plan.parquet"
    _plan(source, out)
    (source / "stray.jpg").write_bytes(b"stray")
    summary = _plan(source, out, add=True)
    assert summary.notes == ("in no class folder, so without a label: 1 image",)
    plan = Plan.open(str(out))
    assert [label for n in range(4) for label in plan.labels(n)] == ["cat"] * 5 + ["dog"] * 5 + [None]


def test_the_columns_of_a_parquet_source_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = b"\xff\xd8\xff an image"
    columns = {"front": [photo] * 2, "back": [photo] * 2, "kind": ["a", "b"], "shop": ["x", "y"]}
    kinds = {"front": "binary", "back": "binary", "kind": "string", "shop": "string"}
    (tmp_path / "photos.parquet").write_bytes(to_parquet(columns, kinds, {}))
    command = ["plan", str(tmp_path / "photos.parquet"), "-b", "colour_histogram", "--out", str(tmp_path / "plan.parquet")]
    assert main(command) == 1
    assert "--image-column" in capsys.readouterr().err
    assert main([*command, "--image-column", "back", "--label-column", "shop"]) == 0
    assert Plan.open(str(tmp_path / "plan.parquet")).labels(0) == ["x", "y"]


def test_class_folders_inside_archives_are_labels(tmp_path: Path) -> None:
    archives.lay_out(
        tmp_path, {f"photos/{n}.tar": archives.tar({f"{kind}/{n}.jpg": b"x"}) for n, kind in ((1, "cat"), (2, "dog"))}
    )
    _plan(tmp_path / "photos", tmp_path / "plan.parquet")
    plan = Plan.open(str(tmp_path / "plan.parquet"))
    assert [one.id for one in plan.members(0)] == ["1.tar/cat/1.jpg", "2.tar/dog/2.jpg"]
    assert plan.labels(0) == ["cat", "dog"]


def test_what_is_new_is_added_in_new_shards(tmp_path: Path) -> None:
    source, out = _ten(tmp_path), tmp_path / "plan.parquet"
    _plan(source, out)
    before, names = out.read_bytes(), [task.name for task in Plan.open(str(out)).tasks()]
    assert _plan(source, out, add=True).new == 0
    assert out.read_bytes() == before
    (source / "bird").mkdir()
    (source / "bird" / "1.jpg").write_bytes(b"new")
    (source / "cat" / "5.jpg").write_bytes(b"changed")
    (source / "dog" / "0.jpg").unlink()
    summary = make_plan(str(source), str(out), None, add=True)
    assert (summary.new, summary.replaced, summary.gone, summary.rows) == (2, 1, 1, 12)
    assert summary.notes == ("no longer in the source, but still in the plan: 1 image",)
    plan = Plan.open(str(out))
    assert [task.name for task in plan.tasks()][:3] == names
    assert [one.id for one in plan.members(3)] == ["bird/1.jpg", "cat/5.jpg"]
    assert [plan.replaced(number) for number in range(4)] == [(2,), (), (), ()]
    counted = [one.id for n in range(4) for row, one in enumerate(plan.members(n)) if row not in plan.replaced(n)]
    assert len(counted) == len(set(counted)) == 11
    assert plan.labels(3) == ["bird", "cat"]
    (source / "cat" / "5.jpg").write_bytes(b"changed again")
    assert make_plan(str(source), str(out), None, add=True).replaced == 1
    assert [Plan.open(str(out)).replaced(number) for number in range(5)] == [(2,), (), (), (1,), ()]
    assert make_plan(str(source), str(out), None, add=True).new == 0


def test_a_table_is_planned_in_its_order_with_its_labels_and_no_name_twice(tmp_path: Path) -> None:
    source = _ten(tmp_path)
    table = tmp_path / "photos" / "list.csv"
    table.write_text("file,label\ndog/8.jpg,D2\ncat/1.jpg,\n")
    _plan(table, tmp_path / "plan.parquet")
    plan = Plan.open(str(tmp_path / "plan.parquet"))
    assert [one.id for one in plan.members(0)] == ["dog/8.jpg", "cat/1.jpg"]
    assert plan.labels(0) == ["D2", None]
    assert plan.members(0)[0].read() == (source / "dog/8.jpg").read_bytes()
    _plan(source, tmp_path / "folder.parquet")
    tags = {one.id: one.tag for n in range(3) for one in Plan.open(str(tmp_path / "folder.parquet")).members(n)}
    assert [one.tag for one in plan.members(0)] == [tags["dog/8.jpg"], tags["cat/1.jpg"]]
    table.write_text("file,label\ncat/1.jpg,a\ndog/8.jpg,b\ncat/1.jpg,a\n")
    assert _plan(table, tmp_path / "plan.parquet").notes == ("images named more than once were ignored: 'cat/1.jpg'",)
    assert [one.id for one in Plan.open(str(tmp_path / "plan.parquet")).members(0)] == ["cat/1.jpg", "dog/8.jpg"]
    table.write_text("file,label\ncat/1.jpg,a\ncat/1.jpg,b\n")
    with pytest.raises(InputError, match=r"these names more than once: 'cat/1\.jpg'; remove or rename"):
        _plan(table, tmp_path / "plan.parquet")
    table.write_text("file,label\nhttps://example.org/1.jpg,a\n")
    with pytest.raises(InputError, match="download what is listed by its address"):
        _plan(table, tmp_path / "plan.parquet")


def test_all_rows_of_a_table_choose_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penult.images.table._STREAMED", 5)
    source = _photos(tmp_path, [*(f"photos/{n}.jpg" for n in range(12)), "labels/10.jpg", "labels/11.jpg"])
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{n}.jpg,{n % 2}\n" for n in range(12)))
    _plan(tmp_path / "labels.csv", tmp_path / "plan.parquet")
    plan = Plan.open(str(tmp_path / "plan.parquet"))
    planned = [one.id for n in range(3) for one in plan.members(n)]
    assert planned == [image.id for image in images.scan_labelled(source / "labels.csv")]
    assert planned[-1] == "photos/11.jpg"


def test_names_that_are_no_utf_8_are_kept(tmp_path: Path) -> None:
    names = ["\udcff.jpg", "ä.jpg"]
    assert [plans.encoded(name) for name in names] == ["\0ff2e6a7067", "ä.jpg"]
    for odd in ("\0zz.jpg", "\0", "\0ä", "\0\udcff"):
        assert plans.decoded(plans.encoded(odd)) == odd
    odd = Member("1.jpg", "x", "1.jpg", label="\ud800")
    assert to_parquet(plans.columns_of([odd]), plans.KINDS, {})
    source = _photos(tmp_path / "photos", names)
    _plan(source, tmp_path / "plan.parquet")
    members = Plan.open(str(tmp_path / "plan.parquet")).members(0)
    assert {one.id for one in members} == {*names}
    assert all(one.read() for one in members)


def test_a_plan_of_a_store_in_a_store(s3: S3Server, tmp_path: Path) -> None:
    source = _ten(tmp_path)
    source.rename(s3.root / "planned")
    out = s3.bucket("planned") + "/out/plan.parquet"
    assert make_plan("s3://planned", out, FACTS).rows == 10
    plan = Plan.open(out)
    members = [one for task in plan.tasks() for one in plan.members(task.number)]
    assert [one.tag for one in members] == [hashlib.md5(one.read()).hexdigest() for one in members]
    open_store("s3://planned").put("cat/1.jpg", b"changed")
    assert make_plan("s3://planned/", out, None, add=True).replaced == 1
    assert Plan.open(out).replaced(0) == (0,)


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = _ten(tmp_path), tmp_path / "plan.parquet"
    with pytest.raises(InputError, match=r"the plan '.*plan\.parquet' cannot be opened"):
        _plan(source, out, add=True)
    with pytest.raises(InputError, match=r"'.*/myplan' is no name of a plan, .*; give it the ending \.parquet"):
        _plan(source, tmp_path / "myplan")
    with pytest.raises(InputError, match="nowhere' does not exist; give a folder, a CSV, a tar"):
        _plan(tmp_path / "nowhere", out)
    for address, why in (("s3://b/x.csv", "a CSV is read only from a disk"), ("https://x.org", "img2dataset, and give what")):
        with pytest.raises(InputError, match=why):
            _plan(address, out)
        with pytest.raises(InputError, match=why):
            images.scan_unlabelled(address)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"no images in '.*empty' \(ignored: 1 files that are not images\)"):
        _plan(tmp_path / "empty", out)
    assert not out.exists()
    out.write_bytes(to_parquet({"id": ["a"]}, {"id": "string"}, {}))
    with pytest.raises(InputError, match="is no plan that this penult reads"):
        Plan.open(str(out))
    assert not plans.is_plan(str(out))
    _plan(source, out)
    assert plans.is_plan(str(out))
    with pytest.raises(InputError, match=r"is a plan of '.*photos', not of '.*cat'; make a plan of its own"):
        _plan(source / "cat", out, add=True)
    with pytest.raises(InputError, match="other networks, another precision"):
        make_plan(str(source), str(out), replace(FACTS, precision="bf16"), add=True)
    before = out.read_bytes()
    (source / "cat" / "99.jpg").write_bytes(b"new")

    def full(self: Disk, descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Disk, "write", full)
    with pytest.raises(OutputError, match="the disk is full"):
        _plan(source, out, add=True)
    monkeypatch.undo()
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "photos", "plan.parquet"]


def test_a_table_gets_the_depth_of_its_photos_as_a_folder_does(tmp_path: Path) -> None:
    rows = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)  # all values of 12 bits
    for number in range(2):
        Image.fromarray(rows).save(tmp_path / f"{number}.png")
    (tmp_path / "list.csv").write_text("file\n0.png\n1.png\n")
    network, settings = find_backbone("colour_histogram"), EmbedOptions(workers=0)
    fitted = [fitted_networks(str(source), [network], settings) for source in (tmp_path, tmp_path / "list.csv")]
    by_folder, by_table = ([one.digest for one in networks] for networks in fitted)
    assert by_table == by_folder != [network.digest]


def test_one_source_may_be_written_in_several_ways(tmp_path: Path) -> None:
    for planned, asked in ((f"{tmp_path}/photos", f"{tmp_path}/x/../photos/"), ("s3://b/photos", "s3://b/photos/")):
        shards.check_asked(replace(FACTS, source=planned), asked, EmbedOptions())
    with pytest.raises(InputError, match="planned otherwise: of s3://b/photos"):
        shards.check_asked(replace(FACTS, source="s3://b/photos"), "s3://b/photos2", EmbedOptions())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = _ten(tmp_path), tmp_path / "plan.parquet"
    command = ["plan", str(source), "--out", str(out)]
    assert main([*command, "-b", "colour_histogram", "--rows", "3"]) == 0
    assert capsys.readouterr().out == f"10 images in 4 shards\nwritten: {out}\n"
    facts = Plan.open(str(out)).facts
    assert (facts.rows, facts.precision, facts.dtype) == (3, "f32", "float16")
    assert [network.name for network in facts.networks] == ["colour_histogram"]
    (source / "cat" / "5.jpg").write_bytes(b"changed")
    assert main([*command, "--add", "-b", "colour_histogram", "--float32"]) == 1
    assert "planned otherwise: without --float32; give the same" in capsys.readouterr().err
    for other in (["--rows", "0"], ["--max-pixels", "5"], ["-b", "colour_histogram", "--fit", "crop"]):
        assert main([*command, "--add", *other]) == 1
        assert re.search("planned otherwise: --|these networks, or their weights", capsys.readouterr().err)
    assert main([*command, "--add", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "written": str(out), "shards": 5, "images": 11, "new": 1, "replaced": 1, "gone": 0, "notes": []
    }  # fmt: skip


def test_labels_beside_a_few_images_of_a_tar_are_not_those_of_the_plan(tmp_path: Path) -> None:
    files = {f"{label}/{i}.jpg": b"x" for label in ("cat", "dog") for i in range(6)}
    (tmp_path / "a.tar").write_bytes(archives.tar({**files, "dog/6.jpg": b"x", "dog/6.cls": b"3"}))
    summary = _plan(tmp_path / "a.tar", tmp_path / "plan.parquet")
    assert [note for note in summary.notes if "only 1 of 13 images have a label" in note]
    plan = Plan.open(str(tmp_path / "plan.parquet"))
    assert [label for task in plan.tasks() for label in plan.labels(task.number)] == ["cat"] * 6 + ["dog"] * 7


def test_a_plan_of_an_archive_that_was_packed_anew(tmp_path: Path) -> None:
    """Photos of equal size changed places: no photo gets another's name; `--add` has them as they are."""
    names = ["cat/1.bmp", "cat/2.bmp", "dog/1.bmp", "dog/2.bmp"]
    photos = [save(photo(20, 30, seed=seed), "BMP") for seed in range(4)]
    source, out = tmp_path / "a.tar", str(tmp_path / "out")
    source.write_bytes(archives.tar(dict(zip(names, photos, strict=True))))
    make_place(source, out)
    source.write_bytes(archives.tar(dict(zip(names, photos[::-1], strict=True))))
    shards.run_shards(out, workers=0)
    assert {reason for _, reason, _ in shards.open_features(out).failures(9)} == {"changed archive"}
    assert make_plan(str(source), f"{out}/plan.parquet", None, add=True).replaced == 4
    shards.run_shards(out, workers=0)
    found = shards.open_features(out)
    contents = {id: digest.tobytes() for id, digest in zip(found.ids(), found.digests(), strict=True)}
    assert contents == {name: hashlib.sha256(data).digest() for name, data in zip(names, photos[::-1], strict=True)}
