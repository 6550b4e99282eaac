"""Rules as a terminal shows them."""

from __future__ import annotations

import pytest

from abiclash.reports.paint import Paint
from abiclash.reports.rules import explanation, listing
from abiclash.rules import registry

RULES = registry.rules()
NARROW = Paint(width=80)


def test_the_list_fits_80_columns_and_has_every_rule_once() -> None:
    lines = listing(RULES, NARROW).splitlines()
    assert max(len(line) for line in lines) <= 80
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert sorted(listed) == [entry.rule.id for entry in RULES]
    assert lines[0] == "For whoever installs packages together"


@pytest.mark.parametrize("entry", RULES, ids=lambda entry: entry.rule.id)
def test_a_page_fits_80_columns(entry: registry.Registered) -> None:
    page, _, references = explanation(entry, NARROW).partition("\nReferences\n")
    assert max(len(line) for line in page.splitlines()) <= 80
    assert [line for line in page.splitlines() if line in registry.HEADINGS] == list(registry.HEADINGS)
    assert tuple(references.split()) == entry.rule.references
