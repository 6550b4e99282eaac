"""How ld.so came to a definition, as evidence: object by object, with the clause that decided."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from abiclash.linker.explain import explain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case, Run


def look_ups(case: Case, run: Run, references: Iterable[tuple[int, int]], limit: int = 1) -> list[dict[str, object]]:
    """Return the history of the first references, given as (file, symbol key), that are in a run.

    Each is {"from", "symbol", "version", "steps", "to"}; a step names the scope, the object met there, and what ld.so
    makes of its definition. Objects without that name are left out. musl, which knows no scopes, has no such history.
    """
    found: list[dict[str, object]] = []
    if case.host.libc == "musl":
        return found
    for file, key in references:
        for one in islice(explain(run.process, file, key), 1):
            if len(found) == limit:
                return found
            steps = [
                f"{step.scope.replace(case.site_packages + '/', '')}: {case.path(step.file)}: {step.clause}"
                for step in one.steps
            ]
            found.append(
                {
                    "from": case.path(file),
                    "symbol": case.names([key])[key],
                    "version": one.version or "none",
                    "steps": steps,
                    "to": case.path(one.target) if one.target is not None else "nothing",
                }
            )
    return found
