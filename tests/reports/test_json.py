"""The JSON of a scan keeps to the schema that ships with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from abiclash.reports.json import document, render, schema
from tests.reports.sample import CLEAN, CONFLICT, HOSTILE_RESULT

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from abiclash.rules.model import ScanResult

SCHEMA: dict[str, Any] = json.loads(schema())


@pytest.mark.parametrize("result", [CONFLICT, CLEAN, HOSTILE_RESULT], ids=["conflict", "clean", "hostile"])
def test_valid(result: ScanResult) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(render(result)))


def test_schema_knows_every_key() -> None:
    def compare(value: object, part: dict[str, Any]) -> None:
        part = part.get("anyOf", [part])[0]
        if "$ref" in part:
            part = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]
        if isinstance(value, dict) and "properties" in part:
            assert list(value) == list(part["properties"])
            assert sorted(value) == sorted(part["required"])
            for key, item in value.items():
                compare(item, part["properties"][key])
        elif isinstance(value, list):
            for item in value:
                compare(item, part["items"])

    compare(document(CONFLICT), SCHEMA)


def test_conflict(snapshot: SnapshotAssertion) -> None:
    assert render(CONFLICT) == snapshot


def test_same_bytes_in_whatever_order_things_were_found() -> None:
    shuffled = replace(
        CONFLICT,
        findings=CONFLICT.findings[::-1],
        packages=CONFLICT.packages[::-1],
        not_analysed=CONFLICT.not_analysed * 2,
        coverage=replace(CONFLICT.coverage, loads=dict(reversed(list(CONFLICT.coverage.loads.items())))),
    )
    assert render(shuffled) == render(CONFLICT)


def test_symbols_stand_beside_their_demangled_form() -> None:
    finding = json.loads(render(CONFLICT))["findings"][0]
    assert {"name": "_ZSt11__once_call", "demangled": "std::__once_call"} in finding["symbols"]


def test_hostile_names_come_out_inert() -> None:
    text = render(HOSTILE_RESULT)
    assert text.isascii()
    assert all(char.isprintable() or char == "\n" for char in text)
    assert not re.search(r"(?<!\\)(\\\\)*\\ud[89a-f]", text)  # a lone surrogate is no Unicode: strict readers refuse it
    assert len(text) < 1_000_000
    assert json.loads(text)["targets"][0].startswith("evil\x1b]0;")
