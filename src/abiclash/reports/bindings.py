"""Predicted bindings as JSON lines and as a table: of one process, or what differs between two."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

import numpy as np

from abiclash.linker.bindings import Bindings, collect, events
from abiclash.names import name_key
from abiclash.reports.safe import inert, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from abiclash.linker.process import Process
    from abiclash.reports.paint import Paint


class Names(Protocol):
    """Turns symbol keys into names; a key without a name is left out."""

    def __call__(self, keys: list[int]) -> dict[int, str]: ...


@dataclass(frozen=True, slots=True)
class Narrow:
    """Which bindings to show. symbol: a raw name or a pattern. object: a path, file name or pattern, of either end."""

    symbol: str | None = None
    object: str | None = None

    def __bool__(self) -> bool:
        return self.symbol is not None or self.object is not None

    def select(self, process: Process, bindings: Bindings, names: Names) -> Bindings:
        """Return the bindings that are meant."""
        keep = np.ones(len(bindings), dtype=np.bool_)
        if self.object is not None:
            files = [number for number, path in enumerate(process.world.paths) if _matches(path, self.object)]
            keep &= np.isin(bindings.source, files) | np.isin(bindings.target, files)
        if self.symbol is not None:
            keep &= np.isin(bindings.key, _keys(self.symbol, bindings.key[keep], names))
        return _rows(bindings, np.flatnonzero(keep))


def json_lines(process: Process, names: Names, narrow: Narrow) -> Iterator[str]:
    """Yield one JSON object per line: loads, failures and additions to the global scope, then the bindings.

    A narrowed list has the bindings only.
    """
    if narrow:
        records: Iterable[dict[str, object]] = _records(process, collect(process), names, narrow)
    else:
        records = events(process, lambda keys: _named(keys.tolist(), names))
    for record in records:
        yield json.dumps(inert(record)) + "\n"


def table(process: Process, names: Names, narrow: Narrow, paint: Paint) -> Iterator[str]:
    """Yield the bindings as aligned lines: symbol, who refers, who defines."""
    rows = [
        (_versioned(record), f"{name(str(record['from']))} -> {name(str(record['to']))}")
        for record in _records(process, collect(process), names, narrow)
    ]
    for line in paint.columns(rows):
        yield line + "\n"


def difference(one: Process, other: Process, names: Names, narrow: Narrow) -> list[dict[str, object]]:
    """Return what is bound differently in two processes of one world, by object and symbol.

    Each row is {"from", "symbol", "version", "first", "second"}: what the reference gets in either process, None
    where the object is not loaded, or where a weak reference stays without a definition.
    """
    if one.world is not other.world:
        raise ValueError("the processes are of two worlds: their file numbers mean different files")
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    for side, process, bindings in zip(("first", "second"), (one, other), _apart(one, other), strict=True):
        for record in _records(process, bindings, names, replace(narrow, object=None)):
            target = record.pop("to")
            kept = rows.setdefault(tuple(record.values()), {**record, "first": None, "second": None})
            kept[side] = target
    found = [rows[where] for where in sorted(rows, key=str)]
    return found if narrow.object is None else [row for row in found if _touches(row, narrow.object)]


def difference_lines(rows: Iterable[dict[str, object]], paint: Paint) -> Iterator[str]:
    """Yield rows of `difference` as text: the reference, then what it gets in either process."""
    row = None
    for row in rows:
        yield f"{name(str(row['from']))}: {paint(_versioned(row), 'bold')}\n"
        for side in ("first", "second"):
            target = row[side]
            yield f"  {side + ':':8} {paint('not bound', 'dim') if target is None else name(str(target))}\n"
    if row is None:
        yield "nothing is bound differently in the two orders\n"


def _apart(one: Process, other: Process) -> tuple[Bindings, Bindings]:
    """Return the bindings of two processes without those that they share."""
    sides = collect(one), collect(other)
    columns = [
        np.concatenate([getattr(side, column) for side in sides]) for column in ("target", "version", "key", "source")
    ]
    order = np.lexsort(columns)
    equal = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for column in columns:
        equal &= column[order[1:]] == column[order[:-1]]
    alone = np.ones(len(order), dtype=np.bool_)
    alone[order[1:][equal]] = alone[order[:-1][equal]] = False
    split = len(sides[0])
    return _rows(sides[0], np.flatnonzero(alone[:split])), _rows(sides[1], np.flatnonzero(alone[split:]))


def _records(process: Process, bindings: Bindings, names: Names, narrow: Narrow) -> Iterator[dict[str, object]]:
    shown = narrow.select(process, bindings, names)
    paths, versions = process.world.paths, process.world.versions.names
    columns = (shown.source.tolist(), _named(shown.key.tolist(), names), shown.version.tolist(), shown.target.tolist())
    for source, symbol, version, target in zip(*columns, strict=True):
        yield {"from": paths[source], "symbol": symbol, "version": versions[version] or None, "to": paths[target]}


def _named(keys: list[int], names: Names) -> list[str]:
    known = names(list(dict.fromkeys(keys)))
    return [known.get(key, f"key {key:016x}") for key in keys]


def _keys(symbol: str, keys: NDArray[np.uint64], names: Names) -> list[int]:
    """Return the keys of the names that a pattern means; a name without wildcards needs no look at any name."""
    if not any(char in symbol for char in "*?["):
        return [name_key(symbol)]
    return [key for key, text in names(np.unique(keys).tolist()).items() if fnmatchcase(text, symbol)]


def _matches(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)


def _touches(row: dict[str, object], pattern: str) -> bool:
    return any(_matches(str(row[end]), pattern) for end in ("from", "first", "second"))


def _rows(bindings: Bindings, rows: NDArray[np.integer]) -> Bindings:
    return replace(bindings, **{column: getattr(bindings, column)[rows] for column in Bindings.__slots__})


def _versioned(record: dict[str, object]) -> str:
    version = record["version"]
    return name(str(record["symbol"])) + (f"@{name(str(version))}" if version else "")
