"""One package's copy of the exception machinery serves others, in whole or in part.

## What happens

Throwing an exception takes functions of two libraries: `__cxa_*` of the C++ runtime and `_Unwind_*` of libgcc_s.so.1.
A package that has them linked in and exports them can serve another package, or the runtime itself, with a part.

## Why it breaks

An exception is an object that one function fills and others read, and a list in thread-local memory that they share.
Where the ends belong to different releases or to different unwinders (libgcc, LLVM), the exception is not caught, or
the process ends in std::terminate. Code that registers frames for a just-in-time compiler tells only one unwinder.

## How the loader decides

As for any symbol, the first definition in the search scope serves; a definition without a version satisfies
references to `_Unwind_Resume@GCC_3.0` (`check_match` in glibc's elf/dl-lookup.c).

## Example

The fixture `half_unwinder` is a library that exports `_Unwind_GetIP` alone, of other code, and needs libgcc_s.so.1
through the C++ runtime. The runtime's exception handling then walks the stack with two unwinders.

## Fix on each side

Do not export the copies: link with `-Wl,--exclude-libs,ALL` or a version script, or link libgcc_s dynamically
(`-shared-libgcc`). Users can import the other package first.

## Incidents

None is in the gauntlet yet; several packages export single `__cxa_*` functions, without harm as far as is known.

## Limits

Releases of one unwinder mostly understand each other's data; that two copies differ is judged by their size.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.clauses import look_ups
from abiclash.rules.crossings import changes, column, known_names, selected, using
from abiclash.rules.culprits import importers, library_name, named, orders, who
from abiclash.rules.mixed_class import sizes_differ
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.runtime_symbols import THROW, keys_of
from abiclash.rules.words import counted, in_order, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.linker.process import Process
    from abiclash.rules.case import Case, Run
    from abiclash.rules.crossings import Crossing
    from abiclash.rules.model import Finding

RULE = Rule(
    id="unwinder",
    title="Exceptions are thrown and caught by two implementations",
    severity=Severity.WARNING,
    confidence=Confidence.POSSIBLE,
    audience=Audience.USER,
    mechanism=Mechanism.SCOPE,
    since="0.1",
    references=("https://itanium-cxx-abi.github.io/cxx-abi/abi-eh.html",),
)

UNWIND = tuple(name for name in THROW if name.startswith(("_Unwind_", "__register", "__deregister")))
CATCH = tuple(name for name in THROW if name not in UNWIND)


@dataclass(slots=True)
class Served:
    """What one package's exception machinery serves. other: keys whose code differs from what served before.

    split: objects that use one half of a protocol from the package and one from elsewhere, and have other code there.
    """

    runs: list[Run] = field(default_factory=list)
    keys: dict[int, tuple[int, int]] = field(default_factory=dict)
    providers: set[int] = field(default_factory=set)
    users: set[int] = field(default_factory=set)
    split: list[tuple[Run, int]] = field(default_factory=list)

    def record(self, case: Case, run: Run, part: Crossing, names: tuple[str, ...]) -> None:
        """Add references of one object to one protocol."""
        theirs = column(case, part.target, part.target_row, "size").tolist()
        alone = np.where(part.own, part.own_column("size"), column(case, part.alone, part.alone_row, "size")).tolist()
        sizes = {key: (int(a), int(b)) for key, a, b in zip(part.keys.tolist(), theirs, alone, strict=True)}
        self.runs.append(run)
        self.keys |= sizes
        self.users.add(part.source.file)
        self.providers.update(np.unique(part.target).tolist())
        if any(sizes_differ(*pair) for pair in sizes.values()) and _also_elsewhere(case, run.process, part, names):
            self.split.append((run, part.source.file))


def check(case: Case) -> Iterable[Finding]:
    """One finding for each package whose copy serves others."""
    found: dict[str, Served] = defaultdict(Served)
    for run in case.runs:
        for crossing in changes(case, run):
            for names in (UNWIND, CATCH):
                for package, served in selected(case, crossing, names, using(names)):
                    found[package].record(case, run, served, names)
    for package in sorted(found):
        yield _finding(case, found[package])


def _also_elsewhere(case: Case, process: Process, part: Crossing, names: tuple[str, ...]) -> bool:
    """Tell whether the object, or the library itself whose functions were replaced, has the rest from elsewhere."""
    link = process.maps[part.source.file]
    if link.targets is None:
        return False
    keys = link.facts.symbols.key[link.facts.references.symbol]
    rest = np.isin(keys, keys_of(names)) & (link.targets != NOT_FOUND)
    owners = {case.owner(target) for target in np.unique(link.targets[rest]).tolist()}
    symbols = link.facts.symbols
    defines = bool((np.isin(symbols.key, keys_of(names)) & (symbols.shndx != 0)).any())
    return len(owners) > 1 or defines


def _finding(case: Case, served: Served) -> Finding:
    run = served.split[0][0] if served.split else served.runs[0]
    failing = orders(at for at, _ in served.split) if served.split else orders(served.runs)
    safe = case.safe_orders(failing)
    providers, users = sorted(served.providers), sorted(served.users)
    found = known_names(case, np.array(sorted(served.keys), dtype=np.uint64))
    first, second = who(case, run, providers[0]), who(case, run, users[0])
    unwind = bool(served.split) and any(name in UNWIND for name in found.values())
    return RULE.finding(
        packages=[*named(case, run, providers), *named(case, run, users), *importers(case, run, users)],
        severity=Severity.WARNING if served.split else Severity.NOTE,
        confidence=Confidence.POSSIBLE if served.split else Confidence.CERTAIN,
        audience=Audience.USER if unwind else Audience.RESEARCHER,
        summary=f"After {first}, {second} uses {counted(len(found), 'exception handling function')} of {first}"
        + (" beside others of its own." if served.split else "."),
        explanation=(
            f"{listed(library_name(case, file) for file in providers)} (in {first}) exports a part of the exception "
            f"machinery. After {first} has been imported, {listed(library_name(case, file) for file in users)} gets "
            f"{listed(found.values())} from there.\n\n"
            + (
                "The code differs, and the other functions that work on the same exception come from elsewhere: an "
                f"exception that crosses the two may end the process. Import order: {in_order(run.order)}."
                if served.split
                else "The copies are of like code, so exceptions work as before."
            )
        ),
        advice=_advice(case, providers[0], safe if served.split else []),
        key=[str(case.owner(providers[0]))],
        failing_order=run.order if served.split else None,
        safe_order=safe[0] if safe and served.split else None,
        objects=[case.path(file) for file in (*providers, *users)],
        symbols=sorted(set(found.values())),
        evidence={
            "stage": run.stage.value,
            "look_ups": look_ups(case, run, ((file, key) for file in users for key in sorted(served.keys))),
            "functions": [
                {"symbol": name, "size_there": served.keys[key][0], "size_alone": served.keys[key][1]}
                for name, key in sorted((name, key) for key, name in found.items())
            ],
            "split": sorted({case.path(file) for _, file in served.split}),
            "failing_orders": [list(order) for order in failing],
        },
    )


def _advice(case: Case, provider: int, safe: list[tuple[str, ...]]) -> list[Advice]:
    advice = []
    if safe:
        text = f"Import {' before '.join(safe[0])}: then the C++ runtime keeps its own functions."
        advice.append(Advice("user", text, checked=True))
    text = (
        f"Do not export the C++ and unwinding runtime from {library_name(case, provider)}: link with "
        "-Wl,--exclude-libs,ALL or a version script."
    )
    advice.append(Advice(f"maintainer of {case.owner(provider)}", text))
    return advice
