"""Configuration files and baselines: found upwards, read strictly, refused with the place of the mistake."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from abiclash.control.baseline import read_baseline
from abiclash.control.suppressions import Suppression, find_config, read_suppressions
from abiclash.errors import UsageError
from abiclash.reports.json import render
from tests.reports.sample import CONFLICT

if TYPE_CHECKING:
    from pathlib import Path

RULES = frozenset({"split-state"})
GOOD = 'rule = "split-state"\nreason = "why"\nexpires = 2027-01-31\n'


def test_entries_of_both_files(tmp_path: Path) -> None:
    project, own = tmp_path / "pyproject.toml", tmp_path / "abiclash.toml"
    project.write_text(f'[project]\nname = "x"\n[[tool.abiclash.suppress]]\n{GOOD}packages = ["Some_Name"]\n')
    own.write_text('[[suppress]]\nid = "split-state-0123abcd"\nreason = "why"\nexpires = 2027-01-31\n')
    when = dt.date(2027, 1, 31)
    assert read_suppressions(project, RULES) == (
        Suppression(f"{project}, suppress entry 1", "why", when, rule="split-state", packages=frozenset({"some-name"})),
    )
    assert read_suppressions(own, RULES) == (
        Suppression(f"{own}, suppress entry 1", "why", when, id="split-state-0123abcd"),
    )


def test_nearest_file_that_is_about_abiclash(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[tool.other]\n")
    assert find_config(inner) is None
    (tmp_path / "pyproject.toml").write_text(f"[[tool.abiclash.suppress]]\n{GOOD}")
    assert find_config(inner) == tmp_path / "pyproject.toml"
    (tmp_path / "a" / "abiclash.toml").write_text("")
    assert find_config(inner) == tmp_path / "a" / "abiclash.toml"
    assert read_suppressions(tmp_path / "a" / "abiclash.toml", RULES) == ()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (GOOD.replace("2027-01-31", '"2027-01-31"'), "needs an 'expires' date"),
        (GOOD.replace("2027-01-31", "2027-01-31T00:00:00"), "needs an 'expires' date"),
        (GOOD.replace("expires = 2027-01-31\n", ""), "needs an 'expires' date"),
        (GOOD.replace('reason = "why"\n', ""), "needs a 'reason'"),
        (GOOD.replace('"why"', '" "'), "'reason' must be a text"),
        (GOOD.replace("split-state", "split-stat"), "rule 'split-stat': there is no such rule"),
        (GOOD + 'id = "split-state-0123abcd"\n', "needs either 'id' or 'rule'"),
        (GOOD.replace('rule = "split-state"\n', ""), "needs either 'id' or 'rule'"),
        (GOOD.replace('rule = "split-state"', 'id = "split-state"'), "id 'split-state' is no finding's id"),
        (GOOD.replace("rule = ", "rul = "), "unknown key 'rul'"),
        (GOOD + 'packages = "first"\n', "'packages' must be a list"),
        (
            GOOD.replace('rule = "split-state"', 'id = "split-state-0123abcd"\npackages = ["a"]'),
            "'packages' goes with 'rule'",
        ),
    ],
)
def test_mistake_is_told_with_file_and_entry(tmp_path: Path, entry: str, message: str) -> None:
    path = tmp_path / "abiclash.toml"
    path.write_text(f"[[suppress]]\n{GOOD}\n[[suppress]]\n{entry}")
    with pytest.raises(UsageError) as caught:
        read_suppressions(path, RULES)
    assert str(caught.value).startswith(f"{path}, suppress entry 2: {message}")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("abiclash.toml", "[[suppress]\n", "no TOML"),
        ("abiclash.toml", 'suppress = "all"\n', "is no array of tables; write [[suppress]]"),
        ("pyproject.toml", "[tool.abiclash.suppress]\n", "write [[tool.abiclash.suppress]]"),
        ("abiclash.toml", "[[supress]]\n", "unknown key 'supress'"),
        ("pyproject.toml", "[tool]\nabiclash = 1\n", "'tool.abiclash' is no table"),
        ("absent.toml", None, "cannot be read: No such file"),
    ],
)
def test_unusable_file(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_suppressions(path, RULES)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_baseline_is_the_json_of_a_scan(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(render(CONFLICT))
    assert read_baseline(path).ids == {finding.id for finding in CONFLICT.findings}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[]", "not the JSON of a scan"),
        (json.dumps({"schema": "urn:abiclash:scan:0", "findings": []}), "schema 'urn:abiclash:scan:0'"),
        (json.dumps({"schema": "urn:abiclash:scan:1", "findings": [{}]}), "its findings have no ids"),
        (None, "cannot be read"),
    ],
)
def test_other_files_are_no_baseline(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_baseline(path)
    assert str(caught.value).startswith(f"--baseline {path}: ")
    assert message in str(caught.value)
