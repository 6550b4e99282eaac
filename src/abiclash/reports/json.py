"""A scan as JSON: versioned, described by schema/scan-1.json, the same bytes for the same result."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from abiclash.control.view import View, everything
from abiclash.reports.safe import inert
from abiclash.reports.symbols import readable
from abiclash.rules.model import Severity, by_weight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.control.suppressions import Suppression
    from abiclash.control.view import Entry
    from abiclash.reports.formats import Report
    from abiclash.rules.model import Coverage, Finding, Host, ScannedPackage, ScanResult


def report(report: Report) -> str:
    """Return a scan in this format (see `formats`)."""
    return render(report.result, report.view)


def render(result: ScanResult, view: View | None = None) -> str:
    """Return the JSON text of a scan, ended by a newline. view: which findings it carries (default: all)."""
    return json.dumps(inert(document(result, view)), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def schema() -> str:
    """Return the text of the JSON Schema that `render` keeps to."""
    return resources.files("abiclash.reports").joinpath("schema/scan-1.json").read_text("utf-8")


def document(result: ScanResult, view: View | None = None) -> dict[str, object]:
    """Return a scan as JSON values; the order of everything is fixed."""
    view = view or everything(result.findings)
    findings = sorted([*view.findings, *view.accepted], key=by_weight)
    names = readable(findings)
    return {
        "schema": result.schema,
        "tool": {"name": "abiclash", "version": result.version},
        "targets": list(result.targets),
        "packages": [package_values(package) for package in sorted(result.packages)],
        "host": host_values(result.host),
        "orders": [
            {"order": list(v.order), "verdict": v.outcome.value, "coverage": _coverage(v.coverage)}
            for v in result.orders
        ],
        "findings": [finding_values(finding, names) | _standing(finding, view) for finding in findings],
        "hidden": {severity.value: view.hidden.get(severity, 0) for severity in Severity},
        "suppressions": [_suppression(entry) for entry in view.entries],
        "baseline": None if view.gone is None else {"known": sorted(view.known), "gone": list(view.gone)},
        "not_analysed": [{"what": n.what, "reason": n.reason} for n in sorted(set(result.not_analysed))],
        "coverage": _coverage(result.coverage),
    }


def package_values(package: ScannedPackage) -> dict[str, object]:
    """Return a package as JSON values."""
    return {
        "name": package.name,
        "version": package.version,
        "wheel": package.wheel,
        "sha256": package.sha256,
        "modules": list(package.modules),
    }


def host_values(host: Host) -> dict[str, object]:
    """Return the host as JSON values."""
    return {
        "profile": host.profile,
        "machine": host.machine,
        "libc": host.libc,
        "libc_version": host.libc_version,
        "python": host.python,
    }


def finding_values(finding: Finding, names: Mapping[str, str]) -> dict[str, object]:
    """Return a finding as JSON values. names: raw symbol -> demangled form."""
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


def _standing(finding: Finding, view: View) -> dict[str, object]:
    """Return what the user has to say about a finding."""
    accepted = view.suppressed.get(finding.id)
    return {"suppressed": accepted and _decision(accepted), "known": finding.id in view.known}


def _decision(suppression: Suppression) -> dict[str, object]:
    return {
        "source": suppression.source,
        "reason": suppression.reason,
        "expires": suppression.expires.isoformat(),
    }


def _suppression(entry: Entry) -> dict[str, object]:
    what = entry.suppression
    return _decision(what) | {
        "id": what.id,
        "rule": what.rule,
        "packages": sorted(what.packages),
        "state": entry.state.value,
        "findings": list(entry.findings),
    }


def _coverage(coverage: Coverage) -> dict[str, object]:
    return {
        "references": coverage.references,
        "resolved": coverage.resolved,
        "objects": coverage.objects,
        "objects_read": coverage.objects_read,
        "loads": dict(sorted(coverage.loads.items())),
    }
