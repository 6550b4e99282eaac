"""What musl's find_sym can find in an object (musl 1.2 ldso/dynlink.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.tables import NO_VERSIONS, SHN_UNDEF, STT_TLS, UNDEFINED, Definitions
from abiclash.names import name_keys

if TYPE_CHECKING:
    from abiclash.facts.model import ObjectFacts, Symbols

_OK_TYPES = [0, 1, 2, 5, 6]
_OK_BINDS = [1, 2, 10]


def definitions_of(symbols: Symbols) -> Definitions:
    """Return what find_sym can find in an object: the first entry of each name that is no hidden version.

    First by index, as in DT_GNU_HASH. A lone DT_HASH has an order of its own, and undefined entries: these are taken
    to come last.
    """
    visible = symbols.hashed & (symbols.versym & np.uint16(0x8000) == 0)
    rows = np.flatnonzero(visible & ((symbols.shndx != SHN_UNDEF) | (symbols.value != 0)))
    key = symbols.key[rows]
    rows = rows[np.concatenate([np.ones(min(len(key), 1), dtype=np.bool_), key[1:] != key[:-1]])]
    kind, bind = symbols.info[rows] & np.uint8(15), symbols.info[rows] >> np.uint8(4)
    undefined = symbols.shndx[rows] == SHN_UNDEF
    fit = np.isin(kind, _OK_TYPES) & np.isin(bind, _OK_BINDS) & ~(undefined & (kind == STT_TLS))
    fit &= (symbols.value[rows] != 0) | (kind == STT_TLS)
    rows, undefined = rows[fit], undefined[fit]
    flags = np.where(undefined, np.uint8(NO_VERSIONS | UNDEFINED), np.uint8(NO_VERSIONS))
    row = rows.astype(np.int32)
    return Definitions(symbols.key[rows], row, np.zeros(len(row), dtype=np.int32), flags)


def is_c_library(facts: ObjectFacts) -> bool:
    """Tell another C library by two symbols that it defines, as load_library does."""
    names = (b"__libc_start_main", b"stdin")
    length = np.array([len(name) for name in names], dtype=np.int64)
    keys = name_keys(b"".join(names), np.cumsum(length) - length, length)
    return bool(np.isin(keys, definitions_of(facts.symbols).key).all())
