"""Changes of a set of packages, and which of two is smaller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations, product
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Step(IntEnum):
    """How far a release is from another one, by the first number that differs."""

    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True, slots=True)
class Change:
    """Another release of one package. distance: how many releases away, 1 for the next."""

    package: str
    before: str
    after: str
    distance: int

    @property
    def step(self) -> Step:
        """Its size; an epoch counts as a major step, and whatever comes after the third number as a patch."""
        one, other = Version(self.before), Version(self.after)
        if one.epoch != other.epoch or one.major != other.major:
            return Step.MAJOR
        return Step.MINOR if one.minor != other.minor else Step.PATCH

    @property
    def backwards(self) -> bool:
        """Whether it is an older release."""
        return Version(self.after) < Version(self.before)


Weight = tuple[int, int, int, int, tuple[tuple[str, str], ...]]


def weight(changes: Sequence[Change]) -> Weight:
    """Return a sort key: few packages before many, patch before minor before major, near before far, new before old."""
    return (
        len(changes),
        max((change.step for change in changes), default=0),
        sum(change.distance for change in changes),
        sum(change.backwards for change in changes),
        tuple((change.package, change.after) for change in changes),
    )


def candidates(by_package: Mapping[str, Sequence[Change]]) -> Iterator[tuple[Change, ...]]:
    """Yield all changes of one package, then of two, and so on, each time the smaller first."""
    for number in range(1, len(by_package) + 1):
        combined = [
            chosen for names in combinations(by_package, number) for chosen in product(*(by_package[n] for n in names))
        ]
        yield from sorted(combined, key=weight)
