"""The investigation from start to end. It runs the packages' own code, in a copy of their environment."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abiclash.errors import AbiclashError, LabError, NotAnalysed
from abiclash.lab.compare import compare, predict
from abiclash.lab.investigate import difference
from abiclash.lab.investigate.bench import Bench
from abiclash.lab.investigate.details import bound, scopes, sizes, values, variables
from abiclash.lab.investigate.experiment import Experiment
from abiclash.lab.investigate.other_experiments import try_library, try_static_tls
from abiclash.lab.investigate.overlay import overlay
from abiclash.lab.investigate.programs import pair
from abiclash.lab.investigate.registry import try_registries
from abiclash.lab.investigate.remedies import Wanted, common_remedies, version_remedies
from abiclash.lab.investigate.result import Agreement, Investigation, Program, Status
from abiclash.lab.investigate.stack import crash_of
from abiclash.lab.investigate.suspects import suspects
from abiclash.lab.investigate.trial_edits import Editor
from abiclash.lab.observe import observe
from abiclash.lab.run import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from abiclash.lab.compare import Prediction
    from abiclash.lab.environments import Environment
    from abiclash.lab.investigate.overlay import Overlay
    from abiclash.lab.investigate.result import Attempt, Cause, Change, Load, Suspect
    from abiclash.lab.records import Observation
    from abiclash.rules.model import Finding, ScannedPackage

WARNING = (
    "investigate runs the packages' own code on this machine, in child processes, many times; only do it with code "
    "that you trust"
)
_SUSPECTS = 8


@dataclass(frozen=True)
class Setup:
    """What to investigate, and with what.

    programs: statements of each. findings, packages: what a scan says. versions: requirements to try as remedies, in
    environments under `cache`, made for the interpreter `base`. seconds: wall time for the experiments.
    """

    environment: Environment
    targets: tuple[str, ...]
    programs: Sequence[tuple[str, ...]]
    base: str
    cache: Path
    findings: tuple[Finding, ...] = ()
    packages: tuple[ScannedPackage, ...] = ()
    versions: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    seconds: float = 600.0
    progress: Callable[[str], None] = lambda _: None


def investigate(setup: Setup) -> Investigation:
    """Reproduce, compare, experiment. Raises LabError where nothing can be run at all."""
    began = time.monotonic()
    with overlay(setup.environment.path) as copy:
        result = _Work(setup, copy).investigate()
    return replace(result, seconds=time.monotonic() - began)


class _Work:
    """One investigation in one copy."""

    def __init__(self, setup: Setup, copy: Overlay) -> None:
        self.setup = setup
        self.copy = copy
        self.bench = Bench(copy, setup.limits, setup.seconds, setup.progress)
        site = setup.environment.site_packages
        self.editor = Editor(copy, str(site.relative_to(setup.environment.path)))
        self.owned = difference.owners(site)
        self.programs: tuple[Program, ...] = ()
        self.problems: list[NotAnalysed] = []

    def investigate(self) -> Investigation:
        programs = self.programs = tuple(self._program(statements) for statements in self.setup.programs)
        failing, passing = pair(programs)
        crash = None
        if failing is not None:
            self._again(failing)
            crash = crash_of(self.copy.python, failing.statements, self.setup.limits, self.bench.shown)
        result = Investigation(
            targets=self.setup.targets,
            python=_release(self.copy.python),
            libc=os.confstr("CS_GNU_LIBC_VERSION") or "",
            pins=self.setup.environment.pins,
            packages=self.setup.packages,
            programs=programs,
            failing=failing,
            passing=passing,
            crash=crash,
            findings=self.setup.findings,
        )
        if failing is not None and passing is not None:
            result = self._compared(result, failing, passing)
        return replace(result, not_analysed=tuple(self.problems))

    def _compared(self, result: Investigation, failing: Program, passing: Program) -> Investigation:
        shown = self.bench.shown
        bad, model, first = self._observed(failing)
        good, other_model, second = self._observed(passing)
        changes = difference.changes(bad, good, shown)
        loads, before = (difference.loads(each, shown, self.owned) for each in (bad, good))
        public = difference.in_global_scope(bad, shown)
        findings = self.setup.findings
        tried = try_registries(self.bench, self.editor, findings, failing, passing, self.owned)
        for suspect in suspects(changes, loads, before, findings, failing.outcome)[:_SUSPECTS]:
            if tried and tried[-1].status is Status.PROVEN:
                break
            if any(_covered(cause, suspect) for cause in tried):
                continue
            if self.bench.spent():
                self.problems.append(NotAnalysed(suspect.object, "no time was left to try it"))
                continue
            tried += self._tried(suspect, failing, passing, changes, (loads, before), public)
        best = max(tried, key=lambda cause: _RANK[cause.status], default=None)
        cause = best if best is not None and best.status is not Status.OPEN else None
        if cause is not None:
            result = replace(result, **self._details(cause, failing, (bad, good), (model, other_model)))
        return replace(
            result,
            agreements=tuple(each for each in (first, second) if each),
            changes=tuple(changes),
            failing_loads=tuple(loads),
            passing_loads=tuple(before),
            cause=cause,
            ruled_out=tuple(each for each in tried if each is not cause),
            remedies=(
                *common_remedies(self.bench, failing, cause, changes, self.editor.place, global_scope=bool(public)),
                *self._versions(failing),
            ),
            hashes=self._hashes(cause, changes),
        )

    def _program(self, statements: tuple[str, ...]) -> Program:
        self.setup.progress(f"run: {'; '.join(statements)}")
        return Program(statements, self.bench.run(statements))

    def _again(self, failing: Program) -> None:
        """A failure that comes and goes proves nothing by staying away."""
        outcome = self.bench.run(failing.statements)
        if not outcome.same_failure(failing.outcome):
            reason = f"it ended with {failing.outcome.text} once and with {outcome.text} once: chance takes part"
            self.problems.append(NotAnalysed(str(failing), reason))

    def _details(
        self,
        cause: Cause,
        failing: Program,
        runs: tuple[Observation, Observation],
        models: tuple[Prediction | None, Prediction | None],
    ) -> dict[str, Any]:
        """Return `bound`, `scopes`, `values` and `sizes` of the result."""
        shown, symbols = self.bench.shown, set(cause.suspect.symbols)
        if not symbols or cause.suspect.kind == "registry":
            return {}
        changed = {
            row.source
            for row in runs[0].bindings
            if row.symbol in symbols and shown(row.target) == cause.suspect.object != shown(row.source)
        }
        along = []
        for run, model in zip(runs, models, strict=True):
            wanted = {
                (row.source, row.target) for row in run.bindings if row.symbol in symbols and row.source in changed
            }
            along.append(scopes(model, sorted(wanted), shown) if model else ())
        bounds = tuple(bound(run, symbols, shown) for run in runs)
        named = sorted({(row.target, row.symbol) for row in runs[0].bindings if row.symbol in symbols})
        held = values(self.bench.printed, failing.statements[:-1], variables(named), shown)
        both = sorted({(row.target, row.symbol) for run in runs for row in run.bindings if row.symbol in symbols})
        return {"bound": bounds, "scopes": tuple(along), "values": held, "sizes": sizes(both, shown)}

    def _observed(self, program: Program) -> tuple[Observation, Prediction | None, Agreement | None]:
        """Run it under LD_DEBUG, and compare with the model."""
        self.setup.progress(f"observe: {program}")
        code = "\n".join(program.statements)
        observation = observe(self.copy.python, code, limits=self.setup.limits)
        if observation.exit != program.outcome.exit:  # some programs only work because a missing function is not called
            observation = observe(self.copy.python, code, bind_now=False, limits=self.setup.limits)
            reason = "it does not end as without the log when all is bound at once; functions show as they are called"
            self.problems.append(NotAnalysed(str(program), reason))
        try:
            model = predict(self.copy.python, observation.records())
            found = compare(observation, model)
        except AbiclashError as error:
            self.problems.append(NotAnalysed(str(program), f"bindings were not compared: {error}"))
            return observation, None, None
        return observation, model, Agreement(str(program), found.observed, found.agree, len(found.extra))

    def _tried(
        self,
        suspect: Suspect,
        failing: Program,
        passing: Program,
        changes: Sequence[Change],
        loads: tuple[Sequence[Load], Sequence[Load]],
        public: Collection[str],
    ) -> list[Cause]:
        """Try one hypothesis; none where its files cannot be edited."""
        objects = [load.path for load in loads[0] if load.package and load.package == suspect.package]
        self.setup.progress(f"suspect: {suspect.kind} {suspect.object} ({len(suspect.symbols)} symbols)")
        try:
            if suspect.kind == "static-tls":
                working = [program for program in self.programs if program.outcome.works]
                return [try_static_tls(self.bench, suspect, failing, working)]
            if suspect.kind == "library":
                # The host's own cannot be renamed. Whoever needs the renamed one may be of another package.
                renamed, own, other = suspect.object, *loads
                if not suspect.package:
                    renamed, own, other = suspect.finding, other, own
                common = {load.path for load in other}
                objects = [load.path for load in own if load.package and load.path not in common]
                return [try_library(self.bench, self.editor, suspect, failing, passing, renamed, objects)]
            towards = [change for change in changes if change.failing == suspect.object]
            pool = sorted({change.symbol for change in towards})
            takers = {change.source for change in towards if change.passing == change.source}
            takers = takers if suspect.object in public else set()
            experiment = Experiment(
                self.bench, self.editor, suspect, failing, passing, objects, pool, sorted(takers - {suspect.object})
            )
            return [experiment.run()]
        except (LabError, OSError) as error:
            self.problems.append(NotAnalysed(suspect.object, f"this suspect was not tried: {error}"))
            return []

    def _versions(self, failing: Program) -> list[Attempt]:
        setup = self.setup
        wanted = Wanted(setup.versions, setup.environment.pins, setup.targets, setup.base, setup.cache)
        return list(version_remedies(wanted, failing, setup.limits, setup.progress))

    def _hashes(self, cause: Cause | None, changes: Sequence[Change]) -> dict[str, str]:
        """sha256 of the suspect, and of those whose bindings to it changed."""
        if cause is None:
            return {}
        symbols = set(cause.suspect.symbols)
        named = {cause.suspect.object}
        named.update(each.source for each in changes if each.symbol in symbols and each.failing == cause.suspect.object)
        found = {}
        for path in sorted(named - {""}):
            file = Path(path) if path.startswith("/") else Path(self.editor.place(path))
            if file.is_file():
                found[path] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found


def _covered(cause: Cause, suspect: Suspect) -> bool:
    """Whether a smaller set of the same object's definitions is a supported cause already."""
    same = (cause.suspect.kind, cause.suspect.object) == (suspect.kind, suspect.object)
    return same and cause.status is Status.SUPPORTED and set(cause.removing) <= set(suspect.symbols)


_RANK = {Status.OPEN: 0, Status.SUPPORTED: 1, Status.PROVEN: 2}


def _release(python: str) -> str:
    command = [python, "-I", "-S", "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
