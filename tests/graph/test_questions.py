"""Questions about a small conflict, with the model as the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.graph.build import graph_of
from abiclash.graph.playing import judge_of
from abiclash.graph.questions import ask
from abiclash.reports.answers import as_text
from abiclash.reports.paint import Paint
from abiclash.rules.model import Coverage, Host, Outcome, ScannedPackage, ScanResult, Verdict
from abiclash.scanning import Scanned
from abiclash.simulate import Player
from tests.rules.harness import this_host

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler


def test_answers(site: Site, case: Case, findings: list[Finding]) -> None:
    result = ScanResult(
        version="1",
        targets=("first", "second"),
        packages=(ScannedPackage("first", "1.0"), ScannedPackage("second", "1.0")),
        host=Host("live", "x86_64", "glibc", "2.36", "3.11"),
        orders=tuple(Verdict(run.order, Outcome.CLEAN, Coverage()) for run in case.together[::2]),
        findings=tuple(findings),
        not_analysed=(),
        coverage=Coverage(),
    )
    judge = judge_of(Scanned(result, case, Player(case.world, this_host(), site)))
    answers = ask(result, graph_of(case, findings), judge)
    assert [hub.package for hub in answers.hubs] == ["first", "second"]
    assert answers.change.hitting.sets == (("first",), ("second",))
    assert answers.change.hitting.exact
    assert answers.change.checked is True
    assert answers.order.order == ("second", "first")
    assert answers.order.played == (("second", "first"),)
    text = as_text(answers, (), Paint())
    assert "Safe, as the model played it: second, first\n" in text
    assert "- second before first: split-state-" in text
