"""The same inline code or class table exists in two packages and is not the same.

## What happens

Two packages contain an inline function, a template or a class of one name. C++ asks that all of them are equal, so the
linker keeps whichever it meets first. Here one package's references end in the other's copy, and the two have
different sizes: they come from different versions, different options, or unrelated classes of one name.

## Why it breaks

Functions of other size are usually the same source under another compiler. A virtual table of other length is another
class: a call through it beyond its end, or of the wrong entry, runs arbitrary code.

## How the loader decides

Weak definitions count as much as others: the first match in the search scope wins (`do_lookup_x` in glibc's
elf/dl-lookup.c). Packages meet each other's copies through the global scope or in the search list of a library that
both use. The one-definition rule ([basic.def.odr] of the C++ standard) is not checked by anyone.

## Example

The fixture `other_table` is two libraries with a class `Shape`, of two virtual functions in one and of three in the
other. With the first one in the global scope the second calls beyond the end of the table.

## Fix on each side

Give the class or its namespace a name of its own (an inline namespace with the version), or hide it
(`-fvisibility=hidden`).

## Incidents

None is known by this alone; where the global scope is the cause, the rule global-scope tells more.

## Limits

Evidence is size only: classes of equal size and other layout are not seen, and equal source that two compilers turned
into different code is reported as a note.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.clauses import look_ups
from abiclash.rules.crossings import Means, by_package, changes, column, is_function, is_strong, known_names
from abiclash.rules.culprits import library_name, named, orders, owners, who
from abiclash.rules.families import examples
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.toolchains import toolchain
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case, Run
    from abiclash.rules.crossings import Crossing
    from abiclash.rules.model import Finding

RULE = Rule(
    id="odr-mismatch",
    title="One name, two versions of inline code or of a class",
    severity=Severity.NOTE,
    confidence=Confidence.POSSIBLE,
    audience=Audience.RESEARCHER,
    mechanism=Mechanism.LOOKUP,
    since="0.1",
    references=("https://itanium-cxx-abi.github.io/cxx-abi/abi.html#vague",),
)

TABLES = ("_ZTV", "_ZTT", "_ZTC")
EXAMPLES = 20


@dataclass(slots=True)
class Mismatch:
    """Weak definitions of other size, by key: (run, user, provider, size alone, size in company)."""

    runs: list[Run] = field(default_factory=list)
    functions: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    others: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)

    def record(self, case: Case, run: Run, part: Crossing) -> None:
        """Add the references of one object whose own weak definition has another size than what serves them."""
        served = column(case, part.target, part.target_row, "info")
        sizes = column(case, part.target, part.target_row, "size")
        own = part.own_column("size")
        weak = part.own & ~is_strong(part.own_column("info")) & (own != sizes) & (own > 0) & (sizes > 0)
        for row in np.flatnonzero(weak).tolist():
            kind = self.functions if is_function(served[row : row + 1])[0] else self.others
            sides = (part.source.file, int(part.target[row]), int(own[row]), int(sizes[row]))
            kind.setdefault(int(part.keys[row]), sides)
        if weak.any():
            self.runs.append(run)


def check(case: Case) -> Iterable[Finding]:
    """One finding for each package that serves and each that is served."""
    seen: dict[tuple[str, str], Mismatch] = defaultdict(Mismatch)
    for run in case.runs:
        for crossing in changes(case, run):
            victim = case.owner(crossing.source.file)
            for package, part in by_package(case, crossing.take(crossing.means != Means.UNIQUE)):
                if victim is not None:
                    seen[package, victim].record(case, run, part)
    for pair in sorted(seen):
        if seen[pair].runs:
            yield _finding(case, seen[pair])


def _finding(case: Case, mismatch: Mismatch) -> Finding:
    run = mismatch.runs[0]
    everything = mismatch.functions | mismatch.others
    names = known_names(case, np.array(sorted(everything), dtype=np.uint64))
    tables = sorted(names[key] for key in mismatch.others if names[key].startswith(TABLES))
    users = sorted({sides[0] for sides in everything.values()})
    providers = sorted({sides[1] for sides in everything.values()})
    first, second = who(case, run, providers[0]), who(case, run, users[0])
    failing = orders(mismatch.runs)
    safe = case.safe_orders(failing)
    compilers = {case.path(file): toolchain(case.facts(file)).shown for file in (*providers, *users)}
    return RULE.finding(
        packages=[*named(case, run, providers), *named(case, run, users)],
        severity=Severity.WARNING if tables else Severity.NOTE,
        summary=f"After {first}, {second} uses {counted(len(everything), 'inline definition')} of other size"
        + (f", {counted(len(tables), 'virtual table')} among them." if tables else "."),
        explanation=(
            f"{listed(library_name(case, file) for file in users)} (in {second}) and "
            f"{listed(library_name(case, file) for file in providers)} (in {first}) both contain "
            f"{listed(examples(tables or names.values()))}, in different sizes. After {first} has been imported, "
            f"{second} is given {first}'s.\n\n"
            + (
                "Virtual tables of different length mean different classes: a call through them can end anywhere."
                if tables
                else f"The compilers were {listed(compilers.values())}; equal source gives different code with other "
                "compilers and options, so this is mostly harmless."
            )
        ),
        advice=[
            Advice(f"maintainer of {package}", "Hide what is not meant to be exported (-fvisibility=hidden).")
            for package in owners(case, (*users, *providers))
        ],
        key=[f"{case.owner(providers[0])} serves {case.owner(users[0])}"],
        failing_order=run.order if tables else None,
        safe_order=safe[0] if safe and tables else None,
        objects=[case.path(file) for file in (*providers, *users)],
        symbols=sorted(set(names.values())),
        evidence={
            "counts": {"functions": len(mismatch.functions), "virtual tables": len(tables), "all": len(everything)},
            "examples": [
                {"symbol": name, "user": case.path(user), "size_alone": own, "size_there": there}
                for name, (user, _, own, there) in sorted((names[key], everything[key]) for key in everything)
            ][:EXAMPLES],
            "compilers": compilers,
            "look_ups": look_ups(case, run, ((sides[0], key) for key, sides in sorted(everything.items()))),
            "orders": [list(order) for order in failing],
        },
    )
