"""Files appear whole under their final name, or not at all."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penult import store
from penult.errors import OutputError
from penult.store.disk import Disk, machine_id
from penult.texts import printable


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def small_files() -> Iterator[None]:
    """The process may not write beyond the first 20,000 bytes of a file, which is how a full disk feels."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refusing(number: int) -> Any:
    def act(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return act


def test_what_was_written_stands_there_and_nothing_else(tmp_path: Path) -> None:
    with store.atomic_write(tmp_path / "new" / "a.bin") as file:
        file.write(b"123")
        assert names(tmp_path / "new")[0].startswith(".tmp-")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"123"
    assert names(tmp_path / "new") == ["a.bin"]


def test_an_exception_in_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    store.write_text(tmp_path / "a", "old")
    for kind in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(kind), store.atomic_write(tmp_path / "a") as file:
            file.write(b"x" * 200_000)
            raise kind
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_text_keeps_line_ends_and_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    with store.atomic_write_text(tmp_path / "t") as file:
        file.write("ä\r\n" + b"\xff\n".decode("utf-8", "surrogateescape"))
    assert (tmp_path / "t").read_bytes() == b"\xc3\xa4\r\n\xff\n"


def test_json_reads_back_and_refuses_nan(tmp_path: Path) -> None:
    store.write_json(tmp_path / "j", {"a": [1, "ä"]})
    assert json.loads((tmp_path / "j").read_text()) == {"a": [1, "ä"]}
    with pytest.raises(ValueError, match="JSON"):
        store.write_json(tmp_path / "j", float("nan"))


def test_a_file_that_the_caller_closed_itself_is_kept(tmp_path: Path) -> None:
    with store.atomic_write(tmp_path / "a") as file:
        file.write(b"1")
        file.close()
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere" / "target")
    store.write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "elsewhere" / "target").read_text() == "x"


def test_devices_and_folders_are_refused_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="pipe is a device or pipe, not a file"):
        store.write_text(tmp_path / "pipe", "x")
    with pytest.raises(OutputError, match="is a folder, not a file"):
        store.write_text(tmp_path, "x")


def test_a_file_in_the_way_of_a_folder_is_one_sentence(tmp_path: Path) -> None:
    store.write_text(tmp_path / "a", "x")
    with pytest.raises(OutputError, match="a part of that path is a file"):
        store.write_text(tmp_path / "a" / "b" / "c", "x")


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("text", [False, True])
def test_a_full_disk_is_one_sentence_and_the_old_file_stays(tmp_path: Path, text: bool) -> None:
    store.write_text(tmp_path / "a", "old")
    opened: Any = store.atomic_write_text if text else store.atomic_write
    with (
        pytest.raises(OutputError, match=r"could not write .*/a: the file would be larger .*--out"),
        opened(tmp_path / "a") as file,
    ):
        for _ in range(30):
            file.write("1" * 1000 if text else b"1" * 1000)
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full; free some space or choose"),
        (errno.EDQUOT, "your disk quota is used up; free some space or choose"),
        (errno.EROFS, "the file system is read-only; choose"),
        (errno.EIO, "the disk reports an error; choose"),
    ],
)
@pytest.mark.parametrize("act", ["make", "create", "write", "sync", "replace", "sync_folder"])
def test_every_act_that_fails_is_told_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, number: int, said: str
) -> None:
    monkeypatch.setattr(Disk, act, refusing(number))
    with pytest.raises(OutputError) as caught:
        store.write_text(tmp_path / "new" / "a", "x")
    assert said in str(caught.value)
    assert not list(tmp_path.glob("new/.tmp-*"))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "there is no permission to write there; choose"),
        (errno.ENAMETOOLONG, "the name is too long; choose"),
        (errno.ENOLCK, "No locks available; choose"),
    ],
)
def test_a_name_that_is_refused_is_told_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    monkeypatch.setattr(Disk, "create", refusing(number))
    with pytest.raises(OutputError, match=said):
        store.write_text(tmp_path / "a", "x")


def test_another_file_that_is_missing_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), store.atomic_write(tmp_path / "a"):
        (tmp_path / "not-there").read_bytes()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_can_not_sync_folders_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "fsync", refusing(number))
    Disk().sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", refusing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        Disk().sync_folder(tmp_path)


def test_sweep_removes_only_what_dead_processes_left(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = machine_id()
    stale = [f".tmp-{host}-{dead.pid}-1", ".tmp-0123abcd-1-2", f".tmp-{host}-{os.getpid()}-3"]
    kept = [
        f".tmp-{host}-{os.getpid()}-1",
        f".tmp-0123abcd-{dead.pid}-1",
        ".tmp",
        ".tmp-of-somebody-else",
        "a.npz",
        f".tmp-{host}-x-1",
    ]
    for name in stale + kept:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f".tmp-{host}-{dead.pid}-folder").mkdir()
    for name in stale[1:]:
        os.utime(tmp_path / name, (1, 1))
    assert store.sweep(tmp_path) == 3
    assert names(tmp_path) == sorted([*kept, f".tmp-{host}-{dead.pid}-folder"])
    assert store.sweep(tmp_path / "missing") == 0


def test_paths_are_shown_without_breaking_the_terminal() -> None:
    assert printable("a\nb\x1b[31m/ä/" + b"\xff".decode("utf-8", "surrogateescape")) == "a\\nb\\x1b[31m/ä/\\xff"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("efficientnet_lite0", "efficientnet_lite0"),
        ("keras:ResNet50", "ResNet50"),
        ("timm:vit_base.augreg", "timm_vit_base.augreg"),
        ("./my net.onnx", "._my_net.onnx"),
        ("ä/b\\c", "__b_c"),
        ("x" * 300, "x" * 100),
    ],
)
def test_slugs_are_safe_file_names(name: str, expected: str) -> None:
    assert store.slug(name) == expected


def test_slugs_that_clash_get_digits_of_their_digest() -> None:
    assert store.slugs([("a:b", "123456789"), ("a/b", "abcdef012"), ("c", "0" * 64)]) == [
        "a_b-123456",
        "a_b-abcdef",
        "c",
    ]
    assert store.slugs([("Net", "1" * 64), ("net", "2" * 64)]) == ["Net-111111", "net-222222"]
