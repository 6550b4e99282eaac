"""The dynamic symbol table as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.errors import ElfError
from abiclash.facts.dynamic import DT_STRTAB, DT_SYMTAB, DT_VERSYM
from abiclash.facts.hashes import HashTable, read_hash
from abiclash.facts.image import PF_W, PF_X, PT_GNU_RELRO, PT_TLS, SHT_DYNSYM
from abiclash.facts.model import Place, Symbols
from abiclash.facts.names_table import NameTable
from abiclash.names import name_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.dynamic import Dynamic
    from abiclash.facts.image import Image, Segment

SHN_UNDEF, SHN_ABS = 0, 0xFFF1
STB_LOCAL, STT_TLS = 0, 6
_BLOCK = 1 << 20  # stays in a processor's cache

_SYMBOL = {
    64: [("name", "u4"), ("info", "u1"), ("other", "u1"), ("shndx", "u2"), ("value", "u8"), ("size", "u8")],
    32: [("name", "u4"), ("value", "u4"), ("size", "u4"), ("info", "u1"), ("other", "u1"), ("shndx", "u2")],
}


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """What reading .dynsym gives.

    row: int32 by index in .dynsym: the row in `symbols`, -1 for local and nameless ones.
    """

    symbols: Symbols
    names: NameTable
    row: NDArray[np.int32]
    has_hash: bool


def symbol_dtype(bits: int, order: str) -> np.dtype[np.void]:
    """Return the layout of Elf32_Sym or Elf64_Sym."""
    return np.dtype([(name, order + kind) for name, kind in _SYMBOL[bits]])


def read_symbols(image: Image, dynamic: Dynamic, referenced: int) -> SymbolTable:
    """Read .dynsym, .dynstr, .gnu.version and the hash table.

    referenced: highest symbol index of any relocation: a library without definitions has an empty hash table,
    and then nothing else that ld.so uses tells how many symbols there are. Raises ElfError.
    """
    if not (dynamic.has(DT_SYMTAB) and dynamic.has(DT_STRTAB)):
        return _empty()
    table = read_hash(image, dynamic)
    count = max(table.count if table else 0, _section_count(image, dynamic), referenced + 1)
    dtype = symbol_dtype(image.header.bits, image.header.order)
    raw = image.records(dynamic.get(DT_SYMTAB), count, dtype, "the symbol table")
    info, start = np.ascontiguousarray(raw["info"]), raw["name"].astype(np.uint32)
    keep = np.flatnonzero((info >> 4 != STB_LOCAL) & (start != 0))
    text = dynamic.strings.raw
    length = _lengths(text, start[keep])
    named = length > 0
    if not named.all():
        keep, length = keep[named], length[named]
    key = name_keys(text, start[keep], length)
    order = _order(key)
    keep = keep[order]
    names = NameTable(key[order], start[keep], length[order], text)
    row = np.full(count, -1, dtype=np.int32)
    row[keep] = np.arange(len(keep), dtype=np.int32)
    symbols = _columns(image, dynamic, raw[keep], names.key, keep, _hashed(table, count)[keep])
    return SymbolTable(symbols, names, row, table is not None and len(table.reached) > 0)


def _order(key: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the order by (key, index); versions of one name share a key, few names have several."""
    order = np.argsort(key)
    ordered = key[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = np.argsort(key, kind="stable")
    return order


def _columns(
    image: Image,
    dynamic: Dynamic,
    raw: NDArray[np.void],
    key: NDArray[np.uint64],
    index: NDArray[np.intp],
    hashed: NDArray[np.bool_],
) -> Symbols:
    """Return the columns of the kept symbols; raw: their entries in the order of the rows."""
    versym = np.ones(len(index), dtype=np.uint16)
    if dynamic.has(DT_VERSYM) and len(index):
        column = image.words(dynamic.get(DT_VERSYM), int(index.max()) + 1, 2, "the version table")
        versym = column[index].astype(np.uint16)
    info, shndx, value = raw["info"].astype(np.uint8), raw["shndx"].astype(np.uint16), raw["value"].astype(np.uint64)
    return Symbols(
        key=key,
        index=index.astype(np.uint32),
        versym=versym,
        info=info,
        other=raw["other"].astype(np.uint8),
        shndx=shndx,
        value=value,
        size=raw["size"].astype(np.uint64),
        place=places(image, info, shndx, value),
        hashed=hashed,
    )


def places(
    image: Image, info: NDArray[np.uint8], shndx: NDArray[np.uint16], value: NDArray[np.uint64]
) -> NDArray[np.uint8]:
    """Return the `Place` of each symbol, from the program headers alone."""
    bounds, inside = _intervals(image)
    place = inside[np.searchsorted(bounds, value, side="right")]
    place[shndx == SHN_ABS] = Place.ABS
    place[info & 15 == STT_TLS] = Place.TLS if image.segment(PT_TLS) is not None else Place.NONE
    place[shndx == SHN_UNDEF] = Place.NONE
    return place


def _intervals(image: Image) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Return (addresses ascending, the `Place` before the first, between each two and behind the last)."""
    relro = image.segment(PT_GNU_RELRO)
    limit = 1 << 8 * image.header.word
    edges = {0}
    for load in (*image.loads, *((relro,) if relro else ())):
        edges |= {load.vaddr, load.vaddr + load.filesz, load.vaddr + load.memsz}
    bounds = sorted(edge for edge in edges if edge < limit)
    places = [Place.NONE, *(_place(image, relro, edge) for edge in bounds)]
    return np.array(bounds, dtype=np.uint64), np.array(places, dtype=np.uint8)


def _place(image: Image, relro: Segment | None, address: int) -> Place:
    """Return the place of one address, by the last segment that holds it."""
    place = Place.NONE
    for load in image.loads:
        if load.vaddr <= address < load.vaddr + load.memsz:
            if load.flags & PF_X:
                place = Place.CODE
            elif not load.flags & PF_W:
                place = Place.RODATA
            elif relro is not None and relro.vaddr <= address < relro.vaddr + relro.memsz:
                place = Place.RELRO
            else:
                place = Place.DATA if address < load.vaddr + load.filesz else Place.BSS
    return place


def _lengths(text: NDArray[np.uint8], start: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the length of each name; one without a NUL ends with the table."""
    if not len(start):
        return np.empty(0, dtype=np.uint32)
    if int(start.max()) >= len(text):
        raise ElfError(f"symbol name at {int(start.max()):#x}: outside of the string table of {len(text)} bytes")
    zeros = [np.flatnonzero(text[at : at + _BLOCK] == 0) + at for at in range(0, len(text), _BLOCK)]
    ends = np.append(np.concatenate(zeros), len(text))
    order = np.argsort(start)  # a search in ascending order stays in the processor's cache
    length = np.empty(len(start), dtype=np.uint32)
    length[order] = ends[np.searchsorted(ends, start[order], side="left")] - start[order]
    return length


def _hashed(table: HashTable | None, count: int) -> NDArray[np.bool_]:
    """Return by symbol index whether a look-up reaches it."""
    hashed = np.zeros(count, dtype=np.bool_)
    if table is not None:
        hashed[table.reached] = True
    return hashed


def _section_count(image: Image, dynamic: Dynamic) -> int:
    """Return the number of symbols by the section headers, 0 where those are missing or mean another table."""
    for section in image.sections:
        if section.type == SHT_DYNSYM and section.addr == dynamic.get(DT_SYMTAB):
            return section.size // symbol_dtype(image.header.bits, "=").itemsize
    return 0


def _empty() -> SymbolTable:
    """Return the table of a file without dynamic symbols."""
    none = np.empty(0, dtype=np.uint64)
    small, half = none.astype(np.uint8), none.astype(np.uint16)
    index = none.astype(np.uint32)
    symbols = Symbols(none, index, half, small, small, half, none, none, small, none.astype(np.bool_))
    return SymbolTable(symbols, NameTable(none, index, index, small), none.astype(np.int32), has_hash=False)
