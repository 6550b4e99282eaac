"""A library is loaded whose version lacks what a later package needs.

## What happens

Importing a package ends with "version `GLIBCXX_3.4.31' not found (required by ...)", although the same import works
alone or in another order.

## Why it breaks

Each object lists the symbol versions it needs of each library. ld.so checks them when the object is loaded, against
the library that is *in the process*, not against the one that came with the wheel.

## How the loader decides

A DT_NEEDED name that an object in the process already answers to means that object, whatever its path
(`_dl_map_object`). Then `_dl_check_map_versions` (glibc elf/dl-version.c) looks for every needed version among that
object's version definitions and refuses the load when one is absent, unless it is marked weak.

## Example

The fixture `older_and_newer` builds two files with one soname, the older without version `V2`, one package for each,
and a library of the second package that needs `V2`.

## Fix on each side

The package that brings its own newer copy should give it a name of its own (auditwheel repair does), so that it does
not depend on who is first. Users can import that package first, or update the system's library.

## Incidents

tesseract-robotics-nanobind after scipy on Debian 12: a bundled, unrenamed libstdc++.so.6 of GCC 14 loses against the
system's.

## Limits

Judged for the host profile of the scan: a host with a newer library may be fine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.rules.failures import bringer, failure_groups, loaded_by_name, safe_orders, shown
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding

RULE = Rule(
    id="missing-version",
    title="A needed symbol version is not in the library that gets loaded",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.VERSION,
    since="0.1",
    references=("https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html",),
)


def check(case: Case) -> Iterable[Finding]:
    """State each version that a load does not find."""
    for group in failure_groups(case, "missing-version"):
        yield _finding(case, group)


def _finding(case: Case, group: FailureGroup) -> Finding:
    failure, run = group.failure, group.run
    library = loaded_by_name(run, failure.object)
    owner = case.package(library) if library is not None else None
    first = bringer(case, run, library) if library is not None else None
    name = shown(case, failure.object)
    needing = case.path(failure.needed_by) if failure.needed_by is not None else "an object"
    victims = " and ".join(p.name for p in group.victims) or "a package"
    safe = safe_orders(case, group)
    told = shown(case, failure.message)
    by = f", which {first.name} brought into the process" if first and first not in group.victims else ""
    advice = []
    if safe:
        advice.append(Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True))
    advice.append(Advice("user", f"Use a system or environment whose {_plain(name)} defines {failure.version}."))
    bundle = "" if group.alone else f"Bundle {_plain(name)} under a unique name (auditwheel repair), or n"
    advice += [
        Advice(f"maintainer of {p.name}", f"{bundle or 'N'}eed only versions that the promised platform has.")
        for p in group.victims
    ]
    return RULE.finding(
        packages=[p for p in (*group.victims, owner, first) if p is not None],
        severity=group.severity,
        confidence=group.confidence,
        summary=f"{victims} needs {failure.version} of {_plain(name)}; the copy that gets loaded does not have it.",
        explanation=(
            f"{needing} was built against a newer {_plain(name)} and needs its symbol version {failure.version}. "
            + (
                f"It gets {name}, which does not have it, so ld.so refuses: {told}"
                if group.alone
                else f"When it is loaded, the process already uses {name}{by}, because a library name is looked up "
                f"only once per process. That copy has no {failure.version}, so ld.so refuses: {told}"
            )
        ),
        advice=advice,
        key=[failure.version],
        failing_order=tuple(p.name for p in group.victims[:1]) if group.alone else run.order,
        safe_order=safe[0] if safe else None,
        objects=dict.fromkeys([needing, name]),
        evidence={
            "message": failure.message,
            "version": failure.version,
            "alone": group.alone,
            "failing_orders": [list(order) for order in group.orders],
        },
    )


def _plain(path: str) -> str:
    return path.rsplit("/", 1)[-1]
