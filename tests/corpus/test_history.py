"""Runs as a history: what changed, why, and which release brought it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.cli import app
from abiclash.corpus import snapshot
from abiclash.corpus.bisecting import bisect
from abiclash.corpus.history import chosen, diff, is_grave
from abiclash.corpus.results import FolderResults
from abiclash.corpus.site.feed import feed
from abiclash.errors import SourceError, UsageError
from abiclash.rules.model import (
    Audience,
    Confidence,
    Coverage,
    Finding,
    Host,
    PackageId,
    ScannedPackage,
    ScanResult,
    Severity,
)
from abiclash.scanning import ScanRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from abiclash.corpus.snapshot import Snapshot

SLUG = "cp311-x-y"


def finding(name: str, packages: Sequence[str] = ("a", "b"), severity: str = "error", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "rule": "split-state",
        "severity": severity,
        "confidence": "certain",
        "audience": "user",
        "packages": [{"name": package, "version": "1"} for package in packages],
        "summary": f"{name} happens",
        "failing_order": ["a", "b"],
        "safe_order": None,
        "symbols": [],
        "alone": [],
        "pairs": [["a", "b"]],
        **more,
    }


def run(
    results: FolderResults,
    created: str,
    findings: list[dict[str, Any]],
    *,
    unread: Sequence[str] = (),
    unplayed: Sequence[tuple[str, str]] = (),
    **versions: str,
) -> Snapshot:
    files = [{"name": name, "version": version} for name, version in versions.items()]
    contents = {
        "findings.json": snapshot.as_json(findings),
        "lock.json": snapshot.as_json({"files": files}),
        "unknown.json": snapshot.as_json({"packages": unread, "pairs": unplayed}),
    }
    about = {"corpus": "popular-native", "created": created, "tool": "1.0", "totals": {}}
    return snapshot.write(results, "popular-native", SLUG, about, contents)


def test_new_gone_and_changed_findings_by_cause(tmp_path: Path) -> None:
    results = FolderResults(tmp_path)
    old = run(results, "2026-01-01", [finding("stays"), finding("goes"), finding("moves")], a="1", b="1")
    new = run(
        results,
        "2026-01-02",
        [finding("stays"), finding("moves", safe_order=["b", "a"]), finding("comes", ("a", "c"), pairs=[["a", "c"]])],
        a="2",
        b="1",
        c="1",
    )
    found = {one.id: (one.change, one.what, one.cause) for one in diff(old, new)}
    assert found == {
        "goes": ("gone", (), "a 1 -> 2"),
        "moves": ("changed", ("safe_order",), "a 1 -> 2"),
        "comes": ("new", (), "a 1 -> 2, c came"),
    }
    assert diff(old, old) == []


def test_what_a_run_did_not_look_at_is_neither_gone_nor_a_news_of_that_day(tmp_path: Path) -> None:
    results = FolderResults(tmp_path)
    listed = [
        finding("pair"),
        finding("lone", ("c",), alone=["c"], pairs=[]),
        finding("wide", pairs=[["a", "b"], ["a", "d"]]),
    ]
    whole = run(results, "2026-01-01", listed, a="1", b="1", c="1", d="1")
    partial = run(results, "2026-01-02", [], unread=["c"], unplayed=[("b", "a")], a="1", b="1", c="1", d="1")
    assert [(one.id, one.change) for one in diff(whole, partial)] == [("wide", "gone")]
    assert {one.id: one.cause for one in diff(partial, whole)} == {
        "pair": "not looked at before",
        "lone": "not looked at before",
        "wide": "something else in their environments",
    }


def test_what_only_researchers_care_for_is_no_clash(tmp_path: Path) -> None:
    results = FolderResults(tmp_path)
    old = run(results, "2026-01-01", [], a="1")
    listed = [
        finding(name, severity=name, audience=who) for name, who in (("warning", "researcher"), ("error", "user"))
    ]
    new = run(results, "2026-01-02", listed, a="2")
    changes = diff(old, new)
    assert [(one.id, is_grave(one.severity, one.audience)) for one in changes] == [("error", True), ("warning", False)]
    items = json.loads(feed("title", "", [(old, []), (new, changes)]))["items"]
    assert [item["id"].rpartition("/")[2] for item in items] == ["error"]


def test_a_change_without_a_new_release_is_put_down_to_the_dependencies_or_the_tool(tmp_path: Path) -> None:
    results = FolderResults(tmp_path)
    old = run(results, "2026-01-01", [], a="1", b="1", numpy="1")
    new = run(results, "2026-01-02", [finding("comes", ("a", "numpy"))], a="1", b="1", numpy="2")
    assert [one.cause for one in diff(old, new)] == ["numpy 1 -> 2"]
    other = replace(new)
    other.__dict__["run"] = {**old.run, "tool": "2.0"}
    other.__dict__["lock"] = old.lock
    other.__dict__["findings"] = new.findings
    assert [one.cause for one in diff(old, other)] == ["abiclash 1.0 -> 2.0"]


def test_runs_of_one_day_keep_their_order_and_the_same_run_is_one(tmp_path: Path) -> None:
    results = FolderResults(tmp_path)
    first = run(results, "2026-01-01", [finding("b")], a="1")
    second = run(results, "2026-01-01", [finding("a")], a="1")
    again = run(results, "2026-01-01", [finding("b")], a="1")
    assert again.folder == first.folder
    assert [one.folder for one in snapshot.snapshots(results, "popular-native")] == [first.folder, second.folder]
    assert chosen(results, "popular-native", [])[1].folder == second.folder
    assert chosen(results, "popular-native", [second.id, first.id[-5:]])[1].folder == first.folder
    with pytest.raises(UsageError, match="more than one"):
        chosen(results, "popular-native", ["2026", "2026"])
    with pytest.raises(UsageError, match="needs two"):
        chosen(results, "gui", [])


def test_diff_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = FolderResults(tmp_path)
    run(results, "2026-01-01", [], a="1")
    run(results, "2026-01-02", [finding("comes")], a="2")
    arguments = ["corpus", "diff", "popular-native", "--results", str(tmp_path)]
    assert app.run(arguments) == 1
    assert "because a 1 -> 2" in capsys.readouterr().out
    assert app.run([*arguments, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["changes"][0]["change"] == "new"


class Releases:
    """Ten releases of a package; from `bad` on they clash, until one cures it, and some cannot be played."""

    def __init__(self, bad: int, broken: Sequence[int] = (), cured: int = 11) -> None:
        self.bad, self.broken, self.cured = bad, broken, cured
        self.played: list[str] = []

    def older(self, name: str, version: str, count: int) -> list[str]:
        assert name == "a"
        return [str(number) for number in range(int(version) - 1, 0, -1)][:count]

    def newer(self, name: str, version: str, count: int) -> list[str]:
        assert name == "a"
        return [str(number) for number in range(int(version) + 1, 11)][:count]

    def play(self, request: ScanRequest) -> ScanResult:
        version = request.targets[0].partition("==")[2] or "10"
        self.played.append(version)
        if int(version) in self.broken:
            raise SourceError("no wheel")
        found = (self.error(),) if self.bad <= int(version) < self.cured else ()
        packages = (ScannedPackage("a", version), ScannedPackage("b", "1"))
        return ScanResult("1", request.targets, packages, Host("", "", "", "", ""), (), found, (), Coverage())

    def error(self) -> Finding:
        packages = (PackageId("a"), PackageId("b"))
        return Finding("x-1", "x", Severity.ERROR, Confidence.CERTAIN, Audience.USER, packages, "", "", ())


@pytest.mark.parametrize("bad", range(2, 11))
def test_bisect_finds_the_release_that_brought_it(bad: int) -> None:
    world = Releases(bad)
    found = bisect(ScanRequest(("a==10", "b")), lambda _: world, play=world.play)
    assert (found.bad, found.good) == (str(bad), str(bad - 1))
    assert len(world.played) <= 8
    assert len(world.played) == len(set(world.played))


@pytest.mark.parametrize("cured", range(3, 11))
def test_bisect_finds_the_release_that_cured_it(cured: int) -> None:
    world = Releases(1, cured=cured)
    found = bisect(ScanRequest(("a==2", "b")), lambda _: world, play=world.play, ahead=True)
    assert (found.bad, found.good) == (str(cured - 1), str(cured))
    world = Releases(1)
    found = bisect(ScanRequest(("a==2", "b")), lambda _: world, play=world.play, ahead=True, reach=5)
    assert (found.bad, found.good) == ("7", None)


def test_bisect_steps_over_releases_that_cannot_be_played_and_says_when_all_are_bad() -> None:
    world = Releases(5, broken=(7, 9))
    found = bisect(ScanRequest(("a", "b")), lambda _: world, play=world.play)
    assert (found.bad, found.good) == ("5", "4")
    world = Releases(1)
    found = bisect(ScanRequest(("a", "b")), lambda _: world, play=world.play)
    assert (found.bad, found.good) == ("1", None)
    with pytest.raises(UsageError, match="is not there"):
        bisect(ScanRequest(("a==1", "b")), lambda _: Releases(2), play=Releases(2).play)
