"""Observed plans: what an import really loaded once, kept as a fact of (wheels, interpreter, modules)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from abiclash.parsing import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from abiclash.imports.documents import SourceCache
    from abiclash.imports.plan import Load, LoadPlan

KIND = "observed-plan-2"
SITE, STDLIB = "$site/", "$stdlib/"
_AMONG = 3
_TEXT = 60


@dataclass(frozen=True, slots=True)
class ObservedLoad:
    """One dlopen as it was seen.

    path: `$site/...` below site-packages, `$stdlib/NAME` for the standard library's extension module NAME, else as
    dlopen got it. flags: RTLD bits. module: dotted name of an extension module. package: whose file it is. file, line:
    the Python code that asked, `$site/...` or as it was seen; line 0: C code of that file, '' where it is not known.
    """

    path: str
    flags: int
    module: str | None
    package: str | None
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Places:
    """What the words of an observed plan stand for in a scan.

    site: the site-packages directory. extensions: extension modules of the standard library -> path; what is not
    among them is built into the interpreter, and nothing is opened for it.
    """

    site: str
    extensions: Mapping[str, str]

    def path(self, text: str) -> str | None:
        """Return a path of this scan; None where nothing is opened."""
        if text.startswith(STDLIB):
            return self.extensions.get(text.removeprefix(STDLIB))
        return self.site + text.removeprefix(SITE[:-1]) if text.startswith(SITE) else text


@dataclass(frozen=True, slots=True)
class ObservedPlan:
    """A recorded load plan.

    wheels: sorted sha256 of all wheels in the environment. python: (3, 11); the library's modules are the same in all
    its releases. modules: what was imported, in order.
    """

    wheels: tuple[str, ...]
    python: tuple[int, int]
    modules: tuple[str, ...]
    seen: tuple[ObservedLoad, ...]

    @property
    def key(self) -> str:
        """The key under which the plan is kept."""
        return key(self.wheels, self.python, self.modules)

    def loads(self, places: Places) -> tuple[Load, ...]:
        """Return the loads, with the paths of a scan."""
        return tuple(self._loads(places))

    def _loads(self, places: Places) -> Iterator[Load]:
        from abiclash.imports.plan import Cause, Load  # noqa: PLC0415 - plan imports this module's type

        named = ", ".join(self.modules[:_AMONG]) + (" ..." if len(self.modules) > _AMONG else "")
        ran = f"seen when import {named[:_TEXT]} was run"
        for seen in self.seen:
            path = places.path(seen.path)
            if path is not None:
                cause = Cause("observed", places.path(seen.file) or "", seen.line, ran)
                yield Load(path, seen.flags, cause, "certain", seen.module, seen.package)


def key(wheels: Sequence[str], python: tuple[int, int], modules: Sequence[str]) -> str:
    """Return the key of an observed plan: only exactly these wheels, this interpreter and these imports match."""
    text = json.dumps([sorted(wheels), list(python), list(modules)])
    return hashlib.sha256(text.encode()).hexdigest()


def keep(cache: SourceCache, observed: ObservedPlan) -> None:
    """Keep a plan."""
    cache.put_document(KIND, observed.key, json.dumps(asdict(observed), separators=(",", ":")).encode())


def find(
    cache: SourceCache, wheels: Sequence[str], python: tuple[int, int], modules: Sequence[str]
) -> ObservedPlan | None:
    """Return the plan that was observed for exactly these wheels, this interpreter and these imports."""
    raw = cache.get_document(KIND, key(wheels, python, modules))
    if raw is None:
        return None
    try:
        seen = tuple(ObservedLoad(**row) for row in read_json(raw)["seen"])
    except (ValueError, KeyError, TypeError):
        return None  # damaged: as if it had never been kept
    return ObservedPlan(tuple(sorted(wheels)), python, tuple(modules), seen)


@dataclass(frozen=True, slots=True)
class Records:
    """The observed plans of one set of wheels.

    wheels: sha256 of all of them. python: (3, 11). places: where they lie in this scan.
    """

    cache: SourceCache
    wheels: tuple[str, ...]
    python: tuple[int, int]
    places: Places

    def preferred(self, followed: LoadPlan, modules: Sequence[str]) -> LoadPlan:
        """Return a plan with the loads that were observed of these imports, where they were, instead of its own."""
        record = find(self.cache, self.wheels, self.python, modules)
        if record is None:
            return followed
        return replace(followed, loads=record.loads(self.places), not_analysed=(), observed=True, endings=())
