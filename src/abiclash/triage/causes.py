"""Likely causes of a crash, best first: from its text alone, or with the findings of the environment it came from."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.rules.model import Severity, by_weight
from abiclash.triage.messages import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from abiclash.rules.model import Finding, ScanResult
    from abiclash.triage.crash import Crash

_HEAP = ("free", "malloc", "operator delete", "munmap_chunk")
_BY_FRAME = (
    (("__once_proxy", "call_once", "__pthread_once"), ("split-state", "runtime-capture")),
    (("random_device",), ("split-state", "odr-mismatch")),
    (("_Unwind_", "__cxa_throw", "__gxx_personality", "__cxa_begin_catch"), ("unwinder", "split-state")),
    (("google::protobuf", "6google8protobuf", "descriptor"), ("shared-registry", "split-state")),
    (("pybind11::detail", "8pybind116detail"), ("shared-registry",)),
    (("kmp_", "GOMP_", "omp_"), ("duplicate-openmp", "soname-collision")),
    (_HEAP, ("interposed-allocator", "size-mismatch", "odr-mismatch")),
    (
        ("std::locale", "St6locale", "use_facet", "basic_ios", "ostream"),
        ("split-state", "size-mismatch", "runtime-capture"),
    ),
)
"""Parts of function names near the top of a stack, mangled or not, and the rules whose mechanism runs through them."""
_ANY_CRASH = ("split-state", "soname-collision", "size-mismatch", "runtime-capture", "global-scope")
"""What ends a process without a message, most frequent first."""
_TOP = 12
"""Frames from the innermost on that say something about the cause."""
_NEXT = "Let abiclash look at the packages: it names the libraries, and an order that works if there is one."


@dataclass(frozen=True, slots=True)
class Cause:
    """One likely cause. rule: its id. because: what in the text speaks for it. advice: what to do about it.

    finding: what a scan of the environment says, None where nothing was scanned or nothing fits.
    """

    rule: str
    because: str
    advice: str
    finding: Finding | None = None


def causes(crash: Crash, result: ScanResult | None = None) -> tuple[Cause, ...]:
    """Return the likely causes, the likeliest first. result: a scan of the environment that crashed."""
    from_text = {cause.rule: cause for cause in _of_text(crash)}
    if result is None:
        return tuple(from_text.values())
    ranks = {rule: place for place, rule in enumerate(from_text)}
    modules = {package.name: package.modules for package in result.packages}
    fits = [(_fit(finding, crash, ranks, modules), finding) for finding in result.findings]
    fitting = sorted((one for one in fits if one[0] >= _ENOUGH), key=lambda one: (-one[0], by_weight(one[1])))
    confirmed = [_confirmed(finding, from_text.get(finding.rule)) for _, finding in fitting]
    found = {cause.rule for cause in confirmed}
    return (*confirmed, *(cause for rule, cause in from_text.items() if rule not in found))


def _of_text(crash: Crash) -> list[Cause]:
    told: dict[str, Cause] = {}
    for clue in sorted(crash.clues, key=lambda clue: MESSAGES.index(clue.message)):  # what tells most comes first there
        for rule in clue.message.rules:
            told.setdefault(rule, Cause(rule, clue.meaning, clue.advice))
    seen = _of_stack(crash, aside=_HEAP if told else ())
    agreed = [rule for rule in seen if rule in told]
    found = {rule: told[rule] for rule in agreed} | told | {rule: seen[rule] for rule in seen if rule not in told}
    explained = any(not clue.message.rules for clue in crash.clues)
    if (crash.fatal or crash.native) and not found and not explained:
        what = crash.fatal or "a crash"
        during = f" while {crash.importing[0]} was being imported" if crash.importing else ""
        for rule in _ANY_CRASH:
            found[rule] = Cause(rule, f"{what}{during}: this mechanism gives no message before it kills.", _NEXT)
    return list(found.values())


def _of_stack(crash: Crash, aside: Sequence[str]) -> dict[str, Cause]:
    """Return what the innermost frames speak for. aside: parts of names that say no more than a message did."""
    found: dict[str, Cause] = {}
    for frame in crash.native[:_TOP]:
        for parts, rules in _BY_FRAME:
            part = next((part for part in parts if part in frame.function and part not in aside), None)
            for rule in rules if part else ():
                where = f" in {posixpath.basename(frame.object)}" if frame.object else ""
                because = f"The stack runs through {frame.function[:200]}{where}."
                found.setdefault(rule, Cause(rule, because, _NEXT))
    return found


def _fit(finding: Finding, crash: Crash, ranks: Mapping[str, int], modules: Mapping[str, Sequence[str]]) -> int:
    """Weigh how well a finding fits: its rule, its packages, and its files among those that the text names."""
    if finding.severity is Severity.NOTE:
        return 0
    files = {posixpath.basename(frame.object) for frame in crash.native if frame.object}
    files |= {posixpath.basename(value) for clue in crash.clues for _, value in clue.told}
    named = {_plain(name) for name in (*crash.packages, *crash.loaded)}
    about = [{_plain(name) for name in (package.name, *modules.get(package.name, ()))} for package in finding.packages]
    importing = {_plain(name) for name in crash.importing}
    evidence = 8 - min(ranks[finding.rule], 4) if finding.rule in ranks else 0
    evidence += 4 * any(posixpath.basename(path) in files for path in finding.objects)
    evidence += 3 * sum(bool(names & named) for names in about)
    evidence += 2 * any(names & importing for names in about)
    return evidence + 2 * (finding.severity is Severity.ERROR) if evidence >= _ENOUGH else 0


_ENOUGH = 5
"""A rule's name alone is that much; one package that happens to be in the process is less."""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _confirmed(finding: Finding, cause: Cause | None) -> Cause:
    advice = next((one.text for one in finding.advice if one.who == "user"), cause.advice if cause else "")
    return Cause(finding.rule, cause.because if cause else "", advice, finding)
