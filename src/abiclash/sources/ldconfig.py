"""The table that ldconfig wrote: which file ld.so takes for a soname (glibc elf/cache.c, elf/dl-cache.c)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from abiclash.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OLD_MAGIC = b"ld.so-1.7.0"
_NEW_MAGIC = b"glibc-ld.so.cache1.1"
_OLD_HEADER, _OLD_ENTRY, _NEW_HEADER = 16, 12, 48
_EXTENSION_MAGIC = (-358342284) & 0xFFFFFFFF
_TAG_HWCAPS = 1
_HWCAP_EXTENSION = 1 << 62
_ISA_LEVELS = (1 << 10) - 1

ABI_FLAGS: dict[str, int] = {
    "x86_64": 0x0303,
    "aarch64": 0x0A03,
    "armv7l": 0x0903,
    "ppc64le": 0x0503,
    "ppc64": 0x0503,
    "s390x": 0x0403,
    "riscv64": 0x1003,
    "loongarch64": 0x1203,
    "i686": 0x0003,
}
"""`_DL_CACHE_DEFAULT_ID` by machine: what marks a cache entry as one of that ABI (glibc sysdeps/*/dl-cache.h)."""

_GENERIC = frozenset({"i686"})  # the generic _dl_cache_check_flags also takes FLAG_ELF alone


class CacheEntry(NamedTuple):
    """One line of the cache. hwcaps: its glibc-hwcaps subdirectory, or None; legacy: hwcap bits of the old kind."""

    soname: str
    path: str
    flags: int
    hwcaps: str | None
    legacy: int


class LdCache(Mapping[str, tuple[str, ...]]):
    """Soname -> paths of one ABI, the path that ld.so takes first.

    Digits in names compare as numbers (`_dl_cache_libcmp`): libx.so.01 and libx.so.1 are one name.
    """

    def __init__(self, paths: Mapping[str, Sequence[str]]) -> None:
        self._paths = {soname: tuple(found) for soname, found in paths.items()}
        self._names = {_comparable(soname): soname for soname in reversed(self._paths)}

    def __getitem__(self, soname: str) -> tuple[str, ...]:
        found = self._paths.get(soname)
        return self._paths[self._names[_comparable(soname)]] if found is None else found

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _comparable(name: str) -> str:
    return re.sub(r"[0-9]+", lambda digits: digits[0].lstrip("0") or "0", name)


def parse(raw: bytes, where: str) -> list[CacheEntry]:
    """Return all entries of an ld.so.cache file, of every ABI, in its own order.

    Reads the new format, alone or behind the old one (glibc elf/dl-cache.c `_dl_load_cache_lookup`).
    Raises SourceError naming `where` when the bytes are not such a file or point outside of it.
    """
    start = _new_format(raw, where)
    count = int.from_bytes(_field(raw, start + 20, 4, where), "little")
    order = raw[start + 28] & 3
    if order not in (0, 2):
        raise SourceError(
            f"{where}: a big-endian ld.so.cache, which abiclash cannot read; use a shipped host profile (--host)"
        )
    body = _field(raw, start + _NEW_HEADER, 24 * count, where)
    kinds = [("flags", "<i4"), ("key", "<u4"), ("value", "<u4"), ("osversion", "<u4"), ("hwcap", "<u8")]
    table = np.frombuffer(body, dtype=np.dtype(kinds))
    subdirectories = _hwcaps_names(raw, start, where)
    entries = []
    for flags, key, value, _, hwcap in table.tolist():
        extension = (hwcap >> 32) & ~_ISA_LEVELS == _HWCAP_EXTENSION >> 32
        index = hwcap & 0xFFFFFFFF
        if extension and index >= len(subdirectories):
            raise _malformed(where, f"hwcaps index {index} of {len(subdirectories)}")
        entries.append(
            CacheEntry(
                _text(raw, start + key, where),
                _text(raw, start + value, where),
                flags,
                subdirectories[index] if extension else None,
                0 if extension else hwcap,
            )
        )
    return entries


def select(entries: Sequence[CacheEntry], machine: str, hwcaps: Sequence[str]) -> LdCache:
    """Return what ld.so on `machine` sees, with the active glibc-hwcaps subdirectories in priority order.

    After glibc elf/dl-cache.c `search_cache` as of 2.37; entries with legacy hwcap bits are left out.
    """
    wanted = ABI_FLAGS.get(machine)
    if wanted is None:
        known = ", ".join(sorted(ABI_FLAGS))
        raise SourceError(f"machine {machine}: no known ld.so.cache flags; known machines: {known}")
    rank = {name: place for place, name in enumerate(hwcaps)}
    found: dict[str, list[tuple[int, int, str]]] = {}
    for place, entry in enumerate(entries):
        generic = entry.flags == 1 and machine in _GENERIC
        if (entry.flags != wanted and not generic) or entry.legacy:
            continue
        if entry.hwcaps is not None and entry.hwcaps not in rank:
            continue
        priority = len(rank) + generic if entry.hwcaps is None else rank[entry.hwcaps]
        found.setdefault(entry.soname, []).append((priority, place, entry.path))
    return LdCache({soname: [path for _, _, path in sorted(rows)] for soname, rows in found.items()})


def _new_format(raw: bytes, where: str) -> int:
    """Offset of the new header: 0, or behind the old table, aligned to 8."""
    if raw.startswith(_NEW_MAGIC):
        start = 0
    elif raw.startswith(_OLD_MAGIC):
        count = int.from_bytes(_field(raw, 12, 4, where), "little")
        start = -(-(_OLD_HEADER + count * _OLD_ENTRY) // 8) * 8
    else:
        raise SourceError(f"{where}: not an ld.so.cache of glibc 2.2 or newer; run ldconfig to write a new one")
    if raw[start : start + len(_NEW_MAGIC)] != _NEW_MAGIC:
        raise _malformed(where, "no table in the new format")
    _field(raw, start, _NEW_HEADER, where)
    return start


def _hwcaps_names(raw: bytes, start: int, where: str) -> list[str]:
    """Names of the glibc-hwcaps subdirectories that entries point to (`cache_extension_load`).

    Read relative to the file, as `glibc_hwcaps_compare` does, although ldconfig writes them relative to the new header.
    """
    at = int.from_bytes(raw[start + 32 : start + 36], "little")
    if not at:
        return []
    magic, count = np.frombuffer(_field(raw, at, 8, where), "<u4").tolist()
    if magic != _EXTENSION_MAGIC or at % 4:
        raise _malformed(where, f"no extension directory at {at:#x}")
    sections = np.frombuffer(_field(raw, at + 8, 16 * count, where), "<u4").reshape(count, 4)
    for tag, _, offset, size in sections.tolist():
        if tag == _TAG_HWCAPS and size % 4 == 0:
            return [_text(raw, name, where) for name in np.frombuffer(_field(raw, offset, size, where), "<u4").tolist()]
    return []


def _field(raw: bytes, offset: int, length: int, where: str) -> bytes:
    if offset + length > len(raw):
        raise _malformed(where, f"{length} bytes at {offset:#x} leave the file of {len(raw)} bytes")
    return raw[offset : offset + length]


def _text(raw: bytes, offset: int, where: str) -> str:
    end = raw.find(b"\0", offset)
    if offset >= len(raw) or end < 0:
        raise _malformed(where, f"a name at {offset:#x} leaves the file of {len(raw)} bytes")
    return raw[offset:end].decode("utf-8", "surrogateescape")


def _malformed(where: str, reason: str) -> SourceError:
    return SourceError(f"{where}: malformed ld.so.cache ({reason}); run ldconfig to write a new one")
