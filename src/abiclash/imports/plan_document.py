"""Load plans as documents: following an import costs seconds, and its result depends on nothing but its inputs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from abiclash.errors import NotAnalysed
from abiclash.imports.effects import Ending, Executed
from abiclash.imports.plan import Cause, Load, LoadPlan
from abiclash.imports.source import DIGEST, ModuleSource
from abiclash.parsing import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.imports.documents import SourceCache
    from abiclash.imports.world import Python

KIND = "plans"
PLAN = 23
"""Version of what planning does: raised whenever the same source gives another plan."""


def plan_key(
    python: Python, path: Iterable[str], files: Iterable[tuple[str, str]], groups: Sequence[Sequence[str]]
) -> str:
    """Return the key of the plans of importing groups of modules one after the other.

    files: (package, sha256) of everything that lies on the search path `path` besides the standard library.
    """
    interpreter = [list(python.version), list(python.suffixes), python.machine, python.stdlib, python.executable]
    inputs = [
        PLAN,
        DIGEST,
        interpreter,
        sorted(python.extensions.items()),
        list(path),
        sorted(files),
        list(map(list, groups)),
    ]
    return hashlib.sha256(json.dumps(inputs, separators=(",", ":")).encode()).hexdigest()


def keep(cache: SourceCache, key: str, plans: Sequence[LoadPlan]) -> None:
    """Store plans under their key."""
    cache.put_document(KIND, key, json.dumps([_encode(plan) for plan in plans], separators=(",", ":")).encode())


def find(cache: SourceCache, key: str) -> list[LoadPlan] | None:
    """Return the plans kept under a key; None where there are none, or none that can be read."""
    data = cache.get_document(KIND, key)
    if data is None:
        return None
    try:
        return [_decode(plan) for plan in read_json(data)]
    except (ValueError, TypeError, KeyError):
        return None  # written by another version, or damaged: made anew


def _encode(plan: LoadPlan) -> dict[str, object]:
    return {
        "loads": [
            [d.path, d.flags, d.certainty, d.module, d.package, d.cause.kind, d.cause.file, d.cause.line, d.cause.text]
            for d in plan.loads
        ],
        "not_analysed": [[item.what, item.reason] for item in plan.not_analysed],
        "modules": plan.modules,
        "executed": [[e.name, e.path, e.package, e.certainty, _effects(e.source)] for e in plan.executed],
        "endings": [[e.module, e.kind, e.reason, e.file, e.line] for e in plan.endings],
    }


def _effects(source: ModuleSource) -> str | None:
    """Keep what rules read of a module; what it executes is in the plan already."""
    if not (source.environment or source.demands or source.registrations):
        return None
    effects = ModuleSource(environment=source.environment, demands=source.demands, registrations=source.registrations)
    return effects.dump()[0]


def _decode(document: dict[str, list[list[object]]]) -> LoadPlan:
    return LoadPlan(
        loads=tuple(
            Load(path, flags, Cause(kind, file, line, text), certainty, module, package)  # type: ignore[arg-type]
            for path, flags, certainty, module, package, kind, file, line, text in document["loads"]
        ),
        not_analysed=tuple(NotAnalysed(*row) for row in document["not_analysed"]),  # type: ignore[arg-type]
        modules=document["modules"],  # type: ignore[arg-type]
        executed=tuple(
            Executed(name, path, package, certainty, ModuleSource.load(effects, "[]") if effects else ModuleSource())  # type: ignore[arg-type]
            for name, path, package, certainty, effects in document["executed"]
        ),
        endings=tuple(Ending(*row) for row in document["endings"]),  # type: ignore[arg-type]
    )
