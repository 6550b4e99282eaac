"""Whether somebody else's Parquet files can be read, tried in a helper process that may die.

Behind right checksums a damaged page makes the Parquet library abort: its panic meets C code that cannot unwind. Run
as `python -m abiclash.facts.tried`, this module is the helper: files on stdin, each after its length in 8 bytes.
"""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LENGTH = struct.Struct("<Q")
_SECONDS = 120
_MEMORY = 8 << 30


def readable(files: Iterable[bytes]) -> bool:
    """Return whether every file can be decoded, in bounded time and memory."""
    command = [sys.executable, "-P", "-m", "abiclash.facts.tried"]
    text = b"".join(_LENGTH.pack(len(content)) + content for content in files)
    try:
        done = subprocess.run(command, input=text, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _main() -> None:
    from abiclash.facts.parquet import read_columns  # noqa: PLC0415 - not for those who only ask

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    while length := sys.stdin.buffer.read(_LENGTH.size):
        read_columns(sys.stdin.buffer.read(_LENGTH.unpack(length)[0]))


if __name__ == "__main__":
    _main()
