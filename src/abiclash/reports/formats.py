"""The formats of a scan: a module of this package each, with a function `report(Report) -> str`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.reports.detail import Detail
from abiclash.reports.paint import Paint
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.control.view import View
    from abiclash.rules.case import Case
    from abiclash.rules.model import ScanResult

FORMATS = ("text", "json", "html", "sarif", "markdown", "junit", "cyclonedx")
COMPLETE = frozenset({"json", "html", "cyclonedx"})
"""Formats that carry every finding unless told otherwise; the others show what the reader asked for."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a format is made of.

    view: which findings, and what became of the others. case: what was played; None where only the result is known.
    paint, detail: for text. threshold: the least severity that fails the run, None for none. manifests: requirements
    and lock files that the targets came from, as the user named them.
    """

    result: ScanResult
    view: View
    case: Case | None = None
    paint: Paint = field(default_factory=Paint)
    detail: Detail = Detail.NORMAL
    threshold: Severity | None = Severity.ERROR
    manifests: tuple[Path, ...] = ()


def render(form: str, report: Report) -> str:
    """Return the text of a report in one of `FORMATS`, ended by a newline."""
    text: str = importlib.import_module(f"abiclash.reports.{form}").report(report)
    return text
