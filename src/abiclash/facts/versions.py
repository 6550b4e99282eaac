"""Symbol versions: what an object defines (DT_VERDEF) and needs (DT_VERNEED)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.errors import ElfError
from abiclash.facts.dynamic import DT_VERDEF, DT_VERNEED
from abiclash.facts.model import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.facts.dynamic import Dynamic
    from abiclash.facts.image import Image

VER_FLG_BASE, VER_FLG_WEAK = 1, 2
INDEX_MASK, HIDDEN = 0x7FFF, 0x8000
MAX_ENTRIES = 1 << 16  # an index has 15 bits, so more entries cannot be meant


@dataclass(frozen=True, slots=True)
class Versions:
    """by_index: what glibc puts into l_versions (elf/dl-version.c). needs: by library, in file order."""

    by_index: tuple[Version, ...]
    needs: tuple[tuple[str, tuple[Version, ...]], ...]
    base: str | None


class _Reader:
    """Reads the chained records, and stops where their number shows damage."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.left = MAX_ENTRIES

    def chain(self, address: int, layout: str, link: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield (address, fields) of records; field number `link` is the distance to the next, 0 at the end."""
        packed = self.image.header.order + layout
        while True:
            self.left -= 1
            if self.left < 0:
                raise ElfError(f"address {address:#x}: more than {MAX_ENTRIES} version records; the file is damaged")
            raw = self.image.at(address, struct.calcsize(packed), "a version record").tobytes()
            fields = struct.unpack(packed, raw)
            yield address, fields
            if not fields[link]:
                return
            address += fields[link]


def read_versions(image: Image, dynamic: Dynamic) -> Versions:
    """Read both version tables. Raises ElfError."""
    reader = _Reader(image)
    needs = tuple(_needs(reader, dynamic)) if dynamic.has(DT_VERNEED) else ()
    by_index = {version.index: version for _, versions in needs for version in versions}
    base = None
    for version, is_base in _definitions(reader, dynamic) if dynamic.has(DT_VERDEF) else ():
        if is_base:
            base = version.name
        else:
            by_index[version.index] = version
    return Versions(tuple(by_index[index] for index in sorted(by_index)), needs, base)


def _needs(reader: _Reader, dynamic: Dynamic) -> Iterator[tuple[str, tuple[Version, ...]]]:
    """Yield the libraries of DT_VERNEED with the versions needed of each (Elf64_Verneed, Elf64_Vernaux)."""
    for address, (_, _, file, aux, _) in reader.chain(dynamic.get(DT_VERNEED), "HHIII", 4):
        library = dynamic.strings.text(file)
        versions = [
            Version(
                index=other & INDEX_MASK,
                name=dynamic.strings.text(name),
                hash=stored,
                file=library,
                hidden=bool(other & HIDDEN),
                weak=bool(flags & VER_FLG_WEAK),
            )
            for _, (stored, flags, other, name, _) in reader.chain(address + aux, "IHHII", 4)
        ]
        yield library, tuple(versions)


def _definitions(reader: _Reader, dynamic: Dynamic) -> Iterator[tuple[Version, bool]]:
    """Yield the versions of DT_VERDEF, and whether each is the base (Elf64_Verdef, Elf64_Verdaux)."""
    for address, (_, flags, index, _, stored, aux, _) in reader.chain(dynamic.get(DT_VERDEF), "HHHHIII", 6):
        raw = reader.image.at(address + aux, 4, "a version name").tobytes()
        name = dynamic.strings.text(struct.unpack(reader.image.header.order + "I", raw)[0])
        version = Version(index & INDEX_MASK, name, stored, None, weak=bool(flags & VER_FLG_WEAK))
        yield version, bool(flags & VER_FLG_BASE)
