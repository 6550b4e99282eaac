"""Each rule's finding on its own fixture can be accepted in pyproject.toml, and an entry without one is reported."""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.control.filters import Filters
from abiclash.control.suppressions import State, find_config, read_suppressions
from abiclash.control.view import view
from abiclash.rules import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from abiclash.rules.model import Finding

TODAY = dt.date(2026, 5, 1)
RULES = [entry.rule.id for entry in registry.rules()]
ENTRY = """
[[tool.abiclash.suppress]]
{what}
reason = "known"
expires = 2026-12-31
"""


def positive(rule: str) -> Callable[..., object]:
    """Return the first test of a rule that builds what it must find, and that needs nothing but fixtures."""
    module = importlib.import_module(f"tests.rules.test_{rule.replace('-', '_')}")
    found = [test for name, test in vars(module).items() if name.startswith("test_found") and not _with_values(test)]
    return found[0]  # type: ignore[no-any-return]


def _with_values(test: Any) -> bool:
    return any(mark.name in ("parametrize", "skipif") for mark in getattr(test, "pytestmark", ()))


@pytest.mark.compiler
@pytest.mark.parametrize("rule", RULES)
def test_a_finding_can_be_suppressed(
    rule: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = _findings_of(positive(rule), rule, request, monkeypatch)
    assert findings
    known = frozenset(RULES)
    by_id, by_rule = f'id = "{findings[0].id}"', f'rule = "{rule}"\npackages = ["{findings[0].packages[0].name}"]'
    for what, stale in ((by_id, f'id = "{rule}-00000000"'), (by_rule, f'rule = "{rule}"\npackages = ["absent"]')):
        project = tmp_path / "pyproject.toml"
        project.write_text('[project]\nname = "mine"\n' + ENTRY.format(what=what) + ENTRY.format(what=stale))
        assert find_config(tmp_path / "deeper" / "still") == project
        seen = view(findings[:1], Filters(), Filters(), read_suppressions(project, known), today=TODAY)
        assert (seen.findings, seen.counted, seen.accepted) == ((), (), tuple(findings[:1]))
        assert [entry.state for entry in seen.entries] == [State.ACTIVE, State.STALE]


def _findings_of(
    test: Callable[..., object], rule: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> list[Finding]:
    """Run another test and return what the rule stated meanwhile."""
    stated: list[Finding] = []
    state = registry.Rule.finding

    def listen(self: registry.Rule, **given: Any) -> Finding:
        finding = state(self, **given)
        if self.id == rule:
            stated.append(finding)
        return finding

    monkeypatch.setattr(registry.Rule, "finding", listen)
    test(**{name: request.getfixturevalue(name) for name in inspect.signature(test).parameters})
    return stated
