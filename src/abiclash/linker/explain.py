"""How ld.so came to a definition, step by step: the same look-up as `lookup`, for one name, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.glibc_versions import DEFAULT_IS_FALLBACK
from abiclash.linker.lookup import NOT_FOUND
from abiclash.linker.tables import (
    BINDS_LOCALLY,
    HIDDEN_VERSION,
    LATER_VERSION,
    NO_VERSIONS,
    Q_COPY,
    Q_HIDDEN,
    Q_PLT,
    Q_PROTECTED,
    Q_WEAK,
    UNDEFINED,
    UNIQUE,
    WEAK,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process


@dataclass(frozen=True, slots=True)
class Step:
    """One object that the look-up met. scope: which part of the scope it stands in. taken: the look-up ends here.

    clause: why, with the function of glibc's elf/dl-lookup.c that decides it.
    """

    scope: str
    file: int
    taken: bool
    clause: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The history of one reference. version: the one it asks for, "" for none. steps: objects with that name, and
    how many others were passed in between. target: file id of the definition, None for none. ending: the last word.
    """

    source: int
    version: str
    steps: tuple[Step, ...]
    passed: int
    target: int | None
    ending: str


def explain(process: Process, source: int, key: int) -> Iterator[Explanation]:
    """Explain each distinct look-up (version, kind of relocation) of a symbol by one loaded object."""
    link = process.maps.get(source)
    if link is None or link.targets is None:
        return
    queries = process.world.table(source).queries
    rows = np.flatnonzero(queries.key == np.uint64(key))
    seen: set[tuple[int, int]] = set()
    for row in rows.tolist():
        asked = int(queries.version[row]), int(queries.flags[row])
        if asked not in seen:
            seen.add(asked)
            yield _explain(process, link, row, *asked)


def _explain(process: Process, link: LinkMap, row: int, version: int, flags: int) -> Explanation:
    key = process.world.table(link.file).queries.key[row]
    steps: list[Step] = []
    reserve: int | None = None
    passed = 0
    for scope, file in _walk(process, link):
        found = _meet(process, file, key, version, flags)
        if found is None:
            passed += 1
            continue
        taken, clause, weak = found
        if taken and weak and process.host.dynamic_weak:
            clause = f"kept in reserve: a weak definition, and LD_DYNAMIC_WEAK is set (do_lookup_x); {clause}"
            reserve, taken = file if reserve is None else reserve, False
        steps.append(Step(scope, file, taken, clause))
        if taken:
            break
    target = int(link.targets[row]) if link.targets is not None else NOT_FOUND
    end = _ending(process, link, steps, target, flags, reserve)
    return Explanation(
        link.file,
        process.world.versions.names[version],
        tuple(steps),
        passed,
        None if target == NOT_FOUND else target,
        end,
    )


def _walk(process: Process, link: LinkMap) -> Iterator[tuple[str, int]]:
    """Yield (name of the scope part, file) as the object was relocated; later additions to its scope are left out."""
    met: set[int] = set()
    for number, part in enumerate(link.scope):
        if part.owner is None:
            name, files = "global scope", tuple(process.global_scope[: link.global_seen])
        elif part.alone:
            name, files = "itself first (DT_SYMBOLIC)", (part.owner,)
        elif number > 2:
            return
        else:
            owner = process.world.paths[part.owner]
            name, files = f"search list of {owner}", process.maps[part.owner].search_list or ()
        for file in files:
            if file not in met:
                met.add(file)
                yield name, file


def _meet(process: Process, file: int, key: np.uint64, version: int, flags: int) -> tuple[bool, str, bool] | None:
    """Apply check_match to an object's entries of one name; None where it has none.

    Returns whether one is accepted, why, and whether it is weak.
    """
    definitions = process.definitions(file)
    left, right = np.searchsorted(definitions.key, [key, key + np.uint64(1)])
    entries = range(int(left), int(right))
    if not entries:
        return None
    reasons = []
    fallback: list[int] = []
    for entry in entries:
        bits, own = int(definitions.flags[entry]), int(definitions.version[entry])
        verdict = _check(process, bits, own, version, flags, is_executable=file == process.executable)
        if verdict == "fallback":
            fallback.append(entry)
        elif verdict.startswith("match"):
            return _accept(bits, verdict)
        else:
            reasons.append(verdict)
    if len(fallback) == 1:
        bits = int(definitions.flags[fallback[0]])
        return _accept(bits, "match: its only definition of that name that is not hidden (check_match, num_versions)")
    if fallback:
        reasons.append(f"{len(fallback)} versions of the name, none of them the one to take without a version")
    return False, "skipped: " + "; ".join(dict.fromkeys(reasons)), False


def _accept(bits: int, clause: str) -> tuple[bool, str, bool]:
    if bits & BINDS_LOCALLY:
        return False, "skipped: the definition is hidden, internal or local (do_lookup_x)", False
    unique = ", and STB_GNU_UNIQUE: one definition serves the process (do_lookup_unique)" if bits & UNIQUE else ""
    return True, f"taken: {clause.removeprefix('match: ')}{unique}", bool(bits & WEAK)


def _check(process: Process, bits: int, own: int, version: int, flags: int, *, is_executable: bool) -> str:
    """check_match for one entry, in words: "match: ...", "fallback", or the reason for passing over it."""
    names = process.world.versions.names
    if flags & Q_PLT and bits & UNDEFINED:
        return "an undefined entry cannot serve a call (type class PLT)"
    if flags & Q_COPY and is_executable:
        return "the executable is not searched for a COPY relocation"
    if process.host.libc == "musl":
        return "match: the first object that defines the name serves every version (find_sym of musl's ldso/dynlink.c)"
    if bits & NO_VERSIONS:
        return "match: the object has no symbol versions, so any version is satisfied (check_match)"
    if not version:
        if not bits & LATER_VERSION:
            return "match: no version is asked for, and this is the base definition (check_match)"
        return "fallback" if not bits & HIDDEN_VERSION else f"its version {names[own]} is hidden"
    if own == version:
        return f"match: the version {names[version]} is equal (check_match)"
    if own == 0 and not bits & HIDDEN_VERSION and not flags & Q_HIDDEN:
        if process.host.libc_version in DEFAULT_IS_FALLBACK:
            return "fallback"
        return "match: a definition without a version satisfies every version (check_match)"
    return f"its version {names[own] or '(none)'} is not {names[version]}"


def _ending(process: Process, link: LinkMap, steps: list[Step], target: int, flags: int, reserve: int | None) -> str:
    paths = process.world.paths
    if target == NOT_FOUND:
        return (
            "no definition: the reference is weak and becomes 0"
            if flags & Q_WEAK
            else "no definition: undefined symbol"
        )
    last = steps[-1].file if steps and steps[-1].taken else None
    if last == target:
        return f"bound to {paths[target]}"
    if last is None and reserve == target:
        return f"bound to {paths[target]}: there is no strong definition, so the first weak one serves"
    if flags & Q_PROTECTED and target == link.file:
        return f"bound to {paths[target]}: the object's own definition is protected (_dl_lookup_symbol_x)"
    return f"bound to {paths[target]}: the first unique definition of that name in the process (do_lookup_unique)"
