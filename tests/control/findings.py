"""Findings of every severity, audience and confidence, to be filtered."""

from __future__ import annotations

from abiclash.rules.model import Audience, Confidence, Finding, PackageId, Severity, fingerprint


def finding(
    rule: str = "split-state",
    severity: Severity = Severity.WARNING,
    audience: Audience = Audience.USER,
    confidence: Confidence = Confidence.CERTAIN,
    packages: tuple[str, ...] = ("first", "second"),
) -> Finding:
    """Return a finding whose id follows from its rule and packages."""
    return Finding(
        id=fingerprint(rule, packages, ()),
        rule=rule,
        severity=severity,
        confidence=confidence,
        audience=audience,
        packages=tuple(PackageId(name, "1.0") for name in packages),
        summary=f"{rule} of {' and '.join(packages)}.",
        explanation="",
        advice=(),
    )
