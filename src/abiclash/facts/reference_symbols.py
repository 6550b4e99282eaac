"""The reference reader's symbols: .dynsym entry by entry, and hash tables searched as glibc's do_lookup_x does."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elftools.elf.enums import (
    ENUM_ST_INFO_BIND,
    ENUM_ST_INFO_TYPE,
    ENUM_ST_LOCAL,
    ENUM_ST_SHNDX,
    ENUM_ST_VISIBILITY,
    ENUM_VERSYM,
)
from elftools.elf.gnuversions import GNUVerSymSection
from elftools.elf.hash import ELFHashTable, GNUHashTable

from abiclash.errors import ElfError
from abiclash.facts.model import Place
from abiclash.names import name_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_SYMBOLS = 1 << 24


@dataclass(frozen=True)
class SymbolRow:
    """One row of `Symbols`, with its name."""

    key: int
    index: int
    name: bytes
    versym: int
    info: int
    other: int
    shndx: int
    value: int
    size: int
    place: Place
    hashed: bool


def number(value: Any, names: Mapping[str, int]) -> int:
    """Return the number behind a value that pyelftools may have replaced by its name."""
    return int(value if isinstance(value, int) else names[value])


def symbol_section(elf: Any) -> Any:
    """Return the section .dynsym, or None."""
    return next((s for s in elf.iter_sections() if s["sh_type"] == "SHT_DYNSYM"), None)


def read_rows(elf: Any, segment: Any) -> list[SymbolRow]:
    """Return the non-local symbols with a name, in the order of .dynsym."""
    if segment is None:
        return []
    section = symbol_section(elf)
    table = section if section is not None else segment
    count = table.num_symbols()
    if count > MAX_SYMBOLS:
        raise ElfError(f"{count} symbols; the file is damaged")
    text = _text(elf, section, segment)
    versions = next((s for s in elf.iter_sections() if isinstance(s, GNUVerSymSection)), None)
    chain = _chain(elf, segment)
    segments = [s for s in elf.iter_segments() if s["p_type"] in ("PT_LOAD", "PT_GNU_RELRO", "PT_TLS")]
    rows = []
    for index in range(count):
        entry = table.get_symbol(index).entry
        info = _info(entry)
        if info >> 4 == ENUM_ST_INFO_BIND["STB_LOCAL"] or not entry["st_name"]:
            continue
        if entry["st_name"] >= len(text):
            raise ElfError(f"symbol name at {entry['st_name']:#x}: outside of the string table")
        name = _name(text, entry["st_name"])
        if name:
            versym = number(versions.get_symbol(index)["ndx"], ENUM_VERSYM) if versions is not None else 1
            rows.append(_row(index, entry, name, versym, segments, hashed=index in chain(name)))
    return rows


def _row(index: int, entry: Any, name: bytes, versym: int, segments: list[Any], *, hashed: bool) -> SymbolRow:
    """Return the row of one .dynsym entry."""
    local = number(entry["st_other"]["local"], ENUM_ST_LOCAL)
    return SymbolRow(
        key=name_key(name),
        index=index,
        name=name,
        versym=versym,
        info=_info(entry),
        other=local << 5 | number(entry["st_other"]["visibility"], ENUM_ST_VISIBILITY),
        shndx=number(entry["st_shndx"], ENUM_ST_SHNDX),
        value=entry["st_value"],
        size=entry["st_size"],
        place=_place(entry, segments),
        hashed=hashed,
    )


def _info(entry: Any) -> int:
    """Return st_info."""
    bind, kind = entry["st_info"]["bind"], entry["st_info"]["type"]
    return number(bind, ENUM_ST_INFO_BIND) << 4 | number(kind, ENUM_ST_INFO_TYPE)


def _text(elf: Any, section: Any, segment: Any) -> bytes:
    """Return .dynstr: linked from .dynsym, or through DT_STRTAB where there are no sections."""
    if section is not None:
        return bytes(elf.get_section(section["sh_link"]).data())
    _, offset = segment.get_table_offset("DT_STRTAB")
    size = next(segment.iter_tags("DT_STRSZ"))["d_val"]
    elf.stream.seek(offset)
    return bytes(elf.stream.read(size))


def _name(text: bytes, start: int) -> bytes:
    """Return the name at `start`; one without a NUL ends with the table."""
    end = text.find(b"\0", start)
    return text[start : end if end >= 0 else len(text)]


def _place(entry: Any, segments: list[Any]) -> Place:
    """Return where a symbol lives, program header by program header."""
    value = entry["st_value"]
    if entry["st_shndx"] == "SHN_UNDEF":
        return Place.NONE
    if entry["st_info"]["type"] == "STT_TLS":
        return Place.TLS if any(s["p_type"] == "PT_TLS" for s in segments) else Place.NONE
    if entry["st_shndx"] == "SHN_ABS":
        return Place.ABS
    home = [s for s in segments if s["p_vaddr"] <= value < s["p_vaddr"] + s["p_memsz"] and s["p_type"] != "PT_TLS"]
    load = next((s for s in reversed(home) if s["p_type"] == "PT_LOAD"), None)
    if load is None:
        return Place.NONE
    if load["p_flags"] & 1:
        return Place.CODE
    if not load["p_flags"] & 2:
        return Place.RODATA
    if any(s["p_type"] == "PT_GNU_RELRO" for s in home):
        return Place.RELRO
    return Place.DATA if value < load["p_vaddr"] + load["p_filesz"] else Place.BSS


def _chain(elf: Any, segment: Any) -> Callable[[bytes], set[int]]:
    """Return a function that gives the symbol indexes with which a look-up of a name compares it."""
    _, gnu = segment.get_table_offset("DT_GNU_HASH")
    if gnu is not None:
        buckets = GNUHashTable(elf, gnu, segment)
        return lambda name: _gnu_chain(elf, buckets, name)
    _, sysv = segment.get_table_offset("DT_HASH")
    if sysv is not None:
        table = ELFHashTable(elf, sysv, None, segment)
        return lambda name: _sysv_chain(table, name)
    return lambda _name: set()


def _gnu_chain(elf: Any, table: Any, name: bytes) -> set[int]:
    """Walk the chain of one name in DT_GNU_HASH, behind the Bloom filter."""
    hashed = table.gnu_hash(name)
    params = table.params
    if not params["nbuckets"] or not params["bloom_size"] or not table._matches_bloom(hashed):  # noqa: SLF001 - oracle
        return set()
    index = params["buckets"][hashed % params["nbuckets"]]
    found: set[int] = set()
    if index < params["symoffset"] or not index:
        return found
    elf.stream.seek(table._chain_pos + (index - params["symoffset"]) * 4)  # noqa: SLF001 - as above
    while True:
        (word,) = struct.unpack("<I" if elf.little_endian else ">I", elf.stream.read(4))
        if word | 1 == hashed | 1:
            found.add(index)
        if word & 1:
            return found
        index += 1


def _sysv_chain(table: Any, name: bytes) -> set[int]:
    """Walk the chain of one name in DT_HASH."""
    found: set[int] = set()
    if not table.params["nbuckets"]:
        return found
    index = table.params["buckets"][table.elf_hash(name) % table.params["nbuckets"]]
    while index and index not in found:
        found.add(index)
        index = table.params["chains"][index]
    return found
