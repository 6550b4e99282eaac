"""Which release of a package brought a clash with another one: releases are played, nothing is installed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from abiclash.errors import AbiclashError, UsageError
from abiclash.rules.model import Severity
from abiclash.scanning import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abiclash.rules.model import ScanResult
    from abiclash.scanning import ScanRequest


class Neighbours(Protocol):
    """Releases below one, the nearest first; `suggest.releases.Releases` is one."""

    def older(self, name: str, version: str, count: int) -> Sequence[str]: ...


@dataclass(slots=True)
class Bisection:
    """moving, fixed: names. first_bad: the release that brought it; last_good: the one before, None where even the
    oldest looked at has it. ids: findings that are bisected. tried: version -> has it; None where it cannot be played.
    """

    moving: str
    fixed: str
    ids: tuple[str, ...]
    first_bad: str
    last_good: str | None = None
    tried: dict[str, bool | None] = field(default_factory=dict)


def bisect(
    request: ScanRequest,
    releases: Callable[[ScanResult], Neighbours],
    *,
    finding: str = "",
    reach: int = 40,
    play: Callable[[ScanRequest], ScanResult] = scan,
) -> Bisection:
    """Return the release of the first target that brought errors with the second one.

    request: two requirements, the first with the bad version (or the newest). finding: id of one finding, else every
    error that names both. reach: how many older releases to look at. Raises UsageError where nothing clashes.
    """
    if len(request.targets) != 2:
        raise UsageError("corpus bisect: name two requirements; the releases of the first are tried")
    moving, fixed = (canonicalize_name(Requirement(text).name) for text in request.targets)
    result = play(request)
    ids = _ids(result, moving, fixed, finding)
    if not ids:
        what = finding or "no error between them"
        raise UsageError(f"{', '.join(request.targets)}: {what} is not there; name the version of {moving} that is bad")
    versions = {package.name: package.version for package in result.packages}
    found = Bisection(moving, fixed, tuple(sorted(ids)), versions[moving], tried={versions[moving]: True})
    pinned = replace(request, targets=(request.targets[0], f"{fixed}=={versions[fixed]}"))

    def bad(version: str) -> bool | None:
        if version not in found.tried:
            try:
                at = play(replace(pinned, targets=(f"{moving}=={version}", pinned.targets[1])))
            except AbiclashError:
                found.tried[version] = None
            else:
                found.tried[version] = bool(ids & {one.id for one in at.findings})
        return found.tried[version]

    _search(found, list(releases(result).older(moving, versions[moving], reach)), bad)
    return found


def _ids(result: ScanResult, moving: str, fixed: str, finding: str) -> set[str]:
    errors = [one for one in result.findings if one.severity is Severity.ERROR or one.id == finding]
    both = {one.id for one in errors if {moving, fixed} <= {package.name for package in one.packages}}
    return {finding} & {one.id for one in errors} if finding else both


def _search(found: Bisection, older: Sequence[str], bad: Callable[[str], bool | None]) -> None:
    """Gallop back to a good release, then halve. A release that cannot be played counts as its newer neighbour."""
    low, high, step = 0, -1, 1  # older[:low] are bad, older[high] is good
    while low < len(older):
        at = min(low + step, len(older)) - 1
        answer = bad(older[at])
        if answer is False:
            high = at
            break
        low, step = at + 1, 2 * step
    if high < 0:
        found.first_bad = _oldest_bad(found, older)
        return
    while low < high:
        middle = (low + high) // 2
        if bad(older[middle]) is False:
            high = middle
        else:
            low = middle + 1
    found.last_good = older[high]
    found.first_bad = older[high - 1] if high else found.first_bad


def _oldest_bad(found: Bisection, older: Sequence[str]) -> str:
    known = [version for version in older if found.tried.get(version)]
    return known[-1] if known else found.first_bad
