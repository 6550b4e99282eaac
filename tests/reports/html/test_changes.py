"""Which bindings change between orders, and how much of that is shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from abiclash.facts.model import Place
from abiclash.names import name_key
from abiclash.reports.html import payload as module
from abiclash.reports.html.changes import NOT_LOADED, changes
from abiclash.reports.html.payload import payload
from tests.reports.html.made import report_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from abiclash.rules.case import Case

pytestmark = pytest.mark.compiler


def _shipped(case: Case) -> dict[str, Any]:
    report = report_of(case)
    return cast("dict[str, Any]", payload(report.result, report.view.findings, case))


def test_only_what_changes_is_found(conflict: Case) -> None:
    runs = [*conflict.together, *conflict.alone.values()]
    (found,) = changes(runs, conflict.world)
    assert conflict.basename(found.file) == "librt.so"
    by_order = {run.order: variant for run, variant in zip(runs, found.variant, strict=True)}
    assert by_order["first", "second"] == by_order["first",] != by_order["second", "first"] == by_order["second",]
    (group,) = found.groups
    assert set(group.keys.tolist()) == {name_key("state"), name_key("more")}
    assert {Place(place) for place in group.places.tolist()} == {Place.BSS, Place.CODE}
    targets = {conflict.basename(target) for target in group.targets}
    assert targets == {"_f.so", "librt.so"}
    assert group.variables == 1


def test_runs_that_bind_alike_change_nothing(conflict: Case) -> None:
    alone = [run for (name, _), run in conflict.alone.items() if name == "first"]
    assert list(changes(alone, conflict.world)) == []


def test_an_object_that_a_run_lacks_is_told_apart_from_a_change(conflict: Case) -> None:
    start = [run for run in conflict.together if run.order == ("first", "second")]
    without = [run for (name, _), run in conflict.alone.items() if name == "second"]
    variants = {found.file: found.variant for found in changes([*start, *without], conflict.world)}
    assert list(map(conflict.basename, variants)) == ["librt.so"]
    assert all(NOT_LOADED not in variant for variant in variants.values())


def test_what_is_cut_is_counted(conflict: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUPS", 0)
    shipped = _shipped(conflict)
    assert shipped["changes"] == {"files": [], "groups": [], "left_out": [1, 2]}


def test_samples_begin_with_what_findings_name(conflict: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLES", 1)
    shipped = _shipped(conflict)
    (group,) = shipped["changes"]["groups"]
    assert [shipped["symbols"][symbol] for symbol in group["symbols"]] == [("state",)]
    assert group["n"] == 2


def test_payload(conflict: Case, snapshot: SnapshotAssertion) -> None:
    shipped = _shipped(conflict)
    system = conflict.site_packages.removesuffix("site-packages") + "system"
    folders = (system, "/usr/", "/lib/")
    shipped["objects"] = [
        [next((f"HOST/{path.rpartition('/')[2]}" for folder in folders if path.startswith(folder)), path), owner]
        for path, owner in shipped["objects"]
    ]
    for drawing in shipped["graphs"]:  # what this machine's Python brings along is not the point
        drawing["nodes"] = [{key: node[key] for key in node if key != "name"} for node in drawing["nodes"]]
    shipped["graphs"] = [drawing for drawing in shipped["graphs"] if drawing["finding"]]
    assert shipped == snapshot
