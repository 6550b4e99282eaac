"""Plans of a few pinned wheels, whose loads were observed once: what is expected is what `dlopen` opened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.cli import app

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Wheelhouse

EXPECTED = {
    "markupsafe==3.0.2": ["markupsafe/_speedups"],
    "kiwisolver==1.4.8": ["kiwisolver/_cext"],
    "msgpack==1.1.0": ["msgpack/_cmsgpack"],
    "greenlet==3.1.1": ["greenlet/_greenlet"],
    "lz4==4.3.3": ["lz4/_version"],
}
"""Requirement -> loads of `import PACKAGE` below site-packages, without suffixes, in order."""


@pytest.mark.index
@pytest.mark.parametrize("requirement", EXPECTED)
def test_loads_of_a_real_wheel(
    requirement: str,
    wheelhouse: Wheelhouse,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path))
    wheel = wheelhouse(requirement, python="3.11")
    assert app.run(["plan", str(wheel), "--python", "3.11", "--host", "debian-12", "--format", "jsonl"]) == 0
    records: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    own = [record for record in records if "/site-packages/" in record["load"]]
    loaded = [record["load"].split("/site-packages/")[1].partition(".")[0] for record in own]
    assert loaded == EXPECTED[requirement]
    assert all(record["cause"]["text"] and record["certainty"] != "possible" for record in own)
