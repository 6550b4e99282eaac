"""A scan as JSON: versioned, described by schema/scan-1.json, the same bytes for the same result."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from abiclash.reports.safe import inert
from abiclash.reports.symbols import readable
from abiclash.rules.model import by_weight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.rules.model import Coverage, Finding, ScanResult


def render(result: ScanResult) -> str:
    """Return the JSON text of a scan, ended by a newline."""
    return json.dumps(inert(document(result)), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def schema() -> str:
    """Return the text of the JSON Schema that `render` keeps to."""
    return resources.files("abiclash.reports").joinpath("schema/scan-1.json").read_text("utf-8")


def document(result: ScanResult) -> dict[str, object]:
    """Return a scan as JSON values; the order of everything is fixed."""
    names = readable(result.findings)
    host = result.host
    return {
        "schema": result.schema,
        "tool": {"name": "abiclash", "version": result.version},
        "targets": list(result.targets),
        "packages": [
            {"name": p.name, "version": p.version, "wheel": p.wheel, "sha256": p.sha256}
            for p in sorted(result.packages)
        ],
        "host": {
            "profile": host.profile,
            "machine": host.machine,
            "libc": host.libc,
            "libc_version": host.libc_version,
            "python": host.python,
        },
        "orders": [
            {"order": list(v.order), "verdict": v.outcome.value, "coverage": _coverage(v.coverage)}
            for v in result.orders
        ],
        "findings": [_finding(finding, names) for finding in sorted(result.findings, key=by_weight)],
        "not_analysed": [{"what": n.what, "reason": n.reason} for n in sorted(set(result.not_analysed))],
        "coverage": _coverage(result.coverage),
    }


def _finding(finding: Finding, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "id": finding.id,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "audience": finding.audience.value,
        "packages": [{"name": p.name, "version": p.version} for p in finding.packages],
        "failing_order": None if finding.failing_order is None else list(finding.failing_order),
        "safe_order": None if finding.safe_order is None else list(finding.safe_order),
        "objects": list(finding.objects),
        "symbols": [{"name": symbol, "demangled": names.get(symbol)} for symbol in finding.symbols],
        "summary": finding.summary,
        "explanation": finding.explanation,
        "advice": [{"who": a.who, "text": a.text, "checked": a.checked} for a in finding.advice],
        "evidence": finding.evidence,
        "silent": finding.silent,
    }


def _coverage(coverage: Coverage) -> dict[str, object]:
    return {
        "references": coverage.references,
        "resolved": coverage.resolved,
        "objects": coverage.objects,
        "objects_read": coverage.objects_read,
        "loads": dict(sorted(coverage.loads.items())),
    }
