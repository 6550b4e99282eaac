"""The contact surface of packages: all by which one import can change what another one gets.

Under RTLD_LOCAL that is little: objects that both bring, names that both use for different files, STB_GNU_UNIQUE
definitions, the global scope and static TLS. Whoever comes first decides about each of them, so what a package would
do to all others is seen by importing it first; and packages that would do the same need not each come first.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping
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
    """What a package has in contact with the others of its set.

    claims: only those that somebody else would decide otherwise. files: all that its import brings.
    """

    claims: AbstractSet[Claim]
    files: AbstractSet[int]

    def about(self, *kinds: Kind) -> set[tuple[Kind, Hashable]]:
        """Return what the claims are about; only those of some kinds, where any are named."""
        return {(claim.kind, claim.about) for claim in self.claims if not kinds or claim.kind in kinds}


def surfaces(runs: Mapping[str, Run], start: Process) -> dict[str, Surface]:
    """Return the contact surface of each package from the runs in which it is alone. start: before any import."""
    claims = {name: _claims(run, start) for name, run in runs.items()}
    contested = _contested(claims.values())
    crowded = _tls_is_short(runs.values(), start)
    result = {}
    for name, run in runs.items():
        own = {claim for claim in claims[name] if (claim.kind, claim.about) in contested}
        promoted = run.process.global_scope[len(start.global_scope) :]
        own |= {Claim("scope", file, name) for file in promoted}
        if crowded:
            own |= {Claim("tls", file, name) for file, size in _tls(run).items() if size}
        result[name] = Surface(own, run.process.maps.keys() - start.maps.keys())
    return result


def _claims(run: Run, start: Process) -> set[Claim]:
    process = run.process
    claims = {Claim("object", link.file, _bound(link)) for link in process.maps.values() if link.file not in start.maps}
    for link in process.maps.values():
        known = start.maps[link.file].names if link.file in start.maps else ()
        names = {*link.names, link.facts.soname} - {None, *known}
        claims |= {Claim("name", name, link.file) for name in names}
    for played in run.played:
        event = played.event
        if event.failure is not None:
            claims.add(Claim("name", event.failure.object, None))
            claims |= {Claim("object", link.file, _bound(link)) for link in event.discarded}
        elif event.file is None:  # RTLD_NOLOAD, and nobody had it
            claims.add(Claim("name", event.name, None))
    old = set(start.unique.key.tolist())
    unique = zip(process.unique.key.tolist(), process.unique.file.tolist(), strict=True)
    return claims | {Claim("unique", key, file) for key, file in unique if key not in old}


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


def _tls(run: Run) -> dict[int, int]:
    return {taken.file: taken.size for taken in run.process.tls.taken}


def _tls_is_short(runs: Iterable[Run], start: Process) -> bool:
    """Whether all packages together need more static TLS than there is for objects that come by dlopen."""
    together: dict[int, int] = {}
    for run in runs:
        together |= _tls(run)
    return sum(together.values()) > start.tls.free
