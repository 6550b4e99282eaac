"""The verdict of a scan in one sentence, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.reports import orders
from abiclash.reports.safe import name
from abiclash.rules.model import Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.control.view import View
    from abiclash.rules.model import ScanResult, Verdict

ORDERS = 200
"""Orders that are listed."""
UNFOLDED = 8
"""Orders that are listed in sight."""


@dataclass(frozen=True, slots=True)
class Headline:
    """tone: "bad", "warn", "good" or "none", for its colour. said: the verdict. about: whom it concerns."""

    tone: str
    said: str
    about: str


def headline(result: ScanResult, view: View) -> Headline:
    """Return what a reader should know first."""
    total = len(result.orders)
    bad = [verdict for verdict in result.orders if verdict.outcome is not Outcome.CLEAN]
    errors = sum(finding.severity is Severity.ERROR for finding in view.findings)
    warned = any(finding.severity is Severity.WARNING for finding in view.findings)
    about = _about(result)
    if not total:
        return Headline("none", "Nothing could be played.", about)
    if bad and len(bad) < total:
        verb = "breaks" if len(bad) == 1 else "break"
        return Headline("bad", f"The import order decides: {len(bad)} of {total} orders {verb}.", about)
    if bad:
        whole = "Every import order breaks." if total > 1 else "The import breaks."
        return Headline("bad", whole, about)
    if errors:
        return Headline("bad", f"{errors} error{'s' * (errors != 1)}, in whatever order.", about)
    many = "Both import orders are clean" if total == 2 else f"All {total} import orders are clean"
    clean = many if total > 1 else "The import is clean"
    limit = ", as far as could be read" if result.not_analysed else ", with warnings" * warned
    return Headline("warn" if limit else "good", f"{clean}{limit}.", about)


def listed(verdicts: Sequence[Verdict]) -> tuple[list[dict[str, object]], int]:
    """Return orders to list, those that break first, and how many clean ones are left out."""
    given = verdicts[0].order if verdicts else ()
    ranked = sorted(verdicts, key=lambda verdict: verdict.outcome is Outcome.CLEAN)
    shown: list[dict[str, object]] = [
        {
            "order": orders.against(verdict.order, given),
            "outcome": verdict.outcome.value,
            "clean": verdict.outcome is Outcome.CLEAN,
            "unresolved": verdict.coverage.references - verdict.coverage.resolved,
        }
        for verdict in ranked[:ORDERS]
    ]
    return shown, len(ranked) - len(shown)


def _about(result: ScanResult) -> str:
    given = result.orders[0].order if result.orders else ()
    versions = {package.name: package.version for package in result.packages}
    shown = [name(f"{package} {versions.get(package, '')}".rstrip()) for package in given[: orders.FEW]]
    rest = len(given) - len(shown)
    return f"{len(given)} packages: {', '.join(shown)} and {rest} more" if rest else ", ".join(shown)
