"""A corpus from its lock to a snapshot: fetch, facts, surveys, candidate pairs, simulation, findings.

Every stage asks the results what is there already, under a key of everything it depends on. So a run that was killed
goes on where it was, and a finished one costs only look-ups.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from abiclash.corpus import lock as locks
from abiclash.corpus import merge, pairs, snapshot
from abiclash.corpus.bench import Place, bench
from abiclash.corpus.contacts import join_surveys
from abiclash.corpus.executor import LocalExecutor, Lost
from abiclash.corpus.indexing import IndexTask, index_wheel
from abiclash.corpus.measures import Measuring, Meter
from abiclash.corpus.results import open_results
from abiclash.corpus.survey import SurveyTask, paths, survey, survey_key
from abiclash.errors import AbiclashError, StoreError
from abiclash.parsing import read_json
from abiclash.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from abiclash.corpus.executor import Executor
    from abiclash.corpus.join import Joined
    from abiclash.corpus.lock import Lock, Root
    from abiclash.corpus.snapshot import Snapshot
    from abiclash.progress import Progress

Task = TypeVar("Task")
Result = TypeVar("Result")

_USUAL_WHEEL = 20 << 20
"""Bytes that a wheel of unknown size is taken for."""


class Unfinished(AbiclashError):  # noqa: N818 - a result: run it again, and it goes on
    """The time that was allowed is over."""


@dataclass(frozen=True, slots=True)
class Budget:
    """disk: bytes of fetched wheels at once; None keeps them all. seconds: of the run; None for no limit.

    partial: when the time is over while pairs are played, end with a snapshot of those that were; it says how many
    were not. Without it there is none until all are.
    """

    disk: int | None = None
    seconds: float | None = None
    partial: bool = False


@dataclass
class Pipeline:
    """One run. results: path or URL. facts: published facts to take. observe: first run the packages' imports."""

    lock: Lock
    cache: Path
    results: str
    executor: Executor = field(default_factory=LocalExecutor)
    budget: Budget = field(default_factory=Budget)
    progress: Progress = field(default_factory=Silent)
    facts: str = ""
    offline: bool = False
    observe: bool = False
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        self._results = open_results(self.results)
        self._end = None if self.budget.seconds is None else time.monotonic() + self.budget.seconds
        self._problems: dict[str, str] = {}
        self._deaths: dict[str, str] = {}
        self._unseen: dict[str, str] = {}
        self.fetched = 0

    def run(self) -> Snapshot:
        """Return the finished run. Raises Unfinished when the time is over, StoreError where nothing can be kept."""
        self.place = Place(str(self.cache), self.results, self.lock.digest, self.facts, self.offline, self.observe)
        if not self._results.has(self.place.lock_path):
            self._results.put(self.place.lock_path, locks.render(self.lock).encode())
        roots = self._survey_all()
        surveys = {root.name: self._document(root) for root in roots}
        with self.meter.stage("join", len(roots)):
            keys = [self._key(root) for root in roots]
            joined = join_surveys(self._results, keys, list(surveys.values()), bench(self.place), roots)
        played = self._play(roots, joined)
        with self.meter.stage("findings", len(played)):
            lock = self._as_read()
            run, files = merge.contents(lock, surveys, joined, played)
            return snapshot.write(self._results, lock.corpus, lock.variant.slug, run, files)

    # -- facts and surveys ------------------------------------------------------------------------------------

    def _survey_all(self) -> list[Root]:
        """Read the wheels and survey the packages, as many at a time as the disk allows; return the surveyed."""
        done: list[Root] = []
        for batch in self._batches():
            before = {path.name for path in self._wheels().iterdir()} if self._wheels().is_dir() else set()
            files = list(dict.fromkeys(file for root in batch for file in root.files))
            fresh = [IndexTask(self.place, file) for file in files if file not in self._problems]
            with self.meter.stage("facts", len(fresh)):
                for task, found in self._run("reading wheels", index_wheel, fresh):
                    problem = found.reason if isinstance(found, Lost) else found.problem
                    self.fetched += 0 if isinstance(found, Lost) else found.fetched
                    if problem:
                        self._problems[task.sha256] = problem
            readable = [self._readable(root) for root in batch]
            whole = [root for root in readable if root.files]
            if self.observe:
                self._observe(whole)
            with self.meter.stage("surveys", len(whole)):
                left = [SurveyTask(self.place, root) for root in whole if not self._surveyed(root)]
                for one, key in self._run("surveying packages", survey, left):
                    if isinstance(key, Lost):
                        self._deaths[one.root.name] = key.reason
            done += [root for root in whole if root.name not in self._deaths]
            if self.budget.disk is not None:
                self._drop(files, before)
        return done

    def _observe(self, roots: Sequence[Root]) -> None:
        """Run the packages' imports and keep what they load; what cannot be seen is inferred as ever, and told."""
        from abiclash.corpus.observing import observe  # noqa: PLC0415 - runs foreign code, and is asked for

        with self.meter.stage("observing", len(roots)):
            tasks = [SurveyTask(self.place, root) for root in roots]
            for task, unseen in self._run("observing imports", observe, tasks):
                if not isinstance(unseen, Lost):
                    self._unseen[task.root.name] = "; ".join(f"{what}: {reason}" for what, reason in unseen)

    def _batches(self) -> Iterator[list[Root]]:
        """Yield packages in groups whose wheels fit into the disk budget together."""
        batch: list[Root] = []
        size, taken = 0, set[str]()
        for root in self.lock.usable:
            new = {file for file in root.files if file not in taken}
            more = sum(self.lock.files[file].size or _USUAL_WHEEL for file in new)
            if batch and self.budget.disk is not None and size + more > self.budget.disk:
                yield batch
                batch, size, taken = [], 0, set()
            batch.append(root)
            size, taken = size + more, taken | new
        if batch:
            yield batch

    def _wheels(self) -> Path:
        return self.cache / "wheels"

    def _drop(self, files: Sequence[str], before: set[str]) -> None:
        """Remove wheels that this batch fetched; what was there before belongs to somebody else."""
        for file in files:
            if file not in before:
                shutil.rmtree(self._wheels() / file, ignore_errors=True)

    def _readable(self, root: Root) -> Root:
        """Return a package without the files that could not be read; without any where its own is one of them."""
        lost = [file for file in root.files if file in self._problems]
        if not lost:
            return root
        own = root.files[0] in lost
        return replace(root, files=() if own else tuple(file for file in root.files if file not in lost))

    def _surveyed(self, root: Root) -> bool:
        return all(map(self._results.has, paths(self._key(root))))

    def _key(self, root: Root) -> str:
        return survey_key(self.lock.variant, root, observed=self.observe)

    def _document(self, root: Root) -> dict[str, Any]:
        content = self._results.get(paths(self._key(root))[0])
        if content is None:
            raise StoreError(f"the survey of {root.name} is gone from the results; run it again, and it is made anew")
        return dict(read_json(content))

    def _as_read(self) -> Lock:
        """Return the lock with what could not be read told as problems of its packages."""
        roots = []
        for root in self.lock.roots:
            lost = [
                f"{self.lock.files[file].filename}: {self._problems[file]}"
                for file in root.files
                if file in self._problems
            ]
            died = [self._deaths[root.name]] if root.name in self._deaths else []
            told = [root.problem, *lost, *died, self._unseen.get(root.name, "")]
            problem = "; ".join(part for part in told if part)
            roots.append(replace(root, problem=problem))
        return replace(self.lock, roots=tuple(roots))

    # -- pairs ------------------------------------------------------------------------------------------------

    def _play(self, roots: Sequence[Root], joined: Joined) -> list[dict[str, Any]]:
        """Simulate the candidates and return what was found, in the order of the pairs.

        Pairs of the first packages come first, so that a run that is cut short has a smaller corpus complete.
        """
        wanted = pairs.wanted((roots[one], roots[other], mask) for one, other, mask in joined.pairs)
        where = {pair: pair.path(self.lock.variant, self.lock.orders, observed=self.observe) for pair in wanted}
        ranks = {root.name: rank for rank, root in enumerate(roots)}
        left = [pair for pair in wanted if not self._results.has(where[pair])]
        left.sort(key=lambda pair: (ranks[pair.other.name], ranks[pair.one.name]))
        lost: dict[pairs.Pair, str] = {}
        with self.meter.stage("pairs", len(left)):
            try:
                self._simulate(left, lost)
            except Unfinished:
                if not self.budget.partial:
                    raise
                where = {pair: path for pair, path in where.items() if self._results.has(path)}
        return [self._played(pair, path, lost.get(pair)) for pair, path in where.items()]

    def _simulate(self, left: Sequence[pairs.Pair], lost: dict[pairs.Pair, str]) -> None:
        tasks = pairs.tasks(self.place, left)
        for task, found in self._run("playing pairs", pairs.simulate_pairs, tasks, lambda task: len(task.pairs)):
            if isinstance(found, Lost):
                lost.update(dict.fromkeys(task.pairs, found.reason))

    def _played(self, pair: pairs.Pair, path: str, lost: str | None) -> dict[str, Any]:
        content = self._results.get(path)
        if content is not None:
            return dict(read_json(content))
        if lost is None:
            raise StoreError("a pair is gone from the results; run it again, and it is made anew")
        unread = [[", ".join(pair.names), lost]]
        return {"pair": pair.names, "findings": [], "interferes": False, "not_analysed": unread}

    # -- tasks ------------------------------------------------------------------------------------------------

    def _run(
        self,
        title: str,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        size: Callable[[Task], int] = lambda _: 1,
    ) -> Iterator[tuple[Task, Result | Lost]]:
        """Run tasks until the time is over."""
        self._check_time(title, len(tasks))
        if not tasks:
            return
        left = len(tasks)
        with self.progress.task(title, sum(map(size, tasks))) as bar:
            for task, found in self.executor.run(Measuring(function), tasks):
                left -= 1
                bar.advance(size(task))
                yield task, found if isinstance(found, Lost) else self.meter.add(found)
                self._check_time(title, left)

    def _check_time(self, title: str, left: int) -> None:
        if left and self._end is not None and time.monotonic() > self._end:
            raise Unfinished(f"{title}: the time is over with {left} tasks left; run it again, and it goes on there")
