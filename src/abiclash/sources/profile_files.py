"""The files of a host as profile files keep them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.sources.links import canonical
from abiclash.sources.symbol_names import find_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.names_table import NameTable
    from abiclash.sources.profile_file import ProfileFile

    Change = Callable[[ObjectFacts], ObjectFacts]


class Part:
    """Files that one profile file contributes.

    files: canonical path -> number of the object in `source`. links: symbolic links, canonical path -> target.
    change: applied to an object's facts, where it stands in for another build.
    """

    def __init__(
        self, source: ProfileFile, files: Mapping[str, int], links: Mapping[str, str], change: Change | None = None
    ) -> None:
        self.source = source
        self.files = files
        self.links = links
        self._change = change

    def read(self, path: str) -> tuple[ObjectFacts, NameTable]:
        facts, names = self.source.object(self.files[path])
        if facts.path != path:
            facts = replace(facts, path=path)
        return (facts if self._change is None else self._change(facts)), names


class ProfileFiles:
    """`HostFiles` of one or more parts: a host's libraries and an interpreter's."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._links = {path: target for part in parts for path, target in part.links.items()}
        self._real: dict[str, str | None] = {}
        self._objects: dict[str, tuple[ObjectFacts, NameTable] | None] = {}

    def realpath(self, path: str) -> str | None:
        """Return the canonical path of a file that the profile keeps, or None."""
        if path not in self._real:
            real = canonical(path, self._links.get)
            known = real is not None and any(real in part.files for part in self._parts)
            self._real[path] = real if known else None
        return self._real[path]

    def object(self, realpath: str) -> ObjectFacts | None:
        """Return the facts of the object at a canonical path, or None."""
        if realpath not in self._objects:
            part = next((part for part in self._parts if realpath in part.files), None)
            self._objects[realpath] = None if part is None else part.read(realpath)
        found = self._objects[realpath]
        return None if found is None else found[0]

    def names(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return the names behind keys, of the objects that were asked for so far."""
        return find_names(keys, (loaded[1] for loaded in self._objects.values() if loaded is not None))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the canonical paths of all files, sorted within each part."""
        return (path for part in self._parts for path in sorted(part.files))
