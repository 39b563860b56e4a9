"""The runtime of an exported page: two files of the npm package onnxruntime-web, of one version, checked by its digest.

In: the package's archive, given by the user or downloaded once from the npm registry. Out: the WebAssembly module and the
JavaScript that starts it, kept in the cache.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from penult import store, untrusted
from penult.errors import DamagedFile, InputError, ProgressCallback, quiet
from penult.i18n import _
from penult.texts import printable, system_words

NAME, VERSION, LICENSE = "onnxruntime-web", "1.30.0", "MIT"
# As the npm registry publishes it: "dist.integrity"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
KIND, REGISTRY = "runtimes", "https://registry.npmjs.org"
FILES = {"glue.mjs": "package/dist/ort.wasm.bundle.min.mjs", "runtime.wasm": "package/dist/ort-wasm-simd-threaded.wasm"}
_MOST = 80 << 20  # bytes of the archive, which has 33 million
_SECONDS = 60


def runtime(archive: str | Path | None = None, progress: ProgressCallback = quiet) -> tuple[bytes, bytes]:
    """Return the JavaScript and the WebAssembly module, from the cache where they are.

    `archive` is the package's .tgz on this machine. Raises `InputError` where there is no network and none was given,
    `DamagedFile` where it is not the archive of this version.
    """
    entry = store.CacheEntry.of(store.cache_root(None), KIND, {"package": NAME, "version": VERSION, "sha512": SHA512})
    if entry.values() is None:
        step = _("fetching {name} {version}", name=NAME, version=VERSION)
        progress(step, 0, 1)
        files = _unpacked(_download() if archive is None else _read(archive))
        progress(step, 1, 1)
        entry.put(files, license=LICENSE)
    return entry.read("glue.mjs"), entry.read("runtime.wasm")


def _read(archive: str | Path) -> bytes:
    try:
        return untrusted.read_bytes(archive, _MOST)
    except (OSError, ValueError) as error:
        why = system_words(error) if isinstance(error, OSError) else error
        raise InputError(
            _("{path} cannot be read ({why}); give the file that `npm pack` wrote.", path=printable(archive), why=why)
        ) from error


def address() -> str:
    """Return where the archive is downloaded from: npm's registry, or another that npm is told to use."""
    registry = os.environ.get("NPM_CONFIG_REGISTRY") or REGISTRY
    return f"{registry.rstrip('/')}/{NAME}/-/{NAME}-{VERSION}.tgz"


def _download() -> bytes:
    where = address()
    if not where.startswith(("https://", "http://")):
        raise InputError(_("the npm registry {where} is no web address; correct NPM_CONFIG_REGISTRY.", where=printable(where)))
    try:
        with urllib.request.urlopen(where, timeout=_SECONDS) as answer:  # noqa: S310 - its digest is checked
            return bytes(answer.read(_MOST))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise InputError(
            _(
                "{name} {version}, which pages need, cannot be fetched from {where} ({why}); on a machine with "
                "internet access run `npm pack {name}@{version}`, and give the file with --runtime FILE.",
                name=NAME,
                version=VERSION,
                where=where,
                why=getattr(error, "reason", error),
            )
        ) from error


def _unpacked(archive: bytes) -> dict[str, bytes]:
    """Return the files that a page needs. Raises `DamagedFile` for any other archive than that of this version."""
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != SHA512:
        raise DamagedFile(
            _("this is not the archive of {name} {version} as npm publishes it; get it again.", name=NAME, version=VERSION)
        )
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
        found = {name: package.extractfile(member) for name, member in FILES.items()}
        return {name: file.read() for name, file in found.items() if file is not None}
