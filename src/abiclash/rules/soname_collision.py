"""Two different files answer to one library name; the first in the process serves everybody.

## What happens

Two packages bring different files under the same soname, such as `libQt6Core.so.6`. Whichever package is imported
first decides which file both use. The second one runs with a library it was not built with, or fails to load.

## Why it breaks

The other file may be another version or another build: it may lack symbols, or have other data or settings compiled
in. Then the load fails, or the package silently works with the wrong library.

## How the loader decides

Before it searches any directory, ld.so compares a DT_NEEDED name with the names and sonames of the objects that are
already in the process, and takes the first that matches, whatever its path (`_dl_map_object`, glibc elf/dl-load.c).

## Example

The fixture `one_name_twice` builds two libraries with one soname, the second with one more function, and two
packages that each use their own. The second package fails to load after the first.

## Fix on each side

Bundled libraries need a unique soname: `auditwheel repair` appends a hash. Users can try the other import order.

## Incidents

PyQt6 6.4 before PySide6 6.7 (libQt6Core.so.6); rasterio and fiona with two libgdal.

## Limits

Two files that define the same symbols may still differ in behaviour: that is a warning where packages bring both, and a
note where one is the system's. Files with one build ID count as copies. A shared soname can also help: an OpenMP
runtime that is found by soname is not loaded twice.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.case import Stage
from abiclash.rules.failures import bringer, failure_groups, said, shown
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.facts.model import ObjectFacts
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding

RULE = Rule(
    id="soname-collision",
    title="Two files share one library name, and the first serves both",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.FILE,
    since="0.1",
    references=("https://peps.python.org/pep-0600/",),
)


@dataclass(frozen=True, slots=True)
class Displaced:
    """A need that is met by another file in company: `user` needs `name`, gets `used`, and had `own` alone."""

    user: int
    name: str
    own: int
    used: int


@dataclass(frozen=True, slots=True)
class Fatal:
    """A load that fails for want of a symbol in an order in which it, or what it needs, got another file."""

    group: FailureGroup
    run: Run
    need: Displaced


@dataclass(slots=True)
class Collision:
    """Everything about two packages' files under shared names. seen: where a need was met by the other's file."""

    seen: list[tuple[Run, Displaced]] = field(default_factory=list)
    fatal: list[Fatal] = field(default_factory=list)

    @property
    def needs(self) -> list[Displaced]:
        return [*(fatal.need for fatal in self.fatal), *(item for _, item in self.seen)]


def check(case: Case) -> Iterable[Finding]:
    """One finding for each pair of packages, however many libraries they share by name, and whoever is first."""
    found: dict[tuple[str, ...], Collision] = defaultdict(Collision)
    for run in case.together:
        for item in _displacements(case, run):
            if _differ(case, item.own, item.used):
                found[_sides(case, item)].seen.append((run, item))
    for group in failure_groups(case, "undefined-symbol"):
        for run, item in [] if group.alone else displaced(case, group):
            found[_sides(case, item)].fatal.append(Fatal(group, run, item))
    for _, collision in sorted(found.items()):
        yield _finding(case, collision)


def _sides(case: Case, item: Displaced) -> tuple[str, ...]:
    """Return the packages of the two files, '' for the host, sorted."""
    return tuple(sorted((case.owner(item.used) or "", case.owner(item.own) or "")))


def displaced(case: Case, group: FailureGroup) -> list[tuple[Run, Displaced]]:
    """Return the needs of a failing load that another file meets in company, each with the first run that shows it."""
    found: dict[tuple[int, int], tuple[Run, Displaced]] = {}
    for run, played in group.seen:
        for link in played.event.discarded:
            for item in _of_link(case, run, link):
                found.setdefault((item.own, item.used), (run, item))
    return list(found.values())


def _displacements(case: Case, run: Run) -> Iterator[Displaced]:
    for link in run.process.maps.values():
        yield from _of_link(case, run, link)


def _of_link(case: Case, run: Run, link: LinkMap) -> Iterator[Displaced]:
    """Compare what an object's DT_NEEDED names mean here with what they mean when a package is alone."""
    for (_, stage), solo in case.alone.items():
        other = solo.process.maps.get(link.file)
        if other is None or stage is not run.stage:
            continue
        for name, own, used in zip(link.facts.needed, other.direct, link.direct, strict=False):
            if own != used:
                yield Displaced(link.file, name, own, used)


def _differ(case: Case, own: int, used: int) -> bool:
    """Whether two files under one name are different libraries, not two copies of one."""
    first, second = case.facts(own), case.facts(used)
    if first.build_id is not None and second.build_id is not None:
        return first.build_id != second.build_id
    return first.size != second.size or not np.array_equal(first.symbols.key, second.symbols.key)


def _lacks(case: Case, own: int, used: int) -> int:
    """Return how many definitions of the package's own file the other one does not have."""
    mine, theirs = (_defined(case.facts(file)) for file in (own, used))
    return int(np.count_nonzero(~np.isin(mine, theirs)))


def _defined(facts: ObjectFacts) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    keys: np.ndarray[tuple[int], np.dtype[np.uint64]] = facts.symbols.key[facts.symbols.shndx != 0]
    return keys


def _worst(case: Case, collision: Collision) -> tuple[Run, Displaced, FailureGroup | None]:
    """Choose what to tell of: a load that fails, for sure if there is one, or else the file that lacks the most."""

    def weight(item: Displaced) -> tuple[int, str]:
        return -_lacks(case, item.own, item.used), case.path(item.own)

    if collision.fatal:
        surest = list(Confidence).index
        fatal = min(collision.fatal, key=lambda each: (surest(each.group.confidence), weight(each.need)))
        return fatal.run, fatal.need, fatal.group
    run, item = min(collision.seen, key=lambda each: (weight(each[1]), each[0].stage is Stage.USE))
    return run, item, None


def _orders(case: Case, collision: Collision) -> list[tuple[str, ...]]:
    """Return the orders in which a load fails, or else in which definitions are missing, or else all that mix files.

    Where the imports themselves fail in some orders, those count, and not what only use could load in others.
    """
    if collision.fatal:
        at_import = [fatal for fatal in collision.fatal if fatal.group.at_import]
        return list(dict.fromkeys(order for fatal in at_import or collision.fatal for order in fatal.group.orders))
    short = {pair for pair in {(item.own, item.used) for _, item in collision.seen} if _lacks(case, *pair)}
    bad = [run for run, item in collision.seen if (item.own, item.used) in short]
    return list(dict.fromkeys(run.order for run in bad or (run for run, _ in collision.seen)))


def _finding(case: Case, collision: Collision) -> Finding:
    run, worst, fatal = _worst(case, collision)
    own, used = worst.own, worst.used
    pairs = {(item.own, item.used) for item in collision.needs}
    same = {pair for pair in pairs if case.owner(pair[1]) == case.owner(used)}
    lacking = sum(_lacks(case, *pair) for pair in same)
    names = sorted({case.facts(pair[0]).soname or case.basename(pair[0]) for pair in pairs})
    orders = _orders(case, collision)
    safe = case.safe_orders(orders)
    users = sorted({item.user for item in collision.needs if (item.own, item.used) in same})
    victims = sorted(
        {p for each in collision.fatal if case.owner(each.need.used) == case.owner(used) for p in each.group.victims}
        or {p for user in users if (p := case.package(user)) is not None}
    )
    owners = [p for p in (case.package(own), case.package(used)) if p is not None]
    first = bringer(case, run, used) or case.package(used)
    reverse = sorted({p.name for each in collision.fatal for p in each.group.victims} - {p.name for p in victims})
    severity, confidence = _weight(case, (own, used), lacking, fatal, run)
    second = " and ".join(p.name for p in victims) or "a package"
    culprit = first.name if first else "the host"
    counted = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    advice = [Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True)] if safe else []
    advice += [
        Advice(f"maintainer of {p.name}", f"Give the bundled {counted} a unique soname (auditwheel repair does).")
        for p in dict.fromkeys([*victims, *owners])
    ]
    return RULE.finding(
        packages=[*victims, *owners, *([first] if first else [])],
        severity=severity,
        confidence=confidence,
        audience=Audience.USER if severity is not Severity.NOTE else Audience.MAINTAINER,
        summary=f"{culprit} and {second} bring different files named {counted}; the first one imported decides.",
        explanation=(
            f"{case.path(used)} and {case.path(own)} are different files, but both call themselves "
            f"{case.facts(own).soname or case.basename(own)}. ld.so loads a name only once per process. When {culprit} "
            f"is imported first, {second} gets {culprit}'s file. {_outcome(case, second, lacking, fatal)}"
            + (f" The other way round, loads of {' and '.join(reverse)} fail." if reverse else "")
        ),
        advice=advice,
        key=names,
        failing_order=run.order,
        safe_order=safe[0] if safe else None,
        objects=dict.fromkeys(case.path(file) for pair in sorted(pairs) for file in reversed(pair)),
        evidence={
            "sonames": names,
            "definitions_missing": lacking,
            "users": [case.path(user) for user in users],
            "failures": sorted({shown(case, said(case, each.group.failure)) for each in collision.fatal}),
            "failing_orders": [list(order) for order in orders],
        },
        silent=fatal is None and severity is not Severity.NOTE,
    )


def _outcome(case: Case, second: str, lacking: int, fatal: FailureGroup | None) -> str:
    if fatal is not None:
        return f"{second} then fails to load: {shown(case, said(case, fatal.failure))}."
    missing = f"; {lacking} definitions of its own copy are missing there." if lacking else "."
    return f"{second} then runs with a library it does not come with{missing}"


def _weight(
    case: Case, pair: tuple[int, int], lacking: int, fatal: FailureGroup | None, run: Run
) -> tuple[Severity, Confidence]:
    """A failed load is an error; another library in place of one's own is a warning; the host's newer one is none."""
    if fatal is not None:
        return Severity.ERROR, fatal.confidence
    confidence = Confidence.CERTAIN if run.stage is Stage.IMPORT else Confidence.POSSIBLE
    own, used = pair
    if lacking == 0 and (case.package(used) is None or case.package(own) is None):
        return Severity.NOTE, confidence
    return Severity.WARNING, confidence
