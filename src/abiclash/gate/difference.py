"""What a release changes for its neighbours: two wheels of one project, compared by their facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.errors import NotAnalysed
from abiclash.rules.exported_symbols import exported
from abiclash.rules.model import stable_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.facts.store import Store

STB_GNU_UNIQUE = 10

MEANINGS = {
    "tags": "where the wheel may be installed",
    "requires": "what is installed with it",
    "libraries": "shared libraries that it brings, by soname: whoever asks for one of them later gets this file",
    "needed": "libraries that it needs from elsewhere",
    "versions": "symbol versions that it needs from elsewhere",
    "runtimes": "runtimes that are linked in",
    "exports": "definitions that the dynamic linker can give to others",
    "unique": "STB_GNU_UNIQUE definitions: one for the whole process, whoever comes first",
    "static-tls": "bytes of static thread-local storage, of which a process has little",
    "executable-stack": "objects that want an executable stack",
    "search-path": "folders in which it looks for libraries",
}
"""Kind of a change -> why a neighbour cares."""


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of thing that is not as it was. gone, new: sorted."""

    kind: str
    gone: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """old, new: file names of the wheels. changes: in the order of `MEANINGS`, without kinds that are as they were.

    not_analysed: what could not be read in one of them, sorted; of a wheel that is unreadable as a whole nothing else
    is known.
    """

    old: str
    new: str
    changes: tuple[Change, ...]
    not_analysed: tuple[NotAnalysed, ...] = ()


def compare(old: Path, new: Path, store: Store) -> Difference:
    """Return what is different between two wheel files."""
    from abiclash.facts.index import index_wheels  # noqa: PLC0415 - start-up

    before, after = index_wheels([old, new], store)
    unread = [entry for side in (before, after) for entry in _unread(side)]
    if isinstance(before, NotAnalysed) or isinstance(after, NotAnalysed):
        return Difference(old.name, new.name, (), tuple(sorted(set(unread))))
    found = tuple(changes(before, after, store.names))
    return Difference(before.filename, after.filename, found, tuple(sorted(set(unread))))


def changes(
    before: WheelFacts, after: WheelFacts, names: Callable[[str, NDArray[np.uint64]], Mapping[int, bytes]]
) -> Iterator[Change]:
    """Yield what is different. names: sha256 of a wheel, keys -> names."""
    sides = [dict(_texts(wheel)) for wheel in (before, after)]
    for kind in MEANINGS:
        if kind in {"exports", "unique"}:
            gone, new = _symbols(before, after, names, unique=kind == "unique")
        else:
            old, now = (side.get(kind, set()) for side in sides)
            gone, new = old - now, now - old
        if gone or new:
            yield Change(kind, tuple(sorted(gone)), tuple(sorted(new)))


def _unread(facts: WheelFacts | NotAnalysed) -> Iterable[NotAnalysed]:
    return (facts,) if isinstance(facts, NotAnalysed) else facts.not_analysed


def _texts(wheel: WheelFacts) -> Iterator[tuple[str, set[str]]]:
    """Yield kind -> texts, for everything that is no symbol."""
    objects = wheel.objects
    own = {facts.soname or facts.path.rpartition("/")[2] for facts in objects}
    yield "tags", set(wheel.tags)
    yield "requires", set(wheel.requires)
    yield "libraries", {facts.soname for facts in objects if facts.soname}
    yield "needed", {library for facts in objects for library in facts.needed if library not in own}
    foreign = [(library, found) for facts in objects for library, found in facts.needs if library not in own]
    yield "versions", {f"{version.name} of {library}" for library, found in foreign for version in found}
    yield "runtimes", {f"{runtime} in {stable_name(facts.path)}" for facts in objects for runtime in facts.runtimes}
    yield "static-tls", _tls(objects)
    yield "executable-stack", {stable_name(facts.path) for facts in objects if facts.exec_stack}
    yield "search-path", {path for facts in objects for path in _paths(facts)}


def _tls(objects: Iterable[ObjectFacts]) -> set[str]:
    sizes = {stable_name(facts.path): facts.tls.size for facts in objects if facts.tls is not None and facts.tls.static}
    return {f"{size:,} bytes in {path}" for path, size in sizes.items()}


def _paths(facts: ObjectFacts) -> Iterator[str]:
    for path in (facts.rpath, facts.runpath):
        yield from (part for part in (path or "").split(":") if part)


def _symbols(
    before: WheelFacts,
    after: WheelFacts,
    names: Callable[[str, NDArray[np.uint64]], Mapping[int, bytes]],
    *,
    unique: bool,
) -> tuple[set[str], set[str]]:
    """Return the names that one wheel exports and the other does not, wherever in it."""
    old, new = _exported(before, unique=unique), _exported(after, unique=unique)

    def named(wheel: WheelFacts, keys: NDArray[np.uint64]) -> set[str]:
        known = names(wheel.sha256, keys) if len(keys) else {}
        return {known.get(key, b"?").decode("utf-8", "surrogateescape") for key in keys.tolist()}

    gone, added = np.setdiff1d(old, new, assume_unique=True), np.setdiff1d(new, old, assume_unique=True)
    return named(before, gone), named(after, added)


def _exported(wheel: WheelFacts, *, unique: bool) -> NDArray[np.uint64]:
    parts = [np.empty(0, dtype=np.uint64)]
    for facts in wheel.objects:
        rows = exported(facts)
        if unique:
            rows = rows[facts.symbols.info[rows] >> 4 == STB_GNU_UNIQUE]
        parts.append(facts.symbols.key[rows])
    return np.unique(np.concatenate(parts))
