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
MAX_BYTES = 4 << 20
MAX_ENTRIES = 1 << 16  # an index has 15 bits, so more entries cannot be meant


@dataclass(frozen=True, slots=True)
class Versions:
    """by_index: what glibc puts into l_versions (elf/dl-version.c). needs: by library, in file order."""

    by_index: tuple[Version, ...]
    needs: tuple[tuple[str, tuple[Version, ...]], ...]
    base: str | None


class _Reader:
    """Reads the chained records of one table, and stops where their number shows damage."""

    def __init__(self, image: Image, address: int) -> None:
        """address: of the table."""
        offset, room = image.locate(address)
        self.address = address
        self.order = image.header.order
        self.raw = image.ranges.read(offset, min(room, MAX_BYTES)).data
        self.left = MAX_ENTRIES

    def fields(self, layout: str, at: int) -> tuple[int, ...]:
        """Return the fields of the record at `at` bytes into the table."""
        try:
            return struct.unpack_from(self.order + layout, self.raw, at)
        except struct.error as error:
            raise ElfError(f"address {self.address + at:#x}: a version record leaves its segment") from error

    def chain(self, at: int, layout: str, link: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield (position, fields) of records; field number `link` is the distance to the next, 0 at the end."""
        while True:
            self.left -= 1
            if self.left < 0:
                raise ElfError(
                    f"address {self.address:#x}: more than {MAX_ENTRIES} version records; the file is damaged"
                )
            fields = self.fields(layout, at)
            yield at, fields
            if not fields[link]:
                return
            at += fields[link]


def read_versions(image: Image, dynamic: Dynamic) -> Versions:
    """Read both version tables. Raises ElfError."""
    needs = tuple(_needs(image, dynamic))
    by_index = {version.index: version for _, versions in needs for version in versions}
    base = None
    for version, is_base in _definitions(image, dynamic):
        if is_base:
            base = version.name
        else:
            by_index[version.index] = version
    return Versions(tuple(by_index[index] for index in sorted(by_index)), needs, base)


def _needs(image: Image, dynamic: Dynamic) -> Iterator[tuple[str, tuple[Version, ...]]]:
    """Yield the libraries of DT_VERNEED with the versions needed of each (Elf64_Verneed, Elf64_Vernaux)."""
    if not dynamic.has(DT_VERNEED):
        return
    reader, strings = _Reader(image, dynamic.get(DT_VERNEED)), dynamic.strings
    for at, (_, _, file, aux, _) in reader.chain(0, "HHIII", 4):
        library = strings.text(file)
        versions = [
            Version(
                index=other & INDEX_MASK,
                name=strings.text(name),
                hash=stored,
                file=library,
                hidden=bool(other & HIDDEN),
                weak=bool(flags & VER_FLG_WEAK),
            )
            for _, (stored, flags, other, name, _) in reader.chain(at + aux, "IHHII", 4)
        ]
        yield library, tuple(versions)


def _definitions(image: Image, dynamic: Dynamic) -> Iterator[tuple[Version, bool]]:
    """Yield the versions of DT_VERDEF, and whether each is the base (Elf64_Verdef, Elf64_Verdaux)."""
    if not dynamic.has(DT_VERDEF):
        return
    reader = _Reader(image, dynamic.get(DT_VERDEF))
    for at, (_, flags, index, _, stored, aux, _) in reader.chain(0, "HHHHIII", 6):
        name = dynamic.strings.text(reader.fields("I", at + aux)[0])
        version = Version(index & INDEX_MASK, name, stored, None, weak=bool(flags & VER_FLG_WEAK))
        yield version, bool(flags & VER_FLG_BASE)
