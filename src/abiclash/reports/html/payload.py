"""What the page's scripts are given: what can be shown, not everything that was played.

Bindings number a million; the page gets those that change between orders, grouped, with some symbols of each group.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import Place
from abiclash.names import name_keys
from abiclash.reports import orders
from abiclash.reports.html.changes import Changing, Group, changes
from abiclash.reports.html.graphs import graphs
from abiclash.reports.html.loads import loads
from abiclash.reports.html.tables import Tables, names_of
from abiclash.reports.safe import name
from abiclash.rules.case import Stage
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding, ScanResult

GROUPS = 2000
"""Groups of changing bindings: more than anyone reads."""
SAMPLES = 12
"""Symbols of a group."""
FINDING_SYMBOLS = 60
"""Symbols of a finding."""
_KINDS = {
    Place.TLS: "thread-local variable",
    Place.DATA: "variable",
    Place.BSS: "variable",
    Place.RELRO: "constant",
    Place.RODATA: "constant",
    Place.CODE: "function",
}
_OTHER = "symbol"

Ranked = tuple[Changing, Group]


def payload(result: ScanResult, findings: Sequence[Finding], case: Case) -> dict[str, object]:
    """Return what the scripts show, as JSON values with every name fit to be shown. findings: those of the page."""
    tables = Tables(case)
    runs = [*case.together, *case.alone.values()]
    parts: dict[str, object] = {
        "orders": _orders(runs, result),
        "pair": _pair(runs, findings),
        "loads": loads(runs, tables),
        "changes": _changes(runs, findings, tables),
        "graphs": graphs(tables, findings),
        "findings": [_finding(finding, runs, tables) for finding in findings],
    }
    tail = {"packages": names_of(tables.packages), "objects": tables.objects, "symbols": tables.shown_symbols()}
    return parts | tail


def _orders(runs: Sequence[Run], result: ScanResult) -> list[dict[str, object]]:
    """Return [{"order": number, "label", "use": with all that packages load later, "alone", "verdict"}]."""
    numbers: dict[tuple[str, ...], int] = {}
    verdicts = {verdict.order: verdict.outcome.value for verdict in result.orders}
    given = next((run.order for run in runs if len(run.order) > 1), ())
    entries: list[dict[str, object]] = []
    for run in runs:
        alone = len(run.order) == 1
        label = f"{name(run.order[0])} alone" if alone else orders.against(run.order, given)
        number = numbers.setdefault(run.order, len(numbers))
        use = int(run.stage is Stage.USE)
        entry: dict[str, object] = {"order": number, "label": label, "use": use, "alone": int(alone)}
        if run.order in verdicts:
            entry["verdict"] = verdicts[run.order]
        entries.append(entry)
    return entries


def _pair(runs: Sequence[Run], findings: Iterable[Finding]) -> list[int]:
    """Return the two runs to compare first: where something fails and where it does not, else the first two."""
    pairs = (_pair_of(finding, runs) for finding in findings)
    first = [number for number, run in enumerate(runs) if run.stage is Stage.IMPORT][:2]
    return next((pair for pair in pairs if pair), first)


def _pair_of(finding: Finding, runs: Sequence[Run]) -> list[int] | None:
    """Return the runs of the failing and of the safe order."""
    imports = {run.order: number for number, run in enumerate(runs) if run.stage is Stage.IMPORT}
    pair = [imports[order] for order in (finding.failing_order, finding.safe_order) if order in imports]
    return pair if len(pair) == 2 else None


def _changes(runs: Sequence[Run], findings: Sequence[Finding], tables: Tables) -> dict[str, object]:
    """Return {"files": [[object, variant of each run]], "groups": [...], "left_out": [groups, references]}."""
    found = list(changes(runs, tables.case.world))
    told = _told(findings)
    ranked: list[Ranked] = [(changing, group) for changing in found for group in changing.groups]
    ranked.sort(key=lambda pair: _rank(pair, told))
    shown, rest = ranked[:GROUPS], ranked[GROUPS:]
    files = list(dict.fromkeys(changing.file for changing, _ in shown))
    variants = {changing.file: changing.variant for changing in found}
    names = _names(shown, told, tables.case)
    return {
        "files": [[tables.object(file), list(variants[file])] for file in files],
        "groups": [_group(pair, files, told, names, tables) for pair in shown],
        "left_out": [len(rest), sum(len(group.keys) for _, group in rest)],
    }


def _told(findings: Iterable[Finding]) -> NDArray[np.uint64]:
    """Return the keys of symbols that errors and warnings name: they come first."""
    grave = (finding for finding in findings if finding.severity is not Severity.NOTE)
    names = sorted({symbol for finding in grave for symbol in finding.symbols})
    raw = [text.encode("utf-8", "surrogateescape") for text in names]
    length = np.array([len(text) for text in raw], dtype=np.int64)
    return name_keys(b"".join(raw), np.cumsum(length) - length, length) if raw else np.zeros(0, dtype=np.uint64)


def _rank(pair: Ranked, told: NDArray[np.uint64]) -> tuple[int, int, int, int, tuple[int, ...]]:
    changing, group = pair
    named = int(np.count_nonzero(np.isin(group.keys, told)))
    return -named, -group.variables, -len(group.keys), changing.file, group.targets


def _sample(group: Group, told: NDArray[np.uint64]) -> list[int]:
    """Return keys to show: what findings name, then variables, then by key."""
    variable = np.isin(group.places, (Place.TLS, Place.DATA, Place.BSS))
    order = np.lexsort((group.keys, ~variable, ~np.isin(group.keys, told)))
    keys: list[int] = group.keys[order[:SAMPLES]].tolist()
    return keys


def _names(shown: Iterable[Ranked], told: NDArray[np.uint64], case: Case) -> dict[int, str]:
    return case.names(sorted({key for _, group in shown for key in _sample(group, told)}))


def _group(
    pair: Ranked, files: Sequence[int], told: NDArray[np.uint64], names: dict[int, str], tables: Tables
) -> dict[str, object]:
    """Return {"file": number in files, "to": object or -1 for each variant, "n", "kinds", "symbols": some}."""
    changing, group = pair
    kinds = Counter(_KINDS.get(Place(place), _OTHER) for place in group.places.tolist())
    return {
        "file": files.index(changing.file),
        "to": [-1 if target < 0 else tables.object(target) for target in group.targets],
        "n": len(group.keys),
        "kinds": dict(sorted(kinds.items())),
        "symbols": [tables.symbol(names[key]) for key in _sample(group, told)],
    }


def _finding(finding: Finding, runs: Sequence[Run], tables: Tables) -> dict[str, object]:
    """Return what a search needs of a finding; the page itself has its text."""
    return {
        "id": finding.id,
        "title": ", ".join(name(str(package)) for package in finding.packages[:4]),
        "rule": finding.rule,
        "severity": finding.severity.value,
        "symbols": [tables.symbol(symbol) for symbol in finding.symbols[:FINDING_SYMBOLS]],
        "more": max(0, len(finding.symbols) - FINDING_SYMBOLS),
        "pair": _pair_of(finding, runs),
    }
