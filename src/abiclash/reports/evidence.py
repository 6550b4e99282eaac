"""The evidence of a finding as text: objects, symbols, who binds where, and whatever else its rule noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.reports.safe import name
from abiclash.reports.symbols import bindings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from abiclash.reports.paint import Paint
    from abiclash.rules.model import Finding

_SHOWN = 8


def evidence_lines(finding: Finding, names: Mapping[str, str], paint: Paint, *, everything: bool) -> Iterator[str]:
    """Yield the lines of one finding; lists are cut at eight entries unless `everything` is wanted.

    names: raw symbol -> demangled form, where there is one.
    """
    yield from _listing("objects", [name(path) for path in finding.objects], paint, everything)
    rows = bindings(finding)
    bound = {row.get("symbol") for row in rows}
    symbols = [symbol for symbol in finding.symbols if symbol not in bound]
    yield from _listing("symbols", [_symbol(symbol, names) for symbol in symbols], paint, everything)
    yield from _bindings(rows, names, paint, everything)
    for key, value in finding.evidence.items():
        if key != "stage" and not (key == "bindings" and rows):
            yield from _value(_key(key), value, names, paint, everything, indent=4)


def _symbol(symbol: str, names: Mapping[str, str]) -> str:
    raw = name(symbol)
    return f"{name(names[symbol])}  ({raw})" if symbol in names else raw


def _listing(title: str, entries: Sequence[str], paint: Paint, everything: bool, indent: int = 4) -> Iterator[str]:
    if not entries:
        return
    yield " " * indent + paint(f"{title}:", "dim")
    shown = entries if everything else entries[:_SHOWN]
    for entry in shown:
        yield from _beside(entry, paint, indent + 2)
    yield from _rest(len(entries) - len(shown), paint, indent + 2)


def _beside(entry: str, paint: Paint, indent: int) -> Iterator[str]:
    """Yield a name; its raw form stands below it where a line has no room for both."""
    yield from paint.columns([entry.split("  ")], indent, stack=True)


def _rest(hidden: int, paint: Paint, indent: int) -> Iterator[str]:
    if hidden:
        yield from paint.fold(
            paint(f"... and {hidden:,} more (all of them: -v, or --format json)", "dim"), indent, hang=2
        )


def _bindings(
    rows: Sequence[Mapping[str, object]], names: Mapping[str, str], paint: Paint, everything: bool
) -> Iterator[str]:
    """Yield who binds where, symbol by symbol."""
    by_symbol: dict[str, list[Mapping[str, object]]] = {}
    for row in rows:
        by_symbol.setdefault(str(row.get("symbol", "")), []).append(row)
    if not by_symbol:
        return
    yield "    " + paint("who binds where:", "dim")
    shown = list(by_symbol.items()) if everything else list(by_symbol.items())[:_SHOWN]
    for symbol, uses in shown:
        yield from _beside(_symbol(symbol, names), paint, 6)
        yield from paint.columns([_use(use) for use in uses], indent=8, stack=True)
    yield from _rest(len(by_symbol) - len(shown), paint, 6)


def _use(row: Mapping[str, object]) -> tuple[str, str]:
    alone = row.get("alone")
    target = f"-> {name(str(row.get('to')))}"
    return name(str(row.get("from"))), f"{target}  (alone: {name(str(alone))})" if alone else target


def _value(
    key: str, value: object, names: Mapping[str, str], paint: Paint, everything: bool, indent: int
) -> Iterator[str]:
    """Yield a JSON value under its key: what fits stands on one line, the rest is indented below it."""
    if isinstance(value, dict):
        yield " " * indent + paint(f"{key}:", "dim")
        for inner, item in value.items():
            yield from _value(_key(inner), item, names, paint, everything, indent + 2)
    elif isinstance(value, list | tuple):
        if not value:
            return
        yield " " * indent + paint(f"{key}:", "dim")
        shown = value if everything else value[:_SHOWN]
        for item in shown:
            yield from _entry(item, names, paint, everything, indent + 2)
        yield from _rest(len(value) - len(shown), paint, indent + 2)
    else:
        yield from paint.fit(f"{paint(f'{key}:', 'dim')} {_flat(value, names)}", indent)


def _entry(item: object, names: Mapping[str, str], paint: Paint, everything: bool, indent: int) -> Iterator[str]:
    """Yield one entry of a list: on one line, or an object key by key."""
    line = _flat(item, names)
    if not isinstance(item, dict) or indent + len(line) <= paint.width:
        yield from paint.fit(line, indent)
        return
    mark = "- "
    for inner, value in item.items():
        first, *more = _value(_key(inner), value, names, paint, everything, indent + 2) or [""]
        yield " " * indent + mark + first.lstrip(" ")
        yield from more
        mark = "  "


def _key(text: object) -> str:
    return name(str(text)).replace("_", " ")


def _flat(value: object, names: Mapping[str, str]) -> str:
    """Return a JSON value on one line, symbols with their demangled form."""
    if isinstance(value, dict):
        return ", ".join(f"{_key(key)}: {_flat(item, names)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_flat(item, names) for item in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    return f"{value:,}" if isinstance(value, int) else _symbol(str(value), names)
