"""Relocations as references: which symbols ld.so looks up for an object, how, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts import dynamic as d
from abiclash.facts.model import References, Reloc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from abiclash.facts.dynamic import Dynamic
    from abiclash.facts.image import Image
    from abiclash.facts.tables import SymbolTable

EM_386, EM_MIPS, EM_PPC64, EM_S390, EM_ARM, EM_X86_64, EM_AARCH64, EM_RISCV = 3, 8, 21, 22, 40, 62, 183, 243
STV_INTERNAL, STV_HIDDEN = 1, 2
NO_LOOKUP = -1


@dataclass(frozen=True, slots=True)
class Kinds:
    """Relocation types of one machine, by number in its psABI supplement.

    silent: types for which ld.so looks nothing up (NONE, RELATIVE). relative: those of them that store
    base + addend. Every type that is not named here is a plain use of the address: `Reloc.DATA`.
    """

    jump_slot: tuple[int, ...]
    copy: tuple[int, ...]
    tls_gd: tuple[int, ...]
    tls_ie: tuple[int, ...]
    tls_desc: tuple[int, ...]
    relative: tuple[int, ...]
    irelative: tuple[int, ...]

    def lookup(self) -> NDArray[np.int8]:
        """Return `Reloc` by relocation type (types below 2048), `NO_LOOKUP` for the silent ones."""
        kind = np.full(2048, Reloc.DATA, dtype=np.int8)
        named = (
            (self.jump_slot, Reloc.PLT),
            (self.copy, Reloc.COPY),
            (self.tls_gd, Reloc.TLS_GD),
            (self.tls_ie, Reloc.TLS_IE),
            (self.tls_desc, Reloc.TLS_DESC),
            ((0, *self.relative, *self.irelative), NO_LOOKUP),
        )
        for types, value in named:
            kind[list(types)] = value
        return kind


_PPC64_TPREL = (69, 70, 71, 72, 73, 95, 96, 97, 98, 99, 100, 112, 113)
_PPC64_OTHER_TLS = (67, 68, *(t for t in range(74, 107) if t not in _PPC64_TPREL), 114, 115)

KINDS = {
    EM_X86_64: Kinds((7,), (5,), (16, 17), (18,), (36,), (8, 38), (37,)),
    EM_386: Kinds((7,), (5,), (35, 36), (14, 37), (41,), (8,), (42,)),
    EM_AARCH64: Kinds((1026,), (1024,), (1028, 1029), (1030,), (1031,), (1027,), (1032,)),
    EM_ARM: Kinds((22,), (20,), (17, 18), (19,), (13,), (23,), (160,)),
    EM_PPC64: Kinds((21,), (19,), _PPC64_OTHER_TLS, _PPC64_TPREL, (), (22,), (247, 248)),
    EM_S390: Kinds((11,), (9,), (54, 55), (56,), (), (12,), (61,)),
    EM_RISCV: Kinds((5,), (4,), (6, 7, 8, 9), (10, 11), (12,), (3,), (58,)),
}
UNKNOWN = Kinds((), (), (), (), (), (), ())


@cache
def _lookup(machine: int) -> NDArray[np.int8]:
    """Return the table of a machine."""
    return KINDS.get(machine, UNKNOWN).lookup()


@dataclass(frozen=True, slots=True)
class Relocations:
    """All relocations of an object with their symbols, in the order in which ld.so applies them.

    parts: the tables as views, with fields offset, info and, but for DT_REL, addend. type, symbol: uint32, of all.
    """

    parts: tuple[NDArray[np.void], ...]
    type: NDArray[np.uint32]
    symbol: NDArray[np.uint32]

    def tables(self) -> Iterator[tuple[NDArray[np.void], NDArray[np.uint32]]]:
        """Yield each table with the types of its relocations."""
        start = 0
        for part in self.parts:
            yield part, self.type[start : start + len(part)]
            start += len(part)

    @property
    def highest(self) -> int:
        """The highest symbol index, 0 without relocations."""
        return int(self.symbol.max()) if len(self.symbol) else 0


def read_relocations(image: Image, dynamic: Dynamic) -> Relocations:
    """Read DT_REL, DT_RELA and DT_JMPREL as glibc elf/dynamic-link.h orders them. Raises ElfError."""
    parts = []
    jump = _jump_slots(dynamic)
    for tag, size_tag in ((d.DT_REL, d.DT_RELSZ), (d.DT_RELA, d.DT_RELASZ)):
        start, size = dynamic.get(tag), dynamic.get(size_tag)
        addend = tag == d.DT_RELA
        mine = jump if jump is not None and dynamic.get(d.DT_PLTREL) == tag else None
        if mine is not None and start and start + size == mine[0] + mine[1]:
            size -= mine[1]  # the linker counted .rel.plt in twice
        if start and size > 0:
            parts.append(_table(image, start, size, addend=addend))
        if mine is not None:
            parts.append(_table(image, *mine, addend=addend))
    types, symbols = zip(*(_info(image, part) for part in parts), strict=True) if parts else ((), ())
    empty = np.empty(0, dtype=np.uint32)
    return Relocations(tuple(parts), np.concatenate([empty, *types]), np.concatenate([empty, *symbols]))


def _jump_slots(dynamic: Dynamic) -> tuple[int, int] | None:
    """Return (address, bytes) of the relocations of the PLT, or None."""
    if not (dynamic.has(d.DT_JMPREL) and dynamic.has(d.DT_PLTREL) and dynamic.get(d.DT_PLTRELSZ)):
        return None
    return dynamic.get(d.DT_JMPREL), dynamic.get(d.DT_PLTRELSZ)


def relocation_dtype(bits: int, order: str, *, addend: bool) -> np.dtype[np.void]:
    """Return the layout of Elf32_Rel, Elf32_Rela, Elf64_Rel or Elf64_Rela."""
    word = f"{order}u{bits // 8}"
    fields = [("offset", word), ("info", word)]
    return np.dtype([*fields, ("addend", f"{order}i{bits // 8}")] if addend else fields)


def _table(image: Image, start: int, size: int, *, addend: bool) -> NDArray[np.void]:
    """Return one relocation table as a view."""
    dtype = relocation_dtype(image.header.bits, image.header.order, addend=addend)
    return image.records(start, size // dtype.itemsize, dtype, "a relocation table")


def _info(image: Image, table: NDArray[np.void]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return (type, symbol) of each relocation."""
    info = table["info"]
    if image.header.bits == 32:
        return (info & 0xFF).astype(np.uint32), (info >> 8).astype(np.uint32)
    if image.header.machine == EM_MIPS and image.header.little:
        # r_sym comes first, then four one-byte fields with r_type last: not one little-endian word.
        return (info >> np.uint64(56)).astype(np.uint32), (info & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return (info & np.uint64(0xFFFFFFFF)).astype(np.uint32), (info >> np.uint64(32)).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Reading:
    """The references, and for each relocation the row of `References` that it belongs to (-1: none). int32."""

    references: References
    row: NDArray[np.int32]
    static_tls: bool


def read_references(image: Image, relocations: Relocations, table: SymbolTable) -> Reading:
    """Return one row for each distinct (symbol, kind), in the order of first use."""
    lookup = _lookup(image.header.machine)
    kind = lookup[np.minimum(relocations.type, len(lookup) - 1)]
    static_tls = bool((kind == Reloc.TLS_IE).any())
    symbols = table.symbols
    visibility = symbols.other & 3
    hidden = (visibility == STV_INTERNAL) | (visibility == STV_HIDDEN)
    visible = table.row.copy()
    visible[symbols.index[hidden]] = NO_LOOKUP
    at = visible[relocations.symbol] if len(visible) else np.full(len(kind), NO_LOOKUP, dtype=np.int32)
    used = np.flatnonzero((at >= 0) & (kind >= 0))
    pair = at[used] * np.int32(len(Reloc)) + kind[used]
    first = np.full(len(symbols.key) * len(Reloc), -1, dtype=np.int32)
    first[pair[::-1]] = np.arange(len(pair) - 1, -1, -1, dtype=np.int32)  # the last one written is the first one met
    distinct = np.flatnonzero(first >= 0)
    distinct = distinct[np.argsort(first[distinct])]
    first[distinct] = np.arange(len(distinct), dtype=np.int32)
    row = np.full(len(kind), NO_LOOKUP, dtype=np.int32)
    row[used] = first[pair]
    references = References(
        symbol=(distinct // len(Reloc)).astype(np.uint32),
        kind=(distinct % len(Reloc)).astype(np.uint8),
        count=np.bincount(row[used], minlength=len(distinct)).astype(np.uint32),
    )
    return Reading(references, row, static_tls)
