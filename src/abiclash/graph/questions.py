"""What users ask of a set: who is in the middle, what has to change, which orders work."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.graph.hitting import Hitting, minimum
from abiclash.graph.model import EdgeKind, NodeKind
from abiclash.graph.narrow import to_packages
from abiclash.graph.orders import SafeOrder, safe_order
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.graph.model import Graph
    from abiclash.graph.playing import Judge
    from abiclash.rules.model import Finding, ScanResult

_HARMFUL = (EdgeKind.CAPTURES, EdgeKind.SHADOWS, EdgeKind.DIFFERS_IN_ABI, EdgeKind.SHARES_SONAME)
_ROUNDS = 3


@dataclass(frozen=True, slots=True, order=True)
class Hub:
    """How much a package collides. errors, warnings: findings that name it and another package, or the host.

    partners: the other packages that these name. ties: symbols and library names by which it reaches into others.
    """

    package: str
    errors: int
    warnings: int
    partners: tuple[str, ...]
    ties: int


@dataclass(frozen=True, slots=True)
class Change:
    """Which packages have to change so that no order has an error.

    hitting: smallest sets that touch every error. checked: the model played all others without the first of them, in
    every order that matters, and found no error; None where fewer than two are left. blameless: ids of errors that
    name no package, so no change of one helps.
    """

    hitting: Hitting
    checked: bool | None
    blameless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """hubs: the worst first; packages that collide with nobody are not among them."""

    hubs: tuple[Hub, ...]
    change: Change
    order: SafeOrder


def ask(result: ScanResult, graph: Graph, judge: Judge) -> Answers:
    """Answer from a scan, its graph and, where an answer can be checked, by playing it."""
    errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
    names = tuple(node.name for node in graph.nodes if node.kind is NodeKind.PACKAGE and node.requested)
    played = [verdict.order for verdict in result.orders]
    return Answers(
        hubs=tuple(_hubs(graph, result.findings)),
        change=_change(names, errors, judge),
        order=safe_order(names, played, errors, judge),
    )


def _hubs(graph: Graph, findings: Iterable[Finding]) -> list[Hub]:
    packages = to_packages(graph)
    ties: dict[str, int] = defaultdict(int)
    for edge in packages.edges:
        if edge.kind in _HARMFUL:
            ends = (edge.source, edge.target) if edge.kind.mutual else (edge.source,)
            for end in ends:
                ties[packages.nodes[end].name] += edge.weight
    counts: dict[str, Counter[Severity]] = defaultdict(Counter)
    partners: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        names = {package.name for package in finding.packages}
        for name in (
            names if finding.severity is not Severity.NOTE and (len(names) > 1 or finding.failing_order) else ()
        ):
            counts[name][finding.severity] += 1
            partners[name] |= names - {name}
    hubs = [
        Hub(name, count[Severity.ERROR], count[Severity.WARNING], tuple(sorted(partners[name])), ties[name])
        for name, count in counts.items()
    ]
    return sorted(hubs, key=lambda hub: (-hub.errors, -hub.warnings, -len(hub.partners), -hub.ties, hub.package))


def _change(names: Sequence[str], errors: Sequence[Finding], judge: Judge) -> Change:
    """Find the smallest sets, and play the set without the first of them: what it hid until then counts as well."""
    sets = [{package.name for package in error.packages} for error in errors]
    blameless = tuple(error.id for error, named in zip(errors, sets, strict=True) if not named)
    sets = [named for named in sets if named]
    hitting, checked = minimum(sets), None
    for _ in range(_ROUNDS):
        left = [name for name in names if name not in hitting.sets[0]]
        if not sets or not left:
            break
        found = [{package.name for package in error.packages} for error in judge(left, every=True)]
        checked = not found
        new = [named for named in found if named and not named & set(hitting.sets[0])]
        if not new:
            break
        sets += new
        hitting = minimum(sets)
    return Change(hitting, checked, blameless)
