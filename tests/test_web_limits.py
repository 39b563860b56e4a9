"""The HTTP core, piece by piece and without a socket: who may ask, how much, and how forms are taken apart."""

from __future__ import annotations

import asyncio
import json
import logging
import tomllib
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from penult.web import Access, BodyReader, Guard, HttpLimits, Refusal, Told, host_name, is_loopback, parse_form
from penult.web.logs import JsonLines
from serving import NEEDED

TOKEN = "a-token-of-enough-letters"
FORM = "multipart/form-data; boundary=xyz"


def form(*parts: tuple[str, bytes], end: bytes = b"--xyz--\r\n") -> bytes:
    head = 'Content-Disposition: form-data; name="photo"; filename="{}"\r\nContent-Type: image/jpeg\r\n\r\n'
    return b"".join(b"--xyz\r\n" + head.format(name).encode() + data + b"\r\n" for name, data in parts) + end


def test_files_of_a_form_come_out_as_they_went_in() -> None:
    data = bytes(range(256)) + b"\r\n--xy\r\n--"
    files = parse_form(form(("Bäume.jpg", data), ('a "b".png', b"")), FORM, 9)
    assert [(file.name, file.data) for file in files] == [("Bäume.jpg", data), ("a ", b"")]
    assert parse_form(form(("a", b"1")), 'multipart/form-data; boundary="xyz"', 9)[0].data == b"1"


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (form(("a", b"1"), end=b""), FORM, 400, "before its last boundary"),
        (form(("a", b"1")), "multipart/form-data", 400, "no boundary"),
        (b"nothing", FORM, 400, "does not begin"),
        (b"--xyz\r\nno headers\r\n--xyz--", FORM, 400, "no headers"),
        (b'--xyz\r\nContent-Disposition: form-data; name="text"\r\n\r\n1\r\n--xyz--', FORM, 400, "part 'text'"),
        (form(*[("a", b"1")] * 10), FORM, 413, "more than 9 files"),
    ],
)
def test_a_form_that_is_wrong_is_refused_in_a_sentence(body: bytes, kind: str, status: int, said: str) -> None:
    with pytest.raises(Refusal, match=said) as refused:
        parse_form(body, kind, 9)
    assert refused.value.status == status


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 400))
def test_no_form_breaks_the_reader(noise: bytes, begin: int, end: int) -> None:
    whole = form(("a.jpg", b"123"), ("b.jpg", b"4567"))
    for body in (noise, whole[:begin] + noise + whole[end:]):
        try:
            files = parse_form(body, FORM, 9)
        except Refusal as refusal:
            assert refusal.status in (400, 413) and refusal.sentence.endswith(".")
        else:
            assert all(file.data in body for file in files)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8000", "localhost"), ("[::1]:80", "::1"), ("A.Example.", "a.example"), ("", ""), ("a b", ""),
        ("x@evil", ""), ("127.0.0.1:99999999", ""),
    ],
)  # fmt: skip
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert host_name(host) == name


def refused(access: Access, path: str = "/predict", method: str = "POST", **headers: str) -> int:
    """Return the status of a refusal, or 0."""
    given = {"host": "localhost:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        access.check({"method": method, "path": path}, {k.encode(): v.encode("latin-1") for k, v in given.items()})
    except Refusal as refusal:
        return refusal.status
    return 0


def test_names_that_are_not_ours_are_refused_and_numbers_are_not() -> None:
    here, there = Access(), Access(hosts=frozenset({"photos.example"}))
    for host, ok in (("localhost", True), ("127.0.0.1:80", True), ("10.2.3.4", True), ("[::1]:1", True), ("", False)):
        assert refused(here, host=host) == (0 if ok else 403), host
    assert refused(here, host="photos.example") == 403
    assert refused(there, host="Photos.Example:80") == 0
    assert refused(there, host="evil.photos.example") == 403
    assert refused(Access(hosts=frozenset({"*"})), host="any.example") == 0


def test_pages_of_other_origins_may_not_post() -> None:
    for site, status in (("same-origin", 0), ("none", 0), ("cross-site", 403), ("same-site", 403)):
        assert refused(Access(), sec_fetch_site=site) == status, site
    assert refused(Access(), origin="http://localhost:8000") == 0
    assert refused(Access(), origin="http://localhost:3000") == 403
    assert refused(Access(), origin="null") == 403
    assert refused(Access(), method="GET", sec_fetch_site="cross-site") == 0


def test_the_token_is_asked_everywhere_but_on_open_paths() -> None:
    access = Access(TOKEN, open_paths=("/", "/assets/", "/v2/health/"))
    for path in ("/", "/assets/page.js", "/v2/health/live"):
        assert refused(access, path, "GET") == 0, path
    for path in ("/predict", "/metrics", "/models", "/v2", "/v2/models/a", "/assets", "//"):
        assert refused(access, path, "GET") == 401, path
    assert refused(access, authorization=f"Bearer {TOKEN}") == refused(access, authorization=f"bearer {TOKEN}") == 0
    for wrong in (TOKEN, f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}é"):
        assert refused(access, authorization=wrong) == 401, wrong


def test_an_address_of_this_machine_alone() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.2", "example.org", "")] == [False] * 5


def sent(*parts: bytes, late: bool = False) -> Callable[[], Any]:
    """Return what an ASGI server hands over for a body; with `late` the last part never comes."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.sleep(9)
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left) or late}

    return receive


def read(reader: BodyReader, receive: Callable[[], Any], **headers: str) -> bytes | int:
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    try:
        return asyncio.run(reader.read(receive, given, Told("POST", "/", "1", "", 0.0)))
    except Refusal as refusal:
        return refusal.status


def test_bodies_are_held_within_their_limits() -> None:
    reader = BodyReader(HttpLimits(max_bytes=100, max_held_bytes=150, body_seconds=0.05))
    assert read(reader, sent(b"1" * 60, b"2" * 40)) == b"1" * 60 + b"2" * 40
    assert reader.held == 100  # until it is given back
    assert read(reader, sent(b"3" * 51)) == read(reader, sent(b""), content_length="60") == 503
    reader.give_back(100)
    for status, receive, headers in (
        (413, sent(b"1" * 60, b"2" * 41), {}),
        (413, sent(b""), {"content_length": "101"}),
        (413, sent(b""), {"content_length": "9" * 4000}),
        (415, sent(b"1"), {"content_encoding": "gzip"}),
        (408, sent(b"1", late=True), {"content_length": "2"}),
    ):
        assert read(reader, receive, **headers) == status
        assert reader.held == 0


def answered(app: Any, **limits: Any) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return what a guarded application answers."""
    found: list[Any] = []

    async def send(message: Any) -> None:
        found.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"host", b"localhost"), (b"x-request-id", b"abc-1")]}
    asyncio.run(Guard(app, Access(), HttpLimits(**limits))(scope, sent(b""), send))
    return found[0]["status"], dict(found[0]["headers"]), b"".join(part["body"] for part in found[1:])


def test_what_goes_wrong_in_a_page_is_one_sentence_and_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: Any) -> None:
        raise KeyError("secret")

    async def slow(*_: Any) -> None:
        await asyncio.sleep(9)

    async def busy(*_: Any) -> None:
        raise Refusal(503, "busy.")

    with caplog.at_level(logging.INFO, "penult"):
        status, headers, body = answered(broken)
    assert status == 500 and b"secret" not in body and "request abc-1" in json.loads(body)["error"]
    assert headers[b"x-request-id"] == b"abc-1" and b"default-src 'none'" in headers[b"content-security-policy"]
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert [line["event"] for line in lines] == ["a mistake of penult's own", "request"]
    assert "KeyError" in lines[0]["traceback"] and lines[1]["status"] == 500 and lines[1]["request_id"] == "abc-1"
    assert answered(slow, deadline=0.02)[0] == 504
    assert answered(busy)[1][b"retry-after"] == b"1"


@NEEDED
def test_the_extra_is_small() -> None:
    """What `pip install 'penult[serve]'` adds to the default install, all that its libraries need included."""
    project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]
    nbytes = 0
    for name in needed(project["optional-dependencies"]["serve"]) - needed(project["dependencies"]):
        files = metadata.files(name) or []
        nbytes += sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())
    assert 10_000_000 < nbytes < 35_000_000


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the names of libraries and of all that they need, as they are installed here."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        one = waiting.pop()
        if (one.marker is None or one.marker.evaluate({"extra": ""})) and one.name.lower() not in found:
            found.add(one.name.lower())
            waiting += [Requirement(line) for line in metadata.requires(one.name) or []]
    return found
