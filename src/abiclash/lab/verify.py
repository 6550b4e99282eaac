"""Trying what was predicted: run the imports of an environment, alone and in each order, and compare.

This runs the packages' own code. Each trial is a fresh child process with its own home, without input and, where
the system allows, without network; it can still read and write what the user can.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import AbiclashError, NotAnalysed
from abiclash.lab.compare import compare, predict
from abiclash.lab.observe import observe
from abiclash.lab.run import Limits, interpreter, run_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from abiclash.lab.compare import Comparison
    from abiclash.lab.records import Observation
    from abiclash.lab.run import Run

WARNING = "verify runs the packages' own code on this machine, in child processes; only do it with code that you trust"
_MOST_ORDERS = 6
_GDB = ("-nx", "-batch", "-ex", "set pagination off", "-ex", "run", "-ex", "backtrace 24")


@dataclass(frozen=True, slots=True)
class Trial:
    """One program that was run.

    order: its statements. run: undisturbed, as a user would run it. stack: gdb's backtrace of a crash, where it could
    be had. comparison: of the bindings in a second run, under LD_DEBUG, with the prediction for the loads of
    that run; None where one of the two could not be had (see `Verification.not_analysed`).
    """

    order: tuple[str, ...]
    run: Run
    stack: str | None
    comparison: Comparison | None

    @property
    def works(self) -> bool:
        return self.run.exit == 0 and not self.run.timed_out

    @property
    def outcome(self) -> str:
        """In words: works, exit status 1, SIGSEGV, or no end in time."""
        if self.run.timed_out:
            return f"no end within {self.run.seconds:.0f} s"
        return self.run.signal or ("works" if self.run.exit == 0 else f"exit status {self.run.exit}")


@dataclass(frozen=True, slots=True)
class Verification:
    """All trials: each import alone first, then the orders."""

    python: str
    trials: tuple[Trial, ...]
    not_analysed: tuple[NotAnalysed, ...]

    @property
    def exact(self) -> bool:
        """Every binding was predicted as it was observed, in every trial."""
        return all(trial.comparison is not None and trial.comparison.exact for trial in self.trials)


def orders(imports: Sequence[str]) -> list[tuple[str, ...]]:
    """Each statement alone, then all orders of up to three; of more, the given one and its reverse."""
    alone: list[tuple[str, ...]] = [(statement,) for statement in imports]
    if len(imports) < 2:
        return alone
    together = list(itertools.islice(itertools.permutations(imports), _MOST_ORDERS + 1))
    if len(together) > _MOST_ORDERS:
        together = [tuple(imports), tuple(reversed(imports))]
    return alone + together


def verify(
    python: str | Path,
    imports: Sequence[str],
    *,
    programs: Sequence[tuple[str, ...]] | None = None,
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Verification:
    """Run `imports` (statements such as `import numpy`) with the interpreter of an environment.

    programs: the orders to try, instead of `orders(imports)`. progress: called with each program before it runs.
    Raises LabError when the interpreter cannot be run; what fails for one trial is told with the result.
    """
    program = interpreter(python)
    limits = limits or Limits()
    trials: list[Trial] = []
    problems: list[NotAnalysed] = []
    for order in programs if programs is not None else orders(imports):
        code = "\n".join(order)
        progress("; ".join(order))
        run = _plain(program, code, limits)
        stack = None
        if run.exit < 0 and not run.timed_out:
            stack = backtrace(program, code, limits)
            if stack is None:
                problems.append(NotAnalysed("; ".join(order), "no stack of the crash: gdb is absent or may not trace"))
        try:
            observation = observe(program, code, limits=limits)
            comparison = compare(observation, predict(program, observation.records()))
            if observation.exit != run.exit:
                problems.append(NotAnalysed("; ".join(order), _differs(run, observation)))
        except AbiclashError as error:
            problems.append(NotAnalysed("; ".join(order), f"bindings were not compared: {error}"))
            comparison = None
        trials.append(Trial(order, run, stack, comparison))
    return Verification(program, tuple(trials), tuple(problems))


def _differs(run: Run, observation: Observation) -> str:
    return (
        f"it ended with {run.exit} undisturbed and with {observation.exit} when observed (LD_BIND_NOW, which refuses "
        "undefined functions that are never called, or chance)"
    )


def backtrace(python: str, code: str, limits: Limits) -> str | None:
    """The stack where `PYTHON -c CODE` gets a fatal signal, as gdb shows it; None without gdb or without a stack."""
    gdb = shutil.which("gdb")
    if gdb is None:
        return None
    with tempfile.TemporaryDirectory(prefix="abiclash-") as name:
        command = [gdb, *_GDB, "--args", python, "-W", "ignore", "-c", code]
        shown = run_child(command, Path(name), limits=limits, environ={"DEBUGINFOD_URLS": ""}).stdout
    return "\n".join(_frames(shown.splitlines())) or None


def _frames(lines: Sequence[str]) -> Iterator[str]:
    """The signal's line and the frames, without gdb's chatter."""
    return (line for line in lines if line.startswith(("Program received signal", "Thread ", "#")))


def _plain(python: str, code: str, limits: Limits) -> Run:
    with tempfile.TemporaryDirectory(prefix="abiclash-") as name:
        return run_child([python, "-W", "ignore", "-c", code], Path(name), limits=limits)
