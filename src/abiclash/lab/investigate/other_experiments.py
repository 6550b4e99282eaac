"""Hypotheses that are not about definitions: a library taken for another of its name, memory for static TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.lab.investigate.experiment import opening
from abiclash.lab.investigate.result import Attempt, Cause, Role, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.lab.investigate.bench import Bench
    from abiclash.lab.investigate.result import Outcome, Program, Suspect
    from abiclash.lab.investigate.trial_edits import Editor

_TUNABLE = "glibc.rtld.optional_static_tls"


def try_library(
    bench: Bench,
    editor: Editor,
    suspect: Suspect,
    failing: Program,
    passing: Program,
    renamed: str,
    objects: Sequence[str],
) -> Cause:
    """Tell the two libraries apart by name; open the suspect first in the working run; both with another library.

    renamed: which of the two gets a name of its own. objects: of packages, of the run that has it, and only of that.
    """
    attempts: list[Attempt] = []

    def note(role: Role, what: str, program: Program, outcome: Outcome, path: str, *, good: bool) -> bool:
        attempts.append(Attempt(role, what, str(program), outcome, good, (), (path,)))
        bench.progress(f"{role}: {what} {path}: {outcome.text}")
        return good

    def rename(path: str, role: Role) -> bool:
        outcome = bench.run(failing.statements, edits=editor.renamed(path, objects))
        good = outcome.works if role is Role.REMOVAL else outcome.same_failure(failing.outcome)
        return note(role, "give it a name that no other library has:", failing, outcome, path, good=good)

    def first(path: str, role: Role) -> bool:
        outcome = bench.run([opening(editor.place(path)), *passing.statements])
        good = outcome.same_failure(failing.outcome) if role is Role.RESTORATION else outcome.works
        return note(role, "open it first:", passing, outcome, path, good=good)

    removed, restored = rename(renamed, Role.REMOVAL), first(suspect.object, Role.RESTORATION)
    placebos = True
    others = [path for path in objects if path.rpartition("/")[2].startswith("lib")]
    others = [path for path in others if not editor.names(path, renamed)]
    for other in others[-1:] if removed or restored else []:
        placebos = rename(other, Role.PLACEBO) & first(other, Role.PLACEBO)
    return _judged(suspect, attempts, removed=removed, restored=restored and placebos and bool(others))


def try_static_tls(bench: Bench, suspect: Suspect, failing: Program, working: Iterable[Program]) -> Cause:
    """Give the failing program more of the memory, one of the working ones less; and change another tunable."""
    attempts: list[Attempt] = []

    def attempt(role: Role, tunable: str, program: Program, *, works: bool) -> bool:
        outcome = bench.run(program.statements, environ={"GLIBC_TUNABLES": tunable})
        good = outcome.works if works else "static TLS" in outcome.detail
        attempts.append(Attempt(role, f"set GLIBC_TUNABLES={tunable}", str(program), outcome, good))
        bench.progress(f"{role}: {tunable}: {outcome.text}")
        return good

    removed = attempt(Role.REMOVAL, f"{_TUNABLE}=262144", failing, works=True)
    longest = sorted(working, key=lambda program: -len(program.statements))
    restored = any(attempt(Role.RESTORATION, f"{_TUNABLE}=0", each, works=False) for each in longest)
    placebo = attempt(Role.PLACEBO, "glibc.malloc.perturb=1", failing, works=False)
    return _judged(suspect, attempts, removed=removed, restored=restored and placebo)


def _judged(suspect: Suspect, attempts: Sequence[Attempt], *, removed: bool, restored: bool) -> Cause:
    status = Status.PROVEN if removed and restored else Status.SUPPORTED if removed or restored else Status.OPEN
    return Cause(suspect, status, (), (), minimal=True, attempts=tuple(attempts))
