"""More than one OpenMP runtime, from one package or several.

## What happens

Packages bring OpenMP runtimes of their own: Intel's `libiomp5.so`, LLVM's `libomp.so`, GNU's `libgomp.so.1`, under
their plain names, under names with a hash, or linked in statically. Two of them can end up in one process.

## Why it breaks

The runtimes of Intel and LLVM register themselves in the process; the second one that starts stops with "OMP: Error
#15: Initializing libiomp5.so, but found libiomp5.so already initialized". Two copies of libgomp do not abort. They
start a set of threads each, which costs time, and a fork after either has started can hang.

## How the loader decides

A library that is needed by name is loaded once for each soname: two wheels with a plain `libiomp5.so` share the first
one, which is what saves them. Another path given to dlopen, a hash in the soname, or a static copy makes a second one.

## Example

The fixture `two_runtimes` builds two small libraries that define `__kmpc_fork_call` under different names.

## Fix on each side

Depend on one package that provides the runtime, and keep its soname; do not link it statically. Users can set
`KMP_DUPLICATE_LIB_OK=TRUE`, at the price that Intel's message states: crashes or silently wrong results.

## Incidents

paddlepaddle 1.8.5 and mxnet-mkl 1.6.0 (PaddlePaddle/Paddle issue 37548): libiomp5.so opened by two paths.

## Limits

A runtime that is linked in with all of its symbols hidden is not seen. The second runtime stops the process when it
starts, which may be later than the import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.rules.carried import carriers, ids, played_orders, runtimes
from abiclash.rules.case import Stage
from abiclash.rules.culprits import named, orders
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.facts.model import ObjectFacts
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding

RULE = Rule(
    id="duplicate-openmp",
    title="More than one OpenMP runtime",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.FILE,
    since="0.1",
    references=("https://github.com/PaddlePaddle/Paddle/issues/37548",),
)

EXCLUSIVE, GNU = "libomp", "libgomp"


@dataclass(frozen=True, slots=True)
class Copies:
    """Runtimes of one kind in one process: files, of which at least two packages have one."""

    run: Run
    files: tuple[int, ...]


def check(case: Case) -> Iterable[Finding]:
    """State two exclusive runtimes in a process, two that only their name keeps apart, and several GNU ones."""
    exclusive = _together(case, EXCLUSIVE)
    if exclusive:
        yield _abort(case, exclusive)
    else:
        yield from _deduplicated(case)
    several = _together(case, GNU, EXCLUSIVE)
    if several and not exclusive:
        yield _several(case, several[0])


def _together(case: Case, *kinds: str) -> list[Copies]:
    """Return the runs in which two files of these kinds, of two packages, are loaded."""
    found = []
    for run in case.runs:
        files = tuple(sorted(carriers(run, kinds)))
        if len({case.owner(file) for file in files}) > 1:
            found.append(Copies(run, files))
    return found


def _abort(case: Case, found: list[Copies]) -> Finding:
    first = found[0]
    failing = orders([copies.run for copies in found])
    at_import = first.run.stage is Stage.IMPORT
    used = [file for file in first.files if _used(first.run, file)]
    grave = at_import and len(used) > 1
    names = [case.basename(file) for file in first.files]
    owners = [case.owner(file) or "the host" for file in first.files]
    safe = case.safe_orders(failing)
    advice = [Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True)] if safe else []
    return RULE.finding(
        packages=named(case, first.run, first.files),
        severity=Severity.ERROR if grave else Severity.WARNING,
        confidence=Confidence.LIKELY if at_import else Confidence.POSSIBLE,
        summary=f"{listed(owners)} bring {counted(len(names), 'OpenMP runtime')} of Intel's or LLVM's kind into one "
        "process; the second one that starts aborts.",
        explanation=(
            f"{' and '.join(case.path(file) for file in first.files[:3])} are separate copies of the OpenMP runtime "
            "of Intel or LLVM, and both are loaded. This runtime wants to be the only one in a process: when the "
            'second copy starts its threads, it prints "OMP: Error #15: Initializing libiomp5.so, but found '
            'libiomp5.so already initialized" and aborts.'
        ),
        advice=[
            *advice,
            Advice(
                "user", "As a last resort set KMP_DUPLICATE_LIB_OK=TRUE; results may then be wrong or it may crash."
            ),
            *(
                Advice(f"maintainer of {owner}", "Take the runtime from a shared package and keep its plain soname.")
                for owner in sorted({o for o in owners if o != "the host"})
            ),
        ],
        key=[EXCLUSIVE],
        failing_order=failing[0],
        safe_order=safe[0] if safe else None,
        objects=[case.path(file) for file in first.files],
        evidence={
            "runtimes": [case.path(file) for file in first.files],
            "used": [case.path(file) for file in used],
            "stage": first.run.stage.value,
            "failing_orders": [list(order) for order in failing],
        },
    )


def _used(run: Run, file: int) -> bool:
    """Tell whether another object is bound to a runtime, or it is part of the object that uses it."""
    soname = run.process.maps[file].facts.soname
    if soname is None or not soname.startswith("lib"):
        return True
    return any(link.targets is not None and (link.targets == file).any() for link in _others(run, file))


def _others(run: Run, file: int) -> Iterator[LinkMap]:
    return (link for link in run.process.maps.values() if link.file != file)


def _deduplicated(case: Case) -> Iterator[Finding]:
    """Two packages carry such a runtime under one soname, so that ld.so takes only one of them."""
    shipped: dict[str, dict[str, list[ObjectFacts]]] = {}
    for name, package in case.packages.items():
        for facts in package.wheel.objects:
            if facts.soname is not None and facts.runtimes and EXCLUSIVE in runtimes(facts):
                shipped.setdefault(facts.soname, {}).setdefault(name, []).append(facts)
    for soname, owners in sorted(shipped.items()):
        if len(owners) > 1:
            yield _shared_name(case, soname, owners)


def _shared_name(case: Case, soname: str, owners: dict[str, list[ObjectFacts]]) -> Finding:
    return RULE.finding(
        packages=ids(case, owners),
        confidence=Confidence.POSSIBLE,
        summary=f"{listed(owners)} each carry the OpenMP runtime {soname}; only its common name keeps it single.",
        explanation=(
            f"Each of {listed(owners)} brings its own {soname}. Importing them works, because a process loads a name "
            "only once and all use the copy that came first. If a program opens the other copy by its path "
            "(ctypes.CDLL), or a later release gives one of them a name of its own, there are two, and in either "
            'order the second one that starts aborts: "OMP: Error #15: Initializing libiomp5.so, but found libiomp5.so '
            'already initialized".\n\n'
            "The copy that came first also serves the package that was built with another version."
        ),
        advice=[
            Advice("user", f"Do not open {soname} by its path; import the packages as usual."),
            *(
                Advice(f"maintainer of {name}", f"Keep the soname {soname}, or take the runtime from a shared package.")
                for name in sorted(owners)
            ),
        ],
        key=[soname],
        objects=[facts.path for found in owners.values() for facts in found],
        evidence={
            "soname": soname,
            "condition": "the copies are opened by different paths",
            "failing_orders": [list(order) for order in played_orders(case)],
            "copies": {name: [facts.path for facts in found] for name, found in sorted(owners.items())},
        },
    )


def _several(case: Case, copies: Copies) -> Finding:
    owners = [case.owner(file) or "the host" for file in copies.files]
    return RULE.finding(
        packages=named(case, copies.run, copies.files),
        severity=Severity.NOTE,
        confidence=Confidence.CERTAIN,
        audience=Audience.RESEARCHER,
        summary=f"{counted(len(copies.files), 'OpenMP runtime')} share one process ({listed(owners)}).",
        explanation=(
            f"{listed(case.path(file) for file in copies.files)} are loaded together. They do not disturb each other's "
            "data, but each starts a thread for each core, and a process that forks after one of them has started can "
            "hang in the child."
        ),
        advice=[Advice("user", "Limit the threads, with threadpoolctl or OMP_NUM_THREADS, where it is slow.")],
        key=[GNU],
        objects=[case.path(file) for file in copies.files],
        evidence={"runtimes": [case.path(file) for file in copies.files], "stage": copies.run.stage.value},
    )
