"""The ELF reader on top of pyelftools.

Half of its time is pyelftools' making of parsers, the same for every file of one kind: they are kept.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import Any

from elftools.elf import elffile
from elftools.elf.structs import ELFStructs

from abiclash.errors import ElfError
from abiclash.facts.reference import read_reference
from tests.fuzz.target import Target


class KeptStructs(ELFStructs):
    """pyelftools' parsers, made once for each kind of file."""

    def create_basic_structs(self) -> None:
        self.__dict__.update(_parsers(self.little_endian, self.elfclass))

    def create_advanced_structs(self, *kind: Any) -> None:
        self.__dict__.update(_parsers(self.little_endian, self.elfclass, *kind))


@lru_cache(1000)
def _parsers(little: bool, bits: int, *kind: Any) -> dict[str, Any]:
    made = ELFStructs(little, bits)
    made.create_basic_structs()
    if kind:
        made.create_advanced_structs(*kind)
    return made.__dict__


def run(raw: bytes) -> None:
    with contextlib.suppress(ElfError):
        read_reference(raw, "fuzzed.so")


elffile.ELFStructs = KeptStructs  # type: ignore[attr-defined] # ELFFile takes it from there
TARGET = Target("elf_reference", run, 5000)
