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

import posixpath
from typing import TYPE_CHECKING

from abiclash.rules.displaced import displaced, fatal_needs, sides
from abiclash.rules.failures import bringer, failure_groups, loaded_by_name, quoted, safe_orders, shown
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding, PackageId

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
    """One finding for each library and the packages that it is too old for, whatever number of versions it lacks.

    Where the two packages' files lack symbols of each other too, soname-collision tells it all.
    """
    collisions = fatal_needs(case)
    found: dict[tuple[str, bool, tuple[PackageId, ...]], list[FailureGroup]] = {}
    for group in failure_groups(case, "missing-version"):
        if not any(sides(case, item) in collisions for _, item in displaced(case, group)):
            found.setdefault((group.failure.object, group.alone, group.victims), []).append(group)
    for groups in found.values():
        yield _finding(case, groups)


def _finding(case: Case, groups: list[FailureGroup]) -> Finding:
    group = min(groups, key=lambda each: (not each.certain, not each.at_import))
    failure, run = group.failure, group.run
    library = loaded_by_name(run, failure.object)
    owner, first = case.package(library), bringer(case, run, library)
    name = shown(case, failure.object)
    plain = posixpath.basename(name)
    needing = [case.path(each.failure.needed_by) for each in groups if each.failure.needed_by is not None]
    orders = list(dict.fromkeys(order for each in groups for order in each.orders))
    safe = safe_orders(case, *groups)
    versions = list(dict.fromkeys(each.failure.version for each in (group, *groups)))
    return RULE.finding(
        packages=[p for p in (*group.victims, owner, first) if p is not None],
        severity=group.severity,
        confidence=group.confidence,
        summary=_summary(group, first, versions, plain),
        explanation=_explanation(case, group, first, name),
        advice=_advice(group, versions, plain, safe),
        key=[plain],
        failing_order=tuple(p.name for p in group.victims[:1]) if group.alone else run.order,
        safe_order=safe[0] if safe else None,
        objects=dict.fromkeys([*needing, name]),
        evidence={
            "message": quoted(case, failure),
            "versions": versions,
            "alone": group.alone,
            "stage": run.stage.value,
            "failing_orders": [list(order) for order in orders],
        },
    )


def _summary(group: FailureGroup, first: PackageId | None, versions: list[str], library: str) -> str:
    victims = " and ".join(p.name for p in group.victims) or "a package"
    needs = f"{victims} {'need' if len(group.victims) > 1 else 'needs'} {listed(versions, 2)} of {library}"
    if group.alone or first is None or first in group.victims:
        return f"{needs}; the copy that gets loaded does not have {'it' if len(versions) == 1 else 'them'}."
    return f"{needs}, which the copy that {first.name} brings into the process lacks: after it, the load fails."


def _explanation(case: Case, group: FailureGroup, first: PackageId | None, name: str) -> str:
    failure = group.failure
    needing = case.path(failure.needed_by) if failure.needed_by is not None else "an object"
    told = quoted(case, failure)
    library = posixpath.basename(name)
    begin = f"{needing} was built against a newer {library} and needs its symbol version {failure.version}. "
    if group.alone:
        return f"{begin}It gets {name}, which does not have it, so the dynamic linker refuses: {told}"
    by = f", which {first.name} brought into the process" if first and first not in group.victims else ""
    return (
        f"{begin}When it is loaded, the process already uses {name}{by}, because a library name is looked up only "
        f"once per process. That copy has no {failure.version}, so the dynamic linker refuses: {told}"
    )


def _advice(group: FailureGroup, versions: list[str], library: str, safe: list[tuple[str, ...]]) -> list[Advice]:
    advice = [Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True)] if safe else []
    advice.append(Advice("user", f"Use a system or environment whose {library} defines {listed(versions, 2)}."))
    target = "build on an image of the promised platform (auditwheel's manylinux images)"
    if group.alone:
        cure = f"Need only versions that the promised platform has: {target}."
    else:
        cure = (
            f"Bundle {library} under a name of its own (`auditwheel repair` puts a hash into its soname), or {target}."
        )
    return advice + [Advice(f"maintainer of {p.name}", cure) for p in group.victims]
