"""Whom a finding names: the package that a file came with, and the import that brought it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.case import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from abiclash.linker.process import Process
    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import PackageId


def roots(case: Case, run: Run, file: int) -> tuple[str, ...]:
    """Return the requested package that a file belongs to, or else the first import in the run that loads it."""
    owner = case.owner(file)
    if owner in run.order:
        return (owner,)
    for package in run.order:
        if file in case.alone[package, run.stage].process.maps:
            return (package,)
    return ()


def named(case: Case, run: Run, files: Iterable[int]) -> list[PackageId]:
    """Return the packages to name for some files: the owners, and the imports that brought a dependency's file."""
    names: dict[str, None] = {}
    for file in files:
        owner = case.owner(file)
        if owner is not None:
            names.update(dict.fromkeys((owner, *roots(case, run, file))))
    return [case.packages[name].id for name in names if name in case.packages]


def importers(case: Case, run: Run, files: Iterable[int]) -> list[PackageId]:
    """Return the packages to name where libraries of the host are hit: the imports that load them."""
    found: dict[str, None] = {}
    for file in files:
        if case.owner(file) is None:
            loads = (name for name in run.order if file in case.alone[name, run.stage].process.maps)
            found.update(dict.fromkeys(loads))
    return [case.packages[name].id for name in found]


def who(case: Case, run: Run, file: int) -> str:
    """Return how running text calls the package of a file: the one the user asked for where there is one."""
    owner = case.owner(file)
    root = roots(case, run, file)
    if owner is None:
        return f"the system's {library_name(case, file)}"
    if not root or root[0] == owner:
        return owner
    return f"{owner} (which {root[0]} imports)"


def library_name(case: Case, file: int) -> str:
    """Return a library's name for running text: its soname, by which programs ask for it."""
    return case.facts(file).soname or case.basename(file)


def owners(case: Case, files: Iterable[int]) -> list[str]:
    """Return the names of the packages that files belong to, sorted."""
    return sorted({owner for file in files for owner in [case.owner(file)] if owner is not None})


def reached_by_initialisers(process: Process, file: int, keys: NDArray[np.uint64]) -> bool:
    """Tell whether an object's initialisers use one of the symbols, as far as that can be read off its code."""
    facts = process.maps[file].facts
    early = facts.symbols.key[facts.references.symbol[facts.init.references]]
    return bool(np.isin(early, keys).any())


def orders(runs: Iterable[Run]) -> list[tuple[str, ...]]:
    """Return the import orders of some runs, imports before later use, without repeats."""
    stages = list(Stage)
    return list(dict.fromkeys(run.order for run in sorted(runs, key=lambda run: stages.index(run.stage))))
