"""Inflate one zip member as a stream, checking it on the way, and keep only the parts of it that are wanted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, cast

import numpy as np
from isal import igzip_lib, isal_zlib

from abiclash.errors import WheelError
from abiclash.facts.limits import over
from abiclash.facts.ranges import Ranges, merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from abiclash.facts.limits import Limits

    Select = Callable[[bytes, int], list[tuple[int, int]]]
    Allocate = Callable[[int], NDArray[np.uint8]]

HEAD = 1 << 16
"""Bytes from the start of a member that decide which parts of it are kept."""

STORED, DEFLATED = 0, 8
"""Compression methods of APPNOTE.TXT 4.4.5 that are read."""

_INPUT = 1 << 18
_OUTPUT = 1 << 18  # stays in a processor's cache until it is checked and copied
_INFLATE_ERROR = cast("type[Exception]", igzip_lib.IsalError)  # its stubs declare an instance


@dataclass(frozen=True, slots=True)
class Packed:
    """Where the data of a member lies in the zip file, and what its directory entry claims of it."""

    start: int
    packed: int
    size: int
    crc: int
    method: int


def _fresh(size: int) -> NDArray[np.uint8]:
    return np.empty(size, dtype=np.uint8)


class _Keeper:
    """Takes a stream piece by piece and keeps the ranges that `select` chooses from its first `HEAD` bytes."""

    def __init__(self, size: int, select: Select, allocate: Allocate) -> None:
        self._size = size
        self._select = select
        self._allocate = allocate
        self._head = b""
        self._kept: list[tuple[int, NDArray[np.uint8]]] | None = None
        self._at = 0

    def take(self, piece: bytes) -> None:
        if self._kept is None:
            self._head += piece
            if len(self._head) < min(HEAD, self._size):
                return
            wanted = merge(self._select(self._head[:HEAD], self._size), self._size)
            buffer = self._allocate(sum(length for _, length in wanted))
            ends = list(accumulate(length for _, length in wanted))
            self._kept = [
                (start, buffer[end - length : end]) for (start, length), end in zip(wanted, ends, strict=True)
            ]
            piece, self._head = self._head, b""
        start, end = self._at, self._at + len(piece)
        self._at = end
        for offset, buffer in self._kept:
            low, high = max(start, offset), min(end, offset + len(buffer))
            if low < high:
                buffer[low - offset : high - offset] = np.frombuffer(piece, np.uint8, high - low, low - start)

    def ranges(self) -> Ranges:
        return Ranges(self._size, self._kept or [])


def pieces(file: int, member: Packed) -> Iterator[bytes]:
    """Yield the inflated bytes of a member in pieces of at most 256 KiB, without checking them.

    file: descriptor of the zip file. Reading through `pread` rather than a mapping keeps a file that is
    truncated meanwhile from killing the process, and its pages out of the process's memory.
    Raises WheelError for data that cannot be inflated or that ends early.
    """
    at, end = member.start, member.start + member.packed
    inflater = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE) if member.method == DEFLATED else None
    while inflater is None or not inflater.eof:
        packed = b""
        if inflater is None or inflater.needs_input:
            packed = os.pread(file, min(_INPUT, end - at), at)
            at += len(packed)
            if not packed:
                break
        try:
            piece = packed if inflater is None else inflater.decompress(packed, _OUTPUT)
        except _INFLATE_ERROR as error:
            raise WheelError(f"its data cannot be inflated ({error})") from error
        yield piece
    if at < end or (inflater is not None and (not inflater.eof or inflater.unused_data)):
        raise WheelError("its packed data has not the length that the zip directory states")


def peek(file: int, member: Packed, length: int) -> bytes:
    """Return the first bytes of a member, at most `length`, unchecked. Raises WheelError if they cannot be inflated."""
    packed = os.pread(file, min(member.packed, length + 512), member.start)
    if member.method == STORED:
        return packed[:length]
    try:
        found: bytes = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE).decompress(packed, length)
    except _INFLATE_ERROR as error:
        raise WheelError(f"its data cannot be inflated ({error})") from error
    return found


def checked(file: int, member: Packed, limits: Limits) -> Iterator[bytes]:
    """Yield the inflated bytes of a member; raise WheelError when they break a limit or are not what was declared."""
    if member.size > limits.member:
        raise WheelError(f"it inflates to {member.size} bytes, {over('member', limits.member)}")
    if member.size > max(limits.free, limits.ratio * member.packed):
        raise WheelError(f"its inflated bytes to its packed ones are {over('ratio', limits.ratio)}")
    crc = total = 0
    for piece in pieces(file, member):
        total += len(piece)
        if total > member.size:
            raise WheelError(f"it inflates to more than the declared {member.size} bytes")
        crc = isal_zlib.crc32(piece, crc)
        yield piece
    if total != member.size:
        raise WheelError(f"it inflates to {total} bytes where {member.size} are declared")
    if crc != member.crc:
        raise WheelError(f"its CRC-32 is {crc:08x} where {member.crc:08x} is declared")


def inflate(file: int, member: Packed, select: Select, limits: Limits, allocate: Allocate = _fresh) -> Ranges:
    """Inflate a member once, front to back, and return the ranges that `select(head, size)` asked for.

    allocate: called once with the number of bytes to keep, returns the uint8 array that will hold them.
    Raises WheelError as `checked` does, and whatever `select` raises.
    """
    keeper = _Keeper(member.size, select, allocate)
    for piece in checked(file, member, limits):
        keeper.take(piece)
    return keeper.ranges()
