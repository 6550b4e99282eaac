"""What ld.so says of the loads that it refuses, and what the model says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from abiclash.rules.case import Stage
from abiclash.rules.failures import said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.rules.case import Case
    from tests.rules.harness import Site

_CHILD = """
import ctypes, json, sys
refused = []
for path, mode in json.loads(sys.argv[1]):
    try:
        ctypes.CDLL(path, mode=mode)
    except OSError as error:
        refused.append(str(error))
stack = next(line.split()[1] for line in open("/proc/self/maps") if line.rstrip().endswith("[stack]"))
print(json.dumps([refused, stack]))
"""


def _child(site: Site, order: Sequence[str], settings: dict[str, str]) -> tuple[list[str], str]:
    loads = [(load.path, load.flags) for load in site.imports(order)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _CHILD, json.dumps(loads)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], **settings},
    )
    refused, stack = json.loads(done.stdout)
    return refused, stack


def refused(site: Site, *order: str, **settings: str) -> list[str]:
    """Return dlerror() of each load that fails in a child process. settings: of its environment."""
    return _child(site, order, settings)[0]


def within(site: Site, message: str) -> str:
    """Return a message as findings quote it: without the folder of the environment."""
    return message.replace(f"{site.folder}/site-packages/", "")


def stack(site: Site, *order: str) -> str:
    """Return the protection of the child's stack afterwards, as the kernel shows it."""
    return _child(site, order, {})[1]


def modelled(case: Case, *order: str) -> list[str]:
    """Return the same of the model's process."""
    runs = (*case.together, *case.alone.values())
    run = next(run for run in runs if run.order == order and run.stage is Stage.IMPORT)
    return [said(case, played.event.failure) for played in run.played if played.event.failure is not None]
