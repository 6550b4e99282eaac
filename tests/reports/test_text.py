"""What a person sees in the terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from abiclash.reports.detail import Detail
from abiclash.reports.paint import Paint
from abiclash.reports.text import render
from abiclash.rules.model import Outcome, Verdict
from tests.reports.sample import CLEAN, CONFLICT, COVERAGE, HOSTILE_RESULT

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

PLAIN = Paint(width=100)


@pytest.mark.parametrize("detail", list(Detail), ids=lambda detail: detail.name.lower())
def test_conflict(snapshot: SnapshotAssertion, detail: Detail) -> None:
    assert render(CONFLICT, PLAIN, detail) == snapshot


def test_clean(snapshot: SnapshotAssertion) -> None:
    assert render(CLEAN, PLAIN) == snapshot


def test_verdict_comes_first() -> None:
    assert render(CONFLICT, PLAIN).splitlines()[:2] == ["pyarrow, tensorflow  conflict", "tensorflow, pyarrow  clean"]


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


def test_many_orders_are_summed_up() -> None:
    names = ("a", "b", "c", "d", "e")
    orders = [Verdict(order, Outcome.CLEAN, COVERAGE) for order in permutations(names)]
    orders[7] = replace(orders[7], outcome=Outcome.CONFLICT)
    text = render(replace(CLEAN, orders=tuple(orders)), PLAIN)
    assert text.splitlines()[:2] == [f"{', '.join(orders[7].order)}  conflict", "119 other orders  clean"]


@pytest.mark.parametrize("detail", list(Detail))
def test_hostile_names_come_out_inert(detail: Detail) -> None:
    text = render(HOSTILE_RESULT, PLAIN, detail)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(text) < 200_000
    assert not re.search(r"^<script>", text, re.MULTILINE)
