"""Whatever a name contains, what is shown is one printable line of bounded length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.reports.safe import exact, name, prose, shorten

ANY = st.text(st.characters(exclude_categories=[]))  # surrogates and controls too


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("numpy.libs/libfoo-3fa91c02.so.1", "numpy.libs/libfoo-3fa91c02.so.1"),
        ("größe_π", "größe_π"),
        ("a\x00b", "a\\x00b"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb", "a\\x0d\\x0ab"),
        ("gnp.\u202etxt", "gnp.\\u202etxt"),
        ("a\u2066b\u200fc", "a\\u2066b\\u200fc"),
        (b"\xff.so".decode("utf-8", "surrogateescape"), "\\xff.so"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u2028", "\\u2028"),
    ],
)
def test_name(raw: str, shown: str) -> None:
    assert name(raw) == shown


def test_long_names_lose_their_middle() -> None:
    assert shorten("a" * 60 + "b" * 60, 30) == "a" * 20 + "[... 90 characters ...]" + "b" * 10


@given(ANY)
def test_name_is_printable(raw: str) -> None:
    assert name(raw).isprintable()


@given(ANY)
def test_prose_keeps_nothing_but_its_lines(raw: str) -> None:
    assert all(line.isprintable() for line in prose(raw).split("\n"))


@given(ANY, st.integers(min_value=3, max_value=50))
def test_bounded(raw: str, limit: int) -> None:
    assert len(shorten(raw, limit)) <= max(len(raw), limit + 40)


@given(ANY)
def test_exact_is_unicode_and_changes_nothing_else(raw: str) -> None:
    shown = exact(raw)
    assert shown.encode().decode() == shown
    if not any("\ud800" <= char <= "\udfff" for char in raw):
        assert shown == raw
