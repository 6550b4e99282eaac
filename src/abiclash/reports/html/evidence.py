"""A finding's evidence as what a template can show: lists, tables and pairs, cut where nobody reads on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.reports.safe import name
from abiclash.reports.symbols import bindings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from abiclash.rules.model import Finding

SHOWN = 20
_READABLE = 600
_DEPTH = 6


def evidence(finding: Finding, names: Mapping[str, str]) -> dict[str, object]:
    """Return {"objects", "bindings", "symbols", "more"}; lists as {"shown", "rest": how many are left out}.

    names: raw symbol -> demangled form, where there is one. Every string is fit to be shown.
    """
    rows = bindings(finding)
    bound = {row.get("symbol") for row in rows}
    symbols = [symbol for symbol in finding.symbols if symbol not in bound]
    rest = {key: value for key, value in finding.evidence.items() if not (key == "bindings" and rows)}
    return {
        "objects": _cut([name(path) for path in finding.objects[:SHOWN]], len(finding.objects)),
        "bindings": _cut([_binding(row, names) for row in rows[:SHOWN]], len(rows)),
        "symbols": _cut([symbol(raw, names) for raw in symbols[:SHOWN]], len(symbols)),
        "more": _pairs(rest.items(), 0),
    }


def symbol(raw: str, names: Mapping[str, str]) -> dict[str, str]:
    """Return {"raw", "readable"}; they are equal where a name has no other form."""
    return {"raw": name(raw), "readable": name(names.get(raw, raw), _READABLE)}


def _binding(row: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    shown: dict[str, object] = {side: name(str(row[side])) for side in ("from", "to", "alone") if row.get(side)}
    return shown | {"symbol": symbol(str(row.get("symbol", "")), names)}


def _cut(shown: Sequence[object], total: int) -> dict[str, object]:
    return {"shown": shown, "rest": total - len(shown)}


def _pairs(items: Iterable[tuple[object, object]], depth: int) -> list[dict[str, object]]:
    """Return [{"key", and "text", "list" or "pairs"}] of a JSON object's entries."""
    return [{"key": name(str(key)).replace("_", " "), **_value(value, depth)} for key, value in items]


def _value(value: object, depth: int) -> dict[str, object]:
    if isinstance(value, dict) and depth < _DEPTH:
        pairs = _pairs(list(value.items())[:SHOWN], depth + 1)
        return {"pairs": pairs, "rest": len(value) - len(pairs)}
    if isinstance(value, list | tuple):
        return {"list": [_flat(item) for item in value[:SHOWN]], "rest": max(0, len(value) - SHOWN)}
    return {"text": _flat(value)}


def _flat(value: object) -> str:
    """Return a JSON value on one line."""
    if isinstance(value, dict):
        parts = [f"{name(str(key)).replace('_', ' ')}: {_flat(item)}" for key, item in list(value.items())[:SHOWN]]
        return ", ".join(parts)
    if isinstance(value, list | tuple):
        return ", ".join(_flat(item) for item in value[:SHOWN]) + (", ..." if len(value) > SHOWN else "")
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    return f"{value:,}" if isinstance(value, int) else name(str(value))
