"""Scans to report: three real ones as they were stored, and one made of hostile names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from abiclash.control.view import View, everything
from abiclash.errors import NotAnalysed
from abiclash.reports.formats import Report
from abiclash.reports.stored import read_report
from abiclash.rules.model import Outcome, Severity
from tests.reports.sample import HOSTILE_RESULT

_DATA = Path(__file__).with_name("data")

REAL = read_report(_DATA / "conflict.json")
PAIR = read_report(_DATA / "clean.json")
UNREAD = replace(
    PAIR,
    not_analysed=(
        NotAnalysed(
            "pandas-3.1.1-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl!pandas/_libs/join.so",
            "truncated at byte 4096",
        ),
        NotAnalysed("numpy 2.4.6", "static: no program header table; get the wheel anew"),
    ),
)
CASES = {"conflict": REAL, "clean": PAIR, "unread": UNREAD}


def report_of(name: str) -> Report:
    """Return what a format gets for one of the cases."""
    result = CASES[name]
    return Report(result, everything(result.findings))


def hostile_report() -> Report:
    """Return a report in which every name is hostile, and every finding counts."""
    view = everything(HOSTILE_RESULT.findings)
    counted = View(view.findings, counted=view.findings)
    bad = tuple(replace(verdict, outcome=Outcome.CONFLICT) for verdict in HOSTILE_RESULT.orders)
    return Report(replace(HOSTILE_RESULT, orders=bad), counted, threshold=Severity.NOTE)
