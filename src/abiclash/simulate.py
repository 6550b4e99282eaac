"""Playing import orders through the linker: each package alone, and all of them together in every order asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING, Protocol

from abiclash.linker.link_map import Mode
from abiclash.linker.process import Process
from abiclash.rules.case import Case, Played, Run, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from abiclash.imports.plan import Load, LoadPlan
    from abiclash.imports.registrations import Placed
    from abiclash.linker.world import World
    from abiclash.rules.case import CasePackage, Names
    from abiclash.sources.host_profile import HostProfile

ALL_ORDERS_UP_TO = 3
"""Sets of at most this many packages are played in every order."""


class Planner(Protocol):
    """Knows what imports load."""

    def imports(self, order: Sequence[str]) -> Sequence[Load]:
        """Return the loads of importing packages in this order; a longer order continues a shorter one."""

    def rest(self, package: str, known: Iterable[str]) -> Sequence[Load]:
        """Return what else a package could load in use, besides the paths already known."""


@dataclass(slots=True)
class Player:
    """Plays plans in one world, each prefix of an order only once."""

    world: World
    host: HostProfile
    planner: Planner
    _imported: dict[tuple[str, ...], Run] = field(default_factory=dict)
    _used: dict[tuple[str, ...], Run] = field(default_factory=dict)

    def imported(self, order: tuple[str, ...]) -> Run:
        """Return the process after importing packages in order."""
        if order not in self._imported:
            self._imported[order] = self._extend(order)
        return self._imported[order]

    def _extend(self, order: tuple[str, ...]) -> Run:
        loads = tuple(self.planner.imports(order))
        if not order:
            process = Process.start(self.world, self.host, self.host.interpreter.executable, self.host.preload)
            before: tuple[Played, ...] = ()
        else:
            prefix = self.imported(order[:-1])
            before = prefix.played
            process = prefix.process.fork()
            if tuple(played.load for played in before) != loads[: len(before)]:
                before = ()
                process = self.imported(()).process.fork()
        played = before + self._play(process, loads[len(before) :])
        return Run(order, Stage.IMPORT, process, played)

    def used(self, order: tuple[str, ...]) -> Run:
        """Return the process in which each package, in order, loaded whatever it could before the next was imported.

        Programs use a package's parts at any time; this is the case in which the first comer's influence is widest.
        """
        if not order:
            return self.imported(())
        if order not in self._used:
            prefix = self.used(order[:-1])
            process = prefix.process.fork()
            known = {played.load.path for played in prefix.played}
            played = self._play(process, [load for load in self.planner.imports(order) if load.path not in known])
            known.update(each.load.path for each in played)
            played += self._play(process, self.planner.rest(order[-1], known))
            self._used[order] = Run(order, Stage.USE, process, prefix.played + played)
        return self._used[order]

    def _play(self, process: Process, loads: Iterable[Load]) -> tuple[Played, ...]:
        return tuple(Played(load, process.dlopen(load.path, Mode(load.flags), self._caller(load))) for load in loads)

    def _caller(self, load: Load) -> int | None:
        """An object without a path is searched along the run path of whoever calls dlopen: ctypes' own module."""
        if "/" in load.path:
            return None
        ctypes = self.host.interpreter.extensions.get("_ctypes")
        return self.world.find(ctypes) if ctypes is not None else None


def orders_of(names: Sequence[str], *, every: bool) -> list[tuple[str, ...]]:
    """Return the joint orders to play: all of a small set; of a large one as given, reversed, and each one first."""
    given = tuple(names)
    if len(given) < 2:
        return []
    if not every:
        return [given]
    if len(given) <= ALL_ORDERS_UP_TO:
        return list(permutations(given))
    firsts = [(name, *(other for other in given if other != name)) for name in given]
    return list(dict.fromkeys([given, given[::-1], *firsts]))


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
    requested = [name for name, package in packages.items() if package.requested]
    alone = {}
    for name in requested:
        alone[name, Stage.IMPORT] = player.imported((name,))
        alone[name, Stage.USE] = player.used((name,))
    together = []
    for order in orders_of(requested, every=every):
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
