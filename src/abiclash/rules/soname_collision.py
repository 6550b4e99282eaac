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

from abiclash.rules.case import Stage
from abiclash.rules.displaced import differ, displacements, fatal_needs, lacks, sides
from abiclash.rules.failures import bringer, quoted
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case, Run
    from abiclash.rules.displaced import Displaced, Fatal
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding, PackageId

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
        for item in displacements(case, run):
            if differ(case, item.own, item.used):
                found[sides(case, item)].seen.append((run, item))
    for pair, fatal in fatal_needs(case).items():
        found[pair].fatal = fatal
    for _, collision in sorted(found.items()):
        yield _finding(case, collision)


def _worst(case: Case, collision: Collision) -> tuple[Run, Displaced, FailureGroup | None]:
    """Choose what to tell of: a load that fails, for sure if there is one, or else the file that lacks the most."""

    def weight(item: Displaced) -> tuple[int, str]:
        return -lacks(case, item.own, item.used), case.path(item.own)

    if collision.fatal:
        surest = list(Confidence).index
        fatal = min(
            collision.fatal,
            key=lambda each: (surest(each.group.confidence), not each.group.extension, weight(each.need)),
        )
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
    short = {pair for pair in {(item.own, item.used) for _, item in collision.seen} if lacks(case, *pair)}
    bad = [run for run, item in collision.seen if (item.own, item.used) in short]
    return list(dict.fromkeys(run.order for run in bad or (run for run, _ in collision.seen)))


@dataclass(frozen=True, slots=True)
class _Told:
    """What the texts are about. fatal: the load that fails, if one does. culprit: whose file serves, and how it came.

    victims: who gets the other file. files: as it is spoken of. lacking: definitions that the file in use lacks.
    used_of_host, own_of_host: whether the file that serves, or the one in whose place it does, is the host's.
    of_python: whether modules of the interpreter are among those that are served so.
    """

    need: Displaced
    fatal: FailureGroup | None
    culprit: str
    victims: list[PackageId]
    files: str
    lacking: int
    used_of_host: bool
    own_of_host: bool
    of_python: bool

    @property
    def second(self) -> str:
        if self.victims:
            return listed(package.name for package in self.victims)
        return "Python itself" if self.of_python else "another library of the host"

    @property
    def both(self) -> str:
        """Say who brings which file."""
        if self.used_of_host:
            return f"{self.culprit} loads the host's {self.files}, and {self.second} brings another file of that name"
        if self.own_of_host:
            return f"{self.culprit} brings a {self.files} of its own, and {self.second} needs the host's"
        return f"{self.culprit} and {self.second} bring different files named {self.files}"


def _finding(case: Case, collision: Collision) -> Finding:
    run, worst, fatal = _worst(case, collision)
    own, used = worst.own, worst.used
    pairs = {(item.own, item.used) for item in collision.needs}
    same = {pair for pair in pairs if case.owner(pair[1]) == case.owner(used)}
    names = sorted({case.facts(pair[0]).soname or case.basename(pair[0]) for pair in pairs})
    orders = _orders(case, collision)
    safe = case.safe_orders(orders)
    users = sorted({item.user for item in collision.needs if (item.own, item.used) in same})
    first = bringer(case, run, used) or case.package(used)
    owners = [p for p in (case.package(own), case.package(used)) if p is not None]
    told = _Told(
        need=worst,
        fatal=fatal,
        culprit=first.name if first else "the interpreter",
        victims=_victims(case, collision, used, users),
        files=names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more",
        lacking=sum(lacks(case, *pair) for pair in same),
        used_of_host=case.owner(used) is None,
        own_of_host=case.owner(own) is None,
        of_python=any("/lib-dynload/" in case.path(user) for user in users),
    )
    severity, confidence = _weight(case, (own, used), told.lacking, fatal, run)
    return RULE.finding(
        packages=[*told.victims, *owners, *([first] if first else [])],
        severity=severity,
        confidence=confidence,
        audience=Audience.USER if severity is not Severity.NOTE else Audience.MAINTAINER,
        summary=_summary(told, safe),
        explanation=_explanation(case, collision, told),
        advice=_advice(told, owners, safe),
        key=[],
        failing_order=run.order,
        safe_order=safe[0] if safe else None,
        objects=dict.fromkeys(case.path(file) for pair in sorted(pairs) for file in reversed(pair)),
        evidence={
            "sonames": names,
            "definitions_missing": told.lacking,
            "stage": run.stage.value,
            "users": [case.path(user) for user in users],
            "failures": sorted({quoted(case, each.group.failure) for each in collision.fatal}),
            "failing_orders": [list(order) for order in orders],
        },
        silent=fatal is None and severity is not Severity.NOTE,
    )


def _victims(case: Case, collision: Collision, used: int, users: list[int]) -> list[PackageId]:
    """Return the packages whose loads fail with that package's files, or else those that use them."""
    failing = {
        p for each in collision.fatal if case.owner(each.need.used) == case.owner(used) for p in each.group.victims
    }
    return sorted(failing or {p for user in users if (p := case.package(user)) is not None})


def _summary(told: _Told, safe: list[tuple[str, ...]]) -> str:
    if told.fatal is None:
        return f"{told.both}; the first one imported decides."
    way = "the other way round it works" if safe else "no order of imports is right for both"
    what = told.second if told.fatal.at_import else f"parts of {told.second}"
    return f"{told.both}; after {told.culprit}, {what} cannot be loaded, and {way}."


def _explanation(case: Case, collision: Collision, told: _Told) -> str:
    own, used = told.need.own, told.need.used
    reverse = sorted({p.name for each in collision.fatal for p in each.group.victims} - {p.name for p in told.victims})
    return (
        f"{case.path(used)} and {case.path(own)} are different files, but both call themselves "
        f"{case.facts(own).soname or case.basename(own)}. A process loads a name only once. When {told.culprit} "
        f"is imported first, {told.second} gets {'the host' if told.used_of_host else told.culprit}'s file. "
        f"{_outcome(case, told)}" + (f" The other way round, loads of {' and '.join(reverse)} fail." if reverse else "")
    )


def _outcome(case: Case, told: _Told) -> str:
    if told.fatal is not None:
        return f"{told.second} then fails to load: {quoted(case, told.fatal.failure)}."
    there = (
        f"{counted(told.lacking, 'definition')} of its own copy {'is' if told.lacking == 1 else 'are'} missing there"
    )
    return f"{told.second} then runs with a library it does not come with" + (f"; {there}." if told.lacking else ".")


def _advice(told: _Told, owners: list[PackageId], safe: list[tuple[str, ...]]) -> list[Advice]:
    if safe:
        advice = [Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True)]
    elif told.fatal is not None:
        advice = [Advice("user", f"Use {told.culprit} and {told.second} in separate processes or environments.")]
    else:
        advice = []
    rename = (
        f"Give the bundled {told.files} a name of its own: `auditwheel repair` puts a hash into file name and soname. "
        "Without it: link the library with -Wl,-soname,NEW, or `patchelf --set-soname NEW` and "
        "`patchelf --replace-needed OLD NEW` on all that need it."
    )
    return advice + [Advice(f"maintainer of {p.name}", rename) for p in dict.fromkeys([*told.victims, *owners])]


def _weight(
    case: Case, pair: tuple[int, int], lacking: int, fatal: FailureGroup | None, run: Run
) -> tuple[Severity, Confidence]:
    """A failed load is an error; another library in place of one's own is a warning; the host's newer one is none."""
    if fatal is not None:
        return fatal.severity, fatal.confidence
    confidence = Confidence.CERTAIN if run.stage is Stage.IMPORT else Confidence.POSSIBLE
    own, used = pair
    if lacking == 0 and (case.package(used) is None or case.package(own) is None):
        return Severity.NOTE, confidence
    return Severity.WARNING, confidence
