"""The files of this machine, or of a system's tree in a directory, read on demand."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import ElfError, NotAnalysed
from abiclash.facts.elf import read_object
from abiclash.facts.ranges import Ranges
from abiclash.sources.links import canonical
from abiclash.sources.symbol_names import find_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.names_table import NameTable


class LiveFiles:
    """`HostFiles` of this machine. Each object is read once, when it is first asked for.

    root: where the tree hangs, for a system that is unpacked in a directory; paths are given and told without it.
    not_analysed: what was asked for and could not be read.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = "" if root is None else str(root).rstrip("/")
        self._real: dict[str, str | None] = {}
        self._objects: dict[str, tuple[ObjectFacts, NameTable] | None] = {}
        self.not_analysed: list[NotAnalysed] = []

    def realpath(self, path: str) -> str | None:
        """Return the canonical path of an existing regular file, or None."""
        if path not in self._real:
            self._real[path] = self._canonical(path)
        return self._real[path]

    def _canonical(self, path: str) -> str | None:
        if self._root:
            real = canonical(path, self.link)
            return real if real is not None and self._at(real).is_file() else None
        # The kernel itself says what exists: of most names nothing does, and `absent/../lib.so` does not.
        return os.path.realpath(path) if os.path.isfile(path) else None  # noqa: PTH113 - asked thousands of times

    def object(self, realpath: str) -> ObjectFacts | None:
        """Return the facts of the ELF file at `realpath`, or None where it is absent, unreadable or not ELF."""
        found = self.read(realpath)
        return None if found is None else found[0]

    def read(self, realpath: str) -> tuple[ObjectFacts, NameTable] | None:
        """Return the facts and the symbol names of a file, or None as `object` does."""
        if realpath not in self._objects:
            self._objects[realpath] = self._load(realpath)
        return self._objects[realpath]

    def names(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return the names behind keys, of the objects that were read so far."""
        return find_names(keys, (loaded[1] for loaded in self._objects.values() if loaded is not None))

    def content(self, realpath: str) -> bytes:
        """Return the bytes of a file. Raises OSError."""
        return self._at(realpath).read_bytes()

    def link(self, path: str) -> str | None:
        """Return the target of a symbolic link, None for anything else."""
        try:
            return str(self._at(path).readlink())
        except OSError:
            return None

    def _at(self, path: str) -> Path:
        return Path(self._root + path)

    def _load(self, realpath: str) -> tuple[ObjectFacts, NameTable] | None:
        try:
            with self._at(realpath).open("rb") as file:
                if os.fstat(file.fileno()).st_size == 0:
                    return None
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if mapped[:4] != b"\x7fELF":
                return None
            return read_object(Ranges.whole(mapped), realpath)
        except (OSError, ElfError) as error:
            self.not_analysed.append(NotAnalysed(realpath, f"this host's file could not be read: {error}"))
            return None
