"""Observed plans: what an import really loaded once, kept as a fact of (wheels, interpreter, modules)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.imports.documents import SourceCache
    from abiclash.imports.plan import Load

KIND = "observed-plan-1"


@dataclass(frozen=True, slots=True)
class ObservedLoad:
    """One dlopen as it was seen. path: relative to site-packages where it is below it (`$site/...`), else as seen."""

    path: str
    flags: int
    module: str | None
    package: str | None


@dataclass(frozen=True, slots=True)
class ObservedPlan:
    """A recorded load plan.

    wheels: sorted sha256 of all wheels in the environment. python: (3, 11, 7). modules: what was imported, in order.
    site: the site-packages directory that stands for `$site` in a scan.
    """

    wheels: tuple[str, ...]
    python: tuple[int, int, int]
    modules: tuple[str, ...]
    seen: tuple[ObservedLoad, ...]
    site: str = ""

    @property
    def key(self) -> str:
        """The key under which the plan is kept."""
        return key(self.wheels, self.python, self.modules)

    def loads(self) -> tuple[Load, ...]:
        """Return the loads, with the paths of this scan."""
        from abiclash.imports.plan import Cause, Load  # noqa: PLC0415 - plan imports this module's type

        cause = Cause("observed", "", 0, f"import {', '.join(self.modules)} was run with these wheels")
        return tuple(
            Load(load.path.replace("$site", self.site, 1), load.flags, cause, "certain", load.module, load.package)
            for load in self.seen
        )


def key(wheels: Sequence[str], python: tuple[int, int, int], modules: Sequence[str]) -> str:
    """Return the key of an observed plan: only exactly these wheels, this interpreter and these imports match."""
    text = json.dumps([sorted(wheels), list(python), list(modules)])
    return hashlib.sha256(text.encode()).hexdigest()


def keep(cache: SourceCache, observed: ObservedPlan) -> None:
    """Keep a plan."""
    rows = [[load.path, load.flags, load.module, load.package] for load in observed.seen]
    data = {"wheels": observed.wheels, "python": observed.python, "modules": observed.modules, "loads": rows}
    cache.put_document(KIND, observed.key, json.dumps(data).encode())


def find(
    cache: SourceCache, wheels: Sequence[str], python: tuple[int, int, int], modules: Sequence[str], site: str
) -> ObservedPlan | None:
    """Return the plan that was observed for exactly these wheels, this interpreter and these imports."""
    raw = cache.get_document(KIND, key(wheels, python, modules))
    if raw is None:
        return None
    try:
        data = json.loads(raw)
        seen = tuple(ObservedLoad(*row) for row in data["loads"])
    except (ValueError, KeyError, TypeError):
        return None  # damaged: as if it had never been kept
    return ObservedPlan(tuple(sorted(wheels)), python, tuple(modules), seen, site)
