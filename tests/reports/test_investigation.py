"""A whole report of a recorded investigation, so that every change of its text is seen and judged.

data/investigation.json is what `abiclash investigate` found for reports/size-mismatch, without the findings and
bindings that its report does not show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import NotAnalysed
from abiclash.lab.investigate.result import Investigation
from abiclash.reports import investigation as report
from abiclash.rules.model import Finding, ScannedPackage
from tests.support.plain import from_plain, to_plain

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

RECORDED = Path(__file__).parent / "data" / "investigation.json"
NAMES = {"Mapping": Mapping, "NotAnalysed": NotAnalysed, "Finding": Finding, "ScannedPackage": ScannedPackage}
COMMAND = "abiclash investigate torch==1.4.0 sentencepiece==0.1.92 numpy==1.21.6 --python 3.7"


@pytest.fixture(scope="module")
def recorded() -> Investigation:
    found: Investigation = from_plain(Investigation, json.loads(RECORDED.read_text(encoding="utf-8")), NAMES)
    return found


def test_nothing_is_lost_in_the_recording(recorded: Investigation) -> None:
    assert json.loads(json.dumps(to_plain(recorded))) == json.loads(RECORDED.read_text(encoding="utf-8"))
    assert recorded.cause is not None
    assert recorded.cause.removing == ("FLAGS_minloglevel",)


@pytest.mark.parametrize("name", ["report.md", "report.html", "definitions.svg", "scopes.svg", "loads.svg"])
def test_the_whole_report(name: str, recorded: Investigation, snapshot: SnapshotAssertion) -> None:
    assert report.files(recorded, COMMAND)[name] == snapshot


def test_only_the_provenance_changes_from_run_to_run(recorded: Investigation) -> None:
    other = report.files(replace(recorded, seconds=recorded.seconds + 100), COMMAND)
    for name, text in report.files(recorded, COMMAND).items():
        lines = zip(text.splitlines(), other[name].splitlines(), strict=True)
        changed = [line for line, again in lines if line != again]
        assert all("Written by abiclash investigate in" in line for line in changed)
        assert len(changed) == (1 if name.startswith("report.") else 0)
