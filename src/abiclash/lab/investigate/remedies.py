"""What users and maintainers can do, each tried on the failing program."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from abiclash.errors import LabError
from abiclash.lab.environments import make_environment
from abiclash.lab.investigate.bench import Bench
from abiclash.lab.investigate.overlay import Overlay
from abiclash.lab.investigate.result import Attempt, Outcome, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from abiclash.lab.investigate.result import Cause, Change, Program
    from abiclash.lab.run import Limits

DROP_GLOBAL = """\
import ctypes, sys
def _private():
    flags, opened = sys.setdlopenflags, ctypes.CDLL.__init__
    sys.setdlopenflags = lambda wanted: flags(wanted & ~ctypes.RTLD_GLOBAL)
    def opens(self, name, mode=ctypes.DEFAULT_MODE, *rest, **named):
        opened(self, name, mode & ~ctypes.RTLD_GLOBAL, *rest, **named)
    ctypes.CDLL.__init__ = opens
_private()
"""
"""Takes RTLD_GLOBAL away from imports and from ctypes."""


def common_remedies(
    bench: Bench,
    failing: Program,
    cause: Cause | None,
    changes: Sequence[Change],
    place: Callable[[str], str],
    *,
    global_scope: bool,
) -> Iterator[Attempt]:
    """Load captured libraries before everything else; open nothing for the whole process. place: of a file."""

    def attempt(what: str, before: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> Attempt:
        outcome = bench.run([*before, *failing.statements], environ=environ)
        bench.progress(f"remedy: {what}: {outcome.text}")
        return Attempt(Role.REMEDY, what, str(failing), outcome, outcome.works)

    symbols = set(cause.suspect.symbols) if cause else set()
    captured = sorted({change.source for change in changes if change.symbol in symbols and change.source[:1] == "/"})
    if cause is not None and cause.suspect.kind == "library":
        captured = [cause.suspect.finding]
    for path in captured:
        yield attempt(f"start Python with LD_PRELOAD={path}", environ={"LD_PRELOAD": place(path)})
    if global_scope:
        yield attempt("open every library privately (without RTLD_GLOBAL)", before=(DROP_GLOBAL,))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Versions to try. requirements: each pinned, `name==version`. pins: what is installed. targets: as requested.

    base: the interpreter to make environments for, under `cache`.
    """

    requirements: tuple[str, ...]
    pins: tuple[str, ...]
    targets: tuple[str, ...]
    base: str
    cache: Path

    def sets(self, requirement: str) -> list[list[str]]:
        """What to install: everything else as it is; where that does not fit, only the targets as they are."""
        name = _name(requirement)
        everything = [pin for pin in self.pins if _name(pin) != name and "==" in pin]
        roots = [target for target in self.targets if _name(target) != name]
        return [[*everything, requirement], [*roots, requirement]]


def version_remedies(
    wanted: Wanted, failing: Program, limits: Limits, progress: Callable[[str], None]
) -> Iterator[Attempt]:
    """Install one package in another version, run the failing program, and remove the environment."""
    for requirement in wanted.requirements:
        what = f"install {requirement} instead"
        environment = None
        for requirements in wanted.sets(requirement):
            with suppress(LabError):
                environment = make_environment(requirements, wanted.base, wanted.cache)
                break
        if environment is None:
            yield Attempt(Role.REMEDY, what, str(failing), Outcome(1, "cannot be installed"), good=False)
            continue
        try:
            bench = Bench(Overlay(environment.path, environment.path), limits, limits.seconds)
            outcome = bench.run(failing.statements)
        finally:
            environment.remove()
        progress(f"remedy: {what}: {outcome.text}")
        yield Attempt(Role.REMEDY, what, str(failing), outcome, outcome.works)


def _name(requirement: str) -> str:
    """Return the project that a requirement is for, or the text itself (a path)."""
    return canonicalize_name(requirement.partition("==")[0].strip())
