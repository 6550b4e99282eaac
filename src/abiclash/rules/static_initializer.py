"""Code that runs by itself when a library is loaded, and what it calls in shared runtimes.

## What happens

Constructors of static objects, and functions with `__attribute__((constructor))`, run while `import` loads a library,
before any Python code of the package has a say.

## Why it breaks

Not by itself. But a constructor that calls into a shared runtime (streams, `std::call_once`, a registry) meets
whatever is wrong with the bindings of that runtime at once: a conflict that would show in use becomes a crash on
import, without a traceback.

## How the loader decides

`call_init` in glibc's elf/dl-init.c runs DT_INIT and DT_INIT_ARRAY of each new object, dependencies first.

## Example

The fixture `constructor_that_calls` builds a library whose constructor calls a function of another one.

## Fix on each side

Move the work into functions that run on first use. Users need not do anything.

## Incidents

tensorflow 1.13.1 after pyarrow 0.13.0: a constructor's `std::call_once` ends in a null pointer (apache/arrow 4472).

## Limits

What a constructor reaches is read off its own code: calls of functions that it calls, and through pointers, are not
followed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.carried import owned
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

RULE = Rule(
    id="static-initializer",
    title="Code that runs when a library is loaded calls into shared runtimes",
    severity=Severity.NOTE,
    confidence=Confidence.CERTAIN,
    audience=Audience.RESEARCHER,
    mechanism=Mechanism.INITIALISATION,
    since="0.1",
    references=("https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html#init_fini",),
)


@dataclass(slots=True)
class _Work:
    """Of one package: objects with initialisers, entries of their tables, references into other files by name."""

    objects: dict[str, int] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)


def check(case: Case) -> Iterable[Finding]:
    """Count per package, over everything that the runs load."""
    work: dict[str, _Work] = {}
    seen: set[int] = set()
    for run in case.runs:
        for owner, link in owned(case, run):
            init = link.facts.init
            if link.file not in seen and (init.init_array or init.has_init):
                seen.add(link.file)
                entry = work.setdefault(owner, _Work())
                entry.objects[case.path(link.file)] = init.init_array + int(init.has_init)
                entry.calls.update(_reached(case, link))
    for owner, found in sorted(work.items()):
        if found.calls:
            yield _finding(case, owner, found)


def _reached(case: Case, link: LinkMap) -> Counter[str]:
    """Count the references of an object's initialisers to other files, by the file's name."""
    if link.targets is None or not len(link.facts.init.references):
        return Counter()
    targets = link.targets[link.facts.init.references]
    files, counts = np.unique(targets[(targets != NOT_FOUND) & (targets != link.file)], return_counts=True)
    return Counter({case.basename(file): count for file, count in zip(files.tolist(), counts.tolist(), strict=True)})


def _finding(case: Case, owner: str, found: _Work) -> Finding:
    objects = sorted(found.objects, key=lambda path: (-found.objects[path], path))
    total, calls = sum(found.objects.values()), sum(found.calls.values())
    libraries = [name for name, _ in sorted(found.calls.items(), key=lambda item: (-item[1], item[0]))]
    return RULE.finding(
        packages=[case.packages[owner].id],
        summary=f"{counted(len(objects), 'object')} of {owner} run {counted(total, 'initialiser')} on load, which use "
        f"{counted(calls, 'symbol')} of {listed(libraries)}.",
        explanation=(
            f"Loading {owner} runs {total:,} initialisers, most of them in {objects[0]}. Their code uses symbols of "
            f"{listed(libraries, 5)}. If one of those is bound to a copy that does not fit, the process stops during "
            "the import."
        ),
        advice=[Advice(f"maintainer of {owner}", "Initialise on first use instead of when the library is loaded.")],
        key=["initialisers"],
        objects=objects[:50],
        evidence={
            "initialisers": dict(sorted(found.objects.items())[:50]),
            "references": dict(sorted(found.calls.items())),
        },
    )
