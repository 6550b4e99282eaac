"""The gate: hygiene, neighbours, policies, bounds, and what a release changes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import jsonschema
import pytest

from abiclash.cli import app, check
from abiclash.cli.neighbours import neighbours
from abiclash.errors import UsageError
from abiclash.gate.bounded import OUT_OF_TIME, Scanner
from abiclash.gate.check import Checked
from abiclash.gate.policy import Policy, read_policy
from abiclash.gate.target import fit
from abiclash.gate.worker import Refused
from abiclash.reports import difference, gate
from abiclash.reports.paint import Paint
from abiclash.rules.model import Severity
from abiclash.scanning import ScanRequest
from tests.cli.test_scan_command import FIRST, LEAK, RUNTIME, SECOND, SUFFIX
from tests.reports.cases import REAL
from tests.reports.test_sarif import checked_log
from tests.support import Builder, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = frozenset({"platform-tag", "search-path", "split-state"})
MANY = "".join(f"int exported_{number};" for number in range(30))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """First and second clash; first 1.1 exports more, and wants static TLS and an executable stack."""
    folder = tmp_path_factory.mktemp("gate")
    builder = Builder.at(folder)
    runtime = builder.library("librt.so.1", RUNTIME)
    leak = builder.library("libleak.so", LEAK, libs=[runtime], runpath="$ORIGIN")
    louder = (
        FIRST + MANY + '__thread __attribute__((tls_model("initial-exec"))) int here; int* at(void) {return &here;}'
    )
    for name, version, source, libs in (
        ("first", "1.0", FIRST, [leak, runtime]),
        ("first", "1.1", louder, [leak, runtime]),
        ("second", "1.0", SECOND, [runtime]),
    ):
        into = folder / f"{name}-{version}"
        module = builder.library(f"_x{SUFFIX}", source, libs=libs, runpath="$ORIGIN", into=into)
        files: dict[str, str | Path] = {f"{name}/{path.name}": path for path in (module, *libs)}
        files[f"{name}/__init__.py"] = "from . import _x\n"
        make_wheel(folder / "dist", files, name=name, version=version, tag="py3-none-linux_x86_64")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABICLASH_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        yield folder / "dist"


def _wheel(dist: Path, name: str, version: str = "1.0") -> str:
    return str(dist / f"{name}-{version}-py3-none-linux_x86_64.whl")


@pytest.mark.compiler
def test_a_clash_with_a_neighbour_blocks(dist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    against = f"second @ {_wheel(dist, 'second')}"
    (dist / "names.txt").write_text(f"# popular\n{against}\n")
    arguments = ["check", _wheel(dist, "first"), "--against", str(dist / "names.txt"), "--offline"]
    assert app.run([*arguments, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(gate.schema())).validate(document)
    assert (document["schema"], document["verdict"]) == ("urn:abiclash:check:1", "block")
    [wheel] = document["wheels"]
    assert not [finding for finding in wheel["hygiene"] if finding["blocks"]]
    [neighbour] = wheel["neighbours"]
    assert (neighbour["name"], neighbour["version"], neighbour["standing"]) == ("second", "1.0", "conflict")
    assert [(f["rule"], f["blocks"]) for f in neighbour["findings"] if f["severity"] == "error"] == [
        ("split-state", True)
    ]
    assert app.run(arguments) == 1
    text = capsys.readouterr().out
    assert "first-1.0-py3-none-linux_x86_64.whl: block" in text
    assert "error split-state (blocks)" in text
    (dist / "gate.toml").write_text('fail-on = "never"\n')
    assert app.run([*arguments, "--policy", str(dist / "gate.toml")]) == 0


@pytest.mark.compiler
def test_a_neighbour_that_is_not_there_for_this_platform_leaves_no_gap(
    dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = make_wheel(tmp_path, {"elsewhere.py": ""}, name="elsewhere", tag="py3-none-win_amd64")
    (tmp_path / "names.txt").write_text(f"elsewhere @ {elsewhere}\nsecond @ {_wheel(dist, 'second')}\n")
    arguments = ["check", _wheel(dist, "second"), "--against", str(tmp_path / "names.txt"), "--offline"]
    assert app.run([*arguments, "--format", "json"]) == 0
    [wheel] = json.loads(capsys.readouterr().out)["wheels"]
    assert [(each["name"], each["standing"]) for each in wheel["neighbours"]] == [("elsewhere", "absent")]
    assert wheel["not_analysed"] == []


@pytest.mark.compiler
def test_what_neighbours_do_to_each_other_is_not_the_wheels_fault(
    dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neighbours share an environment; "both" imports the two that clash."""
    quiet, both = (
        make_wheel(dist, {f"{name}/__init__.py": source}, name=name, tag="py3-none-any")
        for name, source in (("quiet", ""), ("both", "import first, second\n"))
    )
    named = {"first": _wheel(dist, "first"), "second": _wheel(dist, "second"), "both": str(both)}
    (dist / "names.txt").write_text("".join(f"{name} @ {path}\n" for name, path in named.items()))
    arguments = ["check", "--against", str(dist / "names.txt"), "--offline", "--format", "json"]
    assert app.run([*arguments, str(quiet)]) == 0
    [wheel] = json.loads(capsys.readouterr().out)["wheels"]
    assert [(n["name"], n["standing"]) for n in wheel["neighbours"]] == [(name, "clean") for name in named]
    assert app.run([*arguments, _wheel(dist, "first")]) == 1
    [wheel] = json.loads(capsys.readouterr().out)["wheels"]
    assert [(n["name"], n["standing"]) for n in wheel["neighbours"]] == [("second", "conflict"), ("both", "clean")]


@pytest.mark.compiler
def test_hygiene_alone_passes(dist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["check", _wheel(dist, "first", "1.1"), "--no-deps", "--offline"]) == 0
    assert "export 32 symbols besides" in capsys.readouterr().out


@pytest.mark.compiler
def test_what_a_release_changes(dist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheels = [_wheel(dist, "first"), _wheel(dist, "first", "1.1")]
    assert app.run(["check", "--diff", *wheels, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(difference.schema())).validate(document)
    assert (document["verdict"], document["not_analysed"]) == ("pass", [])
    changes = {change["kind"]: change for change in document["changes"]}
    assert len(changes["exports"]["new"]) == 32
    assert {"at", "exported_0"} <= set(changes["exports"]["new"])
    assert changes["exports"]["gone"] == []
    assert changes["static-tls"]["new"] == ["4 bytes in first/_x.so"]
    assert app.run(["check", "--diff", *wheels]) == 0
    text = capsys.readouterr().out
    assert "exports: 32 new" in text
    assert "and 26 more" in text
    assert app.run(["check", "--diff", wheels[0], wheels[0]]) == 0
    assert "Nothing that neighbours could notice" in capsys.readouterr().out


@pytest.mark.compiler
def test_what_blocks_a_release(dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheels = [_wheel(dist, "first"), _wheel(dist, "first", "1.1")]
    (tmp_path / "gate.toml").write_text('block-changes = ["exports", "runtimes"]\nincomplete = "block"\n')
    arguments = ["check", "--diff", *wheels, "--policy", str(tmp_path / "gate.toml")]
    assert app.run([*arguments, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "block"
    assert [change["kind"] for change in document["changes"] if change["blocks"]] == ["exports"]
    assert app.run(arguments) == 1
    assert "exports (blocks): 32 new" in capsys.readouterr().out
    assert app.run(["check", "--diff", *reversed(wheels), "--policy", str(tmp_path / "gate.toml")]) == 0  # all gone


@pytest.mark.compiler
def test_a_comparison_is_bounded_and_ends_with_a_verdict(
    dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "first-1.2-py3-none-linux_x86_64.whl"
    broken.write_bytes(b"PK no zip")
    assert app.run(["check", "--diff", _wheel(dist, "first"), str(broken), "--format", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(difference.schema())).validate(document)
    assert document["verdict"] == "incomplete"
    assert broken.name in document["not_analysed"][0]["what"]
    assert app.run(["check", "--diff", _wheel(dist, "first"), str(broken)]) == 3
    assert "not a readable zip file" in capsys.readouterr().out
    with Scanner(0.01, 4096) as scanner:
        wheels = (dist / broken.name.replace("1.2", "1.0"), broken)
        assert scanner.compare(*wheels, None) is OUT_OF_TIME or scanner.compare(*wheels, None) is OUT_OF_TIME
    with Scanner(60, 24) as scanner:
        assert isinstance(scanner.compare(*wheels, None), Refused)


@pytest.mark.compiler
def test_sarif_of_a_check(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Findings are shown where the project is named, where that file is at hand."""
    against = tmp_path / "names.txt"
    against.write_text(f"second @ {_wheel(dist, 'second')}\n")
    arguments = ["check", _wheel(dist, "first"), _wheel(dist, "first", "1.1"), "--against", str(against), "--offline"]
    monkeypatch.chdir(tmp_path)
    assert app.run([*arguments, "--format", "sarif"]) == 1
    [run] = checked_log(capsys.readouterr().out)["runs"]
    assert run["automationDetails"]["id"] == "abiclash/check/"
    [clash] = [result for result in run["results"] if result["ruleId"] == "split-state"]
    assert (clash["level"], clash["properties"]["blocks"]) == ("error", True)
    uris = [place["physicalLocation"]["artifactLocation"]["uri"] for place in clash["locations"]]
    assert uris == ["first-1.0-py3-none-linux_x86_64.whl", "first-1.1-py3-none-linux_x86_64.whl"]
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "First"\n[[tool.abiclash.suppress]]\nrule = "split-state"\nreason = "known"\n'
        "expires = 2999-01-01\n"
    )
    assert app.run([*arguments, "--format", "sarif"]) == 0
    [run] = checked_log(capsys.readouterr().out)["runs"]
    [clash] = [result for result in run["results"] if result["ruleId"] == "split-state"]
    assert clash["suppressions"] == [{"kind": "external", "justification": "known"}]
    [place] = clash["locations"]
    assert place["physicalLocation"] == {"artifactLocation": {"uri": "pyproject.toml"}, "region": {"startLine": 2}}


@pytest.mark.compiler
def test_sarif_of_what_a_release_changes(dist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheels = [_wheel(dist, "first"), _wheel(dist, "first", "1.1")]
    assert app.run(["check", "--diff", *wheels, "--format", "sarif"]) == 0
    [run] = checked_log(capsys.readouterr().out)["runs"]
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels["change-exports"] == levels["change-static-tls"] == "note"


@pytest.mark.compiler
def test_damaged_wheels_and_bounds(dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken-1.0-py3-none-linux_x86_64.whl"
    broken.write_bytes(b"PK no zip")
    assert app.run(["check", str(broken), "--offline", "--no-deps"]) == 3
    assert "not analysed: broken-1.0" in capsys.readouterr().out
    request = ScanRequest((_wheel(dist, "first"),), offline=True, dependencies=False)
    with Scanner(0.01, 4096) as scanner:
        assert scanner.scan(request) is OUT_OF_TIME or scanner.scan(request) is OUT_OF_TIME
    with Scanner(60, 24) as scanner:
        answer = scanner.scan(request)
        assert isinstance(answer, Refused)
        assert "memory" in answer.reason


def test_many_notes_of_one_rule_are_summed_up() -> None:
    [clash] = REAL.findings
    notes = tuple(replace(clash, id=f"split-state-{n:08}", severity=Severity.NOTE) for n in range(6))
    checked = Checked("a-1.whl", "a", "1", "", "3.12", "x86_64", (*notes, clash), (), ())
    text = gate.as_text([gate.Verdict(checked, frozenset({clash.id, notes[5].id}), {}, "block")], Paint())
    assert [n for n, note in enumerate(notes) if note.id in text] == [0, 1, 2, 5]
    assert clash.id in text
    assert "2 more notes of split-state" in text


@pytest.mark.parametrize(
    ("filename", "python", "platform"),
    [
        ("a-1-cp37-cp37m-manylinux1_x86_64.whl", "3.7", "manylinux_2_36_x86_64"),
        ("a-1-cp313-cp313t-musllinux_1_2_aarch64.whl", "3.13t", "musllinux_1_2_aarch64"),
        ("a-1-cp312-cp312-manylinux_2_39_x86_64.whl", "3.12", "manylinux_2_39_x86_64"),
        ("a-1-cp39-abi3-manylinux2014_aarch64.whl", None, "manylinux_2_36_aarch64"),
        ("a-1-py3-none-any.whl", None, None),
    ],
)
def test_the_tags_say_where(tmp_path: Path, filename: str, python: str | None, platform: str | None) -> None:
    found = fit(tmp_path / filename)
    assert found.platform == platform
    assert python in (None, found.python)


@pytest.mark.parametrize(
    ("filename", "message"),
    [("a-1-cp312-cp312-win_amd64.whl", "not for Linux"), ("a-1-pp310-pypy310_pp73-manylinux1_x86_64.whl", "CPython")],
)
def test_wheels_for_others_are_refused(tmp_path: Path, filename: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit(tmp_path / filename)


def test_policies() -> None:
    assert read_policy({}, "p", RULES) == Policy()
    table = {"fail-on": "never", "block": ["platform-tag"], "incomplete": "block", "time-limit": 5}
    policy = read_policy(table, "p", RULES)
    assert policy == Policy(fail_on=None, block=frozenset({"platform-tag"}), incomplete=True, seconds=5)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"blocks": []}, "unknown key 'blocks'"),
        ({"block": ["nothing"]}, "no such rule"),
        ({"block": ["split-state"], "allow": ["split-state"]}, "both"),
        ({"fail-on": "never ever"}, "is one of"),
        ({"against": "numpy"}, "list of names"),
        ({"time-limit": True}, "whole number"),
        ({"block-changes": ["colour"]}, "no such kind of change"),
        ({"facts": ["x"]}, "a text in quotes"),
    ],
)
def test_policies_that_make_no_sense(table: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_policy(table, "p", RULES)


def test_neighbours_are_named_in_three_ways(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("numpy>=2  # comment\n\n--index-url x\npandas\n")
    assert neighbours(["numpy, scipy", "numpy"]) == ("numpy", "scipy")
    assert neighbours([str(tmp_path / "names.txt")]) == ("numpy>=2", "pandas")
    assert "torch" in {text.partition("=")[0] for text in neighbours(["ml-stack"])}
    assert len(neighbours(["popular"])) == 50
    assert neighbours(["popular,tensorflow"]) == (*neighbours(["popular"]), "tensorflow")
    with pytest.raises(UsageError, match="neither a requirement"):
        neighbours(["no such thing!"])


def test_published_facts_mean_popular_neighbours() -> None:
    assert check._neighbours([], Policy(facts="https://example.org/facts")) == neighbours(["popular"])
    assert check._neighbours([], Policy(against=("numpy",), facts="https://example.org/facts")) == ("numpy",)
    assert check._neighbours([], Policy()) == ()


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["check"]) == 2
    assert "no wheel is named" in capsys.readouterr().err
    one = make_wheel(tmp_path, {"a.py": ""}, name="a", tag="py3-none-any")
    assert app.run(["check", "--diff", str(one)]) == 2
    copy = tmp_path / "not a wheel.whl"
    shutil.copy(one, copy)
    assert app.run(["check", str(copy)]) == 2


@pytest.mark.compiler
def test_neighbours_in_a_file_that_is_no_text(dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Found by trying every command on hostile files: it ended in a traceback."""
    (tmp_path / "names.txt").write_bytes(b"\x80\x81numpy\0")
    assert app.run(["check", _wheel(dist, "first"), "--against", str(tmp_path / "names.txt"), "--offline"]) == 2
    assert "names.txt" in capsys.readouterr().err
