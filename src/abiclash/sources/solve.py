"""From requirements to wheels by uv, without losing the rest to the one that cannot be met."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import NotAnalysed, SourceError
from abiclash.sources.advice import Advisor
from abiclash.sources.pylock import Unfit, choose, parse
from abiclash.sources.uverrors import Cause, Failure, understand
from abiclash.sources.uvrun import Query, Uv, UvFailure

if TYPE_CHECKING:
    from abiclash.sources.platform import Runtime
    from abiclash.sources.resolution import Line, Package

_ROUNDS = 40


@dataclass
class Solver:
    """Asks uv until it has an answer, leaving out what it cannot have.

    lines: what is still asked for. excluded: `name!=version` for versions that turned out to have no wheel.
    """

    uv: Uv
    runtime: Runtime
    lines: list[Line]
    constraints: tuple[str, ...]
    dropped: frozenset[str]
    dependencies: bool = True
    excluded: list[str] = field(default_factory=list)
    not_analysed: list[NotAnalysed] = field(default_factory=list)

    def solve(self) -> list[Package]:
        """Return the wheels; what had to be left out is in `not_analysed`.

        Raises SourceError where no part can be resolved by itself: requirements that exclude each other, no
        network, no access.
        """
        best: tuple[list[Package], list[Unfit]] | None = None
        for _ in range(_ROUNDS):
            if not self.lines:
                return []
            try:
                answer = self._ask()
            except UvFailure as error:
                if best is not None:
                    break  # an older version with a wheel does not go with the rest
                self._give_up_something(understand(str(error)))
                continue
            best = best or answer
            if not self._exclude(answer[1]):
                best = answer
                break
        packages, unfit = best or ([], [])
        self.not_analysed += [NotAnalysed(f"{item.name} {item.version}".strip(), item.reason) for item in unfit]
        return packages

    def _query(self) -> Query:
        return Query(
            tuple(line.line for line in self.lines),
            self.runtime,
            (*self.constraints, *self.excluded),
            self.dropped - {line.name for line in self.lines},
            self.dependencies,
        )

    def _ask(self) -> tuple[list[Package], list[Unfit]]:
        lock = parse(self.uv.compile(self._query()), "uv's answer")
        hashes: dict[str, frozenset[str]] = {}
        for line in self.lines:
            if line.hashes:
                hashes[line.name] = hashes.get(line.name, frozenset()) | line.hashes
        requested = {line.name for line in self.lines if line.requested}
        return choose(lock, self.runtime, folder=Path.cwd(), requested=requested, hashes=hashes)

    def _exclude(self, unfit: list[Unfit]) -> bool:
        """Exclude versions without a wheel; return whether another try can be better.

        Only where uv does not know the platform exactly it answers with such versions.
        """
        new = [f"{item.name}!={item.version}" for item in unfit if item.replaceable]
        self.excluded += new
        return bool(new)

    def _give_up_something(self, failure: Failure) -> None:
        """Leave out the project at fault, or raise SourceError."""
        advisor = Advisor(self.uv, self._query(), self.runtime)
        named = [line for line in self.lines if line.name == failure.name]
        if failure.of_one_project:
            for line in named:
                self.not_analysed.append(NotAnalysed(line.text, advisor.reason(failure, line.line)))
            if not named:
                what = f"{failure.name} (a dependency)"
                self.not_analysed.append(NotAnalysed(what, advisor.reason(failure, failure.requirement)))
                self.dropped |= {failure.name}
            self.lines = [line for line in self.lines if line.name != failure.name]
        elif failure.cause is Cause.CONFLICT and (alone := self._impossible_alone()):
            for line, cause in alone:
                self.not_analysed.append(NotAnalysed(line.text, advisor.reason(cause, line.line)))
            self.lines = [line for line in self.lines if line not in [item for item, _ in alone]]
        elif self.dependencies and all(line.local for line in self.lines):
            names = ", ".join(sorted(line.name for line in self.lines))
            self.not_analysed.append(NotAnalysed(f"dependencies of {names}", advisor.reason(failure, "")))
            self.dependencies = False
        else:
            raise SourceError(advisor.error(failure, [line.text for line in self.lines]))

    def _impossible_alone(self) -> list[tuple[Line, Failure]]:
        if len(self.lines) == 1:
            return []
        impossible = []
        for line in self.lines:
            try:
                self.uv.compile(replace(self._query(), lines=(line.line,)))
            except UvFailure as error:
                impossible.append((line, understand(str(error))))
        return impossible
