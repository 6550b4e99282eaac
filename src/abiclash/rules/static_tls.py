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

Users set `GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096` before Python starts (glibc 2.32 and later), or preload
the last library. Maintainers compile with `-ftls-model=global-dynamic` (in Rust `-Z tls-model=global-dynamic`; jemalloc
has `--disable-initial-exec-tls`).

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
from abiclash.rules.failures import failure_groups, safe_orders, shown
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case, Played, Run
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding, PackageId

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


_ROOMY = 4096
"""Bytes of optional static TLS to ask for, in steps of this: glibc's default is 512."""


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
    room = _room(case, group, run, played)
    takers = [(case.path(t.file), t.size, case.package(t.file)) for t in room.taken]
    victims = sorted({p for g in groups for p in g.victims})
    orders = list(dict.fromkeys(order for g in groups for order in g.orders))
    safe = safe_orders(case, *groups)
    failing = shown(case, group.failure.object)
    return RULE.finding(
        packages=[*victims, *(p for _, _, p in takers if p is not None and not group.alone)],
        severity=group.severity,
        confidence=group.confidence,
        summary=_summary(groups, victims, run),
        explanation=_explanation(group, failing, room, ", ".join(f"{path} {size} bytes" for path, size, _ in takers)),
        advice=_advice(case, victims, room, safe),
        key=[failing] if group.alone else [],
        failing_order=run.order,
        safe_order=safe[0] if safe else None,
        objects=[failing, *(path for path, _, _ in takers)],
        evidence={
            "surplus": run.process.tls.surplus,
            "at_start": room.left + sum(taken.size for taken in room.taken),
            "left": room.left,
            "needed": room.need,
            "taken": [{"object": path, "bytes": size} for path, size, _ in takers],
            "stage": run.stage.value,
            "failing_orders": [list(order) for order in orders],
        },
    )


def _summary(groups: list[FailureGroup], victims: list[PackageId], run: Run) -> str:
    names = " and ".join(p.name for p in victims) or "a package"
    if groups[0].alone:
        return f"{names} needs more room for static thread-local storage than there is, even alone."
    if len({group.victims for group in groups}) > 1:
        return f"{names} do not fit together: static thread-local storage is spent, and whoever comes last fails."
    others = " and ".join(name for name in run.order if name not in {p.name for p in victims}) or "the others"
    return f"{names} cannot be loaded after {others}: the room for static thread-local storage is spent."


def _explanation(group: FailureGroup, failing: str, room: _Room, listing: str) -> str:
    total = room.left + sum(taken.size for taken in room.taken)
    return (
        f"Some libraries want their thread-local variables in a block that all libraries loaded later share; at the "
        f"start {total:,} bytes of it are free. In this order they go to: {listing or 'nobody yet'}. {failing} then "
        f"needs {room.need:,} bytes {room.aligned}and {room.left:,} are left, so the dynamic linker refuses it: "
        f"{group.failure.reason}."
    )


def _advice(case: Case, victims: list[PackageId], room: _Room, safe: list[tuple[str, ...]]) -> list[Advice]:
    advice = [Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True)] if safe else []
    size = max(_ROOMY, -(-(room.need + sum(taken.size for taken in room.taken)) // _ROOMY) * _ROOMY)
    start = f"Start Python with GLIBC_TUNABLES=glibc.rtld.optional_static_tls={size} in the environment."
    if case.host.libc_version < (2, 32):  # has no such tunable
        start = "Name the library that fails in LD_PRELOAD: what is loaded before the program begins has room."
    cure = (
        "Compile without the initial-exec TLS model: -ftls-model=global-dynamic (-Z tls-model=global-dynamic for "
        "Rust), and --disable-initial-exec-tls for jemalloc."
    )
    return [*advice, Advice("user", start), *(Advice(f"maintainer of {p.name}", cure) for p in victims)]


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


def _room(case: Case, group: FailureGroup, run: Run, played: Played) -> _Room:
    """Go back to a failing load: what came after it has taken nothing yet, its own first objects have."""
    tls = run.process.tls
    at = next(place for place, each in enumerate(run.played) if each is played)
    later = {file for each in run.played[at:] for file in each.event.new}
    begun = [link for link in played.event.discarded if link.tls_offset is not None and link.facts.tls is not None]
    own = tuple(Taken(link.file, link.facts.tls.size) for link in begun if link.facts.tls is not None)
    left = tls.free + sum(taken.size for taken in tls.taken if taken.file in later) - sum(each.size for each in own)
    file = group.failure.needed_by  # it may have been there before, and is now needed in the block
    wanted = case.facts(file).tls if file is not None else None
    need, align = (wanted.size, wanted.align) if wanted is not None else (0, 1)
    aligned = f"aligned to {align}, and the block is aligned to {tls.align}, " if align > tls.align else ""
    before = tuple(taken for taken in tls.taken if taken.file not in later and taken.size)
    return _Room(need, left, (*before, *own), aligned)
