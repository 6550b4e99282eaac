"""Corpora as TOML files."""

from __future__ import annotations

from abiclash.corpus.manifest import load
from abiclash.errors import SourceError, UsageError
from tests.fuzz.target import Target, scratch


def run(raw: bytes) -> None:
    path = scratch() / "mine.toml"
    path.write_bytes(raw)
    try:
        found = load(str(path))
        found.limited(1).variant()
    except (SourceError, UsageError) as error:
        assert str(error).strip()
        return
    assert all(isinstance(text, str) for text in (*found.packages, *map(str, found.variants)))


TARGET = Target("manifest", run)
