"""Playing import orders through the linker: each package alone, and all of them together in every order asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from abiclash import linker
from abiclash.contact import realised, surfaces
from abiclash.linker.link_map import Mode
from abiclash.orders import ALL_ORDERS_UP_TO, all_orders, orders_that_matter
from abiclash.rules.case import Case, Played, Run, Stage
from abiclash.shared_bindings import SharedBindings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from abiclash.contact import Claim
    from abiclash.imports.plan import Load, LoadPlan
    from abiclash.imports.registrations import Placed
    from abiclash.linker.process import Process
    from abiclash.linker.world import World
    from abiclash.rules.case import CasePackage, Names
    from abiclash.sources.host_profile import HostProfile


class Planner(Protocol):
    """Knows what imports load."""

    def imports(self, order: Sequence[str]) -> Sequence[Load]:
        """Return the loads of importing packages in this order; a longer order continues a shorter one."""

    def rest(self, package: str, known: Iterable[str]) -> Sequence[Load]:
        """Return what else a package could load in use, besides the paths already known."""


@dataclass(slots=True)
class Player:
    """Plays plans in one world, each order once; it goes on from the longest order that it knows the beginning of."""

    world: World
    host: HostProfile
    planner: Planner
    _runs: dict[Stage, dict[tuple[str, ...], Run]] = field(default_factory=lambda: {stage: {} for stage in Stage})
    _rest: dict[str, tuple[Load, ...]] = field(default_factory=dict)
    _bindings: SharedBindings = field(default_factory=SharedBindings)

    def imported(self, order: tuple[str, ...]) -> Run:
        """Return the process after importing packages in order."""
        known = self._runs[Stage.IMPORT]
        if order not in known:
            known[order] = self._import(order) if order else self._start()
        return known[order]

    def used(self, order: tuple[str, ...]) -> Run:
        """Return the process in which each package, in order, loaded whatever it could before the next was imported.

        Programs use a package's parts at any time; this is the case in which the first comer's influence is widest.
        """
        known = self._runs[Stage.USE]
        if not order:
            return self.imported(())
        if order not in known:
            known[order] = self._use(order)
        return known[order]

    def _start(self) -> Run:
        process = linker.start(self.world, self.host, self.host.interpreter.executable, self.host.preload)
        return Run((), Stage.IMPORT, process, ())

    def _import(self, order: tuple[str, ...]) -> Run:
        loads = tuple(self.planner.imports(order))
        prefix = self._longest(order, Stage.IMPORT)
        if tuple(played.load for played in prefix.played) != loads[: len(prefix.played)]:
            prefix = self.imported(())
        process = prefix.process.fork()
        played = self._play(process, loads[len(prefix.played) :])
        return Run(order, Stage.IMPORT, process, prefix.played + played)

    def _use(self, order: tuple[str, ...]) -> Run:
        prefix = self._longest(order, Stage.USE) if len(order) > 1 else self.imported(order)
        process = prefix.process.fork()
        played = list(prefix.played)
        known = {each.load.path for each in played}
        done = len(prefix.order) if prefix.stage is Stage.USE else 0
        for length in range(done + 1, len(order) + 1):
            for loads in (self.planner.imports(order[:length]), self._rest_of(order[length - 1])):
                fresh = [load for load in loads if load.path not in known]
                known.update(load.path for load in fresh)
                played += self._play(process, fresh)
        return Run(order, Stage.USE, process, tuple(played))

    def _longest(self, order: tuple[str, ...], stage: Stage) -> Run:
        """Return the run of the longest known beginning of an order."""
        known = self._runs[stage]
        for length in range(len(order) - 1, 0, -1):
            if order[:length] in known:
                return known[order[:length]]
        return self.imported(()) if stage is Stage.IMPORT else self.used(order[:1])

    def _rest_of(self, package: str) -> tuple[Load, ...]:
        if package not in self._rest:
            self._rest[package] = tuple(self.planner.rest(package, ()))
        return self._rest[package]

    def _play(self, process: Process, loads: Iterable[Load]) -> tuple[Played, ...]:
        played = tuple(Played(load, process.dlopen(load.path, Mode(load.flags), self._caller(load))) for load in loads)
        self._bindings.share(process, (file for each in played for file in each.event.relocated))
        return played

    def _caller(self, load: Load) -> int | None:
        """An object without a path is searched along the run path of whoever calls dlopen: ctypes' own module."""
        if "/" in load.path:
            return None
        ctypes = self.host.interpreter.extensions.get("_ctypes")
        return self.world.find(ctypes) if ctypes is not None else None


def simulate(
    player: Player,
    packages: Mapping[str, CasePackage],
    owners: Mapping[int, str],
    names: Names,
    *,
    every: bool,
    plans: Mapping[tuple[str, ...], LoadPlan] | None = None,
    descriptors: tuple[Placed, ...] = (),
) -> Case:
    """Play every requested package alone, then all together, and return what happened.

    plans, descriptors: what else rules may know of the imports (`Case`).
    """
    requested = tuple(name for name, package in packages.items() if package.requested)
    alone = {}
    for name in requested:
        alone[name, Stage.IMPORT] = player.imported((name,))
        alone[name, Stage.USE] = player.used((name,))
    together = []
    for order in _orders(player, requested, every=every):
        together += [player.imported(order), player.used(order)]
    return Case(
        world=player.world,
        host=player.host,
        packages=packages,
        alone=alone,
        together=tuple(together),
        owners=owners,
        names=names,
        site_packages=player.host.interpreter.site_packages,
        plans={} if plans is None else plans,
        descriptors=descriptors,
    )


def _orders(player: Player, names: tuple[str, ...], *, every: bool) -> list[tuple[str, ...]]:
    """Return the joint orders to play; every: not only the given one."""
    if len(names) < 2:
        return []
    if not every:
        return [names]
    if len(names) <= ALL_ORDERS_UP_TO:
        return all_orders(names)
    start = player.imported(()).process
    alone = {name: player.used((name,)) for name in names}

    def shown(order: tuple[str, ...], claims: AbstractSet[Claim]) -> set[Claim]:
        return realised([player.imported(order), player.used(order)], start, claims)

    return orders_that_matter(names, surfaces(alone, start), shown)
