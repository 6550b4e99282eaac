"""The wheels of an environment with some packages of a corpus in it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from abiclash.errors import NotAnalysed
from abiclash.sources.wheelset import WheelSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from abiclash.corpus.lock import Lock, Root
    from abiclash.facts.model import WheelFacts
    from abiclash.sources.resolution import Package


def files_of(lock: Lock, roots: Iterable[Root]) -> list[str]:
    """Return the sha256 of all files of some roots, sorted; of one project there may be several versions."""
    return sorted({sha256 for root in roots for sha256 in root.files if sha256 in lock.files})


def environment(
    lock: Lock, roots: Sequence[Root], facts_of: Callable[[str], WheelFacts], markers: Mapping[str, str]
) -> WheelSet:
    """Return the wheels that roots have together, one version of each project.

    Of several versions the newest is taken that all requirements of the others allow, else the newest; then
    `not_analysed` says that these packages do not go together by their own metadata.
    """
    problems: list[NotAnalysed] = []
    known: dict[str, list[WheelFacts]] = {}
    packages: dict[str, Package] = {}
    for sha256 in files_of(lock, roots):
        facts = facts_of(sha256)
        known.setdefault(facts.name, []).append(facts)
        packages[sha256] = lock.files[sha256]
    chosen = {name: _newest(versions) for name, versions in known.items()}
    wanted = _requirements([facts for versions in known.values() for facts in versions], markers)
    pinned = {root.name: root.files[0] for root in roots}
    for name, versions in known.items():
        if len(versions) > 1:
            chosen[name], fits = _choose(versions, wanted.get(name, []), pinned.get(name))
            if not fits:
                problems.append(
                    NotAnalysed(name, f"no version of it suits all; {chosen[name].version} stands for the others")
                )
    wheels = tuple(sorted(chosen.values(), key=lambda facts: facts.name))
    requested = frozenset(root.name for root in roots)
    return WheelSet(wheels, requested, packages, (), None, tuple(sorted(problems)))


def _newest(versions: Iterable[WheelFacts]) -> WheelFacts:
    return max(versions, key=lambda facts: (Version(facts.version), facts.sha256))


def _choose(
    versions: Sequence[WheelFacts], wanted: Iterable[Requirement], pinned: str | None
) -> tuple[WheelFacts, bool]:
    """Return the version to take, and whether all requirements allow it. pinned: a root of the corpus stays itself."""
    fixed = [facts for facts in versions if facts.sha256 == pinned]
    candidates = fixed or versions
    fitting = [
        facts for facts in candidates if all(one.specifier.contains(facts.version, prereleases=True) for one in wanted)
    ]
    return _newest(fitting or candidates), bool(fitting)


def _requirements(wheels: Iterable[WheelFacts], markers: Mapping[str, str]) -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for facts in wheels:
        for line in facts.requires:
            one = _parsed(line)
            if one is not None and (one.marker is None or one.marker.evaluate({**markers, "extra": ""})):
                found.setdefault(canonicalize_name(one.name), []).append(one)
    return found


@cache
def _parsed(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None
