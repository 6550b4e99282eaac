"""The room for static thread-local storage is spent.

## What happens

Importing a package ends with "cannot allocate memory in static TLS block". Which package it hits depends on the
order: the last one that asks.

## Why it breaks

Libraries compiled for the initial-exec TLS model want their thread-local variables at a fixed distance from the
thread pointer. For libraries that come by dlopen there is only a small surplus, shared by the whole process.

## How the loader decides

The surplus is fixed at program start (`_dl_tls_static_surplus_init`, glibc elf/dl-tls.c: 1664 bytes with default
tunables). Each such object takes its PT_TLS size, rounded to its alignment, when it is relocated
(`_dl_try_allocate_static_tls`, elf/dl-reloc.c). When too little is left the load fails.

## Example

The fixture `static_tls` builds three libraries with initial-exec variables of 700 bytes each: any two fit, all three
do not.

## Fix on each side

Users set `GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096` before Python starts, or preload the last library.
Maintainers compile with `-ftls-model=global-dynamic` (for Rust and jemalloc: `disable_initial_exec_tls`).

## Incidents

deltalake, datafusion and polars 0.13 together; lightgbm and scikit-learn after pyarrow (lightgbm issue 6509).

## Limits

Threads' TLS blocks allocated by the host at run time do not count; `dlmopen` name spaces are not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.rules.failures import failure_groups, shown
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding

RULE = Rule(
    id="static-tls",
    title="The static TLS block is full",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.TLS,
    since="0.1",
    references=("https://www.akkadia.org/drepper/tls.pdf",),
)


def check(case: Case) -> Iterable[Finding]:
    """One finding for the set: whoever is last fails, so the cause is the sum, not a pair."""
    groups = [group for group in failure_groups(case, "static-tls") if not group.alone]
    if groups:
        yield _finding(case, groups)
    for group in failure_groups(case, "static-tls"):
        if group.alone:
            yield _finding(case, [group])


def _finding(case: Case, groups: list[FailureGroup]) -> Finding:
    group = groups[0]
    run = group.run
    tls = run.process.tls
    takers = [(case.path(t.file), t.size, case.package(t.file)) for t in tls.taken]
    victims = sorted({p for g in groups for p in g.victims})
    orders = list(dict.fromkeys(order for g in groups for order in g.orders))
    safe = case.safe_orders(orders)
    failing = shown(case, group.failure.object)
    need = next((f.tls.size for f in _objects(case, failing) if f.tls is not None), 0)
    names = " and ".join(p.name for p in victims) or "a package"
    listing = ", ".join(f"{path} {size} bytes" for path, size, _ in takers)
    advice = [
        Advice("user", "Start Python with GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096 in the environment."),
        *(
            Advice(
                f"maintainer of {p.name}", "Compile without the initial-exec TLS model (-ftls-model=global-dynamic)."
            )
            for p in victims
        ),
    ]
    if safe:
        advice.insert(0, Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True))
    return RULE.finding(
        packages=[*victims, *(p for _, _, p in takers if p is not None)],
        severity=group.severity,
        confidence=group.confidence,
        summary=f"{names} cannot be loaded after the others: the room for static thread-local storage is spent.",
        explanation=(
            f"Some libraries want their thread-local variables in a block of {tls.surplus} bytes that all libraries "
            f"loaded later share. In this order it goes to: {listing or 'nobody yet'}. {failing} then needs "
            f"{need} bytes and {tls.free} are left, so ld.so refuses it: {group.failure.reason}."
        ),
        advice=advice,
        key=["static-tls"],
        failing_order=run.order,
        safe_order=safe[0] if safe else None,
        objects=[failing, *(path for path, _, _ in takers)],
        evidence={
            "surplus": tls.surplus,
            "left": tls.free,
            "needed": need,
            "taken": [{"object": path, "bytes": size} for path, size, _ in takers],
            "failing_orders": [list(order) for order in orders],
        },
    )


def _objects(case: Case, path: str) -> Iterable[ObjectFacts]:
    return (f for f, p in zip(case.world.facts, case.world.paths, strict=True) if f is not None and p.endswith(path))
