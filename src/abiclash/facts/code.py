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

_HDR_ENCODINGS = b"\x01\x1b\x03\x3b"  # version 1; pcrel|sdata4, udata4, datarel|sdata4: what every linker writes


@dataclass(frozen=True, slots=True)
class Code:
    """The executable segment that holds the functions. Addresses are int64.

    base: address of raw[0]. starts: addresses of all functions, ascending. fde: where each one's frame
    description lies. frames: address and bytes of .eh_frame's segment.
    """

    base: int
    raw: NDArray[np.uint8]
    starts: NDArray[np.int64]
    fde: NDArray[np.int64]
    frames: tuple[int, NDArray[np.uint8]]

    def known(self, addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which addresses are starts of functions."""
        if not len(self.starts):
            return np.zeros(len(addresses), dtype=np.bool_)
        at = np.minimum(np.searchsorted(self.starts, addresses), len(self.starts) - 1)
        known: NDArray[np.bool_] = self.starts[at] == addresses
        return known

    def ends(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the functions that start at these known addresses end, by their frame descriptions."""
        at = self.fde[np.searchsorted(self.starts, addresses)] - self.frames[0]
        words = unaligned(self.frames[1])
        ends = addresses.copy()
        fits = np.flatnonzero((at >= 0) & (at + 12 < len(words)))
        # An FDE: length, CIE pointer, start relative to this field, number of bytes (LSB 5, .eh_frame).
        start = words[at[fits] + 8] + at[fits] + 8 + self.frames[0]
        fits = fits[start == addresses[fits]]
        ends[fits] += np.maximum(words[at[fits] + 12], 0)
        return np.minimum(ends, self.base + len(self.raw))


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
    if home is None or not image.ranges.has(home.offset, home.filesz):
        return None
    frames = image.ranges.read(home.offset, home.filesz)
    raw = frames[header.vaddr - home.vaddr :][: header.filesz]
    if raw[:4].tobytes() != _HDR_ENCODINGS or len(raw) < 12:
        return None
    count = min(int.from_bytes(raw[8:12].tobytes(), "little"), (len(raw) - 12) // 8)
    table = raw[12 : 12 + 8 * count].view("<i4").reshape(-1, 2).astype(np.int64) + header.vaddr
    starts, fde = table[:, 0], table[:, 1]
    if len(starts) and not (starts[1:] >= starts[:-1]).all():
        return None
    return Code(code.vaddr, image.ranges.read(code.offset, code.filesz), starts, fde, (home.vaddr, frames))
