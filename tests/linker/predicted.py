"""The model alone: for rules that the machine's own ld.so is too old or too new to show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from abiclash.linker.process import Process
from abiclash.linker.world import World
from tests.linker.judge import Elsewhere, Fixtures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from abiclash.linker.link_map import Mode
    from tests.linker.judge import Judge


def predict(judge: Judge, program: Path, steps: Sequence[tuple[str | Path, Mode]], **settings: Any) -> Process:
    """Play steps on the judge's host with some settings changed (libc_version=...)."""
    host = replace(judge.host, **settings)
    fixtures = Fixtures([judge.folder, program.parent])
    process = Process.start(World([fixtures, Elsewhere(host, fixtures)]), host, str(program))
    for name, mode in steps:
        process.dlopen(str(name), mode)
    return process
