"""The loads that an import makes, and how sure each of them is."""

from __future__ import annotations

from dataclasses import dataclass

from abiclash.imports.execute import Executor
from abiclash.imports.flags import RTLD_GLOBAL, RTLD_NOW
from abiclash.imports.values import (
    POSSIBLE,
    Frame,
    Module,
    Value,
)


@dataclass(repr=False, slots=True)
class Entry:
    """One load as it is found; `plan` makes a `Load` of it. sequence: when it happens."""

    path: str
    flags: int
    kind: str
    file: str
    line: int
    text: str
    doubt: int
    module: str | None
    sequence: int


class Loads(Executor):
    """Notes loads. A module that is imported again with less doubt takes all that it caused with it."""

    def __init__(self) -> None:
        super().__init__()
        self.flags = RTLD_NOW  # what CPython opens extension modules with, as sys.setdlopenflags left it
        self.base = 0  # doubt of the module that is being executed
        self.entries: list[Entry] = []
        self._sequence = 0
        self._loaded: dict[str, int] = {}

    def edge(self, module: Module) -> None:
        if self.current is not None:
            self.current.edges.append((module, self.local))

    def reached(self, value: Value) -> None:
        """Note that a module in sys.modules is imported again, maybe with less doubt than before."""
        if isinstance(value, Module):
            if self.local < POSSIBLE or value.doubt:
                self.edge(value)
            self.promote(value, max(self.base, self.local))

    def doubted(self, value: Value) -> bool:
        return isinstance(value, Module) and value.doubt > max(self.base, self.local)

    def promote(self, module: Module, doubt: int) -> None:
        """Lower a module's doubt, and that of all that its import causes; what was only possible happens now."""
        if doubt >= module.doubt:
            return
        module.doubt = doubt
        for index, local in module.loads:
            entry = self.entries[index]
            new = max(doubt, local)
            if new < entry.doubt:
                self._surer(entry, new)
        for child, local in module.edges:
            self.promote(child, max(doubt, local))

    def _surer(self, entry: Entry, doubt: int) -> None:
        """Lower a load's doubt. One that was only possible happens now, and so do those possible ones that follow it:
        where they happen at all, they come after it.
        """
        if entry.doubt == POSSIBLE:
            following = [e for e in self.entries if e.doubt == POSSIBLE and e.sequence > entry.sequence]
            for moved in (entry, *sorted(following, key=lambda e: e.sequence)):
                self._sequence += 1
                moved.sequence = self._sequence
        entry.doubt = doubt

    def load_extension(self, module: Module, frame: Frame | None) -> None:
        self.load(module.found.path, self.flags, frame, f"import {module.name}", module.name)
        index = self._loaded[module.found.path]
        module.loads.append((index, 0))

    def load(self, path: str, flags: int, frame: Frame | None, text: str, name: str | None = None) -> None:
        """Note a dlopen. A second one of the same path counts only where it is surer or brings other flags."""
        doubt = max(self.base, self.local)
        index = self._loaded.get(path)
        if index is not None and not (flags & RTLD_GLOBAL and not self.entries[index].flags & RTLD_GLOBAL):
            entry = self.entries[index]
            if doubt < entry.doubt:
                self._surer(entry, doubt)
        else:
            self._sequence += 1
            from_c = frame is not None and frame.module.found.kind == "extension" and not frame.line
            kind = "string" if from_c else "source"
            place = (frame.path, frame.line) if frame is not None else ("", 0)
            index = self._loaded[path] = len(self.entries)
            self.entries.append(Entry(path, flags, kind, *place, text, doubt, name, self._sequence))
        if self.current is not None:
            self.current.loads.append((index, self.local))
