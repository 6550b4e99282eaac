"""The model alone: for rules that the machine's own ld.so is too old or too new to show, and for what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from abiclash.linker.explain import explain
from abiclash.linker.process import Process
from abiclash.linker.world import World
from tests.linker.judge import Elsewhere, Fixtures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from abiclash.linker.explain import Explanation
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


def explained(process: Process) -> int:
    """Demand that the history of each reference leads to what it is bound to; return how many there were."""
    count = 0
    for link in process.maps.values():
        keys = process.world.table(link.file).queries.key.tolist() if link.targets is not None else ()
        for key in dict.fromkeys(keys):
            for item in explain(process, link.file, key):
                count += 1
                assert leads_to(process, item), item
    return count


def leads_to(process: Process, item: Explanation) -> bool:
    """Tell whether the steps end where the reference is bound, or the ending says why not."""
    taken = [step for step in item.steps if step.taken]
    reserve = [step for step in item.steps if "kept in reserve" in step.clause]
    ends = (taken or reserve)[0].file if taken or reserve else None
    if ends == item.target:
        return True
    own = item.target == item.source and "protected" in item.ending
    return own or (ends is not None and "STB_GNU_UNIQUE" in (taken or reserve)[0].clause)
