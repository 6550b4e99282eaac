"""Digests of Python source for many plans: packages of a corpus meet in pair after pair, and are decoded once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.imports.documents import Digests

if TYPE_CHECKING:
    from abiclash.imports.files import Stamp
    from abiclash.imports.source import ModuleSource

DOCUMENTS, MODULES = 64, 4_000
"""As many are at hand at once: some hundred MB where the modules are large."""


@dataclass(slots=True)
class SharedDigests(Digests):
    """Remembers decoded modules. Plans only read them, and what a stamp names never changes: it holds a hash."""

    _decoded: dict[Stamp, ModuleSource] = field(default_factory=dict)

    def get(self, stamp: Stamp) -> ModuleSource | None:
        """Return the digest of a file, or None where it is unknown."""
        known = self._decoded.pop(stamp, None)
        if known is None:
            known = Digests.get(self, stamp)
        if known is not None:
            self._decoded[stamp] = known  # at the end: the first is the one that was not used for longest
            if len(self._decoded) > MODULES:
                del self._decoded[next(iter(self._decoded))]
        return known

    def flush(self) -> None:
        """Hand all documents that grew to the cache, and let go of them where they are many."""
        Digests.flush(self)
        if len(self._open) > DOCUMENTS:
            self._open.clear()
