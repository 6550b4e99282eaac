"""The contact surface of packages: all by which one import can change what another one gets.

Under RTLD_LOCAL that is little: objects that both bring, names that both use for different files, STB_GNU_UNIQUE
definitions, the global scope and static TLS. Whoever comes first decides about each of them. So what a package would
do to all others is seen by importing it first, and what two packages would decide alike need be seen only once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process
    from abiclash.rules.case import Run

Kind = Literal["name", "object", "unique", "scope", "tls"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a package decides where it comes first.

    about: the name, file id or symbol key that is decided; choice: how. Claims about one thing with different choices
    are in conflict.
    """

    kind: Kind
    about: Hashable
    choice: Hashable


@dataclass(frozen=True, slots=True)
class Surface:
    """What a package has in contact with the others of its set: claims that somebody else would decide otherwise."""

    claims: AbstractSet[Claim]

    def about(self, *kinds: Kind) -> set[tuple[Kind, Hashable]]:
        """Return what the claims are about; only those of some kinds, where any are named."""
        return {(claim.kind, claim.about) for claim in self.claims if not kinds or claim.kind in kinds}


def surfaces(runs: Mapping[str, Run], start: Process) -> dict[str, Surface]:
    """Return the contact surface of each package from the runs in which it is alone. start: before any import."""
    claims = {name: {*_claims(run.process, start), *_wants(run)} for name, run in runs.items()}
    asked = {claim.about for run in runs.values() for claim in _wants(run) if claim.kind == "name"}
    asked |= {name for run in runs.values() for link in run.process.maps.values() for name in link.names}
    contested = {about for about in _contested(claims.values()) if about[0] != "name" or about[1] in asked}
    crowded = _tls_is_short(runs.values(), start)
    result = {}
    for name, run in runs.items():
        own = {claim for claim in claims[name] if (claim.kind, claim.about) in contested}
        own |= {Claim("scope", file, name) for file in _felt(run, runs.values(), start)}
        if crowded:
            own |= {Claim("tls", file, name) for file, size in _tls(run).items() if size}
        result[name] = Surface(own)
    return result


def realised(runs: Iterable[Run], start: Process, claims: AbstractSet[Claim]) -> set[Claim]:
    """Return the claims that came true in all of these runs, for everyone in them who has to do with it.

    Global scope and static TLS are not among them: they do not reach those who came before.
    """
    left = {claim for claim in claims if claim.kind in ("name", "object", "unique")}
    for run in runs:
        found: dict[tuple[Kind, Hashable], Hashable] = {}
        for claim in _claims(run.process, start):
            found.setdefault((claim.kind, claim.about), claim.choice)
        left = {claim for claim in left if found.get((claim.kind, claim.about), claim.choice) == claim.choice}
    return left


def _claims(process: Process, start: Process) -> Iterator[Claim]:
    """Yield what a process has decided since its start, in load order."""
    for link in process.maps.values():
        known = start.maps.get(link.file)
        if known is None:
            yield Claim("object", link.file, _bound(link))
        names = {*link.names, link.facts.soname} - {None} - (known.names if known is not None else set())
        yield from (Claim("name", name, link.file) for name in names)
    old = set(start.unique.key.tolist())
    for key, file in zip(process.unique.key.tolist(), process.unique.file.tolist(), strict=True):
        if key not in old:
            yield Claim("unique", key, file)


def _wants(run: Run) -> Iterator[Claim]:
    """Yield what a package could not have alone, and another one might give it."""
    for played in run.played:
        event = played.event
        if event.failure is not None:
            yield Claim("name", event.failure.object, None)
            yield from (Claim("object", link.file, None) for link in event.discarded)
        elif event.file is None:  # RTLD_NOLOAD, and nobody had it
            yield Claim("name", event.name, None)


def _bound(link: LinkMap) -> Hashable:
    """Return what an object's references are bound to, as something to compare."""
    if link.targets is None or link.target_rows is None:
        return None
    return hash((link.targets.tobytes(), link.target_rows.tobytes()))


def _contested(claims: Iterable[AbstractSet[Claim]]) -> set[tuple[Kind, Hashable]]:
    """Return what two packages decide differently."""
    choices: dict[tuple[Kind, Hashable], set[Hashable]] = defaultdict(set)
    for own in claims:
        for claim in own:
            choices[claim.kind, claim.about].add(claim.choice)
    return {about for about, found in choices.items() if len(found) > 1}


def _felt(run: Run, others: Iterable[Run], start: Process) -> Iterator[int]:
    """Yield what a package puts into the global scope and another package's objects would find there.

    What the scope held from the start goes before it.
    """
    process = run.process
    promoted = process.global_scope[len(start.global_scope) :]
    if not promoted:
        return
    links = {link.file: link for other in others for link in other.process.maps.values()}
    wanted = [np.zeros(0, dtype=np.uint64)]
    for file, link in links.items():
        if file not in process.maps and link.targets is not None:
            keys = process.world.table(file).queries.key
            wanted.append(keys[~np.isin(link.targets, start.global_scope)])
    keys = np.unique(np.concatenate(wanted))
    for file in promoted:
        defined = process.world.table(file).definitions.key
        at = np.searchsorted(keys, defined)
        if len(keys) and (keys[np.minimum(at, len(keys) - 1)] == defined).any():
            yield file


def _tls(run: Run) -> dict[int, int]:
    return {taken.file: taken.size for taken in run.process.tls.taken}


def _tls_is_short(runs: Iterable[Run], start: Process) -> bool:
    """Whether all packages together need more static TLS than there is for objects that come by dlopen."""
    together: dict[int, int] = {}
    for run in runs:
        together |= _tls(run)
    return sum(together.values()) > start.tls.free
