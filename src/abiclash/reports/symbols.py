"""Which symbol names a scan shows, and their demangled forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.demangle import demangle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from abiclash.rules.model import Finding


def readable(findings: Iterable[Finding]) -> dict[str, str]:
    """Return raw name -> demangled form of every symbol that the findings name, where that is another text."""
    raw = {name: _bytes(name) for finding in findings for name in _named(finding)}
    shown = demangle(raw.values())
    return {name: shown[key] for name, key in raw.items() if shown[key] != name}


def _bytes(name: str) -> bytes:
    """Return a name as in the file; in a report from elsewhere there may be surrogates that stand for no byte."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "replace")


def bindings(finding: Finding) -> list[Mapping[str, object]]:
    """Return the rows of `evidence["bindings"]`: {"symbol", "from", "to"} and, where it differs, "alone"."""
    rows = finding.evidence.get("bindings")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list | tuple) else []


def _named(finding: Finding) -> Iterator[str]:
    yield from finding.symbols
    for row in bindings(finding):
        symbol = row.get("symbol")
        if isinstance(symbol, str):
            yield symbol
