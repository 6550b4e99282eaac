"""The commands end to end: a night, a second night, and what is published of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from abiclash.cli import app
from tests.corpus.test_manifest import MINIMAL, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.corpus.small import Index


@pytest.mark.compiler
def test_a_night(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "UV_DEFAULT_INDEX": f"{index.url}/simple/",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_CONFIG": "1",
    }.items():
        monkeypatch.setenv(name, value)
    corpus = written(tmp_path, MINIMAL + 'packages = ["alpha", "beta", "gamma"]\n')
    folder = tmp_path / "night"
    assert app.run(["corpus", "nightly", corpus, str(folder), "--disk", "1GB"]) == 0
    assert "soname-collision" in capsys.readouterr().out
    assert "beta" in (folder / "site" / "packages" / "alpha.html").read_text()
    results = ["--results", str(folder / "results")]
    lock = next((folder / "locks").glob("*.json"))
    again = [
        "corpus",
        "scan",
        corpus,
        "--lock",
        str(lock),
        *results,
        "--cache",
        str(folder / "cache"),
        "--workers",
        "0",
    ]
    assert app.run([*again, "--format", "json", "-q"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["run"]["totals"]["packages"] == 3
    assert app.run([*again, "--limit", "1", "-q"]) == 0
    assert app.run(["corpus", "diff", corpus, *results]) == 0
    assert "gone error" in capsys.readouterr().out
    assert app.run([*again, "--disk", "lots"]) == 2
    assert app.run([*again, "--time", "soon"]) == 2
