"""One definition of a unique symbol serves packages that have nothing to do with each other.

## What happens

Two packages contain the same C++ template or inline function with a static variable, so both define the same
STB_GNU_UNIQUE symbol. Although they are loaded with RTLD_LOCAL, the process keeps only one of the two, and the
package that comes second uses the variable inside the first.

## Why it breaks

Mostly it does not: with one source behind both it is meant to be so, and thousands of such pairs coexist. It matters
where the variable has another size in the two (another version of the library: the second writes beyond its
end), and where it holds state that each package believes to be its own. The library that serves can also never be
unloaded.

Two copies of libstdc++ are the worst of it, such as the system's and one that a package linked in and exports: some of
the variables by which they number their locale facets are unique and shared, the others each has for itself. The copy
that is used second gives numbers out twice: std::bad_cast is thrown, and numbers written to streams come out empty.

## How the loader decides

Unique symbols have one table for the whole process; the first definition that is bound under a name stays, whatever
scope later references have (`do_lookup_unique` in glibc's elf/dl-lookup.c). GCC emits them for static variables of
inline functions and templates, unless told `-fno-gnu-unique`; clang never does.

## Example

The fixture `unique_state` is two libraries with a counter in an inline function; the second sees the count of the
first. In `unique_size` the variable has 8 bytes in one and 64 in the other. `whole_runtime` exports a libstdc++ that
is linked in; of it and the system's, the one that is used second writes no numbers.

## Fix on each side

Compile with `-fno-gnu-unique`, or hide the template's symbols (`-fvisibility-inlines-hidden`, a version script). A
static libstdc++ is hidden with `-Wl,--exclude-libs,ALL`, or better not linked in at all.

## Incidents

scipy before hext 1.0.11 (html-extract/hext issue 39), helics 3.5.3 before pyvalhalla 3.2.0 (GMLC-TDC/HELICS issue
2694): two copies of libstdc++. Most other pairs of C++ packages share some of these symbols, and work.

## Limits

Equal size does not prove equal type.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.case import Stage
from abiclash.rules.clauses import look_ups
from abiclash.rules.crossings import Means, by_package, changes, column, is_writable, known_names
from abiclash.rules.culprits import importers, library_name, named, orders, owners, who
from abiclash.rules.families import examples
from abiclash.rules.halved import at_load, halved, victims
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, in_order, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.rules.case import Case, Run
    from abiclash.rules.crossings import Crossing
    from abiclash.rules.halved import Halved
    from abiclash.rules.model import Finding

RULE = Rule(
    id="unique-symbol",
    title="A unique symbol of one package serves another",
    severity=Severity.NOTE,
    confidence=Confidence.CERTAIN,
    audience=Audience.RESEARCHER,
    mechanism=Mechanism.UNIQUE,
    since="0.1",
    references=("https://gcc.gnu.org/onlinedocs/gcc/Code-Gen-Options.html",),
)


@dataclass(slots=True)
class Shared:
    """Unique symbols that two packages share, by key. sized: those of other size; beyond: those among them that the
    user writes beyond their end, as (run, user, size expected, size found).
    """

    parts: list[tuple[Run, Crossing]] = field(default_factory=list)
    keys: set[int] = field(default_factory=set)
    state: set[int] = field(default_factory=set)
    sized: dict[int, tuple[Run, int, int, int]] = field(default_factory=dict)
    beyond: set[int] = field(default_factory=set)

    def record(self, case: Case, run: Run, part: Crossing) -> None:
        """Add references of one object."""
        own = part.own_column("size")
        served = column(case, part.target, part.target_row, "size")
        writable = is_writable(part.own_column("place"))
        self.parts.append((run, part))
        self.keys.update(part.keys.tolist())
        self.state.update(part.keys[writable].tolist())
        self.beyond.update(part.keys[writable & (own > served)].tolist())
        for row in np.flatnonzero(own != served).tolist():
            self.sized.setdefault(int(part.keys[row]), (run, part.source.file, int(own[row]), int(served[row])))


def check(case: Case) -> Iterable[Finding]:
    """One finding for each pair of packages, whichever comes first."""
    seen: dict[tuple[str, str], Shared] = defaultdict(Shared)
    for run in case.runs:
        for crossing in changes(case, run):
            victim = case.owner(crossing.source.file)
            unique = crossing.take((crossing.means == Means.UNIQUE) & crossing.own)
            for package, part in by_package(case, unique):
                if victim is not None:
                    first, second = sorted((package, victim))
                    seen[first, second].record(case, run, part)
    for pair in sorted(seen):
        yield _finding(case, seen[pair])
    yield from _copies(case)


def _finding(case: Case, shared: Shared) -> Finding:
    run, part = max(shared.parts, key=lambda entry: len(entry[1]))
    users = {crossing.source.file for _, crossing in shared.parts}
    providers = {file for _, crossing in shared.parts for file in np.unique(crossing.target).tolist()}
    files = sorted(users | providers)
    names = known_names(case, np.array(sorted(shared.keys), dtype=np.uint64))
    failing = orders(at for at, *_ in shared.sized.values())
    safe = case.safe_orders(failing) if failing else []
    first, second = who(case, run, int(part.target[0])), who(case, run, part.source.file)
    telling = shared.beyond or set(shared.sized) or shared.keys
    return RULE.finding(
        packages=named(case, run, files),
        severity=Severity.WARNING if shared.sized else Severity.NOTE,
        confidence=Confidence.POSSIBLE if shared.sized else Confidence.CERTAIN,
        audience=Audience.USER if shared.beyond else Audience.RESEARCHER,
        summary=f"{first} and {second} share {counted(len(shared.keys), 'unique variable')}, "
        + (f"{len(shared.sized)} of other size in the two." if shared.sized else "as C++ means it."),
        explanation=(
            f"{listed(library_name(case, file) for file in files)} (of {first} and {second}) define the same unique "
            f"symbols: {listed(examples(names[key] for key in telling))}. The process keeps one of each, although the "
            f"packages are loaded apart from each other; whoever comes second uses the first one's.\n\n"
            + _consequence(shared)
        ),
        advice=[
            Advice(f"maintainer of {package}", "Compile with -fno-gnu-unique, or hide the symbols of inline functions.")
            for package in owners(case, files)
        ],
        key=[],
        failing_order=failing[0] if failing else None,
        safe_order=safe[0] if safe else None,
        objects=[case.path(file) for file in files],
        symbols=sorted(set(names.values())),
        evidence={
            "counts": {"unique": len(shared.keys), "writable": len(shared.state), "other size": len(shared.sized)},
            "sizes": [
                {"symbol": names[key], "user": case.path(user), "size_expected": own, "size_found": there}
                for key, (_, user, own, there) in sorted(shared.sized.items())
            ],
            "look_ups": look_ups(case, run, ((part.source.file, key) for key in part.keys.tolist())),
        },
        silent=bool(shared.sized),
    )


def _copies(case: Case) -> Iterator[Finding]:
    """One finding for each two copies of libstdc++, whichever comes second."""
    seen: dict[tuple[int, int], list[tuple[Run, Halved, list[int]]]] = defaultdict(list)
    for run in case.runs:
        for half in halved(case, run):
            hit = victims(case, run, half)
            if hit:
                first, second = sorted((half.file, half.other))
                seen[first, second].append((run, half, hit))
    for files in sorted(seen):
        yield _copy_finding(case, seen[files])


def _copy_finding(case: Case, found: list[tuple[Run, Halved, list[int]]]) -> Finding:
    safe = case.safe_orders(orders(at for at, *_ in found))
    # Most code with streams never writes a number or asks for a locale; what does so while it is loaded surely fails.
    # What is asked of a copy inside the package that brings it is not seen well enough for that.
    seen = [
        (run, half, hit)
        for run, half, hit in found
        if run.stage is Stage.IMPORT and case.owner(half.file) is None and any(at_load(case, run, at) for at in hit)
    ]
    run, half, hit = (seen or found)[0]
    failing = orders(at for at, *_ in seen or found)
    culprits = [file for file in (half.file, half.other) if case.owner(file) is not None]
    first, second = who(case, run, half.other), who(case, run, hit[0])
    names = known_names(case, np.array(half.shared, dtype=np.uint64))
    copies = " and ".join(case.path(file) for file in (half.other, half.file))
    return RULE.finding(
        packages=[*named(case, run, [*culprits, *hit]), *importers(case, run, [half.file, half.other])],
        severity=Severity.ERROR if seen else Severity.WARNING,
        confidence=Confidence.LIKELY if seen else Confidence.POSSIBLE,
        audience=Audience.USER,
        summary=f"{first} and {second} bring two copies of libstdc++ that share half of their variables; C++ streams "
        "and locales fail in whichever uses them second.",
        explanation=(
            f"{copies} are copies of libstdc++. {counted(len(half.shared), 'variable')} of theirs are unique in the "
            f"process, so that the second copy uses the first one's ({listed(examples(names.values()))}); "
            f"{len(half.kept):,} others each has for itself. So the one that is used second gives the same number to "
            f"two facets of its locale, with this order the one of {second}.\n\n"
            "When it then comes to locales, regular expressions or numbers in streams there, std::bad_cast is thrown, "
            "which mostly ends the process, or the number is left out without a word."
        ),
        advice=[
            *([Advice("user", f"Import in this order: {in_order(safe[0])}.", checked=True)] if safe else []),
            *(
                Advice(
                    f"maintainer of {package}",
                    "Link libstdc++ dynamically, or hide the copy: -static-libstdc++ with -Wl,--exclude-libs,ALL.",
                )
                for package in owners(case, culprits)
            ),
        ],
        key=["libstdc++", *(case.path(file) for file in culprits)],
        failing_order=failing[0],
        safe_order=safe[0] if safe else None,
        objects=[case.path(file) for file in dict.fromkeys((half.other, half.file, *hit))],
        symbols=sorted(names.values()),
        evidence={
            "counts": {"unique": len(half.shared), "own": len(half.kept)},
            "stage": run.stage.value,
            "failing_orders": [list(order) for order in failing],
            "look_ups": look_ups(case, run, [(half.file, half.shared[0])]),
        },
        silent=True,
    )


def _consequence(shared: Shared) -> str:
    if shared.beyond:
        return "Some are larger for the second than they are in the first, so it can write beyond their end."
    if shared.sized:
        return "Some have another size in the two, so they come from different versions of one library."
    return "They are of equal size; C++ asks for exactly this where both contain the same code."
