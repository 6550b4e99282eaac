"""Which file a library name means in company, where it means another one for a package alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.failures import failure_groups, loaded_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abiclash.facts.model import ObjectFacts
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run
    from abiclash.rules.failures import FailureGroup

Sides = tuple[str, ...]


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


def sides(case: Case, item: Displaced) -> Sides:
    """Return the packages of the two files, '' for the host, sorted."""
    return tuple(sorted((case.owner(item.used) or "", case.owner(item.own) or "")))


def fatal_needs(case: Case) -> dict[Sides, list[Fatal]]:
    """Return the loads that fail for want of a symbol in another package's file, by the packages of both files.

    Where there are such, versions that are missing in files of the same two packages have the same cause.
    """
    found: dict[Sides, list[Fatal]] = {}
    for group in failure_groups(case, "undefined-symbol"):
        for run, item in [] if group.alone else displaced(case, group):
            found.setdefault(sides(case, item), []).append(Fatal(group, run, item))
    for group in failure_groups(case, "missing-version"):
        for run, item in [] if group.alone else displaced(case, group):
            if sides(case, item) in found:
                found[sides(case, item)].append(Fatal(group, run, item))
    return found


def displaced(case: Case, group: FailureGroup) -> list[tuple[Run, Displaced]]:
    """Return the needs of a failing load that another file meets in company, each with the first run that shows it."""
    found: dict[tuple[int, int], tuple[Run, Displaced]] = {}
    for run, played in group.seen:
        needs = [item for link in played.event.discarded for item in _of_link(case, run, link)]
        needs += _of_version(case, run, group) if group.failure.kind == "missing-version" else []
        for item in needs:
            found.setdefault((item.own, item.used), (run, item))
    return list(found.values())


def _of_version(case: Case, run: Run, group: FailureGroup) -> Iterator[Displaced]:
    """Versions are checked before anything is bound: the object that ld.so names got another file, or did not."""
    user = group.failure.needed_by
    used = loaded_by_name(run, group.failure.object)
    if user is None or used is None:
        return
    names = {*run.process.maps[used].names, case.facts(used).soname}
    for solo in case.alone.values():
        alone = solo.process.maps.get(user)
        if alone is not None and solo.stage is run.stage:
            for name, own in zip(alone.facts.needed, alone.direct, strict=False):
                if name in names and own != used:
                    yield Displaced(user, name, own, used)


def displacements(case: Case, run: Run) -> Iterator[Displaced]:
    """Yield the needs of loaded objects that another file meets than alone."""
    for link in run.process.maps.values():
        yield from _of_link(case, run, link)


def _of_link(case: Case, run: Run, link: LinkMap) -> Sequence[Displaced]:
    """Compare what an object's DT_NEEDED names mean here with what they mean when a package is alone."""

    def compare() -> tuple[Displaced, ...]:
        return tuple(
            Displaced(link.file, needed, own, used)
            for (_, stage), solo in case.alone.items()
            if stage is run.stage and (other := solo.process.maps.get(link.file)) is not None
            for needed, own, used in zip(link.facts.needed, other.direct, link.direct, strict=False)
            if own != used
        )

    return case.once(("displaced", run.stage, link.file, link.direct), (), compare)


def differ(case: Case, own: int, used: int) -> bool:
    """Whether two files under one name are different libraries, not two copies of one."""
    first, second = case.facts(own), case.facts(used)
    if first.build_id is not None and second.build_id is not None:
        return first.build_id != second.build_id
    return first.size != second.size or not np.array_equal(first.symbols.key, second.symbols.key)


def lacks(case: Case, own: int, used: int) -> int:
    """Return how many definitions of the package's own file the other one does not have."""
    mine, theirs = (_defined(case.facts(file)) for file in (own, used))
    return int(np.count_nonzero(~np.isin(mine, theirs)))


def _defined(facts: ObjectFacts) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    keys: np.ndarray[tuple[int], np.dtype[np.uint64]] = facts.symbols.key[facts.symbols.shndx != 0]
    return keys
