"""One array for equal bindings of many processes.

What an object is bound to seldom changes from one import order to the next. Rules do their work once for each array,
so equal arrays are made one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap, Scope
    from abiclash.linker.process import Process

_OWN_SCOPE = 3
"""As many parts can l_scope have when an object is bound; what follows was appended by a later dlopen."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """scope: the files of the scope it was bound in. targets, rows: as in `LinkMap`."""

    scope: tuple[Hashable, ...]
    targets: NDArray[np.int32]
    rows: NDArray[np.int32]

    def same(self, other: _Bound) -> bool:
        if self.scope != other.scope:  # why a definition was found can differ although it is the same
            return False
        return all(
            one is two or np.array_equal(one, two)
            for one, two in ((self.targets, other.targets), (self.rows, other.rows))
        )


@dataclass(slots=True)
class SharedBindings:
    """Bindings seen so far, by file."""

    _known: dict[int, list[_Bound]] = field(default_factory=dict)

    def share(self, process: Process, files: Iterable[int]) -> None:
        """Give newly bound objects the arrays of an earlier process that bound them alike in an equal scope."""
        for file in files:
            link = process.maps.get(file)
            if link is None or link.targets is None or link.target_rows is None:
                continue
            bound = _Bound(_scope(process, link), link.targets, link.target_rows)
            known = self._known.setdefault(file, [])
            earlier = next((one for one in known if one.same(bound)), None)
            if earlier is None:
                known.append(bound)
            else:
                link.targets, link.target_rows = earlier.targets, earlier.rows


def _scope(process: Process, link: LinkMap) -> tuple[Hashable, ...]:
    return tuple(_listed(process, part) for part in link.scope[:_OWN_SCOPE])


def _listed(process: Process, part: Scope) -> Hashable:
    owner = process.maps.get(part.owner) if part.owner is not None else None
    return part, owner.search_list if owner is not None else None
