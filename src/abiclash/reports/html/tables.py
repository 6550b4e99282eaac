"""Names that are said many times are shipped once, each fit to be shown, and meant by their number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.demangle import demangle
from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case

HOST = -1
_READABLE = 600
"""Characters of a demangled name: templates are long, and what tells two of them apart may stand far behind."""


@dataclass(slots=True)
class Tables:
    """packages: names. objects: [path, number of its package or HOST]. symbols: raw names."""

    case: Case
    packages: list[str] = field(init=False)
    objects: list[tuple[str, int]] = field(default_factory=list)
    symbols: dict[str, int] = field(default_factory=dict)
    _package: dict[str, int] = field(init=False)
    _files: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.packages = list(self.case.packages)
        self._package = {package: number for number, package in enumerate(self.packages)}

    def package(self, name_: str | None) -> int:
        """Return a package's number; HOST for what no package brings."""
        return HOST if name_ is None else self._package.get(name_, HOST)

    def object(self, file: int) -> int:
        """Return the number of a file of the world."""
        if file not in self._files:
            self._files[file] = len(self.objects)
            self.objects.append((name(self.case.path(file)), self.package(self.case.owner(file))))
        return self._files[file]

    def symbol(self, raw: str) -> int:
        """Return a symbol's number."""
        return self.symbols.setdefault(raw, len(self.symbols))

    def shown_symbols(self) -> list[tuple[str, str] | tuple[str]]:
        """Return raw names, and beside them the readable form where there is one."""
        coded = {raw: raw.encode("utf-8", "surrogateescape") for raw in self.symbols}
        readable = demangle(coded.values())
        return [_pair(raw, readable[code]) for raw, code in coded.items()]


def names_of(packages: Iterable[str]) -> list[str]:
    """Return package names fit to be shown."""
    return [name(package) for package in packages]


def _pair(raw: str, readable: str) -> tuple[str, str] | tuple[str]:
    return (name(raw),) if readable == raw else (name(raw), name(readable, _READABLE))
