"""The words of the page on three real scans: reviewed as what a reader gets who has no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.reports.html import report
from tests.reports.cases import CASES, report_of
from tests.reports.html.parsed import Parsed

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


@pytest.mark.parametrize("case", CASES)
def test_words(case: str, snapshot: SnapshotAssertion) -> None:
    page = Parsed(report(report_of(case)))
    assert page.open == []
    assert "\n".join(page.lines) == snapshot
