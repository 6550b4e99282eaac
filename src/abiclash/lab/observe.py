"""What ld.so really does in a Python program: run it under LD_DEBUG and keep the loads and the bindings.

The program runs for real. Only its first process is observed: what it starts in other processes is not.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import LabError
from abiclash.lab.bindlog import CHANNELS, read_log
from abiclash.lab.records import Observation
from abiclash.lab.run import interpreter, run_child

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.lab.run import Limits


def observe(
    python: str | Path,
    code: str,
    *,
    bind_now: bool = True,
    bindings: bool = True,
    limits: Limits | None = None,
    environ: Mapping[str, str] | None = None,
) -> Observation:
    """Run `PYTHON -W ignore -c CODE` and say what the dynamic linker did. Raises LabError when it cannot be run.

    bind_now: bind lazy PLT slots at load as well, so that every reference shows. bindings: note the bindings too, not
    only the loads, which makes a log of some 200 bytes for each. environ: added to a clean
    environment (see `run_child`). A run past its time limit is killed and told as it is, with `run.timed_out`.
    """
    program = interpreter(python)
    with tempfile.TemporaryDirectory(prefix="abiclash-") as name:
        folder = Path(name)
        channels = CHANNELS if bindings else CHANNELS.removeprefix("bindings,")
        variables = dict(environ or {}) | {"LD_DEBUG": channels, "LD_DEBUG_OUTPUT": str(folder / "log")}
        if bind_now:
            variables["LD_BIND_NOW"] = "1"
        run = run_child([program, "-W", "ignore", "-c", code], folder, environ=variables, limits=limits)
        path = folder / f"log.{run.pid}"
        try:
            with path.open("rb") as lines:
                log = read_log(lines, run.pid, program)
        except FileNotFoundError:
            message = (
                f"{python}: the dynamic linker wrote no log (exit status {run.exit}); is it a static or musl build?"
            )
            raise LabError(message) from None
    return Observation(run.exit, log.events, log.bindings, log.lookups, log.garbled, run)
