"""The example of a rule's page is the fixture of its tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from abiclash.rules import registry

TESTED = [entry.rule.id for entry in registry.rules()]


@pytest.mark.parametrize("rule", TESTED)
def test_the_example_is_a_tested_fixture(rule: str) -> None:
    example = registry.sections(registry.rule(rule).doc)["Example"]
    fixture = re.search(r"fixture `(\w+)`", " ".join(example.split()))
    assert fixture is not None
    tests = Path(__file__).with_name(f"test_{rule.replace('-', '_')}.py").read_text()
    functions = [node.name for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.FunctionDef)]
    assert fixture[1] in functions
