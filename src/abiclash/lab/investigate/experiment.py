"""Proving or refuting a hypothesis: take the change away, bring it in, and do the same where nothing should happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.lab.investigate.minimise import minimise
from abiclash.lab.investigate.result import TAKERS_HIDE, Attempt, Cause, Role, Status
from abiclash.lab.investigate.trial_edits import HIDE, WITHDRAW

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from abiclash.lab.investigate.bench import Bench
    from abiclash.lab.investigate.result import Outcome, Program, Suspect
    from abiclash.lab.investigate.trial_edits import Editor

_EACH = 4  # symbols of a set that are also tried one by one
_PLACEBOS = 2


@dataclass(slots=True)
class Experiment:
    """One suspect's attempts.

    failing, passing: the two programs. objects: the suspect's package's objects of the failing run. pool: symbols
    whose bindings changed towards the suspect's object, all of them. takers: objects that have definitions of their
    own for these, and get the suspect's, which was put into the global scope; empty where it was not.
    """

    bench: Bench
    editor: Editor
    suspect: Suspect
    failing: Program
    passing: Program
    objects: Sequence[str]
    pool: Sequence[str]
    takers: Sequence[str] = ()
    attempts: list[Attempt] = field(default_factory=list)
    mode: str = WITHDRAW

    def run(self) -> Cause:
        """Try it. Where the removal fails nothing else is tried."""
        removing, whole = self._removal()
        if not removing:
            return self._cause((), (), minimal=True)
        restoring, whole_too = self._restoration(removing)
        self._placebos(removing, restoring)
        return self._cause(removing, restoring, minimal=whole and whole_too)

    def _cause(self, removing: tuple[str, ...], restoring: tuple[str, ...], *, minimal: bool) -> Cause:
        placebos = [each for each in self.attempts if each.role is Role.PLACEBO]
        clean = all(each.good for each in placebos)
        status = Status.OPEN
        if removing or restoring:
            status = Status.PROVEN if removing and restoring and placebos and clean else Status.SUPPORTED
        return Cause(self.suspect, status, removing, restoring, minimal, tuple(self.attempts))

    def _removal(self) -> tuple[tuple[str, ...], bool]:
        for mode in (WITHDRAW, HIDE):
            self.mode = mode
            if self._ends(frozenset(self.suspect.symbols)):
                found = minimise(self.suspect.symbols, self._ends, self.bench.spent)
                self._singly(self._ends, Role.REMOVAL)
                self._in_takers(found[0])
                return found
        return (), True

    def _ends(self, names: Collection[str]) -> bool:
        """Whether taking these definitions from everyone else ends the failure."""
        objects = self.editor.exporters(self.objects, names)
        edits = self.editor.changed(objects, names, self.mode)
        outcome = self.bench.run(self.failing.statements, edits=edits)
        self._note(Role.REMOVAL, _TAKEN[self.mode], self.failing, outcome, names, objects, good=outcome.works)
        return outcome.works

    def _in_takers(self, names: Collection[str]) -> None:
        """Whether those who get the suspect's definitions can defend themselves by hiding their own from all others."""
        objects = self.editor.exporters(self.takers, names)
        if objects and names:
            outcome = self.bench.run(self.failing.statements, edits=self.editor.changed(objects, names, HIDE))
            self._note(Role.REMOVAL, TAKERS_HIDE, self.failing, outcome, names, objects, good=outcome.works)

    def _restoration(self, removing: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
        for names in dict.fromkeys([removing, self.suspect.symbols, tuple(self.pool)]):
            if self._returns(frozenset(names)):
                found = minimise(names, self._returns, self.bench.spent)
                if set(self.suspect.symbols) <= set(names) or len(self.suspect.symbols) <= _EACH:
                    self._singly(self._returns, Role.RESTORATION)
                return found
        return (), True

    def _returns(self, names: Collection[str]) -> bool:
        """Whether opening the object first, exporting nothing but these, brings the failure into the working run."""
        outcome = self._opened(names)
        good = outcome.same_failure(self.failing.outcome)
        self._note(Role.RESTORATION, self._opening, self.passing, outcome, names, (self.suspect.object,), good=good)
        return good

    def _opened(self, names: Collection[str]) -> Outcome:
        """Open the suspect first. Where it is public, its own package may need all of it: then the takers are edited,
        whose own definitions, hidden, serve themselves.
        """
        kept = [name for name in self.pool if name not in names]
        public = bool(self.takers)
        edits = (
            self.editor.changed(self.takers, kept, HIDE) if public else self.editor.exposing(self.suspect.object, names)
        )
        first = opening(self.editor.place(self.suspect.object), global_scope=public)
        return self.bench.run([first, *self.passing.statements], edits=edits)

    @property
    def _opening(self) -> str:
        return OPENED_PUBLIC if self.takers else OPENED

    def _singly(self, test: Callable[[frozenset[str]], bool], role: Role) -> None:
        """Try each symbol of a small set alone, so that the report can say what each one does."""
        if len(self.suspect.symbols) > _EACH or len(self.suspect.symbols) < 2:
            return
        tried = {each.symbols for each in self.attempts if each.role is role}
        for name in self.suspect.symbols:
            if (name,) not in tried:
                test(frozenset([name]))

    def _placebos(self, removing: tuple[str, ...], restoring: tuple[str, ...]) -> None:
        """Do the same to symbols that the hypothesis says nothing of: nothing may change."""
        suspected = {*self.suspect.symbols, *removing, *restoring}
        others = [name for name in self.pool if name not in suspected]
        others = others or [name for name in self.pool if name not in {*removing, *restoring}]
        mode = self.mode
        if not others:  # nothing else was captured, so nobody else may define it: hide what only others could use
            others, mode = [name for name in self.editor.exported(self.suspect.object) if name not in suspected], HIDE
        size = max(1, len(removing))
        for start in range(0, min(len(others), size * _PLACEBOS), size):
            names = others[start : start + size]
            objects = self.editor.exporters(self.objects, names)
            outcome = self.bench.run(self.failing.statements, edits=self.editor.changed(objects, names, mode))
            good = outcome.same_failure(self.failing.outcome)
            self._note(Role.PLACEBO, _TAKEN[mode], self.failing, outcome, names, objects, good=good)
        for names in ([], others[:size]):
            outcome = self._opened(names)
            self._note(
                Role.PLACEBO, self._opening, self.passing, outcome, names, (self.suspect.object,), good=outcome.works
            )

    def _note(
        self,
        role: Role,
        what: str,
        program: Program,
        outcome: Outcome,
        names: Collection[str],
        objects: Sequence[str],
        *,
        good: bool,
    ) -> None:
        attempt = Attempt(role, what, str(program), outcome, good, tuple(sorted(names)), tuple(objects))
        self.attempts.append(attempt)
        count = f"{len(attempt.symbols)} symbols" if len(attempt.symbols) != 1 else attempt.symbols[0]
        self.bench.progress(f"{role}: {what} {count}: {outcome.text}")


OPENED = "open it first, with everything hidden but"
OPENED_PUBLIC = "open it first for everybody (RTLD_GLOBAL), who keep what is their own but"
_TAKEN = {WITHDRAW: "make these definitions references", HIDE: "hide these definitions"}


def opening(path: str, *, global_scope: bool = False) -> str:
    """The statement that opens a shared object the way an import would: bound at once."""
    mode = "ctypes.RTLD_GLOBAL" if global_scope else "ctypes.DEFAULT_MODE"
    return f"import ctypes; ctypes.CDLL({path!r}, {mode})"
