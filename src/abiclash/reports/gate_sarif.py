"""What `check` says of wheels, as SARIF: a maintainer's own wheels among the alerts of code scanning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash import __version__
from abiclash.reports import sarif
from abiclash.reports.gate import findings, worst
from abiclash.reports.safe import inert
from abiclash.rules.model import by_weight
from abiclash.rules.registry import rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from abiclash.reports.gate import Verdict
    from abiclash.reports.places import Place
    from abiclash.rules.model import Finding


def as_sarif(verdicts: Sequence[Verdict], places: Mapping[str, Place]) -> str:
    """Return the verdicts as one run. places: file name of a wheel -> where its findings are to be shown.

    What several wheels have in common is one result with the place of each.
    """
    found: dict[str, tuple[Finding, list[Verdict]]] = {}
    for verdict in verdicts:
        for identity, finding in {finding.id: finding for finding in findings(verdict.checked)}.items():
            found.setdefault(identity, (finding, []))[1].append(verdict)
    ordered = sorted(found.values(), key=lambda each: by_weight(each[0]))[: sarif.RESULTS]
    known = {entry.rule.id: entry for entry in rules()}
    used = {rule: index for index, rule in enumerate(sorted({finding.rule for finding, _ in ordered}))}
    log = sarif.log(
        category="check",
        version=__version__,
        descriptors=[sarif.descriptor(rule, known.get(rule)) for rule in used],
        results=[_result(finding, used[finding.rule], owners, places) for finding, owners in ordered],
        notifications=sarif.notifications(
            [entry for verdict in verdicts for entry in verdict.checked.not_analysed], len(found) - len(ordered)
        ),
        properties={
            "verdict": worst(verdicts),
            "wheels": [{"wheel": each.checked.filename, "verdict": each.verdict} for each in verdicts],
        },
    )
    return json.dumps(inert(log), indent=2) + "\n"


def _result(finding: Finding, index: int, owners: Sequence[Verdict], places: Mapping[str, Place]) -> dict[str, object]:
    where = {places[owner.checked.filename]: owner.checked.name for owner in owners}
    objects = finding.objects[: sarif.LISTED]
    locations = [
        sarif.location(project, place, () if number else objects)
        for number, (place, project) in enumerate(where.items())
    ]
    accepted = owners[0].accepted.get(finding.id)
    content = sarif.result_of(finding, index, locations[: sarif.LISTED], accepted)
    blocks = any(finding.id in owner.blocking for owner in owners)
    return content | {"properties": {"finding": sarif.values(finding), "blocks": blocks}}
