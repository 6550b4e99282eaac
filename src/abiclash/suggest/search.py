"""Looking for combinations without error findings, the smallest change first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from abiclash.errors import AbiclashError, NotAnalysed, UsageError
from abiclash.progress import Silent
from abiclash.rules.model import Outcome, Severity
from abiclash.scanning import scan
from abiclash.suggest.changes import Change, candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Protocol

    from abiclash.progress import Progress
    from abiclash.rules.model import ScanResult
    from abiclash.scanning import ScanRequest

    class Neighbours(Protocol):
        """Releases next to one, the nearest first; `releases.Releases` is one."""

        def newer(self, name: str, version: str, count: int) -> Sequence[str]: ...
        def older(self, name: str, version: str, count: int) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far to look.

    steps: neighbours of each package in each direction. candidates: combinations that are played at most. wanted:
    how many clean ones to find.
    """

    steps: int = 3
    candidates: int = 12
    wanted: int = 3


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something that the model played and found clean. changes: none where the import order does it.

    orders: the orders without an error. every: those are all that matter, so the order is of no importance.
    """

    changes: tuple[Change, ...]
    orders: tuple[tuple[str, ...], ...]
    every: bool


@dataclass(slots=True)
class Outlook:
    """The answer. before: the scan of what was asked for. suggestions: the smallest change first.

    rejected: changes that leave an error. skipped: changes that could not be played. exhausted: the neighbourhood
    holds no more candidates.
    """

    before: ScanResult
    suggestions: list[Suggestion] = field(default_factory=list)
    rejected: list[tuple[Change, ...]] = field(default_factory=list)
    skipped: list[NotAnalysed] = field(default_factory=list)
    exhausted: bool = True

    @property
    def needless(self) -> bool:
        """Whether what was asked for is clean in every order."""
        return not _has_errors(self.before)


def suggest(
    request: ScanRequest,
    bounds: Bounds,
    progress: Progress | None = None,
    *,
    releases: Neighbours | None = None,
    play: Callable[[ScanRequest, Progress | None], ScanResult] = scan,
) -> Outlook:
    """Scan what was asked for and, where that has errors, its neighbourhood.

    releases: where neighbours come from; None: the index that uv and pip are configured with. Raises AbiclashError
    where what was asked for cannot be scanned, or the index cannot be asked.
    """
    if request.environment is not None:
        raise UsageError("--env: versions are suggested for requirements, not for what is installed; name packages")
    outlook = Outlook(play(replace(request, all_orders=True), progress))
    if outlook.needless:
        return outlook
    orders = tuple(_clean_orders(outlook.before))
    if orders:
        outlook.suggestions.append(Suggestion((), orders, every=False))
    releases = releases or _releases(request)
    pinned = _versions(outlook.before)
    nearby = {name: _changes(releases, name, pinned[name], bounds.steps) for name in _blamed(outlook.before)}
    progress = progress or Silent()
    left = candidates(nearby)
    with progress.task("combinations of releases", bounds.candidates) as task:
        for changes in islice(left, bounds.candidates):
            found = [suggestion for suggestion in outlook.suggestions if suggestion.changes]
            if len(found) == bounds.wanted or (found and len(changes) > len(found[0].changes)):
                break
            _try(outlook, changes, _pinned(request, pinned, changes), lambda candidate: play(candidate, progress))
            task.advance()
    outlook.exhausted = next(left, None) is None
    return outlook


def _try(
    outlook: Outlook, changes: tuple[Change, ...], request: ScanRequest, play: Callable[[ScanRequest], ScanResult]
) -> None:
    """Play one candidate and note what comes of it."""
    try:
        result = play(request)
    except AbiclashError as error:
        outlook.skipped.append(NotAnalysed(in_words(changes), str(error)))
        return
    versions = _versions(result)
    for requirement in request.targets:
        name, _, version = requirement.partition("==")
        if versions.get(name) != version:
            outlook.skipped.append(
                NotAnalysed(in_words(changes), f"{requirement} cannot be had together with the rest")
            )
            return
    orders = tuple(_clean_orders(result))
    ordered = any(not suggestion.changes for suggestion in outlook.suggestions)
    if not orders or (ordered and _has_errors(result)):  # what still asks for an order is no gain where one helps
        outlook.rejected.append(changes)
    else:
        outlook.suggestions.append(Suggestion(changes, orders, every=len(orders) == len(result.orders)))


def in_words(changes: Sequence[Change]) -> str:
    """Return the requirements that changes come to."""
    return ", ".join(f"{change.package}=={change.after}" for change in changes)


def _has_errors(result: ScanResult) -> bool:
    return any(finding.severity is Severity.ERROR for finding in result.findings)


def _clean_orders(result: ScanResult) -> Iterator[tuple[str, ...]]:
    """Yield the orders of all that was asked for in which the model found no error."""
    everything = len(_names(result))
    yield from (v.order for v in result.orders if v.outcome is Outcome.CLEAN and len(v.order) == everything)


def _names(result: ScanResult) -> tuple[str, ...]:
    """Return what was asked for: every order has all of it."""
    return result.orders[0].order if result.orders else ()


def _versions(result: ScanResult) -> dict[str, str]:
    """Return name -> version of what was asked for, in import order; local labels are not part of a requirement."""
    known = {package.name: package.version.partition("+")[0] for package in result.packages}
    return {name: known[name] for name in _names(result) if name in known}


def _blamed(result: ScanResult) -> list[str]:
    """Return the packages asked for that errors name; all of them where errors name only dependencies."""
    named = {p.name for f in result.findings if f.severity is Severity.ERROR for p in f.packages}
    asked = list(_versions(result))
    return [name for name in asked if name in named] or asked


def _changes(releases: Neighbours, name: str, version: str, steps: int) -> list[Change]:
    directions = (releases.newer(name, version, steps), releases.older(name, version, steps))
    return [
        Change(name, version, after, distance) for found in directions for distance, after in enumerate(found, start=1)
    ]


def _pinned(request: ScanRequest, versions: Mapping[str, str], changes: Sequence[Change]) -> ScanRequest:
    """Return the request with every version pinned, as found or as changed; dependencies follow."""
    wanted = {**versions, **{change.package: change.after for change in changes}}
    targets = tuple(f"{name}=={version}" for name, version in wanted.items())
    return replace(request, targets=targets, requirements=(), all_orders=True)


def _releases(request: ScanRequest) -> Neighbours:
    from abiclash.sources.platform import Platform, Python, Runtime  # noqa: PLC0415 - start-up
    from abiclash.sources.request import Request  # noqa: PLC0415
    from abiclash.sources.target import parse_target, requirements_target  # noqa: PLC0415
    from abiclash.sources.uvconfig import IndexSettings  # noqa: PLC0415
    from abiclash.suggest.releases import Releases  # noqa: PLC0415

    runtime = Runtime(
        Python.parse(request.python) if request.python else Python.running(),
        Platform.parse(request.platform) if request.platform else Platform.running(),
    )
    targets = [parse_target(text) for text in request.targets]
    targets += [requirements_target(str(path)) for path in request.requirements]
    settings = IndexSettings.load(Request.of(targets, runtime).settings)
    return Releases.of(runtime, settings, offline=request.offline)
