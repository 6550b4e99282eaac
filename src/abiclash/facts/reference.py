"""The reference reader: the same facts through pyelftools, one symbol at a time.

Slow and plain on purpose. Tables are found through section headers where the fast reader takes PT_DYNAMIC, hash
chains are walked as a look-up does, and names are read one by one; so a mistake in one reader shows as a difference.
What is derived from code and read-only strings (runtimes, modules, strings, init.references) is left empty.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_E_MACHINE, ENUM_E_TYPE

from abiclash.errors import ElfError
from abiclash.facts.model import Initializers, ObjectFacts, References, Symbols, Tls
from abiclash.facts.names_table import NameTable
from abiclash.facts.reference_symbols import SymbolRow, number, read_rows
from abiclash.facts.reference_tables import Uses, read_definitions, read_needs, read_notes, read_uses

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.facts.model import Version

DF_SYMBOLIC, DF_TEXTREL, DF_BIND_NOW, DF_STATIC_TLS = 2, 4, 8, 16
_FOLDED = {"DT_SYMBOLIC": DF_SYMBOLIC, "DT_TEXTREL": DF_TEXTREL, "DT_BIND_NOW": DF_BIND_NOW}

# What pyelftools lets out on damaged files besides its own errors.
_LEAKS = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError, StopIteration, TypeError)
_DAMAGE = (ELFError, ConstructError, struct.error, RuntimeError, ValueError, *_LEAKS)


def read_reference(raw: bytes, path: str) -> tuple[ObjectFacts, NameTable]:
    """Return what `elf.read_object` should return for the bytes of a whole file. Raises ElfError."""
    try:
        return _read(_File(BytesIO(raw)), len(raw), path)
    except _DAMAGE as error:
        raise ElfError(f"{path}: pyelftools cannot read it: {type(error).__name__}: {error}") from error


class _File(ELFFile):
    """Keeps its headers, which are asked for again and again: pyelftools parses them each time."""

    def __init__(self, stream: BytesIO) -> None:
        self._headers: dict[tuple[str, int], Any] = {}
        super().__init__(stream)
        for kind, layout in (("ph", self.structs.Elf_Phdr), ("sh", self.structs.Elf_Shdr)):
            size = self[f"e_{kind}entsize"]
            if self[f"e_{kind}num"] and size != layout.sizeof():  # of size 0, a small file has 65,535 of them
                raise ELFError(f"headers ({kind}) of {size} bytes instead of {layout.sizeof()}")

    def _get_section_header(self, n: int) -> Any:
        return self._kept("section", n, super()._get_section_header)

    def _get_segment_header(self, n: int) -> Any:
        return self._kept("segment", n, super()._get_segment_header)

    def _kept(self, kind: str, n: int, parse: Callable[[int], Any]) -> Any:
        if (kind, n) not in self._headers:
            self._headers[kind, n] = parse(n)
        return self._headers[kind, n]


@dataclass(frozen=True)
class _Tags:
    """The dynamic entries by tag name, strings resolved where pyelftools does so."""

    values: dict[str, list[Any]]

    def last(self, tag: str, default: Any = 0) -> Any:
        return self.values[tag][-1] if tag in self.values else default


def _read(elf: Any, size: int, path: str) -> tuple[ObjectFacts, NameTable]:
    """Put the facts together."""
    segment = next((s for s in elf.iter_segments() if isinstance(s, DynamicSegment) and s["p_filesz"]), None)
    tags = _tags(segment)
    rows = sorted(read_rows(elf, segment), key=lambda row: (row.key, row.index))
    uses = read_uses(elf, segment, rows)
    needs = read_needs(elf)
    versions = {version.index: version for _, found in needs for version in found}
    base = None
    for version, is_base in read_definitions(elf):
        base = version.name if is_base else base
        versions |= {} if is_base else {version.index: version}
    facts = _facts(elf, tags, rows, uses, versions)
    build_id, wishes = read_notes(elf)
    comment = elf.get_section_by_name(".comment")
    parts = comment.data().split(b"\0") if comment is not None else []
    complete = ObjectFacts(
        path=path,
        size=size,
        needs=needs,
        base_version=base,
        producers=tuple(dict.fromkeys(part.decode("utf-8", "replace") for part in parts if part)),
        build_id=build_id,
        dlopen_notes=wishes,
        runtimes=(),
        modules=(),
        strings=(),
        has_dynamic=segment is not None,
        interp=next((s.get_interp_name() for s in elf.iter_segments(type="PT_INTERP")), None),
        exec_stack=next((bool(s["p_flags"] & 1) for s in elf.iter_segments(type="PT_GNU_STACK")), None),
        **facts,
    )
    return complete, _names(rows)


def _facts(elf: Any, tags: _Tags, rows: list[SymbolRow], uses: Uses, versions: dict[int, Version]) -> dict[str, Any]:
    """Return the facts that come from the header, the tags and the tables."""
    flags = tags.last("DT_FLAGS")
    for tag, flag in _FOLDED.items():
        flags |= flag if tag in tags.values else 0
    word = elf.elfclass // 8
    static = uses.static_tls or bool(flags & DF_STATIC_TLS)
    tls = next((Tls(s["p_memsz"], s["p_align"], static) for s in elf.iter_segments(type="PT_TLS")), None)
    return {
        "bits": elf.elfclass,
        "little": elf.little_endian,
        "machine": number(elf["e_machine"], ENUM_E_MACHINE),
        "type": number(elf["e_type"], ENUM_E_TYPE),
        "osabi": elf.e_ident_raw[7],
        "soname": tags.last("DT_SONAME", None),
        "needed": tuple(tags.values.get("DT_NEEDED", ())),
        "rpath": tags.last("DT_RPATH", None),
        "runpath": tags.last("DT_RUNPATH", None),
        "auxiliary": tuple(tags.values.get("DT_AUXILIARY", ())),
        "filter": tuple(tags.values.get("DT_FILTER", ())),
        "flags": flags,
        "flags_1": tags.last("DT_FLAGS_1"),
        "has_versym": "DT_VERSYM" in tags.values,
        "versions": tuple(versions[index] for index in sorted(versions)),
        "has_hash": any(row.hashed for row in rows),
        "tls": tls if tls is not None or not static else Tls(0, 1, static=True),
        "init": Initializers(
            has_init="DT_INIT" in tags.values,
            has_fini="DT_FINI" in tags.values,
            init_array=tags.last("DT_INIT_ARRAYSZ") // word,
            fini_array=tags.last("DT_FINI_ARRAYSZ") // word,
            references=np.empty(0, dtype=np.uint32),
        ),
        "symbols": _symbols(rows),
        "references": _references(uses),
    }


def _tags(segment: Any) -> _Tags:
    """Return all dynamic entries."""
    resolved = {"DT_NEEDED": "needed", "DT_SONAME": "soname", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
    values: dict[str, list[Any]] = {}
    for tag in segment.iter_tags() if segment is not None else ():
        name = tag.entry.d_tag
        if name in ("DT_AUXILIARY", "DT_FILTER"):
            value = segment._get_stringtable().get_string(tag.entry.d_val)  # noqa: SLF001 - it has no public way
        else:
            value = getattr(tag, resolved[name]) if name in resolved else tag.entry.d_val
        values.setdefault(name, []).append(value)
    return _Tags(values)


def _symbols(rows: list[SymbolRow]) -> Symbols:
    """Return the rows as columns."""
    return Symbols(
        key=np.array([row.key for row in rows], dtype=np.uint64),
        index=np.array([row.index for row in rows], dtype=np.uint32),
        versym=np.array([row.versym for row in rows], dtype=np.uint16),
        info=np.array([row.info for row in rows], dtype=np.uint8),
        other=np.array([row.other for row in rows], dtype=np.uint8),
        shndx=np.array([row.shndx for row in rows], dtype=np.uint16),
        value=np.array([row.value for row in rows], dtype=np.uint64),
        size=np.array([row.size for row in rows], dtype=np.uint64),
        place=np.array([row.place for row in rows], dtype=np.uint8),
        hashed=np.array([row.hashed for row in rows], dtype=np.bool_),
    )


def _references(uses: Uses) -> References:
    """Return the counted (row, kind) pairs as columns."""
    pairs = list(uses.count)
    return References(
        symbol=np.array([row for row, _ in pairs], dtype=np.uint32),
        kind=np.array([kind for _, kind in pairs], dtype=np.uint8),
        count=np.array(list(uses.count.values()), dtype=np.uint32),
    )


def _names(rows: list[SymbolRow]) -> NameTable:
    """Return the names, one after the other in one buffer."""
    length = np.array([len(row.name) for row in rows], dtype=np.uint32)
    start = (np.cumsum(length) - length).astype(np.uint32)
    key = np.array([row.key for row in rows], dtype=np.uint64)
    return NameTable(key, start, length, np.frombuffer(b"".join(row.name for row in rows), dtype=np.uint8))
