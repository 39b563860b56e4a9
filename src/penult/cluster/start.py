"""Start Ray on this machine, or join the cluster that was named: the one place that knows Ray's traps.

A local instance listens on the loopback address alone, has a token and a temporary folder of its own, runs its workers at the
user's own priority, reports nothing to anybody, and is gone afterwards. A cluster that others can reach must want a token.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path
from typing import Any

from penult.errors import InputError, MissingExtra, OutputError, listed
from penult.i18n import N_, _
from penult.pixels.preparing import core_count
from penult.store import disk

log = logging.getLogger(__name__)

LOCAL = "ray"
_CLIENT = "ray://"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_STORE = 128 << 20  # bytes of shared memory: descriptors and counts are all that Ray carries
_FOLDERS, _NEW = "penult-ray-", 60.0  # seconds in which one that is being made gets its lock
_NOT_REACHED = (OSError, RuntimeError, ValueError)  # what `ray.init` raises
_TOKEN = secrets.token_hex(32)  # one a process: Ray reads it once
# What Ray reads from the environment, and hands on to its own processes.
_ENVIRONMENT = {
    "RAY_worker_niceness": "0",  # 15 otherwise: on a shared machine workers would starve
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # no other machine may join, so nothing listens but on the loopback address
    "RAY_memory_monitor_refresh_ms": "0",  # it kills workers when other programs fill the memory
    "RAY_prestart_worker_first_driver": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": _TOKEN,  # in the environment, so that none is written into the user's home
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # as Ray will do; it warns otherwise
}
# For the process that drives: Ray's library writes warnings about Ray Data's own way of starting actors to the terminal.
_DRIVER = {"RAY_BACKEND_LOG_LEVEL": "fatal"}


@contextmanager
def connect_ray(address: str = LOCAL) -> Iterator[bool]:
    """Have Ray while the block lasts; an instance that is there already is taken, and left as it is.

    Parameters
    ----------
    address : str, default "ray"
        `"ray"`: the cluster that `RAY_ADDRESS` names, which is set inside a Ray job, else an instance on this machine that
        ends with the block. `"ray://HOST:PORT"`: the cluster whose Ray Client server listens there (port 10001).

    Yields
    ------
    bool
        Whether this process is no part of the cluster (`ray://`, Ray Client), so that what drives the work must run there.

    Raises
    ------
    MissingExtra
        Ray, or what Ray Client needs, is not installed.
    InputError
        The address is none, or can be reached by others and nothing says whether a token is wanted.
    OutputError
        Ray does not start, or nobody answers at the address.
    """
    target = _target(address)
    ray = _ray(client=target.startswith(_CLIENT))
    if ray.is_initialized():
        yield ray.util.client.ray.is_connected()
        return
    if target != "local":
        with _initialized(ray, target):
            yield target.startswith(_CLIENT)
        return
    with (
        _temporary_folder() as folder,
        _environment({**_ENVIRONMENT, "RAY_TMPDIR": str(folder)}),
        _reread(ray),
        _initialized(ray, target, num_cpus=core_count(), include_dashboard=False, object_store_memory=_STORE),
    ):
        _warn_if_exposed(ray)
        yield False


def _target(address: str) -> str:
    """Return what `ray.init` is told: "local", HOST:PORT of a cluster this machine is part of, or ray://HOST:PORT."""
    if address != LOCAL and not (address.startswith(_CLIENT) and _port(address)):
        raise InputError(
            _(
                "--on {address!r} is no place to run; give --on ray (this machine, or the cluster that RAY_ADDRESS "
                "names) or --on ray://HOST:PORT, where a cluster's Ray Client server listens (port 10001).",
                address=address,
            )
        )
    target = address if address != LOCAL else os.environ.get("RAY_ADDRESS") or "local"
    if target not in {"local", "auto"} and not _host(target).startswith(_LOOPBACK) and "RAY_AUTH_MODE" not in os.environ:
        raise InputError(
            _(
                "whoever reaches the cluster at {target} can run programs there, unless it wants a token. Start its "
                "nodes and this command with RAY_AUTH_MODE=token and the same RAY_AUTH_TOKEN (`ray get-auth-token "
                "--generate` makes one), or set RAY_AUTH_MODE=disabled where only trusted machines can reach it.",
                target=_host(target),
            )
        )
    return target


def _host(target: str) -> str:
    return target.removeprefix(_CLIENT)


def _port(address: str) -> bool:
    host, _, port = _host(address).rpartition(":")
    return bool(host) and port.isdigit()


def _ray(client: bool = False) -> Any:
    """Import Ray. Raises `MissingExtra`."""
    missing = [name for name in ("ray", "pyarrow", "pandas", *(("grpc",) if client else ())) if util.find_spec(name) is None]
    if missing:
        raise MissingExtra(
            _("Ray is not complete here ({missing} missing); pip install 'penult[ray]'.", missing=listed(missing))
        )
    import ray
    import ray.data
    import ray.util.client

    return ray


@contextmanager
def _reread(ray: Any) -> Iterator[None]:
    """Let Ray read its environment again, which it does when it is imported: somebody may have done that before."""
    constants: Any = importlib.import_module("ray._private.ray_constants")
    before, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    ray._raylet.Config.initialize("")
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _initialized(ray: Any, target: str, **options: Any) -> Iterator[None]:
    """Have Ray initialized, without what it does to its process: a handler of SIGTERM, lines on standard output."""
    worker: Any = importlib.import_module("ray._private.worker")
    ours, printed = signal.getsignal(signal.SIGTERM), getattr(worker, "print_to_stdstream", None)
    worker.print_to_stdstream = _logged
    try:
        with _environment(_DRIVER), _without_standard_error():
            ray.init(address=target, configure_logging=False, log_to_driver=False, **options)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)
        yield
    except _NOT_REACHED as error:
        if ray.is_initialized():  # it came from the block
            raise
        said = " ".join(str(error).split())[:300]
        raise OutputError(
            _(
                "Ray cannot be reached at {target!r} ({said}); check that it runs there and takes this token, or give "
                "--on ray.",
                target=target,
                said=said,
            )
        ) from error
    finally:
        ray.shutdown()
        worker.print_to_stdstream = printed


@contextmanager
def _without_standard_error() -> Iterator[None]:
    """Drop what Ray's own library writes to the descriptor while it starts; what matters is an exception."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _logged(data: dict[str, Any], *_: Any, **__: Any) -> None:
    """Take what Ray would print: that a process died, or that an actor waits for room."""
    for line in data.get("lines", ()):
        log.info("Ray: %s", str(line)[:300])


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Have environment variables that the user has not set himself."""
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Have a folder for the instance's sockets and logs, and remove those of processes that were killed.

    Its path is short, since a socket's may have 107 letters. The lock ends with its process.
    """
    base = Path("/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir())  # noqa: S108 - mkdtemp's is for us alone
    for other in base.glob(f"{_FOLDERS}*"):
        if os.access(other, os.W_OK) and time.time() - other.stat().st_mtime > _NEW and disk.is_free(other):
            shutil.rmtree(other, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDERS, dir=base))
    try:
        with disk.FolderLock(folder, N_("by another process"), N_("try again")):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _warn_if_exposed(ray: Any) -> None:
    """Say so where the instance can be reached from elsewhere, as of a Ray that goes by other settings."""
    address = ray.util.get_node_ip_address()
    if not address.startswith(_LOOPBACK):
        told = N_("Ray listens on {address}, not on the loopback address alone, which others may reach")
        log.warning("%s", _(told, address=address))


def versions() -> dict[str, str]:
    """Return the versions that nodes must share with whoever gives them work."""
    return {"penult": metadata.version("penult"), "ray": metadata.version("ray")}
