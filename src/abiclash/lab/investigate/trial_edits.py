"""The edits of an experiment: which files of the copy get which bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.errors import LabError
from abiclash.lab.investigate.edits import Symbols, rename_library

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from abiclash.lab.investigate.overlay import Overlay

HIDE, WITHDRAW = "hide", "withdraw"


class Editor:
    """Makes edited files. site: folder of site-packages relative to the environment; paths are relative to it."""

    def __init__(self, overlay: Overlay, site: str) -> None:
        self._overlay = overlay
        self._site = site
        self._read: dict[str, bytes] = {}

    def key(self, path: str) -> str:
        """The file as `Overlay` calls it."""
        return f"{self._site}/{path}"

    def place(self, path: str) -> str:
        """The file's path in the copy, for a program to open; the host's files are where they are."""
        if path.startswith("/"):
            return path
        return str(self._overlay.path / self._site / path)

    def exporters(self, paths: Iterable[str], names: Collection[str]) -> tuple[str, ...]:
        """Return those of the objects that define one of the names for others."""
        return tuple(path for path in paths if self._exports(path, names))

    def names(self, path: str, library: str) -> bool:
        """Whether an object is a library, or has its file name in its dynamic strings (because it needs it)."""
        name = library.rpartition("/")[2].encode()
        return path == library or b"\0" + name + b"\0" in self.read(path)

    def exported(self, path: str) -> list[str]:
        return self._symbols(path).exported()

    def changed(self, paths: Iterable[str], names: Collection[str], mode: str) -> dict[str, bytes]:
        """Hide or withdraw the definitions of `names` in the objects."""
        edits = {}
        for path in paths:
            symbols = self._symbols(path)
            count = symbols.hide(names) if mode == HIDE else symbols.withdraw(names)
            if count:
                edits[self.key(path)] = bytes(symbols.data)
        return edits

    def exposing(self, path: str, names: Collection[str]) -> dict[str, bytes]:
        """Hide all definitions of one object but those of `names`."""
        symbols = self._symbols(path)
        symbols.hide_all_but(names)
        return {self.key(path): bytes(symbols.data)}

    def renamed(self, path: str, paths: Iterable[str]) -> dict[str, bytes]:
        """Give a library a name of its own, in itself and in those objects that need it; the old file stays as well."""
        folder, _, old = path.rpartition("/")
        new = _other_name(old)
        edits = {}
        for each in dict.fromkeys([path, *paths]):
            before = self.read(each)
            after = rename_library(before, old, new)
            if each == path:
                edits[self.key(f"{folder}/{new}" if folder else new)] = after
            elif after != before:
                edits[self.key(each)] = after
        return edits

    def _exports(self, path: str, names: Collection[str]) -> bool:
        try:
            return bool(self._symbols(path).exports(names))
        except LabError:
            return False

    def _symbols(self, path: str) -> Symbols:
        return Symbols(self.read(path), path)

    def read(self, path: str) -> bytes:
        """Return an original file; the few objects that an experiment edits are edited again and again."""
        if path not in self._read:
            self._read[path] = self._overlay.read(self.key(path))
        return self._read[path]


def _other_name(name: str) -> str:
    """A name of the same length that is no one else's: its third letter but `lib` becomes another one."""
    at = 3 if name.startswith("lib") and len(name) > 3 else 0
    return name[:at] + ("Q" if name[at] != "Q" else "R") + name[at + 1 :]
