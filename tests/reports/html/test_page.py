"""The page as text: what stands there without a script, and that names from strangers stay names."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.control.view import everything
from abiclash.reports.formats import Report, render
from abiclash.reports.html import embed, report
from tests.reports.html.made import hostile_report
from tests.reports.html.parsed import Parsed
from tests.reports.sample import CLEAN, CONFLICT, HOSTILE_RESULT

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from abiclash.rules.model import ScanResult


def _page(result: ScanResult) -> Parsed:
    return Parsed(report(Report(result, everything(result.findings))))


def test_verdict_is_the_first_heading() -> None:
    page = _page(CONFLICT)
    headings = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert "The import order decides: 1 of 2 orders breaks." in page.said
    assert page.open == []


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (CLEAN, "Both import orders are clean."),
        (replace(CLEAN, not_analysed=CONFLICT.not_analysed), "Both import orders are clean, as far as could be read."),
        (replace(CLEAN, orders=CLEAN.orders[:1]), "The import is clean."),
        (replace(CONFLICT, orders=CONFLICT.orders[:1]), "The import breaks."),
        (replace(CONFLICT, orders=CONFLICT.orders[1:]), "1 error, in whatever order."),
        (replace(CLEAN, orders=()), "Nothing could be played."),
    ],
)
def test_verdict_in_one_sentence(result: ScanResult, said: str) -> None:
    assert said in _page(result).said


def test_essential_text_needs_no_script() -> None:
    said = _page(CONFLICT).said
    for finding in CONFLICT.findings:
        assert finding.summary in said
    assert "Import tensorflow before pyarrow." in said
    assert "checked: the model finds it clean" in said
    assert "_ZSt11__once_call" in said
    assert "1 input could not be analysed" in said
    assert "pyarrow-0.13.0.whl!pyarrow/_flight.so truncated at byte 4096" in said
    assert "168,035 of 168,035" in said


def test_every_list_says_what_it_leaves_out() -> None:
    many = replace(CONFLICT.findings[0], symbols=tuple(f"name{number}" for number in range(1000)))
    said = _page(replace(CONFLICT, findings=(many,))).said
    assert "name19 980 more, in the JSON" in said
    assert "name20 " not in said


def test_same_bytes_for_the_same_result() -> None:
    shuffled = replace(CONFLICT, findings=CONFLICT.findings[::-1], packages=CONFLICT.packages[::-1])
    pages = {render("html", Report(result, everything(result.findings))) for result in (CONFLICT, shuffled)}
    assert len(pages) == 1


def test_policy_lets_only_the_pages_own_scripts_and_styles_in() -> None:
    page = _page(CONFLICT)
    (policy,) = [
        attributes["content"]
        for _, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for text in (page.scripts[-1], *page.styles):
        assert f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy


def test_nothing_is_fetched_or_linked_to_elsewhere() -> None:
    for _, attributes in _page(CONFLICT).tags:
        assert not {"src", "srcset", "action", "style"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")


def test_data_cannot_end_its_element() -> None:
    hostile = "</script><!--<script>\u2028&amp;]]>\udc80"
    text = embed.data({hostile: [hostile]})
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == {hostile: [hostile]}


def test_hostile_names_become_text() -> None:
    clean, page = _page(CONFLICT), _page(HOSTILE_RESULT)
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in clean.tags}
    assert {name for _, attributes in page.tags for name in attributes} == {
        name for _, attributes in clean.tags for name in attributes
    }
    assert "<script>alert(1)</script>" in page.said
    for control in "\x1b\x00\x07\u202e\u2066\udcff":
        assert control not in "".join(page.text)
    assert len("".join(page.text)) < 250_000  # a megabyte in many places


@pytest.mark.compiler
def test_hostile_names_stay_inside_the_data(hostile: Case) -> None:
    page = Parsed(report(hostile_report(hostile)))
    assert len(page.scripts) == 3
    shipped = json.loads(page.scripts[0])
    assert any("<img src=x onerror=alert(1)>" in symbol for names in shipped["symbols"] for symbol in names)
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert len(page.scripts[0]) < 200_000
    assert not re.search(r"[\x00-\x1f\u202a-\u202e]", "".join(map(str, _strings(shipped))))


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.items() for text in _strings(list(item))]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []
