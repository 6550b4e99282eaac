"""References that another package's definitions serve, and those among them that company has changed.

Every rule about bindings starts here. The work is per object and is shared by all runs in which the object is bound
alike: a process that goes on keeps the arrays of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from abiclash.facts.model import Place
from abiclash.linker.lookup import NOT_FOUND
from abiclash.linker.tables import STB_GNU_UNIQUE
from abiclash.rules.runtime_symbols import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process
    from abiclash.rules.case import Case, Run

FUNCTIONS = (2, 10)
"""STT_FUNC, STT_GNU_IFUNC."""
VARIABLES = (1, 5, 6)
"""STT_OBJECT, STT_COMMON, STT_TLS."""
STB_GLOBAL = 1
_IS_FUNCTION, _IS_VARIABLE = (np.isin(np.arange(16), types) for types in (FUNCTIONS, VARIABLES))


class Means(IntEnum):
    """Why ld.so came upon the definition."""

    LIST = 0  # it is in the search list of the dlopen that brought the object
    GLOBAL = 1  # it is in the global scope
    UNIQUE = 2  # STB_GNU_UNIQUE: the process's one definition of the name


@dataclass(frozen=True, slots=True)
class Crossing:
    """References of one object to definitions of other packages. All arrays have one length.

    rows: rows of the object's References. target, target_row: file id and row in its Symbols. means: `Means`.
    alone, alone_row: what the same references are bound to when `package` is imported without company; NOT_FOUND
    where nothing. package: the requested package that sees a change; None where there is none to compare with.
    """

    source: LinkMap
    rows: NDArray[np.intp]
    target: NDArray[np.int32]
    target_row: NDArray[np.int32]
    means: NDArray[np.uint8]
    alone: NDArray[np.int32]
    alone_row: NDArray[np.int32]
    package: str | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, keep: NDArray[np.bool_]) -> Crossing:
        """Return some of the references."""
        return Crossing(
            self.source,
            self.rows[keep],
            self.target[keep],
            self.target_row[keep],
            self.means[keep],
            self.alone[keep],
            self.alone_row[keep],
            self.package,
        )

    @property
    def symbols(self) -> NDArray[np.uint32]:
        """Rows of the object's own Symbols."""
        rows: NDArray[np.uint32] = self.source.facts.references.symbol[self.rows]
        return rows

    @property
    def keys(self) -> NDArray[np.uint64]:
        keys: NDArray[np.uint64] = self.source.facts.symbols.key[self.symbols]
        return keys

    @property
    def own(self) -> NDArray[np.bool_]:
        """Where the object has a definition of its own."""
        mask: NDArray[np.bool_] = self.source.facts.symbols.shndx[self.symbols] != 0
        return mask

    def own_column(self, name: str) -> NDArray[Any]:
        """Return a column of the object's own Symbols; it tells of definitions only where `own`."""
        column: NDArray[Any] = getattr(self.source.facts.symbols, name)[self.symbols]
        return column


def by_package(case: Case, crossing: Crossing) -> Iterator[tuple[str, Crossing]]:
    """Split references by the package whose definitions serve them."""
    owners = {target: case.owner(target) for target in np.unique(crossing.target).tolist()}
    packages = sorted({owner for owner in owners.values() if owner is not None})
    for package in packages:
        files = [target for target, owner in owners.items() if owner == package]
        yield package, crossing if len(packages) == 1 else crossing.take(np.isin(crossing.target, files))


def column(case: Case, files: NDArray[np.int32], rows: NDArray[np.int32], name: str) -> NDArray[Any]:
    """Return a column of Symbols for definitions given as (file, row); 0 where the file is NOT_FOUND."""
    values = np.zeros(len(files), dtype=np.uint64)
    for file in np.unique(files).tolist():
        if file != NOT_FOUND:
            at = files == file
            values[at] = getattr(case.facts(file).symbols, name)[rows[at]]
    return values


def is_function(info: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where st_info tells of code."""
    mask: NDArray[np.bool_] = _IS_FUNCTION[info.astype(np.uint8) & 15]
    return mask


def is_variable(info: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where st_info tells of data."""
    mask: NDArray[np.bool_] = _IS_VARIABLE[info.astype(np.uint8) & 15]
    return mask


def is_strong(info: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where st_info tells of a definition that was not made to be one of many (not weak, not unique)."""
    mask: NDArray[np.bool_] = info.astype(np.uint8) >> 4 == STB_GLOBAL
    return mask


def is_writable(place: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a definition can change after relocation."""
    mask: NDArray[np.bool_] = place >= Place.DATA  # DATA, BSS and TLS are the last ones
    return mask


def package_codes(case: Case) -> NDArray[np.int32]:
    """Return a number for each file of the world: equal for files of one package, -1 for the host's.

    A last entry stands for NOT_FOUND, so that targets index it as they are; it counts as the host's.
    """
    files = len(case.world.paths)
    return case.once(("package codes", files), (), lambda: _package_codes(case, files))


def _package_codes(case: Case, files: int) -> NDArray[np.int32]:
    numbers: dict[str, int] = {}
    owners = [case.owner(file) for file in range(files)]
    return np.array([-1 if o is None else numbers.setdefault(o, len(numbers)) for o in owners] + [-1], dtype=np.int32)


def crossings(case: Case, run: Run) -> list[Crossing]:
    """Return the references of every object that end in another package, compared with nothing."""
    found = (_crossing(case, run.process, link) for link in run.process.maps.values())
    return [crossing for crossing in found if crossing is not None]


def changes(case: Case, run: Run) -> Sequence[Crossing]:
    """Return, for each object and requested package, references that cross and that are bound otherwise alone.

    A library that one package found missing and another's copy of the same soname stands in for is no change of a
    binding's meaning; which file serves a soname is another rule's matter.
    """
    return case.once("changes", [run], lambda: tuple(_changes(case, run)) if len(run.order) > 1 else ())


def _changes(case: Case, run: Run) -> Iterator[Crossing]:
    alone = [(package, case.alone[package, run.stage].process.maps) for package in run.order]
    for crossing in crossings(case, run):
        for package, maps in alone:
            other = maps.get(crossing.source.file)
            if other is not None and other.targets is not None:
                changed = _changed(case, crossing, other, package)
                if changed is not None:
                    yield changed


def selected(
    case: Case, crossing: Crossing, name: Hashable, wanted: Callable[[Crossing], NDArray[np.bool_]]
) -> Sequence[tuple[str, Crossing]]:
    """Return some references by the package that serves them, found once for each crossing. name: tells them apart."""

    def select() -> Sequence[tuple[str, Crossing]]:
        mask = wanted(crossing)
        part = crossing if mask.all() else crossing.take(mask)
        return tuple(by_package(case, part)) if len(part) else ()

    return case.once(("selected", name), [crossing], select)


def using(names: Sequence[str]) -> Callable[[Crossing], NDArray[np.bool_]]:
    """Return what marks references to symbols of some names."""
    return lambda crossing: np.isin(crossing.keys, keys_of(tuple(names)))


def _crossing(case: Case, process: Process, link: LinkMap) -> Crossing | None:
    targets, rows = link.targets, link.target_rows
    if targets is None or rows is None:
        return None
    return case.once("crossing", [targets], lambda: _find_crossing(case, process, link, targets, rows))


def _find_crossing(
    case: Case, process: Process, link: LinkMap, targets: NDArray[np.int32], target_rows: NDArray[np.int32]
) -> Crossing | None:
    codes = package_codes(case)
    owners = codes[targets]
    rows = np.flatnonzero((owners >= 0) & (owners != codes[link.file]))
    if not len(rows):
        return None
    target, target_row = targets[rows], target_rows[rows]
    bind = column(case, target, target_row, "info").astype(np.uint8) >> 4
    listed = list(_search_files(process, link))
    means = np.where(np.isin(target, listed), Means.LIST, Means.GLOBAL).astype(np.uint8)
    means[bind == STB_GNU_UNIQUE] = Means.UNIQUE
    nothing = np.full(len(rows), NOT_FOUND, dtype=np.int32)
    return Crossing(link, rows, target, target_row, means, nothing, nothing)


def _search_files(process: Process, link: LinkMap) -> Iterator[int]:
    """Yield the objects of the search list that an object was relocated with: the first parts of its scope."""
    for scope in link.scope[:3]:
        if scope.owner is None or scope.owner not in process.maps:
            continue
        yield scope.owner
        if not scope.alone:
            yield from process.maps[scope.owner].search_list or ()
            return  # what follows was appended later, by another dlopen


def _changed(case: Case, crossing: Crossing, other: LinkMap, package: str) -> Crossing | None:
    now, before, rows = crossing.source.targets, other.targets, other.target_rows
    if before is now or before is None or rows is None:
        return None
    return case.once(("changed", package), [now, before], lambda: _compared(case, crossing, before, rows, package))


def _compared(
    case: Case, crossing: Crossing, targets: NDArray[np.int32], target_rows: NDArray[np.int32], package: str
) -> Crossing | None:
    """Return the references of a crossing that are bound otherwise alone, that is to these definitions."""
    alone = targets[crossing.rows]
    keep = alone != crossing.target
    for target in np.unique(crossing.target[keep]).tolist():
        soname = case.facts(target).soname
        for before in np.unique(alone[keep & (crossing.target == target)]).tolist():
            if before != NOT_FOUND and soname is not None and case.facts(before).soname == soname:
                keep &= ~((crossing.target == target) & (alone == before))
    if not keep.any():
        return None
    return replace(crossing, alone=alone, alone_row=target_rows[crossing.rows], package=package).take(keep)


def known_names(case: Case, keys: NDArray[np.uint64]) -> dict[int, str]:
    """Return the names of keys, remembering them: the runs of one case ask for the same few again and again."""
    known: dict[int, str] = case.once("names", (), dict)
    wanted = keys.tolist()
    missing = [key for key in wanted if key not in known]
    if missing:
        known.update(case.names(missing))
    return {key: known[key] for key in wanted if key in known}
