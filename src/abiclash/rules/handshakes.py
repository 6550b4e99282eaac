"""Handshakes: modules that compare the version of a library on both sides before they exchange its objects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.facts.installed import module_name
from abiclash.rules.carried import owned, runtimes, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run


@dataclass(frozen=True, slots=True)
class Handshake:
    """`user` takes objects of `library` from module `other`, and both contain another version of it."""

    library: str
    message: str
    user: LinkMap
    other: LinkMap
    versions: tuple[str, str]


def mismatches(case: Case, run: Run, modules: dict[str, str]) -> Iterator[Handshake]:
    """Find modules with a message about a version mismatch that import a module with another version of a library."""
    known = owned(case, run)
    by_module: dict[str, LinkMap] = {}
    for _, link in known:
        name = module_name(case.path(link.file))
        if name is not None:
            by_module[name] = link
    for owner, link in known:
        messages = strings(link.facts, "refusal")
        if not messages:
            continue
        mine = runtimes(link.facts)
        for name in link.facts.modules:
            other = by_module.get(name)
            if other is None or modules.get(name) == owner:
                continue
            theirs = runtimes(other.facts)
            for library in sorted(mine.keys() & theirs.keys()):
                message = next((text for text in messages if re.search(rf"\b{re.escape(library)}\b", text)), None)
                pair = mine[library], theirs[library]
                if message is not None and all(pair) and release(pair[0]) != release(pair[1]):
                    yield Handshake(library, message, link, other, pair)


def release(version: str) -> list[str]:
    """Return what decides on a library's layout by custom: its first two numbers."""
    return version.split(".")[:2]
