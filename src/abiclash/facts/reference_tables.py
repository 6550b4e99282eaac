"""The reference reader's other tables: relocations, versions, notes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from elftools.elf.enums import ENUM_D_TAG
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

from abiclash.errors import ElfError
from abiclash.facts.model import Reloc, Version
from abiclash.facts.reference_symbols import SymbolRow, number
from abiclash.facts.relocations import KINDS, UNKNOWN, Kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_VERSIONS = 1 << 16
_MACHINES = {"EM_386": 3, "EM_PPC64": 21, "EM_S390": 22, "EM_ARM": 40, "EM_X86_64": 62, "EM_AARCH64": 183}
_MACHINES["EM_RISCV"] = 243


@dataclass(frozen=True)
class Uses:
    """count: relocations by (row of `Symbols`, kind), in the order of their first one."""

    count: dict[tuple[int, int], int]
    static_tls: bool


def read_uses(elf: Any, segment: Any, rows: list[SymbolRow]) -> Uses:
    """Return the references: relocations whose symbol is looked up by ld.so."""
    kinds = KINDS.get(_MACHINES.get(elf["e_machine"], -1), UNKNOWN)
    at = {row.index: position for position, row in enumerate(rows)}
    count: dict[tuple[int, int], int] = {}
    static = False
    for relocation in _relocations(segment) if segment is not None else ():
        kind = _kind(kinds, relocation["r_info_type"])
        static = static or kind == Reloc.TLS_IE
        position = at.get(relocation["r_info_sym"])
        if kind is None or position is None or rows[position].other & 3 in (1, 2):
            continue
        count[position, kind] = count.get((position, kind), 0) + 1
    return Uses(count, static)


def _kind(kinds: Kinds, type_: int) -> Reloc | None:
    """Return how a relocation type uses its symbol, or None where ld.so looks nothing up."""
    named = {Reloc.PLT: kinds.jump_slot, Reloc.COPY: kinds.copy, Reloc.TLS_GD: kinds.tls_gd}
    named |= {Reloc.TLS_IE: kinds.tls_ie, Reloc.TLS_DESC: kinds.tls_desc}
    if type_ in (0, *kinds.relative, *kinds.irelative):
        return None
    return next((kind for kind, types in named.items() if type_ in types), Reloc.DATA)


def _relocations(segment: Any) -> Iterator[Any]:
    """Yield the relocations in ld.so's order; those of the PLT once, also where DT_RELASZ counts them in."""
    tables = segment.get_relocation_tables()
    tags = {tag.entry.d_tag: tag.entry.d_val for tag in segment.iter_tags()}
    jump = tables.get("JMPREL")
    for name, tag in (("REL", "DT_REL"), ("RELA", "DT_RELA")):
        mine = jump is not None and tags.get("DT_PLTREL") == ENUM_D_TAG[tag]
        table = tables.get(name)
        if table is not None:
            end = tags[tag] + tags[tag + "SZ"]
            inside = mine and end == tags["DT_JMPREL"] + tags["DT_PLTRELSZ"]
            count = table.num_relocations() - (jump.num_relocations() if inside else 0)
            yield from islice(table.iter_relocations(), max(count, 0))
        if mine:
            yield from jump.iter_relocations()


def _section(elf: Any, kind: type) -> Any:
    """Return the first section of a pyelftools class, or None."""
    return next((section for section in elf.iter_sections() if isinstance(section, kind)), None)


def read_needs(elf: Any) -> tuple[tuple[str, tuple[Version, ...]], ...]:
    """Return DT_VERNEED."""
    section = _section(elf, GNUVerNeedSection)
    needs = []
    for library, entries in _bounded(section):
        found = [
            Version(
                index=entry["vna_other"] & 0x7FFF,
                name=entry.name,
                hash=entry["vna_hash"],
                file=library.name,
                hidden=bool(entry["vna_other"] & 0x8000),
                weak=bool(number(entry["vna_flags"], {}) & 2),
            )
            for entry in entries
        ]
        needs.append((library.name, tuple(found)))
    return tuple(needs)


def read_definitions(elf: Any) -> list[tuple[Version, bool]]:
    """Return DT_VERDEF: each version, and whether it is the base."""
    found = []
    for entry, names in _bounded(_section(elf, GNUVerDefSection)):
        flags = entry["vd_flags"]
        version = Version(entry["vd_ndx"] & 0x7FFF, names[0].name, entry["vd_hash"], None, weak=bool(flags & 2))
        found.append((version, bool(flags & 1)))
    return found


def _bounded(section: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the version entries with their auxiliary ones, as many as an index of 15 bits can tell apart."""
    left = MAX_VERSIONS
    for entry, names in section.iter_versions() if section is not None else ():
        found = list(islice(names, left))
        left -= len(found) + 1
        if left <= 0:
            raise ElfError("more version records than can be meant; the file is damaged")
        yield entry, found


def read_notes(elf: Any) -> tuple[str | None, tuple[object, ...]]:
    """Return (build id, entries of the dlopen notes)."""
    build_id, wishes = None, []
    for segment in elf.iter_segments(type="PT_NOTE"):
        for note in segment.iter_notes():
            if note["n_name"] == "GNU" and note["n_type"] == "NT_GNU_BUILD_ID":
                build_id = build_id or note["n_desc"]
            elif note["n_name"] == "FDO" and note["n_type"] == 0x407C0C0A:
                wishes += json.loads(note["n_descdata"].rstrip(b"\0"))
    return build_id, tuple(wishes)
