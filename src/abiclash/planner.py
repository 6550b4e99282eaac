"""Load plans for the packages of a scan: which modules stand for a package, and what importing them loads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from abiclash.imports.documents import NoCache
from abiclash.imports.flags import RTLD_NOW
from abiclash.imports.observed import Places, Records
from abiclash.imports.plan import Cause, Load, LoadPlan, everything, plans
from abiclash.imports.plan_document import find, keep, plan_key
from abiclash.names import name_key
from abiclash.orders import ALL_ORDERS_UP_TO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from abiclash.errors import NotAnalysed
    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.imports.documents import SourceCache
    from abiclash.imports.effects import Ending, Executed
    from abiclash.setting import Setting

ET_DYN = 3
_ASIDE = frozenset({"tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "scripts", "tools"})
"""Top-level names that a wheel may carry along but that nobody means by its name."""


def modules_of(wheel: WheelFacts) -> tuple[str, ...]:
    """Return the modules that importing a package means: the one of its own name first, private ones only alone."""
    own = wheel.name.replace("-", "_").lower()
    public = [m for m in wheel.modules if not m.startswith("_") and m not in _ASIDE] or list(wheel.modules)
    return tuple(sorted(public, key=lambda module: (module.lower() != own, module)))


class ImportPlanner:
    """Plans from Python source. Of small sets every order is followed as a whole; of larger ones the packages'
    own plans are put one after the other, each load where it comes first.
    """

    def __init__(self, setting: Setting, documents: SourceCache | None = None) -> None:
        self._setting = setting
        self._documents = NoCache() if documents is None else documents
        self.records = _records(setting, self._documents)
        self._plans: dict[tuple[str, ...], LoadPlan] = {(): LoadPlan((), ())}
        self._joined: tuple[tuple[str, ...], _Joined] = (), _Joined()
        self._requested = [name for name, package in setting.packages.items() if package.requested]

    def plan(self, order: tuple[str, ...]) -> LoadPlan:
        """Return the plan of importing packages in order."""
        if order not in self._plans:
            if len(self._requested) <= ALL_ORDERS_UP_TO:
                self._follow(order)
            elif len(order) == 1:
                self._keep(order, self._made(order)[-1])
            else:
                self._keep(order, self._put_together(order))
        return self._plans[order]

    def _put_together(self, order: tuple[str, ...]) -> LoadPlan:
        """Join the plans of packages. Orders grow at their end, so the last one is gone on with where it can be."""
        known, whole = self._joined
        if known != order[: len(known)]:
            known, whole = (), _Joined()
        for part in [self.plan((name,)) for name in order[len(known) :]]:
            whole.add(part)
        self._joined = order, whole
        return whole.plan()

    def take(self, plans: Mapping[tuple[str, ...], LoadPlan]) -> None:
        """Use plans that are known already."""
        self._plans.update(plans)
        self._joined = (), _Joined()

    def _keep(self, order: tuple[str, ...], found: LoadPlan) -> None:
        """Keep a plan for the scan; what was observed is preferred to what is read."""
        self._plans[order] = self.records.preferred(found, self.modules(order))

    def modules(self, order: Iterable[str]) -> tuple[str, ...]:
        """Return the modules that importing packages in order means."""
        return tuple(module for name in order for module in self._modules(name))

    def _follow(self, order: tuple[str, ...]) -> None:
        """Import the packages of an order and then the others, which gives the plan of each longer order, too."""
        full = (*order, *(name for name in self._requested if name not in order))
        for length, found in enumerate(self._made(full), start=1):
            if full[:length] not in self._plans:
                self._keep(full[:length], found)

    def _made(self, order: tuple[str, ...]) -> list[LoadPlan]:
        """Return the plans of all prefixes of an order, from the store where the same question was asked before."""
        world = self._setting.imports
        groups = [self._modules(name) for name in order]
        files = [(package.id.name, package.wheel.sha256) for package in self._setting.packages.values()]
        key = plan_key(world.python, world.path, files, groups)
        found = find(self._documents, key)
        if found is None:
            found = plans(groups, world)
            if not world.unread:  # offline or damaged: another time they may be at hand
                keep(self._documents, key, found)
        return found

    def _modules(self, name: str) -> tuple[str, ...]:
        return modules_of(self._setting.packages[name].wheel)

    def imports(self, order: Sequence[str]) -> Sequence[Load]:
        return self.plan(tuple(order)).loads

    def rest(self, package: str, known: Iterable[str]) -> Sequence[Load]:
        """Return what else the package could load: extension modules that no import was seen to load, and libraries
        that no object needs, which are opened under a name that the source does not show.
        """
        wheel = self._setting.packages[package].wheel
        seen = set(known)
        extensions = [self._installed(wheel, facts) for facts in wheel.objects if _is_extension(facts)]
        libraries = [self._installed(wheel, facts) for facts in wheel.objects if self._is_orphan(facts)]
        cause = Cause("assumed", "", 0, f"a library of {package} that nothing is linked to")
        others = everything(package, self._setting.imports, extensions, LoadPlan((), ()))
        opened = (Load(path, RTLD_NOW, cause, "possible", None, package) for path in sorted(libraries))
        return [load for load in (*others, *opened) if load.path not in seen]

    def _installed(self, wheel: WheelFacts, facts: ObjectFacts) -> str:
        if not wheel.filename:
            return wheel.members.get(facts.path, facts.path)
        return f"{self._setting.host.interpreter.site_packages}/{facts.path}"

    def _is_orphan(self, facts: ObjectFacts) -> bool:
        """Whether a shared object is neither an extension module nor needed by any object of the set."""
        shared = facts.type == ET_DYN and facts.interp is None and ".so" in facts.path
        return shared and facts.soname not in self._needed and not _is_extension(facts)

    @cached_property
    def _needed(self) -> frozenset[str]:
        packages = self._setting.packages.values()
        return frozenset(name for package in packages for facts in package.wheel.objects for name in facts.needed)

    @property
    def plans(self) -> dict[tuple[str, ...], LoadPlan]:
        """The plans made so far, by order."""
        return self._plans


def _records(setting: Setting, documents: SourceCache) -> Records:
    interpreter = setting.host.interpreter
    wheels = tuple(sorted(package.wheel.sha256 for package in setting.packages.values()))
    places = Places(interpreter.site_packages, interpreter.extensions)
    return Records(documents, wheels, setting.imports.python.version[:2], places)


def _is_extension(facts: ObjectFacts) -> bool:
    """Whether CPython can import an object: it exports the function that makes the module (PEP 489)."""
    stem = facts.path.rpartition("/")[2].partition(".")[0]
    keys = facts.symbols.key[facts.symbols.shndx != 0]
    return bool((keys == np.uint64(name_key(f"PyInit_{stem}"))).any())


def joined(parts: Iterable[LoadPlan]) -> LoadPlan:
    """Return the plan of imports one after the other, where none of them changes what another one does."""
    whole = _Joined()
    for part in parts:
        whole.add(part)
    return whole.plan()


@dataclass(slots=True)
class _Joined:
    """Plans one after the other, each thing where it comes first; modules at the place where they came last."""

    loads: dict[str, Load] = field(default_factory=dict)
    unread: dict[NotAnalysed, None] = field(default_factory=dict)
    modules: int = 0
    executed: dict[str, Executed] = field(default_factory=dict)
    endings: dict[Ending, None] = field(default_factory=dict)

    def add(self, part: LoadPlan) -> None:
        """Put the plan of one more import at the end."""
        for load in part.loads:
            self.loads.setdefault(load.path, load)
        self.unread.update(dict.fromkeys(part.not_analysed))
        self.modules += part.modules
        for module in part.executed:
            self.executed[module.path] = self.executed.pop(module.path, module)
        self.endings.update(dict.fromkeys(part.endings))

    def plan(self) -> LoadPlan:
        return LoadPlan(
            tuple(self.loads.values()),
            tuple(self.unread),
            self.modules,
            executed=tuple(self.executed.values()),
            endings=tuple(self.endings),
        )
