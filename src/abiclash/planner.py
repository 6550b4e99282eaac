"""Load plans for the packages of a scan: which modules stand for a package, and what importing them loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.plan import LoadPlan, everything, plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.facts.model import WheelFacts
    from abiclash.imports.plan import Load
    from abiclash.setting import Setting

_ASIDE = frozenset({"tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "scripts", "tools"})
"""Top-level names that a wheel may carry along but that nobody means by its name."""


def modules_of(wheel: WheelFacts) -> tuple[str, ...]:
    """Return the modules that importing a package means: the one of its own name first, private ones only alone."""
    own = wheel.name.replace("-", "_").lower()
    public = [m for m in wheel.modules if not m.startswith("_") and m not in _ASIDE] or list(wheel.modules)
    return tuple(sorted(public, key=lambda module: (module.lower() != own, module)))


class ImportPlanner:
    """Plans from Python source, made once for each order."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._plans: dict[tuple[str, ...], LoadPlan] = {}

    def plan(self, order: tuple[str, ...]) -> LoadPlan:
        """Return the plan of importing packages in order."""
        if order not in self._plans:
            modules = [m for name in order for m in modules_of(self._setting.packages[name].wheel)]
            self._plans[order] = plan(modules, self._setting.imports) if modules else LoadPlan((), ())
        return self._plans[order]

    def imports(self, order: Sequence[str]) -> Sequence[Load]:
        return self.plan(tuple(order)).loads

    def rest(self, package: str, known: Iterable[str]) -> Sequence[Load]:
        """Return the package's extension modules that no import was seen to load."""
        wheel = self._setting.packages[package].wheel
        site = self._setting.host.interpreter.site_packages
        files = [
            wheel.members.get(o.path, f"{site}/{o.path}") if not wheel.filename else f"{site}/{o.path}"
            for o in wheel.objects
        ]
        seen = set(known)
        return [
            load
            for load in everything(package, self._setting.imports, files, LoadPlan((), ()))
            if load.path not in seen
        ]

    @property
    def plans(self) -> dict[tuple[str, ...], LoadPlan]:
        return self._plans
