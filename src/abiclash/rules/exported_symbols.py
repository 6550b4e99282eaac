"""Extension modules export more than their initialisation function.

## What happens

The extension modules of a package define symbols that are visible to the dynamic linker besides `PyInit_...`: the
functions and variables of libraries that are linked in, and of the project itself.

## Why it breaks

Not by itself. Each exported definition can capture references: of libraries that the module brings along, of the
modules of the same package, and of everybody once it is opened with RTLD_GLOBAL. The look-up of each symbol takes
longer, too.

## How the loader decides

An object that is opened with RTLD_LOCAL, as Python does, serves its own dependencies: they are relocated in a scope
that begins with it (`_dl_relocate_object` with l_scope, glibc elf/dl-reloc.c).

## Example

The fixture `exports` builds a module that exports a hundred functions.

## Fix on each side

Compile with `-fvisibility=hidden`, link static libraries with `-Wl,--exclude-libs,ALL`, or use a version script:
`{ global: PyInit_*; local: *; };`. Users need not do anything.

## Incidents

tensorflow 1.13's libraries and pyarrow's exported their copies of parts of libstdc++ (apache/arrow issue 4472).

## Limits

Shared libraries that exist to be linked to are left out. Whether an export is meant for other packages cannot be told.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import numpy as np

from abiclash.names import name_key
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case, CasePackage
    from abiclash.rules.model import Finding

RULE = Rule(
    id="exported-symbols",
    title="Extension modules export more than they need",
    severity=Severity.NOTE,
    confidence=Confidence.CERTAIN,
    audience=Audience.MAINTAINER,
    mechanism=Mechanism.LOOKUP,
    since="0.1",
    references=("https://gcc.gnu.org/wiki/Visibility",),
)

FEW = 20
"""So many exports of a whole package are not worth a word."""
STV_DEFAULT, STV_PROTECTED = 0, 3
STB_WEAK = 2


def check(case: Case) -> Iterable[Finding]:
    """Count the exports of each package's extension modules."""
    exports = {
        name: found
        for name, package in case.packages.items()
        if (found := _of_package(package)) and _total(found) > FEW
    }
    for name, found in exports.items():
        yield _finding(case.packages[name], found, _also_elsewhere(case, name, found))


def _total(found: dict[str, tuple[ObjectFacts, NDArray[np.intp]]]) -> int:
    return sum(len(rows) for _, rows in found.values())


def _of_package(package: CasePackage) -> dict[str, tuple[ObjectFacts, NDArray[np.intp]]]:
    """Return the rows of the symbols that extension modules export besides their own entry, by path."""
    found = {}
    for facts in package.wheel.objects:
        stem = posixpath.basename(facts.path).partition(".")[0]
        entry = np.uint64(name_key(f"PyInit_{stem}"))
        at = int(np.searchsorted(facts.symbols.key, entry))
        if at < len(facts.symbols.key) and facts.symbols.key[at] == entry:
            rows = exported(facts)
            rows = rows[facts.symbols.key[rows] != entry]
            if len(rows):
                found[facts.path] = facts, rows
    return found


def exported(facts: ObjectFacts) -> NDArray[np.intp]:
    """Return the rows of an object's definitions that the dynamic linker can find and give to others."""
    visibility = facts.symbols.other & 3
    open_ = (visibility == STV_DEFAULT) | (visibility == STV_PROTECTED)
    rows: NDArray[np.intp] = np.flatnonzero((facts.symbols.shndx != 0) & facts.symbols.hashed & open_)
    return rows


def _also_elsewhere(case: Case, name: str, found: dict[str, tuple[ObjectFacts, NDArray[np.intp]]]) -> dict[str, int]:
    """Return how many of the exported names other packages of the case use or define, by package."""
    mine = np.unique(np.concatenate([facts.symbols.key[rows] for facts, rows in found.values()]))
    counts = {}
    for other, package in case.packages.items():
        keys = _keys(case, package) if other != name else mine[:0]
        if len(keys):
            at = np.minimum(np.searchsorted(keys, mine), len(keys) - 1)
            shared = int(np.count_nonzero(keys[at] == mine))
            if shared:
                counts[other] = shared
    return counts


def _keys(case: Case, package: CasePackage) -> NDArray[np.uint64]:
    """Return the keys of all names in a package's objects, sorted."""
    columns = [np.zeros(0, dtype=np.uint64), *(facts.symbols.key for facts in package.wheel.objects)]
    return case.once(("keys", package.id), (), lambda: np.sort(np.concatenate(columns)))


def _finding(
    package: CasePackage, found: dict[str, tuple[ObjectFacts, NDArray[np.intp]]], elsewhere: dict[str, int]
) -> Finding:
    name, total = package.id.name, _total(found)
    weak = sum(int(np.count_nonzero(facts.symbols.info[rows] >> 4 == STB_WEAK)) for facts, rows in found.values())
    largest = sorted(found, key=lambda path: (-len(found[path][1]), path))
    libraries = sorted({library for facts, _ in found.values() for library in facts.runtimes})
    also = (
        f" Of these names, {listed(f'{other} has {count:,}' for other, count in elsewhere.items())}."
        if elsewhere
        else ""
    )
    return RULE.finding(
        packages=[package.id],
        summary=f"{name}'s extension modules export {counted(total, 'symbol')} besides their PyInit functions.",
        explanation=(
            f"{counted(len(found), 'extension module')} of {name} export {total:,} symbols ({weak:,} of them weak, "
            f"mostly templates), most in {largest[0]}. Python needs none of them.{also}"
            + (f" Libraries that are linked in and show: {listed(libraries, 5)}." if libraries else "")
        ),
        advice=[
            Advice(
                f"maintainer of {name}",
                "Hide them: -fvisibility=hidden for the sources, -Wl,--exclude-libs,ALL for static libraries, or the "
                "version script `{ global: PyInit_*; local: *; };` with -Wl,--version-script.",
            )
        ],
        key=["exports"],
        objects=largest[:50],
        evidence={
            "exported": total,
            "weak": weak,
            "modules": {path: len(found[path][1]) for path in largest[:50]},
            "libraries": libraries,
            "also_in": dict(sorted(elsewhere.items())),
        },
    )
