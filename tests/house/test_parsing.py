"""Text of strangers that is nested as deeply as can be: told like any other damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.control.baseline import read_baseline
from abiclash.control.suppressions import read_suppressions
from abiclash.corpus import lock, manifest
from abiclash.errors import AbiclashError
from abiclash.parsing import read_json, read_toml
from abiclash.reports.stored import read_report
from abiclash.sources.lockfiles import read
from abiclash.sources.platform import Platform, Python, Runtime
from abiclash.sources.target import parse_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEEP = "[" * 200_000
RUNTIME = Runtime(Python.parse("3.11"), Platform.parse("manylinux_2_28_x86_64"))
READERS: dict[str, Callable[[Path], object]] = {
    "abiclash.toml": lambda path: read_suppressions(path, frozenset()),
    "baseline.json": read_baseline,
    "report.json": read_report,
    "corpus.lock": lock.read,
    "mine.toml": lambda path: manifest.load(str(path)),
    "pylock.toml": lambda path: read(parse_target(str(path)), RUNTIME),  # type: ignore[arg-type]
    "uv.lock": lambda path: read(parse_target(str(path)), RUNTIME),  # type: ignore[arg-type]
    "poetry.lock": lambda path: read(parse_target(str(path)), RUNTIME),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", READERS)
def test_deep_nesting_is_an_error_of_ours(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(DEEP if name.endswith("json") or name == "corpus.lock" else f"a = {DEEP}")
    with pytest.raises(AbiclashError, match="nested too deeply") as raised:
        READERS[name](path)
    assert name in str(raised.value)


def test_what_is_well_formed_is_read() -> None:
    assert read_json(b'{"a": [1]}') == {"a": [1]}
    assert read_toml("a = [1]") == {"a": [1]}
    for damaged in ("{", DEEP):
        with pytest.raises(ValueError, match=r"Expecting|deeply"):
            read_json(damaged)
