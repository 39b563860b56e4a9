"""A local server that speaks the Hugging Face hub's protocol, as far as `huggingface_hub` needs it to download files.

Model info (`/api/models/...`), files (`/OWNER/NAME/resolve/REVISION/FILE`, HEAD and GET with ranges), large ones behind a
redirect with the headers of LFS, the error codes of gated and missing things. Not Xet's own transfer, only its redirect.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = 1024  # bytes: from here on files are in LFS
COMMIT, OLDER = "a" * 40, "b" * 40


@dataclass
class Repository:
    """Files by name, at one commit; `old` are those of an earlier one, called `v1`."""

    files: dict[str, bytes]
    card: dict[str, Any] = field(default_factory=lambda: {"license": "apache-2.0"})
    gated: bool = False
    old: dict[str, bytes] = field(default_factory=dict)
    lies: dict[str, str] = field(default_factory=dict)  # of a file: the sha256 that is listed
    names: tuple[str, ...] = ()  # files that are listed and not there
    sizes: dict[str, int] = field(default_factory=dict)  # of a file: the size that is listed

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return commit and files of a branch, tag or commit."""
        if revision in {"main", COMMIT}:
            return COMMIT, self.files
        return (OLDER, self.old) if self.old and revision in {"v1", OLDER} else None


class Hub:
    """The state of a server: repositories by name, and what was asked for."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.url = self.content_url = ""  # large files come from another host


@contextmanager
def serve() -> Iterator[Hub]:
    """Run a hub on the loopback address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url, hub.content_url = (f"http://{name}:{server.server_port}" for name in ("127.0.0.1", "localhost"))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _send(self, status: int, data: bytes, body: bool, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _refuse(self, status: int, code: str, body: bool) -> None:
        self._send(status, b"{}", body, X_Error_Code=code, X_Error_Message=code, Content_Type="application/json")

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if token := self.headers.get("Authorization"):
            self.hub.tokens.add(token.removeprefix("Bearer "))
        parts = path.strip("/").split("/")
        if parts[0] == "cdn":
            return self._content(parts[1], body)
        api = parts[:2] == ["api", "models"]
        parts = parts[2:] if api else parts
        repository = self.hub.repositories.get("/".join(parts[:2]))
        if repository is None:
            return self._refuse(401, "RepoNotFound", body)
        if repository.gated and not (api or self.headers.get("Authorization")):
            return self._refuse(403, "GatedRepo", body)
        revision = parts[3] if len(parts) > 3 else "main"
        found = repository.at(revision)
        if found is None:
            return self._refuse(404, "RevisionNotFound", body)
        if api:
            return self._info("/".join(parts[:2]), repository, *found, body)
        return self._file("/".join(parts[4:]), *found, body)

    def _info(self, name: str, repository: Repository, commit: str, files: dict[str, bytes], body: bool) -> None:
        siblings = []
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        for file, data in files.items():
            sha = repository.lies.get(file, hashlib.sha256(data).hexdigest())
            large = {"lfs": {"sha256": sha, "size": len(data), "pointerSize": 134}} if len(data) >= LARGE else {}
            siblings.append(
                {
                    "rfilename": file,
                    **({"size": repository.sizes.get(file, len(data)), "blobId": "c" * 40, **large} if blobs else {}),
                }
            )
        siblings += [{"rfilename": file} for file in repository.names]
        told = {"id": name, "sha": commit, "siblings": siblings, "cardData": repository.card, "tags": [], "private": False}
        self._send(200, json.dumps(told).encode(), body, Content_Type="application/json")

    def _file(self, name: str, commit: str, files: dict[str, bytes], body: bool) -> None:
        data = files.get(name)
        if data is None:
            return self._refuse(404, "EntryNotFound", body)
        if len(data) < LARGE:
            return self._send(200, data, body, ETag=f'"{hashlib.sha1(data).hexdigest()}"', X_Repo_Commit=commit)
        sha = hashlib.sha256(data).hexdigest()
        return self._send(
            302, b"", body, Location=f"{self.hub.content_url}/cdn/{sha}", X_Linked_Etag=f'"{sha}"',
            X_Linked_Size=str(len(data)), X_Repo_Commit=commit, ETag='"of the redirect"',
        )  # fmt: skip

    def _content(self, sha: str, body: bool) -> None:
        every = [data for one in self.hub.repositories.values() for data in (*one.files.values(), *one.old.values())]
        data = next(data for data in every if hashlib.sha256(data).hexdigest() == sha)
        self._send(200, data, body, ETag=f'"{sha}"')
