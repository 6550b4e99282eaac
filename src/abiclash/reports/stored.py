"""Reports read back: a scan's JSON in full, of SARIF what it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abiclash.errors import NotAnalysed, UsageError
from abiclash.parsing import read_json
from abiclash.readfile import read_text
from abiclash.rules.model import (
    SCHEMA,
    Advice,
    Audience,
    Confidence,
    Coverage,
    Finding,
    Host,
    Outcome,
    PackageId,
    ScannedPackage,
    ScanResult,
    Severity,
    Verdict,
)

if TYPE_CHECKING:
    from pathlib import Path


def read_report(path: Path) -> ScanResult:
    """Return the scan that a report tells of. Raises UsageError for a file that is no report of ours."""
    try:
        content = read_json(read_text(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; name the JSON or SARIF of a scan") from error
    except ValueError as error:
        raise UsageError(f"{path}: no JSON ({error}); name the JSON or SARIF of a scan") from error
    try:
        if isinstance(content, dict) and content.get("schema") == SCHEMA:
            return _of_json(content)
        if isinstance(content, dict) and content["runs"][0]["tool"]["driver"]["name"] == "abiclash":
            return _of_sarif(content["runs"][0])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path}: a report that lacks {error}; make it anew with this abiclash") from error
    raise UsageError(f"{path}: neither the JSON nor the SARIF of a scan; make it with 'abiclash scan --format json'")


def _of_json(content: dict[str, Any]) -> ScanResult:
    return ScanResult(
        version=content["tool"]["version"],
        targets=tuple(content["targets"]),
        packages=tuple(
            ScannedPackage(p["name"], p["version"], p["wheel"], p["sha256"], tuple(p.get("modules", ())))
            for p in content["packages"]
        ),
        host=Host(**content["host"]),
        orders=tuple(
            Verdict(tuple(v["order"]), Outcome(v["verdict"]), Coverage(**v["coverage"])) for v in content["orders"]
        ),
        findings=tuple(_finding(finding) for finding in content["findings"]),
        not_analysed=tuple(NotAnalysed(n["what"], n["reason"]) for n in content["not_analysed"]),
        coverage=Coverage(**content["coverage"]),
    )


def _finding(content: dict[str, Any]) -> Finding:
    return Finding(
        id=content["id"],
        rule=content["rule"],
        severity=Severity(content["severity"]),
        confidence=Confidence(content["confidence"]),
        audience=Audience(content["audience"]),
        packages=tuple(PackageId(p["name"], p["version"]) for p in content["packages"]),
        summary=content["summary"],
        explanation=content["explanation"],
        advice=tuple(Advice(a["who"], a["text"], a["checked"]) for a in content["advice"]),
        failing_order=_order(content["failing_order"]),
        safe_order=_order(content["safe_order"]),
        objects=tuple(content["objects"]),
        symbols=tuple(symbol["name"] for symbol in content["symbols"]),
        evidence=dict(content["evidence"]),
        silent=bool(content["silent"]),
    )


def _order(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _of_sarif(run: dict[str, Any]) -> ScanResult:
    about = run["properties"]
    return ScanResult(
        version=run["tool"]["driver"]["version"],
        targets=tuple(about["targets"]),
        packages=tuple(
            ScannedPackage(p["name"], p["version"], p["wheel"], p["sha256"], tuple(p["modules"]))
            for p in about["packages"]
        ),
        host=Host(**about["host"]),
        orders=tuple(Verdict(tuple(v["order"]), Outcome(v["verdict"]), Coverage()) for v in about["orders"]),
        findings=tuple(_finding(result["properties"]["finding"]) for result in run["results"]),
        not_analysed=(),
        coverage=Coverage(about["references"], about["resolved"]),
    )
