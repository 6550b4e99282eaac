"""The static TLS block: glibc 2.36 elf/dl-tls.c _dl_determine_tlsoffset, elf/dl-reloc.c _dl_allocate_static_tls."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.linker.link_map import LoadFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.linker.link_map import LinkMap

_TCB_AT_TP = frozenset({"x86_64", "i686", "i386", "s390x"})
"""Machines whose thread pointer points at the control block, with the TLS blocks below it (TLS_TCB_AT_TP)."""
_MINIMUM_ALIGN = 64
"""TCB_ALIGNMENT: dl_tls_static_align is at least this."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One object's share. size: bytes of the block that it took, padding included."""

    file: int
    size: int


@dataclass(slots=True)
class StaticTls:
    """How much of the static TLS block is spent. All sizes in bytes.

    surplus: what is kept for objects that come by dlopen. taken: who took how much of it, in order.
    """

    surplus: int
    machine: str
    used: int = 0
    limit: int = 0
    align: int = _MINIMUM_ALIGN
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
        """Place the blocks of the objects that are there from the start (_dl_determine_tlsoffset)."""
        offset = 0
        for link in links:
            tls = link.facts.tls
            if tls is None or not tls.size:
                continue
            align = max(tls.align, 1)
            self.align = max(self.align, align)
            offset = _round_up(offset + tls.size, align)
            link.tls_offset = offset
        self.used = offset
        self.limit = _round_up(offset + self.surplus, self.align)

    def allocate(self, link: LinkMap) -> None:
        """Give a loaded object its place in the block, or raise as ld.so does (_dl_try_allocate_static_tls)."""
        tls = link.facts.tls
        if link.tls_offset is not None or tls is None:
            return
        align = max(tls.align, 1)
        if align > self.align or self.free < tls.size:
            raise LoadFailure(
                "static-tls", link.name, "cannot allocate memory in static TLS block", needed_by=link.file
            )
        if self.machine in _TCB_AT_TP:
            blocks = (self.free - tls.size) // align
            use = self.free - blocks * align
        else:
            use = _round_up(self.used, align) + tls.size - self.used
            if use > self.free:
                raise LoadFailure(
                    "static-tls", link.name, "cannot allocate memory in static TLS block", needed_by=link.file
                )
        self.used += use
        link.tls_offset = self.used
        self.taken.append(Taken(link.file, use))


def _round_up(value: int, align: int) -> int:
    return -(-value // align) * align
