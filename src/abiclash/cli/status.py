"""Exit statuses; docs/exit-codes.md is their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abiclash.control.view import View
    from abiclash.rules.model import ScanResult, Severity

FOUND = 1
"""A finding at or above --fail-on."""
CANNOT = 2
"""The job could not be done: usage, resolution, no readable input."""
PARTIAL = 3
"""Nothing at or above --fail-on, but some input could not be read."""
INTERRUPTED = 130
"""Ctrl-C, as shells report it."""

THRESHOLDS = ("error", "warning", "note", "never")


def threshold(fail_on: str) -> Severity | None:
    """Return the least severity that counts; None for "never"."""
    from abiclash.rules.model import Severity  # noqa: PLC0415 - start-up

    return None if fail_on == "never" else Severity(fail_on)


def of_scan(result: ScanResult, view: View, fail_on: str) -> int:
    """Return the exit status of a scan. fail_on: one of `THRESHOLDS`."""
    if view.fails(threshold(fail_on)):
        return FOUND
    return PARTIAL if result.not_analysed else 0
