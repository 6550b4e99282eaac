"""One variable with two live copies on the two ends of a call.

## What happens

Package A is imported first and brings a shared library S, such as `libstdc++.so.6`, into the process. A also
exports its own copy of one of S's variables, so the dynamic linker binds S's *own* references to A's copy. Package
B comes second and gets S's copy of the same variable. Now B writes one copy and calls into S, and S reads the other.

## Why it breaks

The two ends of a call no longer share their state: S sees a null pointer, a stale lock or an uninitialised object.
Where a static initialiser of B makes the call, the process dies during `import B`; otherwise at the first use.

## How the loader decides

An object that comes in as a dependency is relocated in the scope of the object that was opened: the global scope,
then that object's search list. A definition without a version in that list satisfies S's versioned reference
(`check_match` in glibc's elf/dl-lookup.c). S is relocated once, so it keeps A's copy for good. B is opened later, in
a scope of its own without A (RTLD_LOCAL), and finds S's definition first.

## Example

The fixture `split_state` builds a runtime with a variable and a function that reads it, a library that exports a
copy of the variable and needs the runtime, and a second library that sets the variable and calls the function.

## Fix on each side

The package with the copy should not export it: link with a version script or `-Wl,--exclude-libs,ALL`, or link the
runtime dynamically. Users can import the other package first, so that the runtime binds to itself.

## Incidents

tensorflow 1.13.1 and pyarrow 0.13.0 (apache/arrow issue 4472): `std::__once_call` and `std::__once_callable`.

## Limits

Only variables that the dynamic symbol table names are seen. That B's call reaches the code that reads the
variable is inferred: for a member of a class from a call to a member of that class, else from B calling into S at all.
A variable that B defines itself, and that nothing but its initialiser's own setting up touches, is left out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np

from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.case import Stage
from abiclash.rules.clauses import look_ups
from abiclash.rules.crossings import FUNCTIONS, is_writable, known_names
from abiclash.rules.culprits import library_name
from abiclash.rules.families import related
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding

RULE = Rule(
    id="split-state",
    title="One variable has two live copies on the two ends of a call",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.SCOPE,
    since="0.1",
    references=("https://github.com/apache/arrow/issues/4472",),
)


@dataclass(frozen=True, slots=True)
class Split:
    """Variables (keys) of `runtime` that it takes from `provider` itself, while `victim` uses the runtime's own.

    All three are file ids. at_import: an initialiser of the victim reaches one of the variables, and a call that
    reads it as far as names tell.
    """

    runtime: int
    provider: int
    victim: int
    keys: tuple[int, ...]
    at_import: bool


def check(case: Case) -> Iterable[Finding]:
    """Group what was seen in every run by (library, provider): one cause, one finding."""
    seen: dict[tuple[int, int], list[tuple[Run, Split]]] = defaultdict(list)
    for run in case.runs:
        for split in splits(case, run):
            seen[split.runtime, split.provider].append((run, split))
    for (runtime, provider), found in sorted(seen.items()):
        yield _finding(case, runtime, provider, found)


def splits(case: Case, run: Run) -> Iterator[Split]:
    """Find splits in one process: captured variables of S that another package still takes from S."""
    maps = run.process.maps
    for runtime in list(maps.values()):
        rows = _captured_variables(case, runtime)
        if not len(rows) or runtime.targets is None:
            continue
        keys = runtime.facts.symbols.key[runtime.facts.references.symbol[rows]]
        for provider in np.unique(runtime.targets[rows]).tolist():
            if provider in maps:
                yield from _victims(case, run, runtime, provider, np.unique(keys[runtime.targets[rows] == provider]))


def _captured_variables(case: Case, link: LinkMap) -> NDArray[np.intp]:
    """Return the rows of references to an object's own variables that end elsewhere; runs share their arrays."""
    targets = link.targets
    if targets is None:
        return np.zeros(0, dtype=np.intp)

    def find() -> NDArray[np.intp]:
        rows: NDArray[np.intp] = np.flatnonzero(is_writable(link.facts.symbols.place)[link.facts.references.symbol])
        elsewhere: NDArray[np.bool_] = (targets[rows] != NOT_FOUND) & (targets[rows] != link.file)
        return rows[elsewhere]

    return case.once("captured variables", [targets], find)


def _victims(case: Case, run: Run, runtime: LinkMap, provider: int, keys: NDArray[np.uint64]) -> Iterator[Split]:
    owner = case.owner(provider)
    for victim in run.process.maps.values():
        if victim.targets is None or victim.file == runtime.file or runtime.file not in case.servers(victim):
            continue
        if case.owner(victim.file) == owner:
            continue
        into = np.flatnonzero(victim.targets == runtime.file)
        used = victim.facts.symbols.key[victim.facts.references.symbol[into]]
        shared = np.intersect1d(used, keys)
        if len(shared) and victim.target_rows is not None:
            if not _functions(victim, runtime, into).any():
                continue  # no call joins the two
            own, early = _initialised(case, victim, runtime, shared)
            shared = shared[~np.isin(shared, own)]
            if len(shared):
                yield Split(runtime.file, provider, victim.file, tuple(shared.tolist()), bool(early))


def _functions(victim: LinkMap, runtime: LinkMap, rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark those of some references, all of them bound to `runtime`, that are to functions."""
    if victim.target_rows is None:
        return np.zeros(len(rows), dtype=np.bool_)
    mask: NDArray[np.bool_] = np.isin(runtime.facts.symbols.info[victim.target_rows[rows]] & 15, FUNCTIONS)
    return mask


def _initialised(
    case: Case, victim: LinkMap, runtime: LinkMap, shared: NDArray[np.uint64]
) -> tuple[list[int], list[int]]:
    """Return (variables that the victim sets up for itself, variables whose state its initialisers hand to a call).

    A variable that the victim defines too came with the code that it belongs to. Where an initialiser touches it and
    calls none of its relatives, that is this code's own setting up: nobody else is told.
    """
    symbols, early = victim.facts.symbols, victim.facts.init.references
    bound = early[victim.targets[early] == runtime.file] if victim.targets is not None else early[:0]
    keys = symbols.key[victim.facts.references.symbol[bound]]
    called = known_names(case, np.unique(keys[_functions(victim, runtime, bound)])).values()
    defined = symbols.key[symbols.shndx != 0]
    own, handed = [], []
    for key, name in known_names(case, shared[np.isin(shared, keys)]).items():
        if any(related(name, function) for function in called):
            handed.append(key)
        elif key in defined:
            own.append(key)
        elif called and not name.startswith("_ZN"):  # in no class, so any call may read it
            handed.append(key)
    return own, handed


def _finding(case: Case, runtime: int, provider: int, found: list[tuple[Run, Split]]) -> Finding:
    run, split = next(((r, s) for r, s in found if s.at_import), found[0])
    failing = list(dict.fromkeys(r.order for r, _ in found))
    safe = case.safe_orders(failing)
    keys = sorted({key for _, s in found for key in s.keys})
    names = case.names(keys)
    variables = sorted(names[key] for key in keys)
    alike = [s for r, s in found if r.stage is run.stage and s.at_import == split.at_import]
    victims = sorted({s.victim for s in alike})
    owner, victim_package = case.package(provider), case.package(split.victim)
    packages = [p for f in (provider, *victims) if (p := case.package(f)) is not None]
    call = _nearest_call(case, run, split, variables)
    count = counted(len(variables), "variable")
    at_import = split.at_import and run.stage is Stage.IMPORT
    first = owner.name if owner else "the host"
    second = victim_package.name if victim_package else "another library"
    lib, source, user = (library_name(case, file) for file in (runtime, provider, split.victim))
    end = (
        f"A static initialiser of {user} does this, so the process dies while `import {second}` runs."
        if at_import
        else f"The process dies when {second} makes that call."
    )
    return RULE.finding(
        packages=packages,
        confidence=Confidence.CERTAIN if at_import else Confidence.LIKELY,
        summary=f"{first} and {second} see two different copies of {count} of {lib}; "
        + (f"importing {first} before {second} crashes." if at_import else "the process can crash in use."),
        explanation=(
            f"{source} (in {first}) contains its own copy of a part of {lib} and exports it. When {first} is imported "
            f"first, the dynamic linker loads {lib} on its behalf and makes {lib} itself use {first}'s copy of these "
            f"variables.\n\n{second} comes later: {user} uses the copy inside {lib}. It stores a value there and then "
            f"calls {call or 'into ' + lib}; {lib} looks into the other copy, which does not hold it. {end}"
        ),
        advice=_advice(first, second, source, lib, safe),
        key=[lib, source, *variables],
        failing_order=run.order,
        safe_order=safe[0] if safe else None,
        objects=[case.path(f) for f in (provider, runtime, *victims)],
        symbols=variables,
        evidence={
            "stage": run.stage.value,
            "call": call,
            "initializer": at_import,
            "bindings": [{"symbol": name, "from": case.path(runtime), "to": case.path(provider)} for name in variables]
            + [{"symbol": name, "from": case.path(split.victim), "to": case.path(runtime)} for name in variables],
            "look_ups": look_ups(case, run, [(runtime, split.keys[0]), (split.victim, split.keys[0])], 2),
            "failing_orders": [list(order) for order in failing],
        },
    )


def _advice(first: str, second: str, source: str, lib: str, safe: list[tuple[str, ...]]) -> list[Advice]:
    advice = []
    if safe:
        advice.append(Advice("user", f"Import {' before '.join(safe[0])}: in that order nothing splits.", checked=True))
    else:
        advice.append(Advice("user", f"Load {lib} before either package: `import ctypes; ctypes.CDLL({lib!r})`."))
    advice.append(
        Advice(
            f"maintainer of {first}",
            f"Do not export {lib}'s symbols from {source}: link it with -Wl,--exclude-libs,ALL or a version script, "
            f"or link {lib} dynamically.",
        )
    )
    cure = f"A release of {first} that no longer exports them removes the conflict with {second}."
    advice.append(Advice("user", cure))
    return advice


def _nearest_call(case: Case, run: Run, split: Split, variables: list[str]) -> str | None:
    """Name the function of the library that the victim uses and whose name is closest to a variable's.

    Which functions read the variable is not in the dynamic symbol table; names of one family share a stem.
    """
    victim, library = run.process.maps[split.victim], run.process.maps[split.runtime]
    if victim.targets is None or victim.target_rows is None:
        return None
    into = np.flatnonzero(victim.targets == split.runtime)
    functions = np.isin(library.facts.symbols.info[victim.target_rows[into]] & 15, FUNCTIONS)
    rows = victim.target_rows[into[functions]]
    names = case.names(library.facts.symbols.key[rows].tolist()).values()

    def closeness(name: str) -> tuple[int, int, str]:
        longest = max(SequenceMatcher(None, name, v, autojunk=False).find_longest_match().size for v in variables)
        return -longest, len(name), name

    return min(names, key=closeness, default=None)
