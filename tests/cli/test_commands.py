"""Commands end to end, on small wheels and on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from abiclash.cli import app
from tests.support import Builder, make_wheel

PREFIX = Path(sys.prefix)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def wheel(builder: Builder, tmp_path: Path) -> Path:
    library = builder.library("libx.so", "int x(void) { return 1; }", soname="libx.so.1")
    return make_wheel(tmp_path / "dist", {"x/__init__.py": "", "x/libx.so": library}, tag="py3-none-linux_x86_64")


@pytest.mark.compiler
def test_facts_of_a_wheel_a_member_and_a_sha256(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["facts", str(wheel), "--format", "json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert [found["soname"] for found in known["objects"]] == ["libx.so.1"]
    assert app.run(["facts", f"{wheel}!x/libx.so", "--symbols"]) == 0
    assert " x\n" in capsys.readouterr().out
    wheel.unlink()
    assert app.run(["facts", known["sha256"]]) == 0
    assert capsys.readouterr().out.startswith("demo 1.0\n")


@pytest.mark.compiler
def test_facts_of_a_shared_object(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["facts", str(wheel.parents[1] / "libx.so"), "--symbols", "--format", "json"]) == 0
    symbols = {row["name"]: row["place"] for row in json.loads(capsys.readouterr().out)["symbols"]}
    assert symbols["x"] == "CODE"


@pytest.mark.compiler
@pytest.mark.parametrize(
    ("thing", "line"),
    [
        ("{wheel}!x/absent.so", "no such object; 'abiclash facts' of the wheel lists them"),
        ("absent.whl", "absent.whl: cannot be read: No such file or directory; name a wheel"),
        ("0" * 64, "no such wheel in"),
        ("{broken}", "broken.so: not a readable ELF file:"),
        ("{text}", "text.whl: "),
    ],
)
def test_facts_of_something_else(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], thing: str, line: str
) -> None:
    broken, text = tmp_path / "broken.so", tmp_path / "text.whl"
    broken.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(20))
    text.write_text("no wheel")
    assert app.run(["facts", thing.format(wheel=wheel, broken=broken, text=text)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("abiclash: error: ")
    assert line in errors
    assert errors.count("\n") == 1


@pytest.mark.compiler
def test_index_keeps_what_later_commands_show(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["index", str(wheel), "--offline"]) == 0
    assert "demo 1.0  1        " in capsys.readouterr().out
    assert app.run(["index", str(wheel), "--offline", "--format", "json"]) == 0
    [indexed] = json.loads(capsys.readouterr().out)["wheels"]
    assert app.run(["facts", indexed["sha256"]]) == 0


@pytest.mark.compiler
def test_index_tells_what_it_could_not_read(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = make_wheel(
        tmp_path / "dist", {"y/bad.so": b"\x7fELF" + bytes(30)}, name="other", tag="py3-none-linux_x86_64"
    )
    assert app.run(["index", str(wheel), str(damaged), "--offline"]) == 3
    shown = capsys.readouterr().out
    assert "demo 1.0" in shown
    assert "y/bad.so" in shown.partition("Not analysed")[2]


def test_index_without_anything_to_read_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(b"PK\x03\x04 cut off")
    assert app.run(["index", str(path), "--offline"]) == 2
    assert capsys.readouterr().err.startswith(f"abiclash: error: {path}: ")


def test_hosts_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["host", "list", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert "debian-12" in {profile["name"] for profile in listed}
    assert app.run(["host", "show", "debian-12"]) == 0
    assert "libc:        glibc 2.36\n" in capsys.readouterr().out
    assert app.run(["host", "show", "live", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "live"
    assert app.run(["host", "show", "no-such-host"]) == 2
    assert "no such profile; shipped are" in capsys.readouterr().err


def test_a_captured_host_can_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "here.profile"
    assert app.run(["host", "capture", str(file), "--name", "here"]) == 0
    assert "name:        here\n" in capsys.readouterr().out
    assert app.run(["host", "show", str(file)]) == 0
    assert "name:        here\n" in capsys.readouterr().out


@pytest.mark.compiler
def test_bindings_of_a_recorded_plan(builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = builder.library("libone.so", "int shared(void) { return 1; }")
    two = builder.library(
        "libtwo.so", "int shared(void); int use(void) { return shared(); }", libs=[one], runpath="$ORIGIN"
    )
    plan = tmp_path / "plan.jsonl"
    plan.write_text(json.dumps({"exit": 0}) + "\n" + json.dumps({"load": str(two)}) + "\n")
    assert app.run(["bindings", "--env", str(PREFIX), "--plan", str(plan), "--symbol", "shared"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records == [{"from": str(two), "symbol": "shared", "version": None, "to": str(one)}]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["x", "--plan", "{plan}"], "needs --env, whose interpreter plays it"),
        (["--env", "{prefix}", "--plan", "{absent}"], "cannot be read: No such file or directory"),
        (["--env", "{prefix}", "--plan", "{plan}"], "no JSON lines"),
        (["--env", "{prefix}", "--plan", "{plan}", "--order", "a,b"], "--order and --diff need packages"),
    ],
)
def test_bindings_refuses_what_makes_no_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    plan = tmp_path / "plan.jsonl"
    plan.write_text("load libx.so\n")
    places = {"plan": plan, "absent": tmp_path / "absent", "prefix": PREFIX}
    assert app.run(["bindings", *(argument.format(**places) for argument in arguments)]) == 2
    assert line in capsys.readouterr().err


def test_verify_runs_code_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", "--env", str(PREFIX), "--import", "_ctypes,no_such_module", "--format", "json"]
    assert app.run([*arguments, "--order", "given", "--timeout", "60"]) == 1
    shown = capsys.readouterr()
    assert "verify runs the packages' own code" in shown.err
    [run] = json.loads(shown.out)["runs"]
    assert run["outcome"] == "exit status 1"
    assert "No module named 'no_such_module'" in run["stderr"]
    assert run["bindings"]["missing"] == []
    assert run["bindings"]["observed"] > 500


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "numpy", "--env", "x"], ["verify", "--env", "x"]])
def test_verify_refuses_what_makes_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(arguments) == 2
    assert capsys.readouterr().err.startswith("abiclash: error: verify")


def test_rules_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["rules"]) == 0
    assert "split-state" in capsys.readouterr().out
    assert app.run(["rules", "split-state"]) == 0
    assert "\nHow the loader decides\n" in capsys.readouterr().out
    assert app.run(["rules", "--format", "json"]) == 0
    assert "split-state" in {rule["id"] for rule in json.loads(capsys.readouterr().out)}
    assert app.run(["rules", "split-state", "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("# split-state\n")


def test_an_output_that_cannot_be_written_is_refused_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["scan", "absent.whl", "-o", str(tmp_path)]) == 2
    assert "is a folder; name a file for -o" in capsys.readouterr().err
    assert app.run(["scan", "absent.whl", "-o", str(tmp_path / "no" / "x.json")]) == 2
    assert f"there is no folder {tmp_path / 'no'}" in capsys.readouterr().err


@pytest.mark.compiler
def test_a_scan_goes_on_where_nothing_can_be_stored(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path / "file"))
    assert app.run(["scan", str(wheel), "--offline", "--format", "json"]) == 3
    [unread] = json.loads(capsys.readouterr().out)["not_analysed"]
    assert unread["what"] == str(tmp_path / "file")
    assert unread["reason"].startswith("the cache cannot be written (Not a directory)")


def test_python_m_abiclash() -> None:
    done = subprocess.run([sys.executable, "-m", "abiclash", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("abiclash ")


@pytest.mark.index
def test_facts_of_a_requirement(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["facts", "markupsafe!=1.0,==3.0.2", "--python", "3.11", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == "3.0.2"
