"""Which findings a reader wants to see.

Audiences widen: a maintainer also reads what users read, a researcher reads everything. Errors pass every filter but
`--rule`: what the model shows to fail is not a matter of taste.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.rules.model import Audience, Confidence, Severity

if TYPE_CHECKING:
    from abiclash.rules.model import Finding

_AUDIENCES = list(Audience)
_CONFIDENCES = list(Confidence)


@dataclass(frozen=True, slots=True)
class Filters:
    """severity, confidence: the least that is wanted. audience: who reads. rules: ids; empty for all."""

    severity: Severity = Severity.NOTE
    confidence: Confidence = Confidence.POSSIBLE
    audience: Audience = Audience.RESEARCHER
    rules: frozenset[str] = frozenset()

    def counts(self, finding: Finding) -> bool:
        """Whether a finding concerns this reader: by audience and confidence, and an error always."""
        if finding.severity is Severity.ERROR:
            return True
        heard = _AUDIENCES.index(finding.audience) <= _AUDIENCES.index(self.audience)
        return heard and _CONFIDENCES.index(finding.confidence) <= _CONFIDENCES.index(self.confidence)

    def shows(self, finding: Finding) -> bool:
        """Whether to show it."""
        wanted = not self.rules or finding.rule in self.rules
        return wanted and finding.severity.rank <= self.severity.rank and self.counts(finding)
