"""What a worker keeps between tasks: the lock, the host, the store, facts of the wheels in use."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.corpus import lock as locks
from abiclash.corpus.digests import SharedDigests
from abiclash.corpus.environment import environment
from abiclash.corpus.results import open_results
from abiclash.errors import StoreError
from abiclash.facts.store import Store
from abiclash.linker.world import Tables
from abiclash.planner import ImportPlanner
from abiclash.setting import set_up
from abiclash.sources.fetch import Fetcher
from abiclash.sources.platform import Platform, Python, Runtime
from abiclash.sources.profiles import load_profile
from abiclash.sources.published import open_published

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abiclash.corpus.lock import Lock, Root
    from abiclash.corpus.results import Results
    from abiclash.facts.model import WheelFacts
    from abiclash.imports.documents import SourceCache
    from abiclash.imports.plan import LoadPlan
    from abiclash.setting import Setting
    from abiclash.sources.host_profile import HostFiles, HostProfile
    from abiclash.sources.wheelset import WheelSet

_FACTS_AT_HAND, _PLANS_AT_HAND = 48, 256


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task finds its inputs and leaves its results; small, so that it travels with every task.

    cache: folder of wheels and facts. results: path or URL. lock: digest of the lock, which lies in the results.
    facts: published facts to take where there are some, or ''. offline: fetch no wheel. observed: load plans were
    observed first, so that results are others.
    """

    cache: str
    results: str
    lock: str
    facts: str = ""
    offline: bool = False
    observed: bool = False

    @property
    def lock_path(self) -> str:
        return f"locks/{self.lock}.json"


class Bench:
    """Opened once in each worker for a place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.results: Results = open_results(place.results)
        self.store = Store(Path(place.cache), upstream=open_published(place.facts))
        self._facts = lru_cache(_FACTS_AT_HAND)(self.store.get)
        self._tables = Tables()
        self._digests = SharedDigests(self.store)
        self.plan_alone = lru_cache(_PLANS_AT_HAND)(self._plan_alone)

    @cached_property
    def lock(self) -> Lock:
        text = self.results.get(self.place.lock_path)
        if text is None:
            raise StoreError(f"{self.place.lock_path}: is not among the results; run 'corpus scan' again")
        return locks.parse(text.decode())

    @cached_property
    def runtime(self) -> Runtime:
        variant = self.lock.variant
        return Runtime(Python.parse(variant.python), Platform.parse(variant.platform))

    @cached_property
    def host(self) -> HostProfile:
        machine = self.runtime.platform.machine
        found = load_profile(self.lock.variant.host, self.runtime.python.short, machine=machine)
        return replace(found, files=_Remembered(found.files))

    @cached_property
    def fetcher(self) -> Fetcher:
        return Fetcher(self.store.root, offline=self.place.offline)

    def facts(self, sha256: str) -> WheelFacts:
        """Return the facts of a wheel. Raises StoreError where they are not known (any more)."""
        found = self._facts(sha256)
        if found is None:
            self._facts.cache_clear()
            raise StoreError(f"{self.store.root}: the facts of {sha256} are gone; run it again, and they are read anew")
        return found

    def environment(self, roots: Sequence[Root]) -> WheelSet:
        return environment(self.lock, roots, self.facts, self.runtime.markers)

    def laid_out(
        self, roots: Sequence[Root], documents: SourceCache | None = None
    ) -> tuple[Setting, WheelSet, ImportPlanner]:
        """Return roots laid out on the host as a scan of them has it."""
        wheels = self.environment(roots)
        order = [root.name for root in roots]
        setting = set_up(wheels, order, self.host, self.store, self.fetcher, self._tables, self._digests)
        return setting, wheels, ImportPlanner(setting, self.store if documents is None else documents)

    def _plan_alone(self, root: Root) -> LoadPlan:
        """Return what importing a package alone loads."""
        return self.laid_out([root])[2].plan((root.name,))


class _Remembered:
    """Files of a host that decodes each object's facts once."""

    def __init__(self, files: HostFiles) -> None:
        self.realpath = cache(files.realpath)
        self.object = cache(files.object)
        self.names = files.names


@lru_cache(maxsize=2)
def bench(place: Place) -> Bench:
    """Return the bench of this process for a place."""
    return Bench(place)


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector off for a task, and then let it look at what the task made.

    It would walk all that a worker keeps again and again: a fifth of the time of playing pairs.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
            gc.collect(0)
