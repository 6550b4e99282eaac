"""What a scan played, as the rules see it: packages, processes, and who owns which file.

Rules get a `Case` and nothing else: facts and bindings are in it, files and the network are not.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import numpy as np

from abiclash.facts.model import Place
from abiclash.linker.lookup import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.imports.plan import Load, LoadPlan
    from abiclash.imports.registrations import Placed
    from abiclash.linker.link_map import LinkMap, LoadEvent
    from abiclash.linker.process import Process
    from abiclash.linker.world import World
    from abiclash.rules.model import PackageId

T = TypeVar("T")


class Stage(StrEnum):
    """How far a run goes: the imports themselves, or also whatever else the packages can load later."""

    IMPORT = "import"
    USE = "use"


@dataclass(frozen=True, slots=True)
class Played:
    """A planned load and what the linker made of it."""

    load: Load
    event: LoadEvent

    @property
    def tried(self) -> bool:
        """Whether it is a bare name that dlopen merely tries: nobody needs what may not be there."""
        return self.load.module is None and "/" not in self.load.path


@dataclass(frozen=True, slots=True)
class Run:
    """One simulated process. order: names of the packages imported, in order; one name for a package alone."""

    order: tuple[str, ...]
    stage: Stage
    process: Process
    played: tuple[Played, ...]


@dataclass(frozen=True, slots=True)
class CasePackage:
    """A package that takes part. requested: the user named it; else it came as a dependency.

    wheel: its facts; for an installed package they are those of the installed files.
    """

    id: PackageId
    wheel: WheelFacts
    requested: bool


class Host(Protocol):
    """What rules may know of the host."""

    @property
    def name(self) -> str: ...
    @property
    def libc(self) -> str: ...
    @property
    def libc_version(self) -> tuple[int, int]: ...


class Names(Protocol):
    """Turns symbol keys into names; only what is shown is ever asked for."""

    def __call__(self, keys: Sequence[int]) -> dict[int, str]: ...


@dataclass(frozen=True)
class Case:
    """Everything that was played.

    alone: one run for each requested package and stage. together: the joint runs, each order at both stages: first the
    given one, then others of all packages, and orders of two where a third would come between them.
    owners: file id -> package name; files of the host are absent. site_packages: where the wheels lie.
    plans: import order -> what it does, as far as Python source tells. descriptors: protobuf descriptors of modules
    that two packages have under one name, imported or not. erroneous: orders in which some rule is known to have an
    error, whatever the rule that asks.
    """

    world: World
    host: Host
    packages: Mapping[str, CasePackage]
    alone: Mapping[tuple[str, Stage], Run]
    together: tuple[Run, ...]
    owners: Mapping[int, str]
    names: Names
    site_packages: str
    plans: Mapping[tuple[str, ...], LoadPlan] = field(default_factory=dict)
    descriptors: tuple[Placed, ...] = ()
    erroneous: frozenset[tuple[str, ...]] = frozenset()
    _made: dict[object, tuple[object, object]] = field(default_factory=dict, compare=False)

    @cached_property
    def requested(self) -> tuple[str, ...]:
        """Names of the packages the user asked for."""
        return tuple(name for name, package in self.packages.items() if package.requested)

    @property
    def runs(self) -> Iterator[Run]:
        """Joint runs, or the runs of single packages where only one was asked for; imports before later use."""
        runs = self.together or tuple(self.alone.values())
        yield from sorted(runs, key=lambda run: list(Stage).index(run.stage))

    def once(self, name: Hashable, of: Sequence[object], make: Callable[[], T]) -> T:
        """Return what `make` returns, made once for a name and the very objects that it is made of.

        of: arrays of bindings, say, which runs share. They are kept too, so that no other gets their identity.
        """
        at = (name, *map(id, of))
        if at not in self._made:
            self._made[at] = make(), of
        return cast("T", self._made[at][0])

    def facts(self, file: int) -> ObjectFacts:
        """Return the facts of a loaded file."""
        facts = self.world.facts[file]
        if facts is None:
            raise KeyError(self.world.paths[file])
        return facts

    def owner(self, file: int) -> str | None:
        """Return the name of the package that installs a file, None for the host's."""
        known = self._owners
        if file not in known:
            known[file] = self.owners.get(file)
        return known[file]

    @cached_property
    def _owners(self) -> dict[int, str | None]:
        return {}

    def servers(self, link: LinkMap) -> frozenset[int]:
        """Return the files whose definitions an object's references got; runs share their arrays of bindings."""
        targets = link.targets
        if targets is None:
            return frozenset()
        return self.once("servers", [targets], lambda: frozenset(np.unique(targets).tolist()) - {NOT_FOUND})

    def package(self, file: int | None) -> PackageId | None:
        """Return the package that installs a file, None for the host's, or for no file."""
        name = self.owners.get(file) if file is not None else None
        return self.packages[name].id if name is not None else None

    def path(self, file: int) -> str:
        """Return a file's path as findings name it: relative to site-packages, absolute on the host."""
        path = self.world.paths[file]
        prefix = self.site_packages + "/"
        return path.removeprefix(prefix)

    def basename(self, file: int) -> str:
        """Return a file's name for running text."""
        return posixpath.basename(self.world.paths[file])

    def safe_orders(self, failing: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
        """Return the orders that were played, import no less than `failing`, and have no error as far as is known.

        That is: they are not among `failing`, not known to be erroneous, and load everything, in later use too.
        """
        bad = {tuple(order) for order in failing}
        wanted = {name for order in bad for name in order}
        bad |= self.erroneous | self.broken
        orders = dict.fromkeys(run.order for run in self.together)
        return [order for order in orders if order not in bad and wanted <= set(order)]

    @cached_property
    def broken(self) -> frozenset[tuple[str, ...]]:
        """The joint orders in which a load fails at some stage, though it succeeds alone; mere tries do not count."""
        return frozenset(run.order for run in self.together if any(not p.tried for p in self.new_failures(run)))

    def new_failures(self, run: Run) -> Iterator[Played]:
        """Yield the loads that fail in a run although they succeed when their package is imported alone."""
        for played in run.played:
            if played.event.failure is not None and not self._fails_alone(played, run.stage):
                yield played

    def _fails_alone(self, played: Played, stage: Stage) -> bool:
        for (_, at), run in self.alone.items():
            if at is stage:
                for other in run.played:
                    if other.load.path == played.load.path and other.event.failure is not None:
                        return True
        return False


def defined_writable(facts: ObjectFacts) -> NDArray[np.bool_]:
    """Return a mask over an object's Symbols: variables that it defines and that can change after relocation."""
    mask: NDArray[np.bool_] = np.isin(facts.symbols.place, (Place.DATA, Place.BSS, Place.TLS))
    return mask


def captured_references(link: LinkMap) -> NDArray[np.intp]:
    """Return the rows of an object's References to symbols that it defines itself and that are bound elsewhere."""
    if link.targets is None:
        return np.zeros(0, dtype=np.intp)
    own = link.facts.symbols.shndx[link.facts.references.symbol] != 0
    rows: NDArray[np.intp] = np.flatnonzero(own & (link.targets != NOT_FOUND) & (link.targets != link.file))
    return rows
