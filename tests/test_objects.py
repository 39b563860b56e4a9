"""Object stores: what comes back, what is said where nothing does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from objectstore import FaultyProxy, S3Server, list_one_object
from penult import objects, sources
from penult.errors import InputError, OutputError
from penult.objects import store as store_module


def test_what_is_written_is_listed_and_read_back(s3: S3Server) -> None:
    store = objects.open_store(s3.bucket("letters") + "/a b")
    store.put("x/1.bin", b"one")
    store.put("x/ü+%20#.bin", b"")
    store.put("y.bin", b"0123456789")
    assert [(one.key, one.size) for one in store.list()] == [("x/1.bin", 3), ("x/ü+%20#.bin", 0), ("y.bin", 10)]
    assert [one.key for one in store.list("x")] == ["x/1.bin", "x/ü+%20#.bin"]
    assert (s3.root / "letters" / "a b" / "x" / "ü+%20#.bin").read_bytes() == b""
    assert store.get("y.bin") == b"0123456789"
    assert [store.get_range("y.bin", *at) for at in ((0, 3), (4, 0), (7, 100))] == [b"012", b"", b"789"]
    assert store.head("y.bin") == list(store.list())[-1]
    assert store.head("x") is None
    store.delete("y.bin")
    store.delete("y.bin")
    with pytest.raises(FileNotFoundError, match=r"no such object.*letters/a b/y\.bin"):
        store.get("y.bin")


def test_many_are_fetched_ahead_in_their_order(s3: S3Server) -> None:
    store = objects.open_store(s3.bucket("many"))
    for number in range(40):
        (s3.root / "many" / f"{number:02}").write_bytes(b"%d" % number)
    wanted = [f"{number:02}" for number in range(41)]
    found = list(objects.fetch_ahead(wanted, store.get, lambda _: 10, at_once=4, ahead=35))
    assert [name for name, _ in found] == wanted
    assert [data for _, data in found[:-1]] == [b"%d" % number for number in range(40)]
    assert isinstance(found[-1][1], FileNotFoundError)


@pytest.mark.parametrize("name", ["s3://", "s3:///x", "http://x/y", "gs:/a"])
def test_no_address(name: str) -> None:
    with pytest.raises(InputError, match="no address of an object store; write s3://BUCKET/PATH"):
        objects.open_store(name)


def test_the_bucket_the_credentials_or_the_server_is_wrong(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = objects.open_store("s3://nowhere")
    with pytest.raises(InputError, match="no bucket 's3://nowhere'; check its name, and whether 'http://127"):
        list(nowhere.list())
    with pytest.raises(InputError, match="no bucket"):
        nowhere.get("a.jpg")
    with pytest.raises(OutputError, match=r"'s3://nowhere/a\.bin' cannot be written: there is no bucket"):
        nowhere.put("a.bin", b"1")
    url = s3.bucket("secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    objects.open_store.cache_clear()
    with pytest.raises(InputError, match=r"refuses these credentials \(SignatureDoesNotMatch\); set AWS_ACCESS_KEY_ID"):
        objects.open_store(url).get("a.jpg")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    objects.open_store.cache_clear()
    with pytest.raises(InputError, match=r"no answer from 'http://127\.0\.0\.1:1'; check the network and the address"):
        list(objects.open_store(url).list())


def _failing(times: int, fault: str, of: str = "GET") -> Callable[[str, str], str | None]:
    left = [times]

    def answer(method: str, path: str) -> str | None:
        left[0] -= method == of
        return fault if method == of and left[0] >= 0 else None

    return answer


@pytest.mark.parametrize("fault", ["503 SlowDown", "429 TooManyRequests", "lose", "cut"])
def test_what_fails_in_passing_is_tried_again(s3: S3Server, faulty_s3: FaultyProxy, fault: str) -> None:
    url = s3.bucket("passing")
    (s3.root / "passing" / "a.bin").write_bytes(b"0123456789" * 100)
    faulty_s3.fault = _failing(2, fault)
    assert objects.open_store(url).get("a.bin") == b"0123456789" * 100
    assert len(faulty_s3.requests) == 3
    faulty_s3.fault = _failing(2, fault)
    assert "a.bin" in [one.key for one in objects.open_store(url).list()]
    faulty_s3.fault = _failing(1, fault, of="PUT")
    objects.open_store(url).put("b.bin", b"12")
    assert (s3.root / "passing" / "b.bin").read_bytes() == b"12"
    assert objects.open_store(url).get_range("a.bin", 995, 100) == b"56789"
    assert objects.open_store(url).ranges


def test_what_goes_on_failing_is_said(s3: S3Server, faulty_s3: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PATIENCE", timedelta(seconds=0.3))
    monkeypatch.setattr(store_module, "_SILENCE", timedelta(seconds=0.3))
    url = s3.bucket("failing")
    (s3.root / "failing" / "a.bin").write_bytes(b"0123456789")
    for fault, said in (
        ("503 SlowDown", r"cannot be read: the store answers with an error \(SlowDown\), also after several tries; run it"),
        ("late", "no answer from 'http://127"),
        ("403 AccessDenied", r"refuses these credentials \(AccessDenied\)"),
        ("301 PermanentRedirect", "the bucket is in another region; set AWS_REGION"),
    ):
        faulty_s3.fault = _failing(1000, fault)
        objects.open_store.cache_clear()
        with pytest.raises(InputError, match=said):
            objects.open_store(url).get("a.bin")
    faulty_s3.fault = _failing(1000, "403 InvalidObjectState")  # of this object alone
    with pytest.raises(OSError, match="archived, and has to be restored"):
        objects.open_store(url).get("a.bin")
    for full in ("507 InsufficientStorage", "403 QuotaExceeded"):
        faulty_s3.fault = _failing(1000, full, of="PUT")
        with pytest.raises(OutputError, match=r"b.bin' cannot be written: the store is full \(\w+\); make room"):
            objects.open_store(url).put("b.bin", b"1")
    assert [path.name for path in (s3.root / "failing").iterdir()] == ["a.bin"]


@pytest.mark.parametrize(("scheme", "asked"), [("az", "restype=container&comp=list"), ("gs", "list-type=2")])
def test_azure_and_google_are_asked_by_their_own_names(
    scheme: str, asked: str, faulty_s3: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"ETag": '"0x8D1"', "Last-Modified": "Fri, 22 May 2026 10:00:00 GMT"}
    answer = lambda method, path, *_: (200, headers, list_one_object(scheme) if "?" in path else b"abc")  # noqa: E731
    monkeypatch.setattr(faulty_s3, "forward", answer)
    for name, value in {
        "AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5", "AZURE_STORAGE_ENDPOINT": faulty_s3.endpoint,
        "GOOGLE_SKIP_SIGNATURE": "true", "GOOGLE_BASE_URL": faulty_s3.endpoint,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    (member,) = sources.members(f"{scheme}://box/photos")
    assert (member.id, member.container, member.size, member.tag) == ("a.jpg", f"{scheme}://box/photos", 3, "0x8D1")
    assert member.read() == b"abc"
    assert faulty_s3.requests[0] == ("GET", f"/box?{asked}&prefix=photos%2F")


def test_a_key_that_is_no_path_is_named(s3: S3Server, faulty_s3: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = list_one_object("s3").replace(b"photos/a.jpg", b"photos//a.jpg")
    monkeypatch.setattr(faulty_s3, "forward", lambda *_: (200, {}, listing))
    with pytest.raises(InputError, match=r"an object whose key is no path, 'photos//a\.jpg'; rename or remove that object"):
        list(objects.open_store(s3.bucket("odd")).list())
