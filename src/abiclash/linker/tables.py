"""What the look-up needs of one object, prepared as arrays: its definitions and its queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import Reloc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts, Symbols

STB_LOCAL, STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE = 0, 1, 2, 10
STV_INTERNAL, STV_HIDDEN, STV_PROTECTED = 1, 2, 3
STT_TLS = 6
SHN_UNDEF, SHN_ABS = 0, 0xFFF1
# NOTYPE, OBJECT, FUNC, COMMON, TLS, GNU_IFUNC: ALLOWED_STT of glibc 2.36 elf/dl-lookup.c check_match
_ALLOWED_TYPES = np.zeros(16, dtype=np.bool_)
_ALLOWED_TYPES[[0, 1, 2, 5, 6, 10]] = True

# bits of `Definitions.flags`
HIDDEN_VERSION = 1  # versym has bit 0x8000
LATER_VERSION = 2  # version index >= 3: not what an unversioned reference takes at once
UNDEFINED = 4  # SHN_UNDEF with a value: the PLT address of an executable
BINDS_LOCALLY = 8  # hidden, internal or STB_LOCAL: found, then skipped
UNIQUE = 16
NO_VERSIONS = 32  # the object has no version table
WEAK = 64

# bits of `Queries.flags`
Q_HIDDEN = 1  # the needed version is marked hidden
Q_PLT = 2  # ELF_RTYPE_CLASS_PLT
Q_COPY = 4  # ELF_RTYPE_CLASS_COPY
Q_WEAK = 8
Q_PROTECTED = 16

_PLT_CLASS = np.zeros(8, dtype=np.bool_)
_PLT_CLASS[[Reloc.PLT, Reloc.TLS_GD, Reloc.TLS_IE, Reloc.TLS_DESC]] = True


class VersionIds:
    """Numbers for (hash, name) of symbol versions, equal across objects; 0 is "no version"."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, str], int] = {}
        self.names: list[str] = [""]

    def of(self, name: str, value: int) -> int:
        number = self._ids.setdefault((value, name), len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number


@dataclass(frozen=True, slots=True)
class Definitions:
    """Entries that a look-up can find, sorted by (key, symbol index). All arrays of one length.

    key: uint64. row: int32 in the object's `Symbols`. version: int32 of `VersionIds`. flags: uint8, the bits above.
    """

    key: NDArray[np.uint64]
    row: NDArray[np.int32]
    version: NDArray[np.int32]
    flags: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Queries:
    """The look-ups that relocating an object makes, one for each row of its `References`, in their order."""

    key: NDArray[np.uint64]
    version: NDArray[np.int32]
    flags: NDArray[np.uint8]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Queries:
        """Return some rows."""
        return Queries(self.key[rows], self.version[rows], self.flags[rows])


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """One object as the look-up sees it."""

    definitions: Definitions
    queries: Queries

    @classmethod
    def of(cls, facts: ObjectFacts, versions: VersionIds) -> SymbolTable:
        """Prepare the arrays of one object."""
        symbols = facts.symbols
        has_base = facts.base_version is not None
        has_table = facts.has_versym and bool(facts.versions or facts.needs or has_base)
        version, hidden = _version_columns(facts, versions, has_table=has_table)
        return cls(
            _definitions(symbols, version, has_table=has_table),
            _queries(facts, version, hidden),
        )


def _version_columns(
    facts: ObjectFacts, versions: VersionIds, *, has_table: bool
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Translate versym indices through l_versions (glibc 2.36 elf/dl-version.c _dl_check_map_versions)."""
    count = len(facts.symbols.key)
    if not has_table:
        return np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.bool_)
    index = facts.symbols.versym & np.uint16(0x7FFF)
    ids = np.zeros(0x8000, dtype=np.int32)
    hidden = np.zeros(0x8000, dtype=np.bool_)
    for entry in facts.versions:
        # A version whose hash is 0 counts as none (RESOLVE_MAP in glibc 2.36 elf/dl-reloc.c).
        ids[entry.index & 0x7FFF] = versions.of(entry.name, entry.hash) if entry.hash else 0
        hidden[entry.index & 0x7FFF] = entry.hidden
    return ids[index], hidden[index]


def _definitions(symbols: Symbols, version: NDArray[np.int32], *, has_table: bool) -> Definitions:
    kind = symbols.info & np.uint8(15)
    bind = symbols.info >> np.uint8(4)
    visibility = symbols.other & np.uint8(3)
    findable = symbols.hashed & _ALLOWED_TYPES[kind]
    findable &= (symbols.value != 0) | (symbols.shndx == SHN_ABS) | (kind == STT_TLS)
    flags = np.zeros(len(symbols.key), dtype=np.uint8)
    if has_table:
        flags |= np.where(symbols.versym & np.uint16(0x8000), np.uint8(HIDDEN_VERSION), np.uint8(0))
        flags |= np.where((symbols.versym & np.uint16(0x7FFF)) >= 3, np.uint8(LATER_VERSION), np.uint8(0))
    else:
        flags |= np.uint8(NO_VERSIONS)
    flags |= np.where(symbols.shndx == SHN_UNDEF, np.uint8(UNDEFINED), np.uint8(0))
    local = (visibility == STV_HIDDEN) | (visibility == STV_INTERNAL)
    local |= (bind != STB_GLOBAL) & (bind != STB_WEAK) & (bind != STB_GNU_UNIQUE)
    flags |= np.where(local, np.uint8(BINDS_LOCALLY), np.uint8(0))
    flags |= np.where(bind == STB_GNU_UNIQUE, np.uint8(UNIQUE), np.uint8(0))
    flags |= np.where(bind == STB_WEAK, np.uint8(WEAK), np.uint8(0))
    row = np.flatnonzero(findable).astype(np.int32)
    return Definitions(symbols.key[row], row, version[row], flags[row])


def _queries(facts: ObjectFacts, version: NDArray[np.int32], hidden: NDArray[np.bool_]) -> Queries:
    symbols, references = facts.symbols, facts.references
    row = references.symbol
    flags = np.where(hidden[row], np.uint8(Q_HIDDEN), np.uint8(0))
    flags |= np.where(_PLT_CLASS[references.kind], np.uint8(Q_PLT), np.uint8(0))
    flags |= np.where(references.kind == Reloc.COPY, np.uint8(Q_COPY), np.uint8(0))
    flags |= np.where(symbols.info[row] >> np.uint8(4) == STB_WEAK, np.uint8(Q_WEAK), np.uint8(0))
    protected = symbols.other[row] & np.uint8(3) == STV_PROTECTED
    flags |= np.where(protected, np.uint8(Q_PROTECTED), np.uint8(0))
    return Queries(symbols.key[row], version[row], flags)
