"""The fast ELF reader, with all of its tables, and the choice of ranges while a file is inflated."""

from __future__ import annotations

from abiclash.errors import ElfError
from abiclash.facts.elf import read_object
from abiclash.facts.layout import HEAD, wanted
from abiclash.facts.ranges import NotKeptError, Ranges
from abiclash.facts.stored_names import compact
from tests.fuzz.target import Target


def run(raw: bytes) -> None:
    try:
        parts = wanted(raw[:HEAD], len(raw))
        _read(Ranges(len(raw), [(start, raw[start : start + length]) for start, length in parts]))
    except NotKeptError:
        pass
    except ElfError as error:
        assert str(error).strip()
        assert "\n" not in str(error)


def _read(ranges: Ranges) -> None:
    facts, table = read_object(ranges, "fuzzed.so")
    compact(table)
    assert len(facts.symbols.key) == len(table)


TARGET = Target("elf", run, 5000)
