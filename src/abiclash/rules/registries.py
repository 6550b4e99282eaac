"""Registries of one process that several packages fill: who puts which names into which of them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from abiclash.facts.strings import last_component
from abiclash.rules.carried import has_string, owned, related, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.imports.registrations import Registration
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run

Pair = tuple[str, str]

SHORTEST = 6
"""Length of a type's name below which a longer word that ends in it says nothing."""
_BINDINGS = ("pybind11-internals", "nanobind-internals")
_SOURCE_NAME = re.compile(r"(\d+)")
_LIBRARY_TYPE = re.compile(r"N?K?(?:S[a-z0-9]|St|8pybind11|8nanobind|9__gnu_cxx|10__cxxabiv1)")


@dataclass(frozen=True, slots=True)
class TypeClash:
    """Types that extension modules of two packages bind under one key of a registry."""

    key: str
    types: tuple[str, ...]
    files: tuple[int, ...]


def type_clashes(case: Case, run: Run) -> dict[Pair, TypeClash]:
    """Return pairs of packages whose loaded modules bind C++ types of one name in one registry.

    A package that requires the other one is left out: it may well use the other's types, which puts their names into
    its own module as well.
    """
    bound: dict[tuple[str, str], dict[str, list[LinkMap]]] = defaultdict(lambda: defaultdict(list))
    for owner, link in owned(case, run):
        if link.facts.strings:
            for kind in _BINDINGS:
                for key in strings(link.facts, kind):
                    bound[kind, key][owner].append(link)
    found: dict[Pair, TypeClash] = {}
    for (_, key), packages in sorted(bound.items()):
        types = {owner: _bound_types(modules) for owner, modules in packages.items() if len(packages) > 1}
        for one, other in combinations(sorted(types), 2):
            common = _common(packages[one], packages[other], types[one], types[other])
            if common and not related(case, one, other):
                files = {types[o].get(name, packages[o][0].file) for o in (one, other) for name in common}
                found.setdefault((one, other), TypeClash(key, tuple(sorted(common)), tuple(sorted(files))))
    return found


def _bound_types(modules: list[LinkMap]) -> dict[str, int]:
    """Return the types that modules seem to bind -> file. Types of the C++ library and the binding itself are not."""
    return {
        name: link.file
        for link in modules
        for name in strings(link.facts, "bound-type")
        if not _LIBRARY_TYPE.match(name)
    }


def _common(one: list[LinkMap], other: list[LinkMap], types: dict[str, int], others: dict[str, int]) -> set[str]:
    """Return the types that both packages bind, by the same name in Python or by a longer one on one side."""
    longer = {name for name in types.keys() - others.keys() if _bound_longer(other, name)}
    longer |= {name for name in others.keys() - types.keys() if _bound_longer(one, name)}
    return (types.keys() & others.keys()) | longer


def _bound_longer(modules: list[LinkMap], type_name: str) -> bool:
    """Tell whether modules know a type, and speak of a class whose name ends in its: gptj_gpt_params of gpt_params."""
    plain = last_component(type_name)
    return len(plain) >= SHORTEST and any(
        word.endswith(f"_{plain}")
        for link in modules
        if has_string(link.facts, "typeinfo-name", type_name)
        for text in strings(link.facts, "words")
        for word in text.split(" ")
    )


def readable(type_name: str) -> str:
    """Return a mangled type name as C++ spells it, as far as it consists of plain names: "N1a1BE" -> "a::B"."""
    parts, at = [], 1 if type_name.startswith("N") else 0
    while match := _SOURCE_NAME.match(type_name, at):
        at = match.end() + int(match[1])
        parts.append(type_name[match.end() : at])
    return "::".join(parts) if parts and type_name[at:] in ("", "E") else type_name


@dataclass(slots=True)
class DescriptorClash:
    """Descriptors of two packages that the pool takes only one of.

    files: names that both register with different content. names: full names that both define in other files.
    places: generated modules, as (package, path, line, file name, content). imported: how sure it is that both are
    registered by importing: "certain", "likely" or "possible" (they are there, no import is known to reach them).
    """

    files: set[str]
    names: set[str]
    places: set[tuple[str, str, int, str, str]]
    imported: str


@dataclass(frozen=True, slots=True)
class _Entry:
    package: str
    path: str
    certainty: str
    registration: Registration


def descriptor_clashes(case: Case) -> dict[Pair, DescriptorClash]:
    """Return pairs of packages whose generated Python modules register descriptors that exclude each other."""
    by_file: dict[str, list[_Entry]] = defaultdict(list)
    by_name: dict[str, list[_Entry]] = defaultdict(list)
    for entry in _entries(case).values():
        by_file[entry.registration.file].append(entry)
        for name in entry.registration.names:
            by_name[name].append(entry)
    found: dict[Pair, DescriptorClash] = {}
    for file, entries in by_file.items():
        for one, other in _excluding(entries):
            if one.registration.content != other.registration.content:
                _note(found, one, other).files.add(file)
    for name, entries in by_name.items():
        for one, other in _excluding(entries):
            if one.registration.file != other.registration.file:
                _note(found, one, other).names.add(name)
    return found


def _entries(case: Case) -> dict[tuple[str, str], _Entry]:
    """Return what is registered, by generated module and file name; what an import reaches takes precedence."""
    found: dict[tuple[str, str], _Entry] = {}
    for placed in case.descriptors:
        found[placed.path, placed.registration.file] = _Entry(
            placed.package, placed.path, "possible", placed.registration
        )
    for name in case.requested:
        plan = case.plans.get((name,))
        for module in plan.executed if plan is not None else ():
            for registration in module.source.registrations:
                if module.package is not None:
                    key = module.path, registration.file
                    found[key] = _Entry(module.package, module.path, module.certainty, registration)
    return dict(sorted(found.items()))


def _excluding(entries: list[_Entry]) -> Iterator[tuple[_Entry, _Entry]]:
    for one, other in combinations(entries, 2):
        if one.package != other.package:
            yield (one, other) if one.package < other.package else (other, one)


def _note(found: dict[Pair, DescriptorClash], one: _Entry, other: _Entry) -> DescriptorClash:
    ranks = ("certain", "likely", "possible")
    worst = max(one.certainty, other.certainty, key=ranks.index)
    clash = found.setdefault((one.package, other.package), DescriptorClash(set(), set(), set(), worst))
    clash.imported = min(clash.imported, worst, key=ranks.index)
    for entry in (one, other):
        r = entry.registration
        clash.places.add((entry.package, entry.path, r.line, r.file, r.content))
    return clash
