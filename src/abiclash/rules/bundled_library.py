"""A wheel bundles libraries under names that are not its own.

## What happens

A wheel carries shared libraries of other projects under their plain names, carries one library several times, or gave
it a hash twice.

## Why it breaks

A name is loaded once per process. Under a plain name the package's copy takes the place of the host's, or another
package's copy takes its place. Two copies in one wheel are two sets of state; a name that was hashed twice shows that
the wheel was repaired twice.

## How the loader decides

ld.so compares the name in DT_NEEDED with the names and sonames of what is loaded (`_dl_map_object`, glibc
elf/dl-load.c). PEP 600 therefore asks for unique names, which `auditwheel repair` makes by a hash.

## Example

The fixture `in_wheel` gives a wheel with `alpha.libs/libz.so.1`.

## Fix on each side

Run `auditwheel repair` once, on a wheel that was not repaired before. Users need not do anything.

## Incidents

tesseract-robotics-nanobind bundles `libstdc++.so.6` under its plain name.

## Limits

A library is taken for a bundled one where it lies in a `.libs` folder or carries the marks of a known library; a
project's own libraries are left out. A plain name can also be meant: an OpenMP runtime has to be found by its name.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from abiclash.rules.carried import runtimes
from abiclash.rules.model import Advice, Audience, Confidence, Severity, stable_name
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case, CasePackage
    from abiclash.rules.model import Finding

RULE = Rule(
    id="bundled-library",
    title="A bundled library has no unique name",
    severity=Severity.NOTE,
    confidence=Confidence.CERTAIN,
    audience=Audience.MAINTAINER,
    mechanism=Mechanism.FILE,
    since="0.1",
    references=("https://peps.python.org/pep-0600/",),
)

_HASH = re.compile(r"-[0-9a-f]{8}(?=[.-])")
_LIBRARY = re.compile(r"lib.+\.so(?:\.[\w.]+)?")


def check(case: Case) -> Iterable[Finding]:
    """Look at each package for plain names, repeated libraries and repeated hashes."""
    for package in case.packages.values():
        libraries = [facts for facts in package.wheel.objects if _LIBRARY.fullmatch(facts.soname or "")]
        if libraries:
            yield from _of_package(package, sorted(libraries, key=lambda facts: facts.path))


def _of_package(package: CasePackage, libraries: list[ObjectFacts]) -> Iterator[Finding]:
    plain = [facts for facts in libraries if _bundled(facts, package.id.name) and not _HASH.search(facts.soname or "")]
    if plain:
        yield _finding(
            package,
            plain,
            "plain",
            "under the plain name",
            "Where another package's library of that name, or the host's, is loaded first, it is used instead; where "
            "this one comes first, others use it.",
            "Give each a unique name: `auditwheel repair` adds a hash.",
        )
    families: dict[str, list[ObjectFacts]] = defaultdict(list)
    for facts in libraries:
        families[stable_name(posixpath.basename(facts.path))].append(facts)
    twice = [facts for found in families.values() if _distinct(found) > 1 for facts in found]
    if twice:
        yield _finding(
            package,
            twice,
            "twice",
            "more than once",
            "Each copy has its own state, and both are loaded where parts of the package need either.",
            "Link all parts of the package to one copy, built once.",
        )
    rehashed = [facts for facts in libraries if len(_HASH.findall(facts.soname or "")) > 1]
    if rehashed:
        yield _finding(
            package,
            rehashed,
            "rehashed",
            "with two hashes in the name",
            "The wheel was repaired twice, so that the name no longer tells the library.",
            "Run `auditwheel repair` once, on the wheel as it was built.",
        )


def _bundled(facts: ObjectFacts, package: str) -> bool:
    """Tell whether it is another project's library: by its folder, or because its name is a known library's.

    A known library whose name is part of the package's is the project's own.
    """
    folder = posixpath.dirname(facts.path)
    if folder.endswith(".libs"):
        return True
    stem = (facts.soname or "").removeprefix("lib").partition(".so")[0].lower()
    known = {name.partition(" ")[0].removeprefix("lib") for name in runtimes(facts)}
    return any(stem.startswith(name) and name not in package for name in known)


def _distinct(found: list[ObjectFacts]) -> int:
    """Return the number of files in different places; one library as `libx.so` and `libx.so.1` in one is no repeat."""
    return len({posixpath.dirname(facts.path) for facts in found}) if len(found) > 1 else 1


def _finding(package: CasePackage, found: list[ObjectFacts], cause: str, how: str, effect: str, cure: str) -> Finding:
    name = package.id.name
    names = sorted({facts.soname or facts.path for facts in found})
    return RULE.finding(
        packages=[package.id],
        summary=f"{name} bundles {counted(len(names), 'library')} {how}: {listed(names)}.",
        explanation=f"{name} carries {listed(facts.path for facts in found)} {how}. {effect}",
        advice=[Advice(f"maintainer of {name}", cure)],
        key=[cause],
        objects=[facts.path for facts in found],
        evidence={"cause": cause, "libraries": {facts.path: facts.soname for facts in found}},
    )
