"""Whether somebody else's Parquet files can be read, tried in a helper process that may die.

Behind right checksums a damaged page makes the Parquet library abort: its panic meets C code that cannot unwind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.helper import Helper, serve

if TYPE_CHECKING:
    from collections.abc import Iterable

_HELPER = Helper("abiclash.facts.tried")
_SECONDS = 120
_MEMORY = 8 << 30
_YES = b"read"


def readable(files: Iterable[bytes]) -> bool:
    """Return whether every file can be decoded, each in bounded time and memory."""
    return all(_HELPER.ask(content, _SECONDS) == _YES for content in files)


def _try(content: bytes) -> bytes:
    """Read a file; any error is as good an answer as the death of this process."""
    from abiclash.facts.parquet import read_columns  # noqa: PLC0415 - not for those who only ask

    try:
        read_columns(content)
    except (ValueError, MemoryError):
        return b""
    return _YES


if __name__ == "__main__":
    serve(_try, _MEMORY)
