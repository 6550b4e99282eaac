"""One package's memory allocator serves another package, or only one end of its allocations.

## What happens

A package brings an allocator (jemalloc, tcmalloc, mimalloc, or its own operator new) and exports `malloc`, `free`,
`operator new` or `operator delete`. Another package, or a shared library such as `libstdc++.so.6`, is bound to them.

## Why it breaks

Memory must go back to the allocator it came from. Where a library takes memory with one package's operator new, and the
code that releases it is bound to the system's operator delete, `free()` is given a pointer that it never handed out: it
aborts, or the heap is damaged without a sign.

## How the loader decides

`operator new` and `operator delete` are ordinary symbols, made to be replaced by the first definition in the search
scope. A shared library is bound in the scope of its first user, an extension module in its own: the same name
can mean two allocators in one process (`_dl_relocate_object` in glibc's elf/dl-reloc.c).

## Example

The fixture `half_allocator` is a library that exports an operator new with a heap of its own and needs a runtime whose
`make` calls operator new. A second library calls `make` and releases the result with its own operator delete. After the
first library it aborts in free().

## Fix on each side

An allocator that serves one package must not be exported: prefix it (`je_malloc`), hide it, or link with a version
script. Users can import the other package first.

## Incidents

None is in the gauntlet yet; the pattern is that of allocators linked into extension modules without a prefix.

## Limits

Which pointer goes where is not followed: a finding says that the two ends exist. Definitions that only hand on to the
C library's malloc are recognised by their reference to it. The C functions themselves are rarely taken over: the C
library comes earlier in the global scope than any package.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.clauses import look_ups
from abiclash.rules.crossings import changes, known_names, selected, using
from abiclash.rules.culprits import importers, library_name, named, orders, who
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.runtime_symbols import (
    ALLOCATE_ALIGNED,
    ALLOCATE_C,
    ALLOCATE_CXX,
    BASE_CXX,
    RELEASE_ALIGNED,
    RELEASE_C,
    RELEASE_CXX,
    keys_of,
)
from abiclash.rules.words import counted, in_order, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.linker.process import Process
    from abiclash.rules.case import Case, Run
    from abiclash.rules.crossings import Crossing
    from abiclash.rules.model import Finding

RULE = Rule(
    id="interposed-allocator",
    title="Memory is taken from one package's allocator and given back to another",
    severity=Severity.ERROR,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.SCOPE,
    since="0.1",
    references=("https://itanium-cxx-abi.github.io/cxx-abi/abi.html",),
)

SYSTEM = -1
"""Stands for the C library's heap, whichever file of the host leads to it."""
_CHAIN = (("malloc",), ("free",), BASE_CXX)
"""What an allocator hands on to, the surest sign first."""
_LONGEST_CHAIN = 4
_HAND_ON = tuple(name for name in (*ALLOCATE_CXX, *RELEASE_CXX) if name not in BASE_CXX)
_PAIRS = ((ALLOCATE_C, RELEASE_C), (ALLOCATE_CXX, RELEASE_CXX), (ALLOCATE_ALIGNED, RELEASE_ALIGNED))


@dataclass(frozen=True, slots=True)
class Ends:
    """Where memory comes from and goes to. library allocates from the heap of `taken`; user releases to `given`.

    All are file ids; heaps can be SYSTEM. library and user can be one object.
    """

    library: int
    user: int
    taken: int
    given: int


@dataclass(slots=True)
class Interposed:
    """What one package's allocator serves, in all runs."""

    runs: list[Run] = field(default_factory=list)
    keys: set[int] = field(default_factory=set)
    providers: set[int] = field(default_factory=set)
    users: set[int] = field(default_factory=set)
    ends: list[tuple[Run, Ends]] = field(default_factory=list)


def check(case: Case) -> Iterable[Finding]:
    """One finding for each package whose allocator serves others."""
    found: dict[str, Interposed] = defaultdict(Interposed)
    names = tuple(name for pair in _PAIRS for end in pair for name in end)
    for run in case.runs:
        for crossing in changes(case, run):
            for package, served in selected(case, crossing, names, using(names)):
                _record(case, run, served, package, found[package])
    for package in sorted(found):
        yield _finding(case, found[package])


def _record(case: Case, run: Run, part: Crossing, package: str, interposed: Interposed) -> None:
    interposed.runs.append(run)
    interposed.keys.update(part.keys.tolist())
    interposed.providers.update(np.unique(part.target).tolist())
    interposed.users.add(part.source.file)
    for allocate, release in _PAIRS:
        taken = _heaps(case, run.process, part.source.file, allocate)
        given = _heaps(case, run.process, part.source.file, release)
        for user in (part.source.file, *_users(case, run, part, package)):
            ends = given if user == part.source.file else _heaps(case, run.process, user, release)
            for one, other in sorted((a, b) for a in taken for b in ends if a != b):
                interposed.ends.append((run, Ends(part.source.file, user, one, other)))


def _users(case: Case, run: Run, part: Crossing, package: str) -> Iterator[int]:
    """Yield the objects of other packages that call into the library whose allocator changed."""
    if part.package is None:
        return
    known = case.alone[part.package, run.stage].process.maps
    for file, link in run.process.maps.items():
        if file == part.source.file or file not in known or case.owner(file) in (None, package):
            continue
        if link.targets is not None and (link.targets == part.source.file).any():
            yield file


def _heaps(case: Case, process: Process, file: int, names: tuple[str, ...]) -> set[int]:
    """Return the heaps that an object's references to some names lead to."""
    base, derived = _bound(case, process, file, names)
    return {_heap(process, target) for target in base} | {
        _heap(process, onward)
        for target in derived
        for onward in (_bound(case, process, target, BASE_CXX)[0] if target in process.maps else ()) or (target,)
    }


def _bound(case: Case, process: Process, file: int, names: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Return the files that serve some names to an object: for those that allocate, and for those that hand on."""
    link = process.maps[file]
    if link.targets is None:
        return [], []
    targets = link.targets

    def find() -> tuple[list[int], list[int]]:
        keys = link.facts.symbols.key[link.facts.references.symbol]
        used = np.isin(keys, keys_of(names)) & (targets != NOT_FOUND)
        onward = used & np.isin(keys, keys_of(_HAND_ON))
        return np.unique(targets[used & ~onward]).tolist(), np.unique(targets[onward]).tolist()

    return case.once(("allocators", names), [targets], find)


def _heap(process: Process, file: int, depth: int = 0) -> int:
    """Follow an allocator to the heap behind it: operator new of libstdc++ hands on to malloc.

    A file that defines malloc has a heap of its own, and so has one that calls nobody else's allocator.
    """
    link = process.maps.get(file)
    if link is None or link.targets is None or depth > _LONGEST_CHAIN:
        return file
    if _is_libc(link.facts.soname):
        return SYSTEM
    symbols = link.facts.symbols
    if (np.isin(symbols.key, keys_of(("malloc",))) & (symbols.shndx != 0)).any():
        return file
    used = symbols.key[link.facts.references.symbol]
    for names in _CHAIN:
        rows = np.flatnonzero(np.isin(used, keys_of(names)))
        further = [target for target in link.targets[rows].tolist() if target not in (NOT_FOUND, file)]
        if further:
            return _heap(process, further[0], depth + 1)
    return file


def _is_libc(soname: str | None) -> bool:
    """The C library and its dynamic linker share one heap."""
    return soname is not None and soname.startswith(("libc.so", "libc.musl", "ld-linux", "ld-musl", "ld64"))


def _finding(case: Case, interposed: Interposed) -> Finding:
    mixed = interposed.ends
    run = mixed[0][0] if mixed else interposed.runs[0]
    failing = orders(at for at, _ in mixed) if mixed else orders(interposed.runs)
    safe = case.safe_orders(failing)
    providers = sorted(interposed.providers)
    users = sorted({*interposed.users, *(ends.user for _, ends in mixed)})
    own = any(_heap(run.process, file) == file for file in providers)
    names = sorted(known_names(case, np.array(sorted(interposed.keys), dtype=np.uint64)).values())
    first = who(case, run, providers[0])
    second = who(case, run, mixed[0][1].user if mixed else users[0])
    return RULE.finding(
        packages=[*named(case, run, providers), *named(case, run, users), *importers(case, run, users)],
        severity=Severity.ERROR if mixed else Severity.WARNING if own else Severity.NOTE,
        confidence=Confidence.LIKELY if mixed else Confidence.POSSIBLE if own else Confidence.CERTAIN,
        audience=Audience.USER if mixed or own else Audience.RESEARCHER,
        summary=(
            f"After {first}, {second} gives memory back to an allocator that it did not come from."
            if mixed
            else f"After {first}, {second} uses {counted(len(names), 'allocation function')} of {first}."
        ),
        explanation=_explanation(case, run, interposed, own=own),
        advice=_advice(case, providers[0], second, safe, own=own),
        key=[str(case.owner(providers[0]))],
        failing_order=run.order if mixed or own else None,
        safe_order=safe[0] if safe and (mixed or own) else None,
        objects=[case.path(file) for file in (*providers, *users)],
        symbols=names,
        evidence={
            "stage": run.stage.value,
            "look_ups": look_ups(case, run, ((file, key) for file in users for key in sorted(interposed.keys))),
            "ends": [
                {
                    "allocates": case.path(ends.library),
                    "from": _heap_name(case, ends.taken),
                    "releases": case.path(ends.user),
                    "to": _heap_name(case, ends.given),
                }
                for ends in sorted({ends for _, ends in mixed}, key=lambda e: (e.library, e.user, e.taken, e.given))
            ],
            "own heap": own,
            "failing_orders": [list(order) for order in failing],
        },
        silent=False,
    )


def _heap_name(case: Case, heap: int) -> str:
    return "the C library" if heap == SYSTEM else case.path(heap)


def _explanation(case: Case, run: Run, interposed: Interposed, *, own: bool) -> str:
    provider = min(interposed.providers)
    first, source = who(case, run, provider), library_name(case, provider)
    begin = (
        f"{source} (in {first}) exports memory allocation functions. After {first} has been imported, the dynamic "
        f"linker binds {listed(library_name(case, file) for file in interposed.users)} to them.\n\n"
    )
    if interposed.ends:
        _, ends = interposed.ends[0]
        taken = "the C library" if ends.taken == SYSTEM else library_name(case, ends.taken)
        given = "the C library" if ends.given == SYSTEM else library_name(case, ends.given)
        return begin + (
            f"Memory that {library_name(case, ends.library)} allocates then comes from {taken}, but "
            f"{library_name(case, ends.user)} (in {who(case, run, ends.user)}) releases it to {given}. The C library "
            f"aborts the process (`free(): invalid pointer`), or the heap is damaged. Import order: "
            f"{in_order(run.order)}."
        )
    if own:
        return begin + "Both ends of each allocation go there, as far as it shows, so it mostly works."
    return begin + "They hand on to the C library's malloc, so it makes no difference."


def _advice(case: Case, provider: int, second: str, safe: list[tuple[str, ...]], *, own: bool) -> list[Advice]:
    advice = []
    if safe and own:
        text = f"Import {' before '.join(safe[0])}: then {second} keeps its allocator."
        advice.append(Advice("user", text, checked=True))
    text = "Do not export the allocator: give it a prefix, or link with -Wl,--exclude-libs,ALL or a version script."
    advice.append(Advice(f"maintainer of {case.owner(provider)}", text))
    return advice
