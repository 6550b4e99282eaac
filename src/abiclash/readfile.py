"""Read files that a user or a stranger names: they may be devices, pipes or larger than memory."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 256 << 20
"""Bytes; ten times the largest lock file, source or report that was met."""


def read_bytes(path: str | Path) -> bytes:
    """Return a file's or a pipe's content. Raises OSError, also for what may have no end.

    A pipe that nobody writes to is empty: waiting for somebody could take forever.
    """
    # A descriptor that does not wait: opening a named pipe would, for a writer.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise OSError(errno.EINVAL, "a device and not a file", str(path))
        os.set_blocking(file.fileno(), True)
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise OSError(errno.EFBIG, f"more than {LONGEST >> 20} MiB", str(path))
    return content


def read_text(path: str | Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return a text, its lines ended by LF. Raises OSError as `read_bytes` does, and UnicodeDecodeError."""
    return read_bytes(path).decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")
