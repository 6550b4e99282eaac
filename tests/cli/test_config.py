"""Configuration: what applies, its schema, and completion in shells."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from abiclash.cli import app
from abiclash.control import suppressions
from abiclash.gate import policy
from abiclash.gate.difference import MEANINGS
from abiclash.rules.registry import rules

ROOT = Path(__file__).parents[2]


@pytest.fixture
def schema(capsys: pytest.CaptureFixture[str]) -> Any:
    assert app.run(["config", "--schema"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_schema_knows_what_the_reader_knows(schema: Any) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    assert set(schema["properties"]) == set(suppressions._TABLES)
    assert set(schema["definitions"]["suppression"]["properties"]) == suppressions._KEYS
    check = schema["definitions"]["check"]["properties"]
    assert set(check) == policy.KEYS
    assert check["block-changes"]["items"]["enum"] == list(MEANINGS)
    assert schema["definitions"]["rule"]["enum"] == sorted(entry.rule.id for entry in rules())


def test_the_example_of_the_docs_is_right(
    schema: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    text = page.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert app.run(["config"]) == 0
    assert "1 entries of suppress, 3 keys of check" in capsys.readouterr().out
    plain = json.loads(json.dumps(tomllib.loads(text)["tool"]["abiclash"], default=str))
    jsonschema.Draft7Validator(schema).validate(plain)
    assert list(jsonschema.Draft7Validator(schema).iter_errors({"checks": {}, "suppress": [{"id": "x"}]}))


def test_mistakes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "abiclash.toml").write_text('[check]\nblock = ["no-such-rule"]\n')
    monkeypatch.chdir(tmp_path)
    assert app.run(["config"]) == 2
    assert "abiclash.toml, check: 'no-such-rule': there is no such rule" in capsys.readouterr().err
    (tmp_path / "abiclash.toml").write_text("check = 1\n")
    assert app.run(["config"]) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["completion", shell]) == 0
    assert "_ABICLASH_COMPLETE" in capsys.readouterr().out


def test_commands_and_options_are_completed() -> None:
    def complete(words: str, at: int) -> list[str]:
        code = "from abiclash.cli import main; main()"
        environment = {"_ABICLASH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment | _paths(), capture_output=True, text=True, check=False)
        return done.stdout.split()

    assert complete("abiclash ch", 1) == ["plain,check"]
    assert "plain,--format" in complete("abiclash scan --f", 2)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_really_completes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert app.run(["completion", "bash"]) == 0
    script, program = tmp_path / "completion.sh", tmp_path / "abiclash"
    script.write_text(capsys.readouterr().out)
    program.write_text(f"#!{sys.executable}\nfrom abiclash.cli import main\nmain()\n")
    program.chmod(0o755)
    lines = (
        f"source {script}",
        "COMP_WORDS=(abiclash check --format sa) COMP_CWORD=3",
        "$(complete -p abiclash | sed 's/.*-F \\([^ ]*\\).*/\\1/') abiclash",
        'echo "${COMPREPLY[@]}"',
    )
    environment = _paths() | {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = ["bash", "--norc", "-c", "\n".join(lines)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["sarif"], done.stderr


def _paths() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}
