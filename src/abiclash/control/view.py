"""A scan's findings as they are to be shown and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.control.filters import Filters
from abiclash.control.suppressions import State, state
from abiclash.rules.model import Severity, by_weight

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from abiclash.control.baseline import Baseline
    from abiclash.control.suppressions import Suppression
    from abiclash.rules.model import Finding


@dataclass(frozen=True, slots=True)
class Entry:
    """A suppression and what became of it. findings: ids of those that it is about, sorted."""

    suppression: Suppression
    state: State
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """findings: those to be shown, the gravest first; suppressed ones are not among them.

    accepted: those that a suppression takes out. hidden: how many others the filters leave out, by severity.
    counted: those that can fail the run. suppressed: id -> why. known: ids that the baseline has. gone: ids of the
    baseline that are found no more; None without a baseline.
    """

    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...] = ()
    hidden: Mapping[Severity, int] = field(default_factory=dict)
    counted: tuple[Finding, ...] = ()
    suppressed: Mapping[str, Suppression] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    known: frozenset[str] = frozenset()
    gone: tuple[str, ...] | None = None

    def fails(self, threshold: Severity | None) -> bool:
        """Whether something counts that is at or above a severity; None: nothing ever does."""
        return threshold is not None and any(finding.severity.rank <= threshold.rank for finding in self.counted)


def everything(findings: Iterable[Finding]) -> View:
    """Return a view without any filter."""
    return view(tuple(findings), Filters(), Filters())


def view(
    findings: Sequence[Finding],
    shown: Filters,
    counted: Filters,
    suppressions: Sequence[Suppression] = (),
    baseline: Baseline | None = None,
    today: dt.date | None = None,
) -> View:
    """Sort findings by what becomes of them. shown, counted: what is displayed, and what may fail the run.

    today: needed with suppressions. The first suppression that fits a finding is the one that is told.
    """
    ordered = sorted(findings, key=by_weight)
    entries = tuple(_entry(suppression, ordered, today) for suppression in suppressions) if today else ()
    suppressed: dict[str, Suppression] = {}
    for entry in entries:
        if entry.state is State.ACTIVE:
            for identity in entry.findings:
                suppressed.setdefault(identity, entry.suppression)
    left = [finding for finding in ordered if finding.id not in suppressed]
    ids = {finding.id for finding in ordered}
    known = baseline.ids & ids if baseline is not None else frozenset()
    return View(
        findings=tuple(finding for finding in left if shown.shows(finding)),
        accepted=tuple(finding for finding in ordered if finding.id in suppressed),
        hidden=Counter(finding.severity for finding in left if not shown.shows(finding)),
        counted=tuple(finding for finding in left if finding.id not in known and counted.counts(finding)),
        suppressed=suppressed,
        entries=entries,
        known=frozenset(known),
        gone=tuple(sorted(baseline.ids - ids)) if baseline is not None else None,
    )


def _entry(suppression: Suppression, findings: Sequence[Finding], today: dt.date) -> Entry:
    matching = tuple(sorted(finding.id for finding in findings if suppression.matches(finding)))
    return Entry(suppression, state(suppression, findings, today), matching)
