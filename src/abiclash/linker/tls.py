"""The static TLS block: glibc elf/dl-tls.c _dl_determine_tlsoffset, elf/dl-reloc.c _dl_try_allocate_static_tls."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.glibc_versions import RSEQ_ALIGNMENT, RSEQ_AREA
from abiclash.linker.link_map import LoadFailure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from abiclash.linker.link_map import LinkMap

_TCB_AT_TP = frozenset({"x86_64", "i686", "i386", "s390x"})
"""Machines whose thread pointer points at the control block, with the TLS blocks below it (TLS_TCB_AT_TP)."""
_TCB_SIZE = {"aarch64": 16, "armv7l": 8}
"""TLS_TCB_SIZE of the other machines, which the block begins with (sysdeps/*/nptl/tls.h); 0 where not named."""
_RSEQ_SIZE = _RSEQ_ALIGN = 32
"""RSEQ_AREA_SIZE_INITIAL and RSEQ_MIN_ALIGN: the area that newer kernels ask for is no larger so far."""


def _minimum_align(machine: str, version: tuple[int, int]) -> int:
    """TCB_ALIGNMENT (nptl/descr.h): the block is aligned to at least this."""
    if machine in ("x86_64", "i686", "i386"):
        return 64
    return 32 if version in RSEQ_ALIGNMENT else 16


@dataclass(frozen=True, slots=True)
class Taken:
    """One object's share. size: bytes of the block that it took, padding included."""

    file: int
    size: int


@dataclass(slots=True)
class StaticTls:
    """How much of the static TLS block is spent. All sizes in bytes.

    surplus: what is kept for objects that come by dlopen. optional: how much of it descriptors (TLSDESC) may use,
    None for all of it (before glibc 2.32). version: of glibc. taken: who took how much of the surplus, in order.
    """

    surplus: int
    machine: str
    version: tuple[int, int]
    optional: int | None = None
    used: int = 0
    limit: int = 0
    align: int = 0
    taken: list[Taken] = field(default_factory=list)

    def copy(self) -> StaticTls:
        other = copy.copy(self)
        other.taken = list(self.taken)
        return other

    @property
    def free(self) -> int:
        """Bytes left for objects that come by dlopen."""
        return self.limit - self.used

    def lay_out_initial(self, links: Iterable[LinkMap]) -> None:
        """Place the blocks of the objects that are there from the start (_dl_determine_tlsoffset).

        A block that fits goes into the largest gap that alignment has left so far. The block of an object is taken
        to begin aligned (l_tls_firstbyte_offset 0), as current linkers see to.
        """
        below = self.machine in _TCB_AT_TP
        least = self.align = _minimum_align(self.machine, self.version)
        offset = 0 if below else _TCB_SIZE.get(self.machine, 0)
        gap_start = gap_end = 0
        for link in links:
            tls = link.facts.tls
            if tls is None or not tls.size:
                continue
            align = max(tls.align, 1)
            self.align = max(self.align, align)
            inside = _round_up(gap_start + tls.size, align) if below else _round_up(gap_start, align) + tls.size
            if gap_end - gap_start >= tls.size and inside <= gap_end:
                gap_start = link.tls_offset = inside
                continue
            end = _round_up(offset + tls.size, align) if below else _round_up(offset, align) + tls.size
            if end - tls.size - offset > gap_end - gap_start:
                gap_start, gap_end = offset, end - tls.size
            offset = link.tls_offset = end
        if self.version in RSEQ_AREA:
            self.align = max(self.align, _RSEQ_ALIGN)
            offset = _round_up(offset, _RSEQ_ALIGN) + _RSEQ_SIZE
        self.used = offset
        self.limit = _round_up(offset + self.surplus, self.align if below else least)

    def require(self, link: LinkMap) -> None:
        """Give a loaded object its place in the block, or raise as ld.so does (CHECK_STATIC_TLS)."""
        if not self._allocate(link, optional=False):
            raise LoadFailure(
                "static-tls", link.name, "cannot allocate memory in static TLS block", needed_by=link.file
            )

    def offer(self, link: LinkMap) -> None:
        """Give it a place if there is one to spare: a descriptor can do without (TRY_STATIC_TLS)."""
        self._allocate(link, optional=True)

    def _allocate(self, link: LinkMap, *, optional: bool) -> bool:
        """_dl_try_allocate_static_tls. link.tls_offset: where the block ends."""
        tls = link.facts.tls
        if link.tls_offset is not None or tls is None:
            return True
        align = max(tls.align, 1)
        if align > self.align or self.free < tls.size:
            return False
        if self.machine in _TCB_AT_TP:
            use = self.free - (self.free - tls.size) // align * align
        else:
            use = _round_up(self.used, align) + tls.size - self.used
        if use > self.free:
            return False
        if optional and self.optional is not None:
            if use > self.optional:
                return False
            self.optional -= use
        self.used += use
        link.tls_offset = self.used
        self.taken.append(Taken(link.file, use))
        return True

    def release(self, links: Collection[LinkMap]) -> None:
        """Take back what objects got that are unloaded, as far as it ends the used part (_dl_close_worker).

        links: in the order in which they are destroyed. ld.so collects one chunk as it goes, and what does not join
        it is lost, as is padding where the TLS blocks lie below the control block; the optional share does not grow
        again.
        """
        chunk: tuple[int, int] | None = None
        for first, last in self._blocks(links):
            if chunk is None:
                chunk = first, last
            elif last == chunk[0]:
                chunk = first, chunk[1]
            elif first == chunk[1]:
                chunk = chunk[0], last
            elif chunk[1] == self.used:
                self.used, chunk = chunk[0], (first, last)
            elif last == self.used:
                self.used = first
            elif chunk[1] < last:
                chunk = first, last
        if chunk is not None and chunk[1] == self.used:
            self.used = chunk[0]
        gone = {link.file for link in links}
        self.taken = [taken for taken in self.taken if taken.file not in gone]

    def _blocks(self, links: Iterable[LinkMap]) -> Iterator[tuple[int, int]]:
        """Yield where each object's share begins and ends."""
        shares = {taken.file: taken.size for taken in self.taken}
        for link in links:
            tls = link.facts.tls
            if link.tls_offset is not None and tls is not None and tls.size and link.file in shares:
                size = tls.size if self.machine in _TCB_AT_TP else shares[link.file]
                yield link.tls_offset - size, link.tls_offset


def _round_up(value: int, align: int) -> int:
    return -(-value // align) * align
