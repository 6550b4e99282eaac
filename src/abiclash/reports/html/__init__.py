"""A scan as one HTML file that a person can hand on: no network, no dependency, readable without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abiclash.reports.formats import Report


def report(report: Report) -> str:
    """Return the page."""
    from abiclash.reports.html.page import render  # noqa: PLC0415 - templates are for this format only
    from abiclash.reports.html.payload import payload  # noqa: PLC0415

    case = report.case
    shipped = None if case is None else payload(report.result, report.view.findings, case)
    return render(report.result, report.view, shipped)
