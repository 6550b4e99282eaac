"""Machine code as far as it can be read without disassembling: where functions start and end.

.eh_frame_hdr lists every function, exported or not, sorted: it exists wherever C++ can throw, and x86_64 and aarch64
compilers write it for C too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.image import PF_X, PT_GNU_EH_FRAME, PT_LOAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.image import Image

REACH = 1 << 31
"""Addresses that a 32-bit displacement can tell apart; an object that spans more is not followed."""

_HDR_ENCODINGS = b"\x01\x1b\x03\x3b"  # version 1; pcrel|sdata4, udata4, datarel|sdata4: what every linker writes


@dataclass(frozen=True, slots=True)
class Code:
    """The executable segment that holds the functions. All addresses are below `REACH`, so int32 holds them.

    base: address of raw[0]. starts: addresses of all functions, ascending. fde: where each one's frame
    description lies. frames: address and bytes of .eh_frame's segment.
    """

    base: int
    raw: NDArray[np.uint8]
    starts: NDArray[np.int32]
    fde: NDArray[np.int32]
    frames: tuple[int, NDArray[np.uint8]]

    def find(self, addresses: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the functions (positions in `starts`) that start at one of these addresses, with repetitions."""
        at = np.searchsorted(self.starts, addresses)
        at[at == len(self.starts)] = 0
        found: NDArray[np.intp] = at[self.starts[at] == addresses]
        return found

    def extents(self, functions: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (offset in `raw`, length in bytes) of functions, by their frame descriptions."""
        start = self.starts[functions].astype(np.int64)
        at = self.fde[functions].astype(np.int64) - self.frames[0]
        words = unaligned(self.frames[1])
        fits = (at >= 0) & (at + 12 < len(words))
        at[~fits] = 0
        # An FDE: length, CIE pointer, start relative to this field, number of bytes (LSB 5, .eh_frame).
        fits &= words[at + 8] + at + 8 + self.frames[0] == start
        length = np.where(fits, words[at + 12], 0)
        offset = start - self.base
        return offset, np.clip(length, 0, np.maximum(len(self.raw) - offset, 0))


def unaligned(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the little-endian 32-bit word at every byte offset, as a view."""
    return np.ndarray((max(len(raw) - 3, 0),), dtype="<i4", buffer=raw, strides=(1,))


def read_code(image: Image) -> Code | None:
    """Return the code and its functions, or None where it was not kept or has no .eh_frame_hdr."""
    segments = [s for s in image.segments if s.type == PT_LOAD and s.flags & PF_X]
    code = max(segments, key=lambda s: s.filesz, default=None)
    header = image.segment(PT_GNU_EH_FRAME)
    if code is None or header is None or not image.ranges.has(code.offset, code.filesz):
        return None
    home = next((s for s in image.loads if s.vaddr <= header.vaddr < s.vaddr + s.filesz), None)
    if home is None or not image.ranges.has(home.offset, home.filesz) or home.filesz < 16:
        return None
    if max(load.vaddr + load.memsz for load in image.loads) >= REACH:
        return None
    frames = image.ranges.read(home.offset, home.filesz)
    starts, fde = _search_table(frames[header.vaddr - home.vaddr :][: header.filesz], header.vaddr)
    # Only functions that lie in the code can be followed; the table is sorted, so they are one run.
    inside = slice(*np.searchsorted(starts, (code.vaddr, code.vaddr + code.filesz)))
    starts, fde = starts[inside], fde[inside]
    if not len(starts) or (starts[1:] < starts[:-1]).any():
        return None
    return Code(code.vaddr, image.ranges.read(code.offset, code.filesz), starts, fde, (home.vaddr, frames))


def _search_table(raw: NDArray[np.uint8], address: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (starts of functions, addresses of their frame descriptions) of .eh_frame_hdr (LSB 5)."""
    if len(raw) < 12 or raw[:4].tobytes() != _HDR_ENCODINGS:
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
    count = min(int.from_bytes(raw[8:12].tobytes(), "little"), (len(raw) - 12) // 8)
    table = raw[12 : 12 + 8 * count].view("<i4")
    return table[0::2] + np.int32(address), table[1::2] + np.int32(address)
