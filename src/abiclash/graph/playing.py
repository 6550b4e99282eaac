"""Further orders, played and judged as in a scan: an answer is worth what the model says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from abiclash.rules import judging
from abiclash.rules.model import Severity
from abiclash.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.rules.model import Finding
    from abiclash.scanning import Scanned


class Judge(Protocol):
    """Imports some of a scan's packages, in this order or in every one that matters, and returns the errors."""

    def __call__(self, names: Sequence[str], *, every: bool = False) -> list[Finding]: ...


def judge_of(scanned: Scanned) -> Judge:
    """Return who judges further orders of a scan's packages."""

    def judge(names: Sequence[str], *, every: bool = False) -> list[Finding]:
        case = scanned.case
        packages = {name: replace(case.packages[name], requested=True) for name in names}
        packages |= {name: replace(each, requested=False) for name, each in case.packages.items() if name not in names}
        played = simulate(
            scanned.player,
            packages,
            case.owners,
            case.names,
            every=every,
            plans=case.plans,
            descriptors=case.descriptors,
        )
        return [finding for finding in judging.judge(played) if finding.severity is Severity.ERROR]

    return judge
