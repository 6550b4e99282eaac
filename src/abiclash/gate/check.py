"""A wheel by itself, then beside each of its neighbours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from queue import SimpleQueue
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from abiclash.errors import NotAnalysed
from abiclash.gate.bounded import OUT_OF_TIME
from abiclash.gate.target import fit
from abiclash.gate.worker import Refused
from abiclash.rules.model import Audience, Outcome, Severity
from abiclash.sources.pylock import NO_WHEEL

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from abiclash.gate.bounded import Scanner
    from abiclash.gate.target import Fit
    from abiclash.rules.model import Finding, ScanResult
    from abiclash.scanning import ScanRequest


TOGETHER = 16
"""How many neighbours are brought into one environment: more would tie each other to old versions."""


class Standing(StrEnum):
    """What a neighbour and a wheel do to each other."""

    CLEAN = "clean"
    CONFLICT = "conflict"
    LOAD_FAILURE = "load-failure"
    ABSENT = "absent"  # it has no wheel for this Python and platform: nobody can have both
    NOT_ANALYSED = "not-analysed"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A wheel beside another package. findings: those of both together. version: '' where none could be had."""

    name: str
    version: str
    standing: Standing
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What is to be said of one wheel. hygiene: what it has by itself, whatever is beside it."""

    filename: str
    name: str
    version: str
    sha256: str
    python: str
    platform: str
    hygiene: tuple[Finding, ...]
    neighbours: tuple[Neighbour, ...]
    not_analysed: tuple[NotAnalysed, ...]


def check(path: Path, neighbours: Sequence[str], scanners: Sequence[Scanner], like: ScanRequest) -> Checked:
    """Judge a wheel. neighbours: requirements. like: a request without targets; the wheel decides what it leaves open.

    scanners: groups of neighbours are shared out among them.

    Raises UsageError for what is no wheel for CPython on Linux.
    """
    place = fit(path)
    request = replace(
        like, targets=(str(path),), python=like.python or place.python, platform=like.platform or place.platform
    )
    alone = scanners[0].scan(request)
    if isinstance(alone, Refused):
        problem = NotAnalysed(path.name, alone.reason)
        return Checked(
            path.name, place.name, place.version, "", request.python or "", request.platform or "", (), (), (problem,)
        )
    own = next((package for package in alone.packages if package.name == place.name), None)
    beside = list(_beside(request, place, neighbours, scanners, alone))
    return Checked(
        filename=path.name,
        name=place.name,
        version=own.version if own else place.version,
        sha256=own.sha256 if own else "",
        python=alone.host.python,
        platform=f"{alone.host.machine}, {alone.host.libc} {alone.host.libc_version} ({alone.host.profile})",
        hygiene=tuple(finding for finding in alone.findings if _concerns(finding, place.name)),
        neighbours=tuple(neighbour for neighbour, _ in beside),
        not_analysed=tuple(sorted({*alone.not_analysed, *(problem for _, problem in beside if problem is not None)})),
    )


def _beside(
    request: ScanRequest, place: Fit, neighbours: Sequence[str], scanners: Sequence[Scanner], alone: ScanResult
) -> Iterator[tuple[Neighbour, NotAnalysed | None]]:
    """Yield each neighbour that is another package; findings that a wheel has anyway are not said again."""
    known = {finding.id for finding in alone.findings}
    others = [text for text in neighbours if _name(text) != place.name]
    groups = [others[start : start + TOGETHER] for start in range(0, len(others), TOGETHER)]
    free: SimpleQueue[Scanner] = SimpleQueue()
    for scanner in scanners:
        free.put(scanner)

    def judged(group: Sequence[str]) -> list[tuple[str, ScanResult | Refused]]:
        scanner = free.get()
        try:
            return list(_together(request, place.name, group, scanner))
        finally:
            free.put(scanner)

    with ThreadPoolExecutor(len(scanners), thread_name_prefix="gate") as pool:
        for results in pool.map(judged, groups):
            for text, result in results:
                yield _neighbour(text, result, place.name, known)


def _together(
    request: ScanRequest, own: str, texts: Sequence[str], scanner: Scanner
) -> Iterator[tuple[str, ScanResult | Refused]]:
    """Yield the result for each neighbour, from one environment that holds all of them, or smaller ones.

    Where they cannot be had together, or not within the memory, each half is tried.
    """
    whole = replace(request, targets=(*request.targets, *texts))
    done = 0
    for answer in scanner.beside(whole, own, [_name(text) for text in texts]):
        if isinstance(answer, Refused):
            break
        yield texts[done], answer
        done += 1
    left = texts[done:]
    if answer is OUT_OF_TIME or len(left) == 1:
        yield from ((text, answer) for text in left)
    elif left:
        middle = len(left) // 2
        yield from _together(request, own, left[:middle], scanner)
        yield from _together(request, own, left[middle:], scanner)


def _neighbour(
    text: str, result: ScanResult | Refused, own: str, known: Container[str]
) -> tuple[Neighbour, NotAnalysed | None]:
    name = _name(text)
    reason = result.reason if isinstance(result, Refused) else _absent(result, name)
    if reason is not None and reason.startswith(NO_WHEEL):
        return Neighbour(name, "", Standing.ABSENT, ()), None
    if isinstance(result, Refused) or reason is not None:
        return Neighbour(name, "", Standing.NOT_ANALYSED, ()), NotAnalysed(text, reason or "")
    [version] = [package.version for package in result.packages if package.name == name]
    found = tuple(f for f in result.findings if f.id not in known and _shared(f, own))
    return Neighbour(name, version, _standing(result, found), found), None


def _name(text: str) -> str:
    return canonicalize_name(Requirement(text).name)


def _absent(result: ScanResult, name: str) -> str | None:
    """Return why a neighbour is not in a result, None where it is."""
    if any(package.name == name for package in result.packages):
        return None
    return "; ".join(entry.reason for entry in result.not_analysed if name in entry.what) or "it could not be had"


def _standing(result: ScanResult, found: Sequence[Finding]) -> Standing:
    """Return the worst outcome of any order, as far as findings of the pair account for it."""
    outcomes = {verdict.outcome for verdict in result.orders}
    if not any(finding.severity is Severity.ERROR for finding in found):
        return Standing.CLEAN
    return Standing.LOAD_FAILURE if Outcome.LOAD_FAILURE in outcomes else Standing.CONFLICT


def _concerns(finding: Finding, name: str) -> bool:
    """Tell whether a finding of a wheel alone is its maintainer's business.

    A note that has no advice for this maintainer is about a dependency.
    """
    mine = any(package.name == name for package in finding.packages)
    told = finding.severity is not Severity.NOTE or any(a.who == f"maintainer of {name}" for a in finding.advice)
    return mine and told and finding.audience is not Audience.RESEARCHER


def _shared(finding: Finding, name: str) -> bool:
    """Tell whether a finding is about the wheel beside something else, and is for those who use both.

    A load that fails names its victim only; the order in which it does names the other.
    """
    names = {package.name for package in finding.packages}
    order = finding.failing_order or ()
    together = (name in names and len(names) > 1) or (name in order and len(order) > 1)
    return together and finding.audience is Audience.USER
