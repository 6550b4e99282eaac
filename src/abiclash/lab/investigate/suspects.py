"""Hypotheses, the likeliest first: what rules say, then what differs between the failing and the working run."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from abiclash.lab.investigate.difference import displaced
from abiclash.lab.investigate.result import Suspect
from abiclash.rules.model import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from abiclash.lab.investigate.result import Change, Load, Outcome
    from abiclash.rules.model import Finding


def suspects(
    changes: Sequence[Change],
    failing_loads: Sequence[Load],
    passing_loads: Sequence[Load],
    findings: Iterable[Finding],
    outcome: Outcome,
) -> list[Suspect]:
    """Return distinct hypotheses in the order in which to try them."""
    owner = {load.path: load.package for load in failing_loads}
    found: list[Suspect] = []
    if "static TLS block" in outcome.detail:
        found.append(Suspect("static-tls", "", ""))
    found += _from_findings(changes, findings, owner)
    pairs = displaced(failing_loads, passing_loads)
    found += [Suspect("library", here, owner[here], (), finding=there) for here, there in pairs]
    found += _from_changes(changes, owner)
    distinct: dict[tuple[str, str, tuple[str, ...]], Suspect] = {}
    for each in found:  # the same one twice keeps its first place
        distinct.setdefault((each.kind, each.object, each.symbols), each)
    return list(distinct.values())


def _from_findings(
    changes: Sequence[Change], findings: Iterable[Finding], owner: Mapping[str, str]
) -> Iterator[Suspect]:
    """Findings that name symbols whose bindings changed: the gravest first, of these the surest, the most precise."""

    def weight(finding: Finding) -> tuple[int, int, int]:
        return finding.severity.rank, list(Confidence).index(finding.confidence), len(finding.symbols)

    for finding in sorted(findings, key=weight):
        if finding.severity is Severity.NOTE:
            continue
        named = set(finding.symbols)
        symbols: dict[str, set[str]] = defaultdict(set)
        for change in changes:
            if change.symbol in named and owner.get(change.failing):
                symbols[change.failing].add(change.symbol)
        for path in sorted(symbols, key=lambda path: (-len(symbols[path]), path)):
            yield Suspect("definitions", path, owner[path], tuple(sorted(symbols[path])), finding.id, finding.summary)


def _from_changes(changes: Sequence[Change], owner: Mapping[str, str]) -> Iterator[Suspect]:
    """Objects of packages whose definitions others get, by how many references of others they got."""
    symbols: dict[str, set[str]] = defaultdict(set)
    weight: Counter[str] = Counter()
    for change in changes:
        package = owner.get(change.failing)
        if package and package != owner.get(change.source):
            symbols[change.failing].add(change.symbol)
            weight[change.failing] += 1
    for path, _ in sorted(weight.items(), key=lambda item: (-item[1], item[0])):
        yield Suspect("definitions", path, owner[path], tuple(sorted(symbols[path])))
