"""Two copies of one runtime that share its unique variables, while each keeps the others to itself.

libstdc++ numbers its locale facets so: the number of most facets is a unique variable, the counter that hands them out
and the numbers of the rest are ordinary ones (`locale::id::_M_id`, libstdc++-v3/src/c++98/locale.cc of GCC). A copy
that finds half of the numbers given already gives them out twice. Facets then lie in each other's places:
`std::use_facet` throws std::bad_cast, and a number that is put into a stream becomes nothing
(`__check_facet` in bits/basic_ios.h, caught in `ostream::_M_insert`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.lookup import NOT_FOUND
from abiclash.linker.tables import STB_GNU_UNIQUE
from abiclash.rules.carried import carriers
from abiclash.rules.crossings import is_strong, is_variable, is_writable, known_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run

RUNTIME = "libstdc++"
_FORMATTING = re.compile(r"_ZNS[oi](?:[lr]sE|\d+_M_(?:insert|extract)I)|_ZSt9(?:use|has)_facetI")
"""What needs facets: numbers into and out of streams (`_ZNSo`: std::ostream, `_ZNSi`: std::istream), use_facet."""
_TOUCHING = re.compile(rf"{_FORMATTING.pattern}|_ZNSt8ios_base4InitC|_ZNSt6localeC")
"""What makes a copy give out its numbers: also a mere #include <iostream>."""


@dataclass(frozen=True, slots=True)
class Halved:
    """A copy (file id) that takes the unique variables `shared` (keys) from the copy in `other` and keeps `kept`."""

    file: int
    other: int
    shared: tuple[int, ...]
    kept: tuple[int, ...]


def halved(case: Case, run: Run) -> Iterator[Halved]:
    """Yield the copies that company halves; one that is so already when its package is imported alone is none."""
    copies = carriers(run, [RUNTIME])
    if len(copies) > 1:
        alone = [case.alone[name, run.stage].process.maps for name in run.order]
        for file in copies:
            before = {half.other for maps in alone if file in maps for half in _halves(case, maps[file], copies)}
            yield from (half for half in _halves(case, run.process.maps[file], copies) if half.other not in before)


def _halves(case: Case, link: LinkMap, copies: dict[int, dict[str, str]]) -> list[Halved]:
    """Return how one copy is halved, by the copy that it shares with; runs share their arrays of bindings."""
    return case.once(("halved", link.file, *copies), [link.targets], lambda: _find(case, link, copies))


def _find(case: Case, link: LinkMap, copies: dict[int, dict[str, str]]) -> list[Halved]:
    if link.targets is None:
        return []
    facts = link.facts
    rows = np.flatnonzero(_unique_variables(facts)[facts.references.symbol])
    targets = link.targets[rows]
    found = []
    for other in np.unique(targets[(targets != NOT_FOUND) & (targets != link.file)]).tolist():
        if other in copies:
            shared = np.unique(facts.symbols.key[facts.references.symbol[rows[targets == other]]])
            kept = np.intersect1d(_own_variables(facts), _own_variables(case.facts(other)))
            if len(kept):
                found.append(Halved(link.file, other, tuple(shared.tolist()), tuple(kept.tolist())))
    return found


def victims(case: Case, run: Run, half: Halved) -> list[int]:
    """Return the objects that need facets of the halved copy, where something uses those of the other copy before.

    A package's own copy counts as used, and as its own victim: it is there because the package's code needs it.
    """
    if case.owner(half.other) is None and not _users(case, run, half.other, half.file, _TOUCHING):
        return []
    own = [half.file] if case.owner(half.file) is not None else []
    return own + _users(case, run, half.file, half.other, _FORMATTING)


def at_load(case: Case, run: Run, file: int) -> bool:
    """Tell whether an object's initialisers need facets, as far as that can be read off its code."""
    facts = run.process.maps[file].facts
    early = np.unique(facts.symbols.key[facts.references.symbol[facts.init.references]])
    return any(_FORMATTING.match(name) for name in known_names(case, early).values())


def _users(case: Case, run: Run, copy: int, other: int, names: re.Pattern[str]) -> list[int]:
    """Return the objects of packages that call such functions of a copy, but for the package with the other one."""
    strangers = (link for link in run.process.maps.values() if case.owner(link.file) not in (None, case.owner(other)))
    return [link.file for link in strangers if link.file != copy and _calls(case, link, copy, names)]


def _calls(case: Case, link: LinkMap, copy: int, names: re.Pattern[str]) -> bool:
    if copy not in case.servers(link) or link.targets is None:
        return False
    used = np.unique(link.facts.symbols.key[link.facts.references.symbol[link.targets == copy]])
    return any(names.match(name) for name in known_names(case, used).values())


def _unique_variables(facts: ObjectFacts) -> NDArray[np.bool_]:
    """Return a mask over an object's Symbols: the process-wide variables that it defines."""
    symbols = facts.symbols
    mask: NDArray[np.bool_] = (symbols.info >> 4 == STB_GNU_UNIQUE) & (symbols.shndx != 0) & is_writable(symbols.place)
    return mask


def _own_variables(facts: ObjectFacts) -> NDArray[np.uint64]:
    """Return the keys of the variables that each copy has for itself."""
    symbols = facts.symbols
    mask = is_strong(symbols.info) & is_variable(symbols.info) & (symbols.shndx != 0) & is_writable(symbols.place)
    keys: NDArray[np.uint64] = symbols.key[mask]
    return keys
