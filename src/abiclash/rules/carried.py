"""What objects carry besides their symbols, as the rules about company ask for it: strings and runtimes by kind."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.facts.model import ObjectFacts
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import PackageId


def strings(facts: ObjectFacts, kind: str) -> list[str]:
    """Return the strings of one kind; `ObjectFacts.strings` is sorted."""
    first = bisect_left(facts.strings, (kind, ""))
    last = bisect_left(facts.strings, (kind + "\0", ""))
    return [text for _, text in facts.strings[first:last]]


def has_string(facts: ObjectFacts, kind: str, text: str) -> bool:
    at = bisect_left(facts.strings, (kind, text))
    return at < len(facts.strings) and facts.strings[at] == (kind, text)


def has_module(facts: ObjectFacts, name: str) -> bool:
    """Tell whether a dotted name is among an object's strings."""
    at = bisect_left(facts.modules, name)
    return at < len(facts.modules) and facts.modules[at] == name


def runtimes(facts: ObjectFacts) -> dict[str, str]:
    """Return the libraries that an object is or contains, with their versions ('' where unknown)."""
    found = {}
    for text in facts.runtimes:
        name, _, version = text.rpartition(" ")
        found[name if version[:1].isdigit() and name else text] = version if version[:1].isdigit() and name else ""
    return found


def carriers(run: Run, names: Iterable[str]) -> dict[int, dict[str, str]]:
    """Return the loaded files that are or contain one of the libraries: file -> library -> version."""
    wanted = frozenset(names)
    found = {}
    for link in run.process.maps.values():
        if link.facts.runtimes:
            kept = {name: version for name, version in runtimes(link.facts).items() if name in wanted}
            if kept:
                found[link.file] = kept
    return found


def links(run: Run) -> list[LinkMap]:
    """Return the loaded objects in load order."""
    return list(run.process.maps.values())


def owned(case: Case, run: Run) -> list[tuple[str, LinkMap]]:
    """Return the loaded objects that packages install, with the package's name."""
    return case.once(
        "owned", [run], lambda: [(own, link) for link in links(run) if (own := case.owner(link.file)) is not None]
    )


def requires(case: Case, package: str, other: str) -> bool:
    """Tell whether a package declares that it needs another one."""
    for line in case.packages[package].wheel.requires:
        end = next((at for at, sign in enumerate(line) if not (sign.isalnum() or sign in "-_.")), len(line))
        if canonicalize_name(line[:end]) == other:
            return True
    return False


def related(case: Case, one: str, other: str) -> bool:
    """Tell whether one of two packages is made for the other: it requires it."""
    return requires(case, one, other) or requires(case, other, one)


def ids(case: Case, names: Iterable[str]) -> list[PackageId]:
    """Return the packages of some names."""
    return [case.packages[name].id for name in dict.fromkeys(names) if name in case.packages]


def played_orders(case: Case) -> list[tuple[str, ...]]:
    """Return every joint order that was played, or the packages alone where there is none."""
    return list(dict.fromkeys(run.order for run in case.runs))
