"""What a scan predicts for the pairs of a matrix, beside what was seen: see matrix.py. Nothing foreign is run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from abiclash.scanning import ScanRequest, scan

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.rules.model import ScanResult

Cells = dict[str, dict[str, dict[str, Any]]]
"""Version of the rows' package -> version of the columns' package -> what is known of the pair."""


def predict(wanted: dict[str, Any], cache: Path | None = None) -> Cells:
    """Scan each pair of versions, as a user would: two requirements, a Python version, all import orders."""
    one, other = wanted["columns"], wanted["rows"]
    found: Cells = {}
    for version in other["versions"]:
        for column in one["versions"]:
            targets = (f"{one['package']}=={column}", f"{other['package']}=={version}")
            result = scan(ScanRequest(targets, python=wanted["python"], cache=cache))
            found.setdefault(version, {})[column] = told(result)
            print(version, column, found[version][column], file=sys.stderr, flush=True)
    return found


def told(result: ScanResult) -> dict[str, Any]:
    """Return, for each order, the verdict and the rules whose errors it has, and which imports were not followed whole.

    at_import, in_use: an error shows while the packages are imported, or only once more of them is loaded.
    """
    orders: dict[str, Any] = {}
    for verdict in result.orders:
        errors: dict[str, set[str]] = {"import": set(), "use": set()}
        for finding in result.findings:
            if finding.severity == "error" and list(verdict.order) in finding.evidence.get("failing_orders", []):
                errors[str(finding.evidence.get("stage", "import"))].add(finding.rule)
        program = "; ".join(f"import {name}" for name in verdict.order)
        orders[program] = {
            "verdict": str(verdict.outcome),
            "at_import": sorted(errors["import"]),
            "in_use": sorted(errors["use"]),
        }
    broken = sorted(each.what for each in result.not_analysed if each.what.startswith("import "))
    return {"orders": orders, "imports_cut_short": broken}


def table(wanted: dict[str, Any], observed: Cells, predicted: Cells) -> list[str]:
    """Return the comparison as lines of Markdown: what is equal as a count, what differs pair by pair."""
    one, other = wanted["columns"], wanted["rows"]
    counts: dict[tuple[bool, bool], int] = {}
    differ: dict[tuple[str, str, str], list[str]] = {}
    in_use: dict[tuple[str, str, str], list[str]] = {}
    for version, row in predicted.items():
        for column, cell in row.items():
            for program, said in cell["orders"].items():
                fails, told_so = observed[version][column][program] != "works", bool(said["at_import"])
                counts[fails, told_so] = counts.get((fails, told_so), 0) + 1
                key = (version, program, ", ".join(said["at_import"]) or "nothing")
                if fails != told_so:
                    differ.setdefault(key, []).append(column)
                if said["in_use"]:
                    in_use.setdefault((version, program, ", ".join(said["in_use"])), []).append(column)
    pairs = sum(len(row) for row in predicted.values())
    lines = [
        f"What a scan predicts, without running anything, for the same {pairs} pairs (two orders each):",
        "",
        "| the run | predicted to fail at import | predicted to work |",
        "|---|---|---|",
        f"| fails | {counts.get((True, True), 0)} | {counts.get((True, False), 0)} |",
        f"| works | {counts.get((False, True), 0)} | {counts.get((False, False), 0)} |",
        "",
    ]
    for title, found in (("Where they differ", differ), ("Predicted for later use, which was not run", in_use)):
        if found:
            lines += [
                f"{title}:",
                "",
                f"| {other['package']} | order | predicted by | {one['package']} |",
                "|---" * 4 + "|",
            ]
            lines += [f"| {v} | `{p}` | {rules} | {', '.join(columns)} |" for (v, p, rules), columns in found.items()]
            lines.append("")
    return lines
