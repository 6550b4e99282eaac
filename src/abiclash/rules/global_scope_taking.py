"""What one package's global objects take over of another package's references, sorted by how much it matters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.crossings import (
    column,
    is_function,
    is_strong,
    is_variable,
    is_writable,
    known_names,
)
from abiclash.rules.mixed_class import FATAL_RATIO, SMALLEST, member_of, strong_uses
from abiclash.rules.toolchains import GREW, NESTS, toolchain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.rules.case import Case, Run
    from abiclash.rules.crossings import Crossing

KINDS = ("grown", "variables", "own", "foreign", "copies", "same")
"""The gravest first."""


@dataclass(slots=True)
class Taking:
    """Sets of symbol keys, over all runs and objects of one victim.

    grown: members of a standard type that is larger for the victim than for the provider. variables: writable ones,
    and names that are a variable on one side and a function on the other. own: functions that the victim defines
    itself, strong, of other size. foreign: functions that it takes from a library, and only a part of their family.
    copies: templates of other size from another compiler. same: the rest. sizes: there and alone, in bytes.
    weight: how many of the first five kinds each object has. elsewhere: not all is served by the provider's own.
    """

    runs: list[Run] = field(default_factory=list)
    providers: set[int] = field(default_factory=set)
    users: set[int] = field(default_factory=set)
    grown: set[int] = field(default_factory=set)
    variables: set[int] = field(default_factory=set)
    own: set[int] = field(default_factory=set)
    foreign: set[int] = field(default_factory=set)
    copies: set[int] = field(default_factory=set)
    same: set[int] = field(default_factory=set)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    weight: dict[int, int] = field(default_factory=dict)

    @property
    def keys(self) -> set[int]:
        return self.grown | self.variables | self.own | self.foreign | self.copies | self.same

    @property
    def telling(self) -> set[int]:
        """The gravest kind there is."""
        kinds: list[set[int]] = [getattr(self, name) for name in KINDS]
        return next((kind for kind in kinds if kind), self.same)

    @property
    def user(self) -> int:
        """The object that is hit most."""
        return min(self.users, key=lambda file: (-self.weight.get(file, 0), file))

    def record(self, case: Case, run: Run, part: Crossing) -> None:
        """Add changed references of one object, all served by one package through the global scope."""
        kinds = _kinds_of(case, run, part)
        self.runs.append(run)
        self.users.add(part.source.file)
        self.providers |= kinds.providers
        for name, keys in kinds.keys.items():
            getattr(self, name).update(keys)
        self.weight[part.source.file] = max(self.weight.get(part.source.file, 0), kinds.weight)
        self.sizes.update(kinds.sizes)


@dataclass(frozen=True, slots=True)
class _Kinds:
    """What `Taking` keeps, of one object's references. part: these, kept so that their identity stays their own."""

    part: Crossing
    providers: frozenset[int]
    keys: dict[str, frozenset[int]]
    weight: int
    sizes: dict[int, tuple[int, int]]


def _kinds_of(case: Case, run: Run, part: Crossing) -> _Kinds:
    """Sort references, once for all runs that show them and have the objects that served them before."""
    there = tuple(file for file in np.unique(part.alone).tolist() if file in run.process.maps)
    return case.once(("kinds", there), [part], lambda: _sorted_out(case, run, part))


def _sorted_out(case: Case, run: Run, part: Crossing) -> _Kinds:
    theirs = column(case, part.target, part.target_row, "size").astype(np.int64)
    alone = np.where(part.own, part.own_column("size"), column(case, part.alone, part.alone_row, "size"))
    sized = alone.astype(np.int64)
    left = np.ones(len(part), dtype=np.bool_)
    keys = {}
    for name, mask in _kinds(case, run, part, theirs, sized).items():
        keys[name] = frozenset(part.keys[mask & left].tolist())
        left &= ~mask
    keys["same"] = frozenset(part.keys[left].tolist())
    sizes = dict(zip(part.keys.tolist(), zip(theirs.tolist(), sized.tolist(), strict=True), strict=True))
    return _Kinds(part, frozenset(np.unique(part.target).tolist()), keys, int((~left).sum()), sizes)


def _kinds(
    case: Case, run: Run, part: Crossing, theirs: NDArray[np.int64], sized: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    served = column(case, part.target, part.target_row, "info")
    known = np.where(part.own, part.own_column("info"), column(case, part.alone, part.alone_row, "info"))
    place = np.where(part.own, part.own_column("place"), column(case, part.alone, part.alone_row, "place"))
    other = (theirs != sized) & (theirs > 0) & (sized > 0)
    code = is_function(served) & is_function(known)
    data = is_variable(served) & is_variable(known)
    strong = is_strong(served) & is_strong(known)
    # An overrun is a cause of its own: the rule size-mismatch states it.
    variables = (is_variable(served) != is_variable(known)) | (strong & data & is_writable(place) & (sized <= theirs))
    return {
        "grown": _grown(case, part, code),
        "variables": variables & (part.own | (part.alone != NOT_FOUND)),
        "own": part.own & strong & code & other,
        "foreign": _foreign(case, run, part, ~part.own & strong & code & _far(theirs, sized)),
        "copies": part.own & ~strong & code & other & _other_compiler(case, part),
    }


def _far(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """As `mixed_class.sizes_differ`, for columns."""
    small, large = np.minimum(one, other), np.maximum(one, other)
    mask: NDArray[np.bool_] = (small > 0) & (large >= SMALLEST) & (large > FATAL_RATIO * small)
    return mask


def _foreign(case: Case, run: Run, part: Crossing, far: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep, of functions that are other code, those whose family the user still takes from where it was, in part."""
    rows = np.flatnonzero(far)
    mask = np.zeros(len(part), dtype=np.bool_)
    names = known_names(case, part.keys[rows])
    scopes = {key: found.scope for key, name in names.items() if (found := member_of(name))}
    for before in np.unique(part.alone[rows]).tolist() if scopes else ():
        link = run.process.maps.get(before)
        if link is None:
            continue
        left = known_names(case, strong_uses(part.source, link)).values()
        there = {found.scope for name in left if (found := member_of(name))}
        split = np.array([key for key, scope in scopes.items() if scope in there], dtype=np.uint64)
        mask |= far & (part.alone == before) & np.isin(part.keys, split)
    return mask


def _other_compiler(case: Case, part: Crossing) -> NDArray[np.bool_]:
    own = toolchain(part.source.facts).shown
    others = [file for file in np.unique(part.target).tolist() if toolchain(case.facts(file)).shown != own]
    mask: NDArray[np.bool_] = np.isin(part.target, others)
    return mask


def _grown(case: Case, part: Crossing, code: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark members of types that have another size in the victim, whose code relies on it, than in the provider.

    A victim of the newer kind dies of any such member. One of the older kind lives with the newer code for its
    tables, unless their elements hold tables too.
    """
    mask = np.zeros(len(part), dtype=np.bool_)
    made = {file: toolchain(case.facts(file)) for file in np.unique(part.target).tolist()}
    own = toolchain(part.source.facts)
    if own.surely_new:
        others, kind = [file for file, by in made.items() if by.surely_old], GREW
    elif own.surely_old:
        others, kind = [file for file, by in made.items() if by.partly_new], NESTS
    else:
        return mask
    rows = np.flatnonzero(code & part.own & np.isin(part.target, others))
    names = known_names(case, part.keys[rows])
    grown = np.array([key for key, name in names.items() if kind.match(name)], dtype=np.uint64)
    mask[rows[np.isin(part.keys[rows], grown)]] = True
    return mask
