"""The studio over HTTP: who may ask, what is answered, and what is left on the disk."""

from __future__ import annotations

import csv
import errno
import http.client
import io
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import draw
from finished import Finished
from penult import images, store
from penult.cli import main
from penult.embed import EmbedOptions
from penult.errors import InputError, OutputError
from penult.store import folder_names
from penult.store.labels import EXCLUDED
from penult.studio import StudioOptions
from penult.studio.exports import training_sets, write_folders
from penult.studio.photos import find_photos
from penult.studio.pictures import PictureMaker
from penult.studio.project import Project, prepare_project
from penult.studio.tasks import free_path
from penult.studio.view import LabelView
from penult.studio.workspace import Workspace
from serving import NEEDED
from studio_client import StudioClient, studio

pytestmark = [NEEDED, pytest.mark.usefixtures("quick_disk")]
Photos = Callable[..., Path]


def opened(source: Path, out: Path, **options: object) -> Project:
    asked = StudioOptions(source, out=out, **{"backbones": ("colour_histogram",), **options})  # type: ignore[arg-type]
    found = find_photos(asked)
    store.make_folder(found.folder)
    return prepare_project(found, asked)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 40 photos: 12 in two class folders, 24 without labels, two copies, one that is no photo."""
    base = tmp_path_factory.mktemp("half") / "photos"
    for kind, count, folder in (("warm", 6, "warm"), ("cold", 6, "cold"), ("warm", 18, "."), ("cold", 18, ".")):
        (base / folder).mkdir(parents=True, exist_ok=True)
        for i in range(6 if folder == "." else 0, count):
            Image.fromarray(draw(kind, i)).save(base / folder / f"{kind}{i}.png")
    shutil.copy(base / "warm/warm0.png", base / "again.png")
    shutil.copy(base / "warm/warm1.png", base / "cold/contradiction.png")
    (base / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return base


# --- which photos there are ---


def test_labels_come_from_class_folders_and_equal_files_are_one_photo(half: Path, tmp_path: Path) -> None:
    project = opened(half, tmp_path / "p")
    assert (len(project), project.classes, project.kind) == (36, ("cold", "warm"), "folder")
    at = project.number("again.png")
    assert at is not None
    assert (project.files[at], project.labels[at]) == (("again.png", "warm/warm0.png"), "warm")
    assert project.labels[int(project.number("warm/warm1.png") or 0)] is None  # its files say both
    assert [one["reason"] for one in project.findings] == ["exact duplicate in cold and in warm"]
    assert [(one.file, one.reason) for one in project.unreadable] == [("broken.jpg", "damaged")]
    assert sum(label is None for label in project.labels) == 25


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("cat.1.png", "cat.2.png", "dog.1.png"), ["cat", "cat", "dog"]),
        (("IMG.1.png", "IMG.2.png"), [None, None]),  # one class is none
        (("cat.1.png", "holiday.png"), [None, None]),
        (("unsorted/1.png", "cat/1.png", "dog/1.png", "2.png"), [None, "cat", "dog", None]),
        (("photos/1.png", "photos/2.png"), [None, None]),  # one folder is gone through
        (("train/cat/1.png", "train/dog/2.png", "test/cat/3.png"), ["cat", "dog", "cat"]),
    ],
)
def test_labels_are_taken_where_names_clearly_are_classes(
    names: tuple[str, ...], labels: list[str | None], tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw("warm", 0)).save(tmp_path / "in" / name)
    found = images.scan_to_label(tmp_path / "in")
    assert {one.id: one.label for one in found.images} == dict(zip(names, labels, strict=True))
    assert all(one.label is None for one in images.scan_to_label(tmp_path / "in", unlabelled=True).images)


def test_a_table_may_have_empty_cells(photos: Photos, tmp_path: Path) -> None:
    photos("in", warm=2, cold=1)
    table = tmp_path / "in/list.csv"
    table.write_text("file,label\nwarm/warm.0.png,hot\nwarm/warm.1.png,\ncold/cold.0.png,nan\n")
    assert [one.label for one in images.scan_to_label(table).images] == ["hot", None, None]


@pytest.mark.parametrize(
    "rows",
    [
        ("file,hot,big", "warm/warm.0.png,1,1", "warm/warm.1.png,0,1"),
        ("file,label", "warm/warm.0.png,a;b", "warm/warm.1.png,b"),
    ],
)
def test_a_table_or_run_of_several_labels_a_photo_is_refused(
    rows: tuple[str, ...], photos: Photos, tmp_path: Path, capsys: Any
) -> None:
    photos("in", warm=2)
    table = tmp_path / "in/list.csv"
    table.write_text("\n".join(rows))
    assert main(["studio", str(table), "--no-browser", "-o", str(tmp_path / "project")]) == 1
    assert "have several labels each, and the studio gives a photo one class" in capsys.readouterr().err
    assert not (tmp_path / "project").exists()
    assert [one.label for one in images.scan_to_label(table, unlabelled=True).images] == [None, None]


def test_a_run_brings_its_labels_and_findings_and_a_review_folder_its_guesses(finished: Finished, tmp_path: Path) -> None:
    run = finished.copy(tmp_path / "work")
    row = ("warm/warm.5.png", "", "0.9", "labelled warm, predicted cold (90%)", "look at it")
    run.findings(("label", *row), ("leak", *row), ("small_class", "warm", *row[1:]), ("near_copy", "gone.png", *row[1:]))
    project = opened(run.folder, tmp_path / "p")
    assert (project.kind, project.classes, len(project)) == ("run", ("cold", "warm"), 44)
    assert None not in project.labels
    assert [(one["kind"], one["n"]) for one in project.findings] == [("label", project.number("warm/warm.5.png"))]
    review = tmp_path / "review"
    review.mkdir()
    Image.fromarray(draw("warm", 70)).save(review / "ab.png")
    said = {"label": "warm", "confidence": 0.6, "probabilities": {"warm": 0.6, "cold": 0.4}}
    (review / "ab.json").write_text(json.dumps(said))
    (review / "cd.json").write_text("{")
    asked = StudioOptions(run.folder, review, tmp_path / "q", backbones=("colour_histogram",))
    both = prepare_project(find_photos(asked), asked)
    at = both.number("review/ab.png")
    assert at is not None and len(both) == 45
    assert (both.guesses[at], both.labels[at]) == (("warm", 0.6), None)


def test_what_is_prepared_is_kept_until_a_photo_changes(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = photos("in", warm=4, cold=4)
    for path in source.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    first = opened(source, tmp_path / "p")
    with monkeypatch.context() as patch:
        patch.setattr("penult.studio.embedded.embed", lambda *_, **__: pytest.fail("nothing is new"))
        patch.setattr("penult.studio.project.group_copies", lambda *_, **__: pytest.fail("nothing is new"))
        (source / "warm/warm.0.png").rename(source / "cold/renamed.png")
        os.utime(source / "cold/cold.0.png", (1e9, 1e9))
        with pytest.raises(BaseException, match="nothing is new"):
            opened(source, tmp_path / "p")  # a name that was not there is read
        (source / "cold/renamed.png").rename(source / "warm/warm.0.png")
        again = opened(source, tmp_path / "p")
    assert again.order == first.order
    np.testing.assert_array_equal(again.Z, first.Z)
    Image.fromarray(draw("green", 1)).save(source / "warm/warm.0.png")
    assert opened(source, tmp_path / "p").order != first.order
    kept = tmp_path / "p/prepared"
    assert sorted(len(list(one.glob("*.npy"))) for one in kept.iterdir() if list(one.glob("*.npy"))) == [2, 5]
    for path in kept.rglob("*.npy"):
        path.write_bytes(b"damaged")
    assert len(opened(source, tmp_path / "p")) == 8


def test_what_could_not_be_read_is_read_again_and_a_photo_looks_as_its_thumbnail(photos: Photos, tmp_path: Path) -> None:
    source = photos("in", warm=2)
    for i in range(3):
        dark = np.linspace(1000 + i, 3000, 64 * 64).reshape(64, 64).astype(np.uint16)  # 12 bits of 16
        Image.fromarray(dark).save(source / f"deep{i}.png")
    for path in source.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    limited = opened(source, tmp_path / "p", settings=EmbedOptions(max_pixels=50 * 50))
    assert (len(limited), len(limited.unreadable)) == (2, 3)
    with studio(source, tmp_path / "p") as (client, server):
        project = server.workspace.project
        assert project is not None and len(project) == 5 and not project.unreadable
        n = project.number("deep0.png")
        assert n is not None
        digest = project.digests[n][:16]
        bodies = [client.ask(f"/{one}/{n}/{digest}.jpg").body for one in ("photo", "thumb")]
        large, small = (np.asarray(Image.open(io.BytesIO(body))).mean() for body in bodies)
        assert large == pytest.approx(small, abs=3) and large > 100
        assert client.ask("/api/details?numbers=" + ",".join(["0"] * 201)).status == 400
        for wrong in ({"numbers": 3}, {"numbers": [5]}, {"numbers": []}, {"numbers": [0], "count": 201}):
            assert client.ask("/api/alike", wrong).status == 400, wrong


def test_a_start_that_fails_leaves_nothing_behind(photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = StudioOptions(photos("in", warm=3, cold=3), out=tmp_path / "p", backbones=("colour_histogram",))

    def full(*_: object) -> None:
        raise OutputError("full")

    with monkeypatch.context() as patch:
        patch.setattr("penult.studio.workspace.remember", full)
        with pytest.raises(OutputError) as kept:  # and with its traceback what it could not open
            Workspace(asked)
    ended: list[object] = []

    def close(head: object) -> None:
        ended.append(head)

    monkeypatch.setattr("penult.studio.background.BackgroundHead.close", close)
    monkeypatch.setattr("penult.studio.session.Session.__init__", full)
    workspace = Workspace(asked)  # the folder is free
    assert str(kept.value) == "full"
    workspace.start()
    with pytest.raises(OutputError, match="full"):
        workspace.wait()
    workspace.close()
    assert len(ended) == 1


def test_picture_processes_are_replaced_and_all_of_them_end(photos: Photos) -> None:
    path = str(next(photos("in", warm=1).rglob("*.png")))
    maker = PictureMaker(2)
    assert isinstance(maker.jpeg(path, 64), bytes)
    maker._free.put(maker._free.get())  # the worker is the next one
    worker = maker._free.get()
    assert worker is not None
    worker.kill()  # too late: it had answered
    while worker.is_alive():
        time.sleep(0.01)
    maker._free.put(worker)
    assert all(isinstance(maker.jpeg(path, 64), bytes) for _ in range(3))
    idle, busy = maker._free.get(), maker._free.get()
    assert busy is not None
    maker._free.put(idle)
    closing = threading.Thread(target=maker.close)
    closing.start()
    time.sleep(0.05)
    maker._free.put(busy)  # it has finished what it was at
    closing.join(10)
    assert not closing.is_alive() and not busy.is_alive()


def test_a_page_is_never_written_over_another(tmp_path: Path) -> None:
    for name in ("model.html", "model-2.html"):
        assert free_path(tmp_path / "model.html") == tmp_path / name
        (tmp_path / name).symlink_to("nowhere")


# --- who may ask ---


def test_only_a_browser_with_the_token_may_ask_and_only_from_the_page(half: Path, tmp_path: Path) -> None:
    with studio(half, tmp_path / "p") as (client, server):
        port = client.port
        stranger = StudioClient(port)
        for path in (
            "/",
            "/api/project",
            "/api/state",
            "/thumb/0/0123456789abcdef.jpg",
            "/assets/app.mjs",
            "/run/report.html",
        ):
            assert stranger.ask(path).status == 401
        assert stranger.ask("/open?token=wrong").status == 403
        used = server.address()
        stranger.enter(used)
        assert StudioClient(port).ask(used.partition(str(port))[2]).status == 403  # good once
        assert client.ask(used.partition(str(port))[2]).status == 303  # who is in already is sent on
        cookie = client.ask(server.address().partition(str(port))[2], headers={"Cookie": None}).headers["set-cookie"]
        assert cookie.startswith(f"penult-{port}=")
        assert cookie.endswith("; HttpOnly; SameSite=Strict; Path=/")
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1:1", "127.0.0.1", f"127.0.0.2:{port}", ""):
            assert client.ask("/api/project", headers={"Host": host}).status in (400, 403), host
        act = {"id": "x", "kind": "skip", "n": 0}
        for wrong in (
            {"Origin": None}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": f"https://127.0.0.1:{port}"},
            {"Origin": "http://127.0.0.1:1"}, {"Origin": f"http://localhost:{port}"}, {"X-Penult": None}, {"X-Penult": "2"},
            {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Cookie": None},
            {"Cookie": client.cookie + "x"}, {"Cookie": client.cookie.partition("=")[0] + "="},
        ):  # fmt: skip
            assert client.ask("/api/acts", act, headers=wrong).status in (401, 403), wrong
        for wrong in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"):
            assert client.ask("/api/acts", act, headers={"Content-Type": wrong}).status == 415
        assert client.ask("/api/project", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
        assert client.get("/api/state")["seq"] == 1  # the import alone
        assert client.ask("/api/acts", act).status == 200


def test_pages_have_a_policy_and_names_lead_nowhere(half: Path, tmp_path: Path) -> None:
    (tmp_path / "p/run").mkdir(parents=True)
    files = dict.fromkeys(("report.html", "../labels.db", "link.html", "a.csv"), "")
    (tmp_path / "p/run/metrics.json").write_text(json.dumps({"penult_run": 1, "status": "done", "files": files}))
    (tmp_path / "p/run/report.html").write_text("<script>1</script>")
    (tmp_path / "p/run/a.csv").write_text("a")
    (tmp_path / "p/run/link.html").symlink_to(half / "broken.jpg")
    with studio(half, tmp_path / "p") as (client, _):
        page = client.ask("/")
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cross-origin-resource-policy"] == "same-origin"
        for name in (
            "../server.py",
            "..%2fserver.py",
            "%2e%2e/server.py",
            "messages/../index.html",
            "/etc/passwd",
            "",
            ".",
            "a.py",
        ):
            assert client.ask(f"/assets/{name}").status == 404, name
        for name in ("../labels.db", "..%2flabels.db", "link.html", "labels.db", "/etc/passwd", "", "metrics.json/.."):
            assert client.ask(f"/run/{name}").status == 404, name
        report = client.ask("/run/report.html")
        assert report.headers["content-security-policy"].startswith("sandbox allow-scripts allow-popups allow-downloads; ")
        assert "attachment" in client.ask("/run/a.csv").headers["content-disposition"]


# --- what is answered ---


def test_from_the_first_act_to_a_trained_model(half: Path, tmp_path: Path) -> None:
    with studio(half, tmp_path / "p") as (client, server):
        about = client.get("/api/project")
        assert (about["photos"], about["files"], about["preparing"], about["trained"]) == (36, 39, None, False)
        assert [one["name"] for one in about["classes"]] == ["cold", "warm"]
        assert about["unreadable"][0]["file"] == "broken.jpg"
        assert client.get("/api/findings")["findings"]
        project = server.workspace.project
        assert project is not None
        truth = ["warm" in files[0].rpartition("/")[2] for files in project.files]
        answer = client.post("/api/acts", kind="skip", n=0, mode="mixed", order=about["order"])
        while (questions := client.get("/api/queue?mode=mixed&count=1")["questions"]) and client.acts < 60:
            one = questions[0]
            kind = one["kind"] if one["kind"] in ("exam", "again") else "label"
            answer = client.post("/api/acts", kind=kind, n=one["n"], label=int(truth[one["n"]]), order=about["order"])
        assert answer["counts"]["unlabelled"] == 0 and answer["model"]["ready"]
        assert client.ask("/api/acts", {"id": "z", "kind": "skip", "n": 0, "order": "0" * 16}).status == 409
        assert client.ask("/api/acts", {"id": "z", "kind": "skip", "n": 99}).status == 400
        small = client.ask(f"/thumb/3/{project.digests[3][:16]}.jpg")
        assert small.body[:2] == b"\xff\xd8" and "immutable" in small.headers["cache-control"]
        large = client.ask(f"/photo/3/{project.digests[3][:16]}.jpg?side=640")
        assert large.body[:2] == b"\xff\xd8"
        assert client.ask(f"/thumb/3/{project.digests[4][:16]}.jpg").status == 404
        assert client.ask(f"/thumb/99/{project.digests[4][:16]}.jpg").status == 404
        client.until(lambda state: state["map"])
        assert len(client.get("/api/map")["x"]) == 36
        assert client.ask("/api/export", {"what": "page"}).status == 400  # nothing is trained yet
        assert client.ask("/api/train", {"out": "/tmp/x"}).status == 400
        assert client.post("/api/train")["job"]["state"] == "running"
        assert client.ask("/api/export", {"what": "folders"}).status == 409
        job = client.until(lambda state: state["job"]["state"] != "running", 120)["job"]
        assert job["state"] == "done", job["error"]
        assert job["result"]["photos"] == {"train": 36, "test": 0}  # all are labelled, so the exam is trained on, too
        assert client.get("/api/project")["trained"] is True
        assert client.ask("/run/report.html").status == 200
        assert client.get("/api/differences")["former"] is None
        labels = Path(client.post("/api/export", what="labels")["path"])
        client.post("/api/export", what="folders", how="link")
        done = client.until(lambda state: state["job"]["state"] != "running")["job"]
        assert done["result"]["files"] == done["result"]["linked"] == 38
    with labels.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 38 and {row["label"] for row in rows} == {"cold", "warm"}
    again = images.scan_labelled(labels)  # what `penult train` takes
    assert sorted(Path(one.path).resolve() for one in again.images) == sorted(
        path for path in half.rglob("*.*") if path.name != "broken.jpg"
    )


def test_the_exam_is_the_test_part_until_nearly_all_photos_have_a_label(half: Path, tmp_path: Path) -> None:
    project = opened(half, tmp_path / "p")
    n = len(project)
    reserved, labels, status = np.arange(n) < 8, np.full(n, -1, np.int32), np.zeros(n, np.uint8)
    labels[:20] = np.arange(20) % 2
    status[19] = EXCLUDED
    sample = np.arange(7)  # the eighth was labelled before its turn: neither learnt nor counted
    train, test = training_sets(project, LabelView(labels, status, 3), reserved, sample, ["a", "b", "c"])
    assert test is not None
    assert test.ids == tuple(project.files[i][0] for i in range(7)) and test.classes == ("a", "b")
    assert train.ids == tuple(project.files[i][0] for i in range(8, 19))
    labels[:2] = 2  # a class that the exam alone has is learnt from it
    train, test = training_sets(project, LabelView(labels, status, 3), reserved, sample, ["a", "b", "c"])
    assert test is not None and (len(train), len(test), train.classes) == (13, 5, ("a", "b", "c"))
    labels[20:] = 0
    train, test = training_sets(project, LabelView(labels, status, 3), reserved, sample, ["a", "b", "c"])
    assert (len(train), test) == (n - 1, None)
    with pytest.raises(InputError, match="classes of one labelled photo: 'b'"):
        training_sets(project, LabelView(np.where(np.arange(n) < 30, 0, 1 - (np.arange(n) < 35)).astype(np.int32), status, 2),
                      reserved & False, sample, ["a", "b"])  # fmt: skip


def test_a_state_stream_tells_each_change_and_ends_with_the_server(half: Path, tmp_path: Path) -> None:
    with studio(half, tmp_path / "p") as (client, _):
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        connection.request("GET", "/api/state", headers={"Cookie": client.cookie, "Accept": "text/event-stream"})
        stream = connection.getresponse()
        assert stream.getheader("content-type", "").startswith("text/event-stream")

        def event() -> dict[str, object]:
            assert stream.readline() == b"event: state\n"
            data = stream.readline().removeprefix(b"data: ")
            assert stream.readline() == b"\n"
            return dict(json.loads(data))

        assert event()["seq"] == 1
        client.post("/api/acts", kind="skip", n=2)
        while event()["seq"] != 2:  # the map, and labels.csv, are told of, too
            pass
    assert stream.read().count(b"event") <= 4  # it has ended
    connection.close()


def test_before_the_project_is_open_the_page_is_there_and_all_else_waits(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    go = threading.Event()
    real = prepare_project

    def slow(*arguments: object) -> Project:
        assert go.wait(30)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("penult.studio.workspace.prepare_project", slow)
    with studio(photos("in", warm=3, cold=3), tmp_path / "p", wait=False) as (client, server):
        assert client.ask("/").status == 200
        assert client.get("/api/project")["preparing"] == {"stage": "files", "done": 0, "total": 6}
        assert client.get("/api/state")["preparing"]["total"] == 6
        for path in ("/api/photos", "/api/queue", "/api/map", "/api/quality", "/thumb/0/0123456789abcdef.jpg", "/run/x"):
            assert client.ask(path).status == 409, path
        assert client.ask("/api/acts", {"id": "a"}).status == 409
        with pytest.raises(OutputError, match="another penult studio has it open"):
            type(server)(server.options.__class__(tmp_path / "in", out=tmp_path / "p", port=0))
        go.set()
        server.workspace.wait()
        assert client.get("/api/photos?status=all")["total"] == 6


def test_a_job_is_cancelled_and_a_failed_one_says_why(half: Path, tmp_path: Path) -> None:
    with studio(half, tmp_path / "p", unlabelled=True) as (client, _):
        began = time.monotonic()
        refused = client.ask("/api/train", {}, headers={"Connection": "close"})
        assert time.monotonic() - began < 5  # the body was read, so nothing more of it is waited for
        assert refused.status == 400 and "two classes" in refused.json()["error"]
        refused = client.ask("/api/train", {}, headers={"X-Penult-Language": "zh"})
        assert refused.json()["error"] == "模型需要两个类别，而有标签的照片不足两类；请给另一个类别的照片打标签。"
        for number, name in enumerate(("a", "b")):
            client.post("/api/classes", do="add", name=name)
            client.post("/api/acts", kind="many", numbers=[2 * number, 2 * number + 1, 8 + number], label=number)
        client.post("/api/train")
        assert client.post("/api/job/cancel")["cancelled"] is True
        assert client.get("/api/state")["job"]["state"] == "cancelled"
        client.post("/api/train", backbones=["no_such_network"])
        job = client.until(lambda state: state["job"]["state"] != "running", 60)["job"]
        assert job["state"] == "failed" and "no_such_network" in job["error"]
        told = client.ask("/api/state", headers={"Accept-Language": "zh-CN"}).json()["job"]["error"]  # said anew for who asks
        assert "no_such_network" in told and told != job["error"]


# --- what is left on the disk ---


def test_class_folders_are_new_ones_with_harmless_names(tmp_path: Path) -> None:
    evil = [
        "..",
        "../out",
        "a/b",
        "a\\b",
        "con",
        "NUL.txt",
        "",
        " ",
        ".hidden",
        "A",
        "a",
        "a.",
        "x" * 300,
        "\x00n",
        "\U00020000" * 110,
        "é",
        "e\u0301",
        "猫",
    ]
    names = folder_names(evil)
    assert len({name.casefold() for name in names}) == len(evil)
    assert all(
        name == os.path.basename(name) and name.strip(". ") and len(name.encode()) <= 255 and len(name) <= 130
        for name in names
    )
    source = tmp_path / "one.jpg"
    source.write_bytes(b"1")
    (tmp_path / "labelled").symlink_to(tmp_path / "elsewhere")  # leads nowhere yet
    files = [(str(source), name) for name in evil[:12]] + [(str(source), "..")]
    done = write_folders({"files": files, "out": str(tmp_path / "labelled"), "how": "copy"}, lambda *_: None)
    assert done["path"] == str(tmp_path / "labelled-2") and done["files"] == 13
    assert not (tmp_path / "elsewhere").exists()
    laid = [path for path in (tmp_path / "labelled-2").rglob("*") if path.is_file()]
    assert len(laid) == 13 and {path.parent.parent for path in laid} == {tmp_path / "labelled-2"}
    assert source.read_bytes() == b"1"
    files = [("no.jpg", "a"), (str(tmp_path), "a"), (str(source), "\U00020000" * 110)]  # one is gone, one is no file
    gone = write_folders({"files": files, "out": str(tmp_path / "labelled"), "how": "link"}, lambda *_: None)
    assert (gone["files"], gone["gone"]) == (1, ["no.jpg", str(tmp_path)])
    assert [path.name for path in Path(gone["path"]).rglob("*.jpg")] == ["one.jpg"]


def test_an_export_that_finds_the_disk_full_leaves_no_half_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "one.jpg"
    source.write_bytes(b"1" * 10)

    def full(source: Any, copy: Any, _: int) -> None:
        copy.write(source.read(5))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OutputError, match=r"No space left on device.; 0 of 1 files are there. Make room"):
        write_folders({"files": [(str(source), "a")], "out": str(tmp_path / "out"), "how": "copy"}, lambda *_: None)
    assert list((tmp_path / "out").rglob("*.jpg")) == []


def test_a_project_is_opened_again_by_its_folder_and_its_own_exports_are_no_new_photos(photos: Photos, tmp_path: Path) -> None:
    source = photos("in", warm=3, cold=3)
    with studio(source, source / "in-studio") as (client, _):
        client.post("/api/acts", kind="many", numbers=[0], label=1)
        client.post("/api/export", what="folders", how="copy")
        client.until(lambda state: state["job"]["state"] != "running")
    with (
        studio(source / "in-studio", None, port=0) if False else studio(source / "in-studio", source / "in-studio") as (
            client,
            _,
        )
    ):
        assert client.get("/api/project")["photos"] == 6
        assert client.get("/api/details?numbers=0")["photos"][0]["label"] == 1


def test_what_cannot_be_opened_is_told_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["studio"])
    assert "give SOURCE or --review DIR" in capsys.readouterr().err
    assert main(["studio", str(tmp_path / "nothing")]) == 1
    assert "does not exist; give a folder of photos" in capsys.readouterr().err
    assert main(["studio", str(tmp_path), "--no-cache"]) == 1
    assert "leave --no-cache out" in capsys.readouterr().err
    with pytest.raises(InputError, match="no port"):
        StudioOptions(tmp_path, port=70000)
