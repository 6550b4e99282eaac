"""A library that a package needs is neither in the wheels nor on the host.

## What happens

Importing a package ends with "libX.so.1: cannot open shared object file: No such file or directory".

## Why it breaks

The wheel relies on a library of the system that is not installed there, or its own copy is not where its run path
points.

## How the loader decides

A name without a slash is searched along the run paths of the requester (and, with DT_RPATH, of its loaders), in
LD_LIBRARY_PATH, in ld.so.cache and in the default directories (`_dl_map_object`, glibc elf/dl-load.c).

## Example

The fixture `left_out` builds an extension that needs a library of the system and leaves the library out.

## Fix on each side

Users install the system package that brings the library, or choose a wheel that bundles it. Maintainers repair the
wheel with auditwheel, or load optional libraries with dlopen and a clear message.

## Incidents

opencv-python on servers without libGL.so.1.

## Limits

A shipped host profile knows a limited set of libraries; on such a host the finding says "not in the profile".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.rules.failures import failure_groups, packaged, quoted, safe_orders
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding

RULE = Rule(
    id="missing-library",
    title="A needed library is nowhere to be found",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.FILE,
    since="0.1",
)


def check(case: Case) -> Iterable[Finding]:
    """State libraries that are needed and missing; a bare name that dlopen merely tries is no need."""
    for group in failure_groups(case, "missing-library"):
        if not all(played.tried for _, played in group.seen) and not packaged(case, group.failure.object):
            yield _finding(case, group)


def _finding(case: Case, group: FailureGroup) -> Finding:
    name = group.failure.object
    needing = case.path(group.failure.needed_by) if group.failure.needed_by is not None else "an object"
    victims = " and ".join(p.name for p in group.victims) or "a package"
    libpython = name.startswith("libpython")
    severity = group.severity
    safe = safe_orders(case, group)
    alone = (
        "" if group.alone else " It is there when its package is imported alone: others change what is loaded first."
    )
    return RULE.finding(
        packages=group.victims,
        severity=severity,
        confidence=Confidence.LIKELY if group.at_import else Confidence.POSSIBLE,
        audience=Audience.USER if severity is not Severity.NOTE else Audience.MAINTAINER,
        summary=f"{victims} needs {name}, which is neither in the wheels nor on {_host(case)}.",
        explanation=(
            f"{needing} needs {name}. None of the scanned packages installs it where the dynamic linker searches, and "
            f"{_host(case)} does not have it.{alone} Loading it fails with: {quoted(case, group.failure)}"
        ),
        advice=[
            *([Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True)] if safe else []),
            Advice("user", f"Install the system package that provides {name}.")
            if not libpython
            else Advice("user", "Use an interpreter built with a shared libpython."),
            *(
                Advice(
                    f"maintainer of {p.name}",
                    f"Bundle {name} (auditwheel repair) or load it on demand with a clear message.",
                )
                for p in group.victims
            ),
        ],
        key=[name],
        failing_order=_failing_order(group),
        safe_order=safe[0] if safe else None,
        objects=[needing],
        evidence={
            "message": quoted(case, group.failure),
            "alone": group.alone,
            "stage": group.run.stage.value,
            "failing_orders": [list(order) for order in group.orders],
        },
    )


def _failing_order(group: FailureGroup) -> tuple[str, ...] | None:
    """What fails alone needs its package only; in use it may never come to that."""
    if not group.alone:
        return group.run.order
    return tuple(p.name for p in group.victims[:1]) if group.at_import else None


def _host(case: Case) -> str:
    return "this machine" if case.host.name == "live" else f"the host profile {case.host.name}"
