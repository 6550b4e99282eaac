"""The text among the read-only data of an object: whole strings, found with numpy and classified without a loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from abiclash.facts.image import PF_W, PF_X, PT_GNU_EH_FRAME, SHF_ALLOC, SHT_PROGBITS, Image, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LIMIT = 128 << 20
"""Bytes of read-only data that are searched per object."""
SHORTEST, LONGEST = 3, 511
_BLOCK = 1 << 20  # stays in a processor's cache

# Device code and unwinding tables are large, read-only, and hold no text.
_NO_TEXT = (".eh_frame", ".gcc_except_table", ".nv_fatbin", "__nv_relfatbin", ".hip_fatbin", ".interp")
_FAT_BINARY = b"\x50\xed\x55\xba"

WORD, DOTTED, UPPER, LOWER = 1, 2, 4, 8
"""Classes of a whole string: identifier characters; those and dots; [A-Z0-9_] only; [a-z0-9_] only."""

_LOWER, _UPPER, _DIGIT = (np.arange(ord(first), ord(last) + 1) for first, last in ("az", "AZ", "09"))
_CLASSES = np.zeros(256, dtype=np.uint8)
_CLASSES[_LOWER] = WORD | DOTTED | LOWER
_CLASSES[_UPPER] = WORD | DOTTED | UPPER
_CLASSES[_DIGIT] = WORD | DOTTED | UPPER | LOWER
_CLASSES[ord("_")] = WORD | DOTTED | UPPER | LOWER
_CLASSES[ord(".")] = DOTTED
_CLASSES[0] = 0xFF  # the NUL behind a string does not count
_TABLE = _CLASSES.tobytes()
_DIGITS = np.zeros(256, dtype=np.bool_)
_DIGITS[_DIGIT] = True


@dataclass(frozen=True, slots=True)
class Texts:
    """Whole printable strings: NUL, or the start of a section, before and NUL behind.

    raw: the strings with a NUL behind each. start, length: of each in `raw`, int64. classes: uint8, the classes that
    all characters of a string have in common. numbered: bool, has a digit on both sides of a dot.
    """

    raw: bytes
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    classes: NDArray[np.uint8]
    numbered: NDArray[np.bool_]

    def select(self, chosen: NDArray[np.bool_]) -> list[str]:
        """Return the chosen strings, distinct and sorted."""
        start = self.start[chosen]
        pieces = {self.raw[a:b] for a, b in zip(start.tolist(), (start + self.length[chosen]).tolist(), strict=True)}
        return [piece.decode("ascii") for piece in sorted(pieces)]


def read_only(image: Image) -> list[NDArray[np.uint8]]:
    """Return the kept read-only data of an object as views, `LIMIT` bytes at most."""
    spans = [(section.offset, section.size) for section in image.sections if _may_hold_text(image, section)]
    if not image.sections:
        spans = [(s.offset, s.filesz) for s in image.loads if not s.flags & (PF_W | PF_X)]
    found, left = [], LIMIT
    for offset, size in spans:
        length = min(size, left)
        if length and image.ranges.has(offset, length):
            found.append(image.ranges.read(offset, length))
            left -= length
    return found


def _may_hold_text(image: Image, section: Section) -> bool:
    """Tell whether a section is loaded, constant data, by its name or, where those were not kept, by its content."""
    if section.type != SHT_PROGBITS or not section.flags & SHF_ALLOC:
        return False
    if section.name:
        return not section.name.startswith(_NO_TEXT)
    frames = image.segment(PT_GNU_EH_FRAME)
    if frames is not None and section.addr >= frames.vaddr:
        return False
    ranges = image.ranges
    return not ranges.has(section.offset, 4) or ranges.read(section.offset, 4).tobytes() != _FAT_BINARY


def blocks(region: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.uint8], int, bool]]:
    """Yield (block, n, opens): pieces of a region that overlap; what starts in a piece's first n bytes is its own.

    opens: the piece is the first of its region.
    """
    for start in range(0, len(region), _BLOCK):
        yield region[start : start + _BLOCK + LONGEST + 2], min(_BLOCK, len(region) - start), start == 0


def read_texts(regions: list[NDArray[np.uint8]], classes: int) -> Texts:
    """Return the whole printable strings that are numbered or of one of these classes."""
    pieces = (piece for region in regions for piece in blocks(region))
    parts = [_chosen(block, *_strings(block, own, opens=opens), classes) for block, own, opens in pieces]
    parts.insert(0, _Part(np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.bool_)))
    size = np.concatenate([part.size for part in parts])
    return Texts(
        raw=np.concatenate([part.text for part in parts]).tobytes(),
        start=np.cumsum(size) - size,
        length=size - 1,
        classes=np.concatenate([part.classes for part in parts]),
        numbered=np.concatenate([part.numbered for part in parts]),
    )


class _Part(NamedTuple):
    """The chosen strings of one block; size counts the NUL behind each."""

    text: NDArray[np.uint8]
    size: NDArray[np.int64]
    classes: NDArray[np.uint8]
    numbered: NDArray[np.bool_]


def _chosen(block: NDArray[np.uint8], start: NDArray[np.intp], end: NDArray[np.intp], classes: int) -> _Part:
    """Copy strings out of a block and classify them, but for those that nobody asked for: most text is prose.

    Three characters of a string already tell most of what it cannot be.
    """
    numbered = _numbered(block, start, end)
    few = _CLASSES[block[start]] & _CLASSES[block[start + 1]] & _CLASSES[block[end - 1]]
    keep = numbered | (few & classes != 0)
    start, end, numbered = start[keep], end[keep], numbered[keep]
    if not len(start):
        return _Part(block[:0], end, block[:0], numbered)
    size = end - start + 1
    own = np.cumsum(size) - size
    text: NDArray[np.uint8] = block[np.arange(int(size.sum())) + np.repeat(start - own, size)]
    # A control character between the two NULs: a piece of a longer text, or no text.
    broken = np.flatnonzero((text < 32) & (text != 0) | (text > 126))
    keep = np.ones(len(size), dtype=np.bool_)
    keep[np.searchsorted(own, broken, side="right") - 1] = False
    found = np.zeros(len(size), dtype=np.uint8)
    if classes:
        # bytes.translate is three times as fast as indexing a table with an array.
        characters = np.frombuffer(text.tobytes().translate(_TABLE), dtype=np.uint8)
        found = np.bitwise_and.reduceat(characters, own)
    keep &= numbered | (found & classes != 0)
    return _Part(text[np.repeat(keep, size)], size[keep], found[keep], numbered[keep])


def _numbered(block: NDArray[np.uint8], start: NDArray[np.intp], end: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell which strings have a digit on both sides of a dot."""
    numbered = np.zeros(len(start), dtype=np.bool_)
    if len(start):
        dots = np.flatnonzero(block[: end[-1]] == ord("."))
        dots = dots[(dots > start[0]) & _DIGITS[block[dots - 1]] & _DIGITS[block[dots + 1]]]
        at = np.searchsorted(start, dots, side="right") - 1
        numbered[at[dots < end[at]]] = True
    return numbered


def _strings(block: NDArray[np.uint8], own: int, *, opens: bool) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where strings of a block may start and where the NUL behind each is; what lies between is not looked at.

    Tables of numbers hold printable bytes everywhere, so only a NUL next to three of them is looked at.
    """
    none = np.empty(0, dtype=np.intp)
    if len(block) <= SHORTEST:
        return none, none
    printable, zero = (block - np.uint8(32)) <= 94, block == 0
    three = printable[:-2] & printable[1:-1]
    three &= printable[2:]
    start = np.flatnonzero(zero[:-3] & three[1:]) + 1
    if opens and three[0]:
        start = np.insert(start, 0, 0)
    end = np.flatnonzero(zero[3:] & three[:-1]) + 3
    nearest = np.searchsorted(start, end) - 1
    first = np.diff(nearest, prepend=-1) > 0  # a string ends at the first NUL behind its start
    start, end = start[nearest[first]], end[first]
    near = (end - start <= LONGEST) & (start <= own)
    return start[near], end[near]
