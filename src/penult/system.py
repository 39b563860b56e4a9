"""What differs between Linux, macOS and Windows, in one place: locks, folders, processes, signals, limits, cores.

Everything else asks here and never looks at the name of the system. `WINDOWS` is read when a function is called, so that tests
take both ways. Tried: Linux, with all of the tests. Not tried on a machine of its own: macOS, which does as Linux but for
limits of memory, memory files and the affinity of threads; and Windows: the tests take its ways on Linux, with a stand-in for
its locks and without the modules, functions and signals that it does not have.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

WINDOWS = os.name == "nt"
_LOCKED_BYTE = 0x7FFFFFFE  # of a file on Windows, where nobody may read what is locked: far behind its end
_TAKEN = (errno.EACCES, errno.EDEADLK, errno.EAGAIN)


def lock(descriptor: int) -> bool:
    """Lock an open file, or a folder as `open_to_lock` opens it, until it is closed; False only where another has it locked.

    It is the system's own lock (flock; on Windows LockFile), so it ends with the process that holds it, however that ends.
    True as well where the file system has no locks.
    """
    if WINDOWS:
        msvcrt: Any = import_module("msvcrt")
        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return error.errno not in _TAKEN
        finally:
            os.lseek(descriptor, before, os.SEEK_SET)
        return True
    fcntl: Any = import_module("fcntl")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # this file system has no locks
        return True
    return True


def open_to_lock(path: Path) -> int:
    """Open a file or folder for `lock` and return its descriptor; -1 where it cannot be opened.

    Windows cannot open a folder: there it is a file that stands for it, among the user's temporary files.
    """
    try:
        if not WINDOWS:
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if not path.is_dir():
            return os.open(path, os.O_RDWR)
        return os.open(_stand_in(path), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:  # it may be written but not read, or it is gone
        return -1


def _stand_in(folder: Path) -> Path:
    """Return the file that is locked in the place of a folder; the libraries for its name are imported for this alone."""
    locks = Path(import_module("tempfile").gettempdir(), "penult-locks")
    locks.mkdir(exist_ok=True)
    name = os.fsencode(os.path.normcase(folder.resolve()))
    return locks / str(import_module("hashlib").sha256(name).hexdigest()[:32])


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk. Raises OSError where the disk fails."""
    if WINDOWS:  # it cannot open a folder; its file systems journal the names themselves
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems have no such operation
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def renames_open_files() -> bool:
    """Return whether a file can be renamed while it is open."""
    return not WINDOWS


def path_of_open_file(descriptor: int) -> str | None:
    """Return a path under which an open file is found, with or without a name of its own; None where there is no such path."""
    if WINDOWS:
        return None
    return f"/proc/self/fd/{descriptor}" if Path("/proc/self/fd").is_dir() else f"/dev/fd/{descriptor}"


def cache_home(environment: Mapping[str, str], platform: str = sys.platform) -> str:
    """Return the folder for caches of this user, perhaps with a `~` that stands for a home folder.

    Examples
    --------
    >>> cache_home({"LOCALAPPDATA": "C:/Users/me/AppData/Local"}, "win32")
    'C:/Users/me/AppData/Local'
    >>> cache_home({}, "darwin")
    '~/Library/Caches'
    """
    caches = environment.get("XDG_CACHE_HOME", "")
    if platform == "win32" and (local := environment.get("LOCALAPPDATA")):
        return local
    if platform == "darwin":
        return "~/Library/Caches"
    return caches if Path(caches).is_absolute() else "~/.cache"  # the XDG rules: a relative one is ignored


def has_process(number: int) -> bool:
    """Return whether a process of that number lives; True where it cannot be told."""
    if WINDOWS:  # os.kill(number, 0) would end it there
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def python_names() -> tuple[str, tuple[str, ...]]:
    """Return the folder of an environment in which its Python lies, and the names that it may have."""
    if WINDOWS:
        return "Scripts", ("python.exe",)
    return "bin", (f"python3.{sys.version_info[1]}", "python3", "python")


def apart() -> dict[str, Any]:
    """Return the options of `subprocess.Popen` for a process that the terminal's Ctrl-C does not reach."""
    if WINDOWS:
        return {"creationflags": 0x200}  # CREATE_NEW_PROCESS_GROUP
    return {"start_new_session": True}


def can_isolate() -> bool:
    """Return whether a process can be started that inherits a socket and shared memory, and be ended by an alarm."""
    return not WINDOWS


def take_alarms() -> None:
    """Let an alarm end this process, whatever it inherited; in the main thread only. Nothing on Windows."""
    if not WINDOWS:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def alarm(seconds: float) -> None:
    """Let the kernel end this process after that time, in whatever loop it is; 0: no more. Nothing on Windows."""
    if not WINDOWS:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def alarm_number() -> int:
    """Return the signal by which `alarm` ends a process."""
    return int(getattr(signal, "SIGALRM", 14))


def killing_signals() -> tuple[int, ...]:
    """Return the signals by which others end a process."""
    return tuple(int(getattr(signal, name)) for name in ("SIGKILL", "SIGTERM") if hasattr(signal, name))


def end_signals() -> tuple[str, ...]:
    """Return the names of the signals that ask a server to end: Ctrl-C, SIGTERM, and on Windows Ctrl-Break."""
    return tuple(name for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))


def limit_worker(memory: int) -> None:
    """Prepare a process that decodes: no Ctrl-C, an alarm that kills, so many bytes of memory at most, no core file."""
    if WINDOWS:
        return
    resource: Any = import_module("resource")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    take_alarms()
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, memory)):
        _, hard = resource.getrlimit(kind)
        with suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def limits(kind: str) -> tuple[int, int] | None:
    """Return the soft and hard `RLIMIT_AS` or `RLIMIT_NOFILE` of this process, -1 for no limit; None: no such thing here."""
    try:
        resource: Any = import_module("resource")
        soft, hard = resource.getrlimit(getattr(resource, kind))
    except (ImportError, AttributeError, OSError):
        return None
    unlimited = resource.RLIM_INFINITY
    return -1 if soft == unlimited else int(soft), -1 if hard == unlimited else int(hard)


def core_count() -> int:
    """Return the cores that this process may run on, at least one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def user() -> str:
    """Return what tells this user from others on this machine: the number, or on Windows the name."""
    return str(os.getuid()) if hasattr(os, "getuid") else str(import_module("getpass").getuser())


def menu_language() -> str:
    """Return the language of Windows's own menus as a locale, `zh_CN`; nothing elsewhere, where variables say it."""
    if WINDOWS:
        with suppress(ImportError, AttributeError, OSError):
            number = import_module("ctypes").windll.kernel32.GetUserDefaultUILanguage()
            return str(import_module("locale").windows_locale.get(number, ""))
    return ""
