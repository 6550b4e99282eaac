"""The dynamic section: the one table that leads to all others."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.errors import ElfError
from abiclash.facts.image import PT_DYNAMIC

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.image import Image

DT_NEEDED, DT_PLTRELSZ, DT_HASH, DT_STRTAB, DT_SYMTAB = 1, 2, 4, 5, 6
DT_RELA, DT_RELASZ, DT_STRSZ, DT_INIT, DT_FINI = 7, 8, 10, 12, 13
DT_SONAME, DT_RPATH, DT_SYMBOLIC, DT_REL, DT_RELSZ, DT_PLTREL = 14, 15, 16, 17, 18, 20
DT_TEXTREL, DT_JMPREL, DT_BIND_NOW, DT_INIT_ARRAY, DT_FINI_ARRAY = 22, 23, 24, 25, 26
DT_INIT_ARRAYSZ, DT_FINI_ARRAYSZ, DT_RUNPATH, DT_FLAGS = 27, 28, 29, 30
DT_GNU_HASH, DT_VERSYM, DT_FLAGS_1, DT_VERDEF, DT_VERNEED = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFE
DT_AUXILIARY, DT_FILTER = 0x7FFFFFFD, 0x7FFFFFFF
DF_SYMBOLIC, DF_TEXTREL, DF_BIND_NOW, DF_STATIC_TLS = 2, 4, 8, 0x10

MAX_ENTRIES = 1 << 16  # the largest known has some hundreds; a damaged size must not turn into a long list
_FIRST_LOOK = 256


class StringTable:
    """A string table (.dynstr): names by offset, ended by NUL or by the table's end."""

    __slots__ = ("raw",)

    def __init__(self, raw: NDArray[np.uint8]) -> None:
        """raw: the bytes, kept as a view."""
        self.raw = raw

    def text(self, offset: int) -> str:
        """Return the string at an offset. Raises ElfError when that is outside of the table."""
        if not 0 <= offset < len(self.raw):
            raise ElfError(f"string at {offset:#x}: outside of the string table of {len(self.raw)} bytes")
        start = self.raw[offset : offset + _FIRST_LOOK].tobytes()
        if b"\0" not in start:
            start = self.raw[offset:].tobytes()
        return start.partition(b"\0")[0].decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Dynamic:
    """The entries of the dynamic section. values: by tag, in file order; of most tags ld.so uses the last."""

    values: dict[int, list[int]]
    strings: StringTable

    def get(self, tag: int, default: int = 0) -> int:
        """Return the value that ld.so uses for a tag (glibc elf/get-dynamic-info.h keeps the last)."""
        found = self.values.get(tag)
        return found[-1] if found else default

    def has(self, tag: int) -> bool:
        """Tell whether the tag occurs."""
        return tag in self.values

    def text(self, tag: int) -> str | None:
        """Return the string that a tag names, or None where it is absent."""
        return self.strings.text(self.get(tag)) if self.has(tag) else None

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return the strings of a tag that may occur often."""
        return tuple(self.strings.text(value) for value in self.values.get(tag, ()))

    @property
    def flags(self) -> int:
        """DT_FLAGS, with the older tags of the same meaning folded in."""
        older = ((DT_SYMBOLIC, DF_SYMBOLIC), (DT_TEXTREL, DF_TEXTREL), (DT_BIND_NOW, DF_BIND_NOW))
        flags = self.get(DT_FLAGS)
        for tag, flag in older:
            flags |= flag if self.has(tag) else 0
        return flags


def read_dynamic(image: Image) -> Dynamic | None:
    """Return the dynamic section, or None for a file without PT_DYNAMIC. Raises ElfError."""
    segment = image.segment(PT_DYNAMIC)
    if segment is None or not segment.filesz:
        return None
    word = image.header.order + f"u{image.header.word}"
    length = segment.filesz - segment.filesz % (2 * image.header.word)
    entries = image.ranges.read(segment.offset, length).view(word).reshape(-1, 2)
    ends = np.flatnonzero(entries[:, 0] == 0)
    count = int(ends[0]) if len(ends) else len(entries)
    if count > MAX_ENTRIES:
        raise ElfError(f"offset {segment.offset:#x}: {count} dynamic entries; the file is damaged")
    values: defaultdict[int, list[int]] = defaultdict(list)
    for tag, value in entries[:count].tolist():
        values[tag].append(value)
    found = Dynamic(dict(values), StringTable(np.empty(0, dtype=np.uint8)))
    if found.has(DT_STRTAB):
        raw = image.at(found.get(DT_STRTAB), found.get(DT_STRSZ), "the string table")
        found = Dynamic(found.values, StringTable(raw))
    return found
