"""What `bindings` and `plan` have in common: targets laid out, and orders of packages or modules to play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from abiclash.imports.plan import LoadPlan, plan
from abiclash.scanning import prepare
from abiclash.simulate import Player

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.errors import NotAnalysed
    from abiclash.imports.observed import Records
    from abiclash.imports.plan import Load
    from abiclash.imports.world import World
    from abiclash.progress import Progress
    from abiclash.scanning import ScanRequest
    from abiclash.setting import Setting
    from abiclash.sources.wheelset import WheelSet


class Planner(Protocol):
    """Plans for orders of names."""

    def plan(self, order: tuple[str, ...]) -> LoadPlan: ...
    def modules(self, order: Iterable[str]) -> tuple[str, ...]: ...
    def imports(self, order: Sequence[str]) -> Sequence[Load]: ...
    def rest(self, package: str, known: Iterable[str]) -> Sequence[Load]: ...


class ModulePlanner:
    """Plans for importing modules by name; nothing is assumed of what else their packages could load."""

    def __init__(self, imports: World, records: Records) -> None:
        self._imports = imports
        self._records = records
        self._plans: dict[tuple[str, ...], LoadPlan] = {}

    def plan(self, order: tuple[str, ...]) -> LoadPlan:
        if order not in self._plans:
            self._plans[order] = (
                self._records.preferred(plan(order, self._imports), order) if order else LoadPlan((), ())
            )
        return self._plans[order]

    def modules(self, order: Iterable[str]) -> tuple[str, ...]:
        return tuple(order)

    def imports(self, order: Sequence[str]) -> Sequence[Load]:
        return self.plan(tuple(order)).loads

    def rest(self, package: str, known: Iterable[str]) -> Sequence[Load]:  # noqa: ARG002 - a Planner
        return ()


@dataclass(frozen=True)
class Playing:
    """order: the names to import, as they were given. unread: what could not be read before anything was played.

    records: what was observed of these wheels.
    """

    setting: Setting
    wheels: WheelSet
    records: Records
    planner: Planner
    player: Player
    order: tuple[str, ...]
    unread: frozenset[NotAnalysed]

    def not_analysed(self, *orders: tuple[str, ...]) -> list[NotAnalysed]:
        """Return what could not be judged in these orders."""
        return sorted(self.unread.union(*(self.planner.plan(order).not_analysed for order in orders)))


def prepared(request: ScanRequest, modules: tuple[str, ...], progress: Progress) -> Playing:
    """Resolve, fetch, read and lay out; import `modules`, or else the packages."""
    setting, wheels, packages = prepare(request, progress)
    planner: Planner = ModulePlanner(setting.imports, packages.records) if modules else packages
    order = modules or tuple(name for name, package in setting.packages.items() if package.requested)
    unread = [*wheels.not_analysed, *setting.host.not_analysed]
    unread += [entry for package in setting.packages.values() for entry in package.wheel.not_analysed]
    player = Player(setting.world, setting.host, planner)
    return Playing(setting, wheels, packages.records, planner, player, order, frozenset(unread))
