"""Parts of a file that are in memory, addressed by their offset in the file."""

from __future__ import annotations

import mmap
import os
from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from abiclash.errors import ElfError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Buffer = bytes | bytearray | memoryview | mmap.mmap | NDArray[np.uint8]


def merge(wanted: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Return (offset, length) pairs sorted, cut to a file of `size` bytes, touching and overlapping ones joined."""
    spans = sorted((max(offset, 0), min(offset + length, size)) for offset, length in wanted)
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return [(start, end - start) for start, end in joined]


class NotKeptError(ElfError):
    """A part of a file was asked for that was dropped while the file was read."""


class Ranges:
    """The kept byte ranges of one file of `size` bytes.

    A range is read as a view (uint8), without a copy. `Ranges.whole` wraps bytes or an mmap of a complete file.
    """

    __slots__ = ("_buffers", "_starts", "size")

    def __init__(self, size: int, kept: Sequence[tuple[int, Buffer]]) -> None:
        """`kept`: (offset, bytes) pairs in ascending order that do not touch each other."""
        self.size = size
        self._starts = [start for start, _ in kept]
        self._buffers: list[NDArray[np.uint8]] = [np.frombuffer(buffer, dtype=np.uint8) for _, buffer in kept]

    @classmethod
    def whole(cls, buffer: Buffer) -> Ranges:
        """Return the ranges of a file that is in memory (or mapped) completely."""
        raw: NDArray[np.uint8] = np.frombuffer(buffer, dtype=np.uint8)
        return cls(len(raw), [(0, raw)] if len(raw) else [])

    @classmethod
    def mapped(cls, path: Path) -> Ranges:
        """Return the ranges of a file on disk; only what is looked at is read. Raises OSError."""
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:  # nothing to map
                return cls(0, [])
            return cls.whole(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    @property
    def kept(self) -> list[tuple[int, int]]:
        """(offset, length) of what is in memory."""
        return [(start, len(buffer)) for start, buffer in zip(self._starts, self._buffers, strict=True)]

    def read(self, offset: int, length: int) -> NDArray[np.uint8]:
        """Return `length` bytes from `offset` as a view.

        Raises ElfError when the range leaves the file, and NotKeptError when that part of it was dropped.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ElfError(f"offset {offset:#x}: {length} bytes from there leave the file of {self.size} bytes")
        if not length:
            return np.empty(0, dtype=np.uint8)
        at = bisect_right(self._starts, offset) - 1
        if at >= 0:
            inside = offset - self._starts[at]
            buffer = self._buffers[at]
            if inside + length <= len(buffer):
                return buffer[inside : inside + length]
        raise NotKeptError(f"offset {offset:#x}: {length} bytes from there were not kept while reading the file")

    def has(self, offset: int, length: int) -> bool:
        """Tell whether `read` of the same range would succeed."""
        if offset < 0 or length < 0 or offset + length > self.size:
            return False
        at = bisect_right(self._starts, offset) - 1
        return not length or (at >= 0 and offset + length <= self._starts[at] + len(self._buffers[at]))
