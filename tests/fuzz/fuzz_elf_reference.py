"""The ELF reader on top of pyelftools."""

from __future__ import annotations

import contextlib

from abiclash.errors import ElfError
from abiclash.facts.reference import read_reference
from tests.fuzz.target import Target


def run(raw: bytes) -> None:
    with contextlib.suppress(ElfError):
        read_reference(raw, "fuzzed.so")


TARGET = Target("elf_reference", run, 5000)
