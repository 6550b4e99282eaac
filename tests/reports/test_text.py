"""What a person sees in the terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from abiclash.control.view import everything
from abiclash.reports.detail import Detail
from abiclash.reports.findings import packages
from abiclash.reports.paint import Paint
from abiclash.reports.text import render
from abiclash.rules.model import Advice, Outcome, PackageId, Severity, Verdict
from tests.reports.sample import CLEAN, CONFLICT, COVERAGE, HOSTILE_RESULT, SPLIT_STATE

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from abiclash.rules.model import ScanResult

PLAIN = Paint(width=100)


@pytest.mark.parametrize("detail", list(Detail), ids=lambda detail: detail.name.lower())
def test_conflict(snapshot: SnapshotAssertion, detail: Detail) -> None:
    assert render(CONFLICT, PLAIN, detail) == snapshot


def test_clean(snapshot: SnapshotAssertion) -> None:
    assert render(CLEAN, PLAIN) == snapshot


def test_verdict_comes_first() -> None:
    """With the share of references that each verdict rests on."""
    assert render(CONFLICT, PLAIN).splitlines()[:2] == [
        "pyarrow, tensorflow  conflict  100 % of references resolved",
        "tensorflow, pyarrow  clean     100 % of references resolved",
    ]


@pytest.mark.parametrize(
    ("resolved", "share"), [(200_000, "100 %"), (199_999, "99.99 %"), (150_000, "75 %"), (0, "0 %")]
)
def test_the_share_is_never_rounded_up(resolved: int, share: str) -> None:
    verdict = Verdict(("a",), Outcome.CLEAN, replace(COVERAGE, references=200_000, resolved=resolved))
    assert (
        render(replace(CLEAN, orders=(verdict,)), PLAIN).splitlines()[0] == f"a  clean  {share} of references resolved"
    )


def test_what_to_do_comes_before_the_reasons() -> None:
    lines = [line.strip() for line in render(CONFLICT, PLAIN).splitlines()]
    at = lines.index("fails:       pyarrow, tensorflow")
    assert lines[at - 2 : at] == ["Importing pyarrow before tensorflow crashes the interpreter.", ""]
    assert lines[at + 1 : at + 4] == [
        "works:       tensorflow, pyarrow",
        "when:        while the packages are imported",
        "do now:      Import tensorflow before pyarrow. (checked: the model finds no error in it)",
    ]


def test_equal_advice_is_told_once() -> None:
    advice = tuple(Advice(f"maintainer of {name}", "Hide it.") for name in ("a", "b", "c"))
    finding = replace(SPLIT_STATE, advice=advice, evidence={"failing_orders": [["tensorflow", "pyarrow"]]})
    text = render(replace(CONFLICT, findings=(finding,)), PLAIN)
    assert "    - maintainers of a, b and c: Hide it.\n" in text
    assert "  fails:       in every order\n" in text


def test_colour_adds_nothing_but_escape_sequences() -> None:
    coloured = render(CONFLICT, Paint(width=100, colour=True))
    assert "\x1b[1;31mconflict\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == render(CONFLICT, PLAIN)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_sentences_keep_to_the_width(width: int) -> None:
    text = render(CONFLICT, Paint(width=width), Detail.BRIEF)
    prose = render(replace(CONFLICT, findings=CONFLICT.findings[1:]), Paint(width=width)).split("Evidence")[0]
    assert text
    assert max(len(line) for line in prose.splitlines()) <= width


def test_of_many_packages_those_of_the_summary_are_named() -> None:
    some = tuple(PackageId(name, "1.0") for name in "abcdefgh")
    finding = replace(SPLIT_STATE, packages=some, summary="(f) (g) (h)")
    assert packages(finding) == "8 packages (f 1.0, g 1.0, h 1.0 and 5 more)"
    assert packages(replace(finding, packages=some[:2])) == "a 1.0, b 1.0"


def test_many_orders_are_summed_up() -> None:
    names = ("a", "b", "c", "d", "e")
    orders = [Verdict(order, Outcome.CLEAN, COVERAGE) for order in permutations(names)]
    orders[7] = replace(orders[7], outcome=Outcome.CONFLICT)
    text = render(replace(CLEAN, orders=tuple(orders)), PLAIN)
    assert text.splitlines()[:2] == [
        f"{', '.join(orders[7].order)}  conflict  100 % of references resolved",
        "119 other orders  clean",
    ]


@pytest.mark.parametrize("detail", list(Detail))
def test_hostile_names_come_out_inert(detail: Detail) -> None:
    text = render(HOSTILE_RESULT, PLAIN, detail)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(text) < 200_000
    assert not re.search(r"^<script>", text, re.MULTILINE)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("result", [CONFLICT, CLEAN], ids=["conflict", "clean"])
def test_lines_keep_to_the_width(result: ScanResult, width: int, *, colour: bool) -> None:
    """Only a line that is one long name (after its arrow or bullet) may be longer: names are never cut in two."""
    text = render(result, Paint(width=width, colour=colour), Detail.FULL)
    for line in text.splitlines():
        shown = re.sub(r"\x1b\[[\d;]*m", "", line)
        long = [word for word in shown.split() if len(word) > 20]
        assert len(shown) <= width or long, shown


def test_a_known_finding_in_colour() -> None:
    finding = CONFLICT.findings[1]
    many = [replace(finding, id=f"split-state-{number:08x}", severity=Severity.WARNING) for number in range(2)]
    seen = replace(everything(many), known=frozenset({many[0].id}))
    names = tuple("abcdefgh")
    orders = (Verdict(names, Outcome.CLEAN, COVERAGE),)
    text = render(replace(CONFLICT, findings=tuple(many), orders=orders), Paint(colour=True), view=seen)
    assert "\x1b[2m(known)\x1b[0m" in text
    assert "x1b[" not in text.replace("\x1b[", "")
