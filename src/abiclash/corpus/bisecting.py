"""Which release of a package brought a clash with another one, or cured it: they are played, nothing is installed."""

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
    """Releases next to one, the nearest first; `suggest.releases.Releases` is one."""

    def older(self, name: str, version: str, count: int) -> Sequence[str]: ...
    def newer(self, name: str, version: str, count: int) -> Sequence[str]: ...


@dataclass(slots=True)
class Bisection:
    """moving, fixed: names. bad: the release that brought it; good: the one before, None where all that were looked at
    have it. ahead: newer ones were looked at, so that `bad` is the last with it and `good` the one that cured it.
    ids: findings that are bisected. tried: version -> has it; None where it cannot be played.
    """

    moving: str
    fixed: str
    ids: tuple[str, ...]
    bad: str
    good: str | None = None
    ahead: bool = False
    tried: dict[str, bool | None] = field(default_factory=dict)


def bisect(
    request: ScanRequest,
    releases: Callable[[ScanResult], Neighbours],
    *,
    finding: str = "",
    reach: int = 40,
    ahead: bool = False,
    play: Callable[[ScanRequest], ScanResult] = scan,
) -> Bisection:
    """Return the release of the first target that brought errors with the second one, or (ahead) cured them.

    request: two requirements, the first with the bad version (or the newest). finding: id of one finding, else every
    error that names both. reach: how many releases to look at. Raises UsageError where nothing clashes.
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
    found = Bisection(moving, fixed, tuple(sorted(ids)), versions[moving], ahead=ahead, tried={versions[moving]: True})
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

    known = releases(result)
    _search(found, list((known.newer if ahead else known.older)(moving, versions[moving], reach)), bad)
    return found


def _ids(result: ScanResult, moving: str, fixed: str, finding: str) -> set[str]:
    errors = [one for one in result.findings if one.severity is Severity.ERROR or one.id == finding]
    both = {one.id for one in errors if {moving, fixed} <= {package.name for package in one.packages}}
    return {finding} & {one.id for one in errors} if finding else both


def _search(found: Bisection, releases: Sequence[str], bad: Callable[[str], bool | None]) -> None:
    """Gallop away to a good release, then halve. A release that cannot be played counts as its bad neighbour."""
    low, high, step = 0, -1, 1  # releases[:low] are bad, releases[high] is good
    while low < len(releases):
        at = min(low + step, len(releases)) - 1
        answer = bad(releases[at])
        if answer is False:
            high = at
            break
        low, step = at + 1, 2 * step
    if high < 0:
        found.bad = _farthest_bad(found, releases)
        return
    while low < high:
        middle = (low + high) // 2
        if bad(releases[middle]) is False:
            high = middle
        else:
            low = middle + 1
    found.good = releases[high]
    found.bad = releases[high - 1] if high else found.bad


def _farthest_bad(found: Bisection, releases: Sequence[str]) -> str:
    known = [version for version in releases if found.tried.get(version)]
    return known[-1] if known else found.bad
