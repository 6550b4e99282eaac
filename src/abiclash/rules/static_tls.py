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

The fixture `three_takers` builds three libraries with initial-exec variables of 700 bytes each: any two fit, all three
do not.

## Fix on each side

Users set `GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096` before Python starts, or preload the last library.
Maintainers compile with `-ftls-model=global-dynamic` (for Rust and jemalloc: `disable_initial_exec_tls`).

## Incidents

deltalake, datafusion and polars 0.13 together; lightgbm and scikit-learn after pyarrow (lightgbm issue 6509).

## Limits

Threads' TLS blocks allocated by the host at run time do not count; `dlmopen` name spaces are not modelled. A load that
fails gives its share back, so that a smaller library may still fit after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.linker.tls import Taken
from abiclash.rules.failures import failure_groups, shown
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case, Played, Run
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
    run, played = _example(case, group)
    tls = run.process.tls
    room = _room(run, played)
    takers = [(case.path(t.file), t.size, case.package(t.file)) for t in room.taken]
    victims = sorted({p for g in groups for p in g.victims})
    orders = list(dict.fromkeys(order for g in groups for order in g.orders))
    safe = [] if group.alone else case.safe_orders(orders)
    failing = shown(case, group.failure.object)
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
        packages=[*victims, *(p for _, _, p in takers if p is not None and not group.alone)],
        severity=group.severity,
        confidence=group.confidence,
        summary=(
            f"{names} needs more room for static thread-local storage than there is, even alone."
            if group.alone
            else f"{names} cannot be loaded after the others: the room for static thread-local storage is spent."
        ),
        explanation=(
            f"Some libraries want their thread-local variables in a block of {tls.surplus} bytes that all libraries "
            f"loaded later share. In this order it goes to: {listing or 'nobody yet'}. {failing} then needs "
            f"{room.need} bytes {room.aligned}and {room.left} are left, so ld.so refuses it: {group.failure.reason}."
        ),
        advice=advice,
        key=["static-tls"],
        failing_order=run.order,
        safe_order=safe[0] if safe else None,
        objects=[failing, *(path for path, _, _ in takers)],
        evidence={
            "surplus": tls.surplus,
            "left": room.left,
            "needed": room.need,
            "taken": [{"object": path, "bytes": size} for path, size, _ in takers],
            "failing_orders": [list(order) for order in orders],
        },
    )


def _example(case: Case, group: FailureGroup) -> tuple[Run, Played]:
    """Return the load to explain: of the package alone where it fails alone."""
    if group.alone:
        for run in case.alone.values():
            for played in run.played:
                failure = played.event.failure
                if failure is not None and (failure.kind, failure.object) == ("static-tls", group.failure.object):
                    return run, played
    return group.seen[0]


@dataclass(frozen=True, slots=True)
class _Room:
    """The block when a load failed. need, left: bytes. taken: by whom before. aligned: text, '' if no cause."""

    need: int
    left: int
    taken: tuple[Taken, ...]
    aligned: str


def _room(run: Run, played: Played) -> _Room:
    """Go back to a failing load: what came after it has taken nothing yet, its own first objects have."""
    tls = run.process.tls
    at = next(place for place, each in enumerate(run.played) if each is played)
    later = {file for each in run.played[at:] for file in each.event.new}
    begun = [link for link in played.event.discarded if link.tls_offset is not None and link.facts.tls is not None]
    own = tuple(Taken(link.file, link.facts.tls.size) for link in begun if link.facts.tls is not None)
    left = tls.free + sum(taken.size for taken in tls.taken if taken.file in later) - sum(each.size for each in own)
    failure = played.event.failure
    file = failure.needed_by if failure is not None else None
    wanted = next((link.facts.tls for link in played.event.discarded if link.file == file), None)
    if wanted is None and file is not None:  # a library that was there before, and is now needed in the block
        facts = run.process.world.facts[file]
        wanted = facts.tls if facts is not None else None
    need, align = (wanted.size, wanted.align) if wanted is not None else (0, 1)
    aligned = f"aligned to {align}, and the block is aligned to {tls.align}, " if align > tls.align else ""
    before = tuple(taken for taken in tls.taken if taken.file not in later and taken.size)
    return _Room(need, left, (*before, *own), aligned)
