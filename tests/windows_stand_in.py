"""Run a command of penult as on Windows: without the modules, functions and signals that it does not have.

    python tests/windows_stand_in.py train photos --out run

Python itself, its paths and its processes stay those of this system; `penult.system` answers as it would there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import subprocess
import sys
from types import ModuleType
from typing import Any

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog")
SIGNALS = (
    "SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGCHLD", "SIGTSTP", "SIGCONT", "SIGSTOP", "SIGQUIT",
    "setitimer", "alarm", "pthread_sigmask", "SIG_UNBLOCK", "ITIMER_REAL",
)  # fmt: skip
FUNCTIONS = (
    "getuid", "geteuid", "getgid", "sched_getaffinity", "sched_setaffinity", "memfd_create", "killpg", "setsid", "pread",
    "sendfile", "posix_fallocate", "chown", "getloadavg", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW",
)  # fmt: skip


def locks() -> ModuleType:
    """Return a stand-in for `msvcrt`: a lock of one byte, which another process that wants it is refused."""
    made: Any = ModuleType("msvcrt")

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert mode == made.LK_NBLCK
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, count, os.lseek(descriptor, 0, os.SEEK_CUR))
        except BlockingIOError as error:
            raise PermissionError(errno.EACCES, "Permission denied") from error

    made.LK_NBLCK, made.locking = 2, locking
    return made


def remove() -> None:
    """Take away from this process what Windows does not have."""
    start = subprocess.Popen.__init__

    def started(self: Any, *words: Any, creationflags: int = 0, **options: Any) -> None:
        refused = {"pass_fds", "preexec_fn", "start_new_session", "process_group"} & options.keys()
        assert not refused, f"Windows knows no {refused}"
        start(self, *words, **options)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]
    subprocess.Popen.kill = lambda self: os.kill(self.pid, 9) if self.poll() is None else None  # type: ignore[method-assign]
    sys.modules["msvcrt"] = locks()
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in ((signal, SIGNALS), (select, ("poll", "epoll")), (os, FUNCTIONS)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    from penult import system

    system.WINDOWS = True


if __name__ == "__main__":
    remove()
    from penult.cli import main

    sys.exit(main(sys.argv[1:]))
