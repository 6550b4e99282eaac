"""A reference without a definition: the load fails with "undefined symbol".

## What happens

Importing a package ends with "undefined symbol: ...".

## Why it breaks

An object expects a function or variable of a companion library, and the companion that is there, of another version
or another package, does not define it.

## How the loader decides

Every reference that is not weak must find a definition in the global scope or in the search list of the object that
is opened (`_dl_lookup_symbol_x`, glibc elf/dl-lookup.c). CPython opens extension modules with RTLD_NOW, so all of
them are looked up during the import.

## Example

The fixture `library_and_companion` builds a library and its companion, and then puts a release of the
companion in its place that lacks one function.

## Fix on each side

Install companion packages in the versions that were built together; maintainers pin them exactly (`==`).

## Incidents

apache-tvm 0.25.0 with apache-tvm-ffi 0.1.15.post2; torch with a torchvision of another release.

## Limits

A failure that the package catches by itself (try/except around the import) is still stated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.rules.displaced import displaced
from abiclash.rules.failures import failure_groups, quoted, safe_orders, shown
from abiclash.rules.families import readable
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding, PackageId

RULE = Rule(
    id="undefined-symbol",
    title="A needed symbol is defined nowhere in scope",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.LOOKUP,
    since="0.1",
)


def check(case: Case) -> Iterable[Finding]:
    """State each undefined symbol, unless another file under a shared soname explains it."""
    for group in failure_groups(case, "undefined-symbol"):
        if group.alone or not displaced(case, group):
            yield _finding(case, group)


def _finding(case: Case, group: FailureGroup) -> Finding:
    failure, run = group.failure, group.run
    name = case.names([failure.key])[failure.key] if failure.key is not None else "?"
    needing = shown(case, failure.object)
    companions = _companions(case, group)
    victims = " and ".join(p.name for p in group.victims) or "a package"
    others = " and ".join(p.name for p in companions)
    safe = safe_orders(case, group)
    severity = _weigh(group, has_companions=bool(companions))
    version = f" (version {failure.version})" if failure.version else ""
    expected = f"It was built for another release of {others}. " if others else ""
    advice = [Advice("user", f"Install releases of {victims} and {others} that belong together.")] if others else []
    if safe:
        advice.append(Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True))
    advice += [
        Advice(f"maintainer of {p.name}", "Pin the companion package to the release it is built with.")
        for p in group.victims
    ]
    return RULE.finding(
        packages=[*group.victims, *companions],
        severity=severity,
        confidence=group.confidence,
        audience=Audience.USER if severity is not Severity.NOTE else Audience.MAINTAINER,
        summary=f"{victims}: {needing} needs a symbol that nothing in the process defines, so loading it fails.",
        explanation=(
            f"{needing} refers to {readable(name)}{version}, and neither it nor any library that it can see "
            "defines that. "
            f"{expected}The dynamic linker refuses the load, and the import ends with an ImportError or OSError."
        ),
        advice=advice,
        key=[name, needing],
        failing_order=tuple(p.name for p in group.victims[:1]) if group.alone else run.order,
        safe_order=safe[0] if safe else None,
        objects=[needing],
        symbols=[name],
        evidence={
            "message": quoted(case, failure),
            "alone": group.alone,
            "stage": group.run.stage.value,
            "failing_orders": [list(order) for order in group.orders],
        },
    )


def _weigh(group: FailureGroup, *, has_companions: bool) -> Severity:
    """A companion of another package that lacks the symbol breaks whatever uses the object, alone or not."""
    if has_companions:
        return Severity.ERROR if group.certain or not group.alone else Severity.WARNING
    return group.severity


def _companions(case: Case, group: FailureGroup) -> list[PackageId]:
    """Return other packages whose libraries the failing object needs: one of them should have had the symbol."""
    file = group.failure.needed_by
    if file is None:
        return []
    needed = set(case.facts(file).needed)
    found = {
        package.id
        for package in case.packages.values()
        for facts in package.wheel.objects
        if facts.soname in needed and package.id not in group.victims
    }
    return sorted(found)
