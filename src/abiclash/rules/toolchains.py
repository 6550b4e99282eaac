"""Which compiler made an object, and which standard types changed their layout between compilers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.facts.model import ObjectFacts

_GCC = re.compile(r"GCC: \([^)]*\) (\d+)\.(\d+)")
_CLANG = re.compile(r"clang version (\d+)")

STABLE_GCC = 5
"""First GCC whose C++11 library types kept their layout: until then it calls its C++11 support experimental."""

GREW = re.compile(r"_ZNK?St(10_Hashtable|8__detail9_Map_base|8__detail12_Insert_base|8__detail7_Insert)I")
"""Members of std::unordered_map and its kin. Since GCC 5 a table holds its first bucket within itself and must not
free it (libstdc++-v3 include/bits/hashtable.h, `_M_single_bucket`); older code knows nothing of that."""

NESTS = re.compile(r"_ZNK?St10_HashtableI.*St(13|18)unordered_")
"""Members of such a table whose elements hold tables: nodes of two compilers differ in size, whoever made the table."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The compilers whose code is in an object, from .comment. gcc: major versions; clang: the newest, or None."""

    gcc: frozenset[int]
    clang: int | None

    @property
    def shown(self) -> str:
        """Name the compiler that most probably made the object's own code: clang, else the newest GCC."""
        if self.clang is not None:
            return f"clang {self.clang}"
        return f"GCC {max(self.gcc)}" if self.gcc else "an unknown compiler"

    @property
    def surely_old(self) -> bool:
        """All its C++ library code is of the unstable kind."""
        return self.clang is None and bool(self.gcc) and max(self.gcc) < STABLE_GCC

    @property
    def partly_new(self) -> bool:
        """Some of it is of the stable kind: its own code, where the other GCC is that of the start files."""
        return bool(self.gcc) and max(self.gcc) >= STABLE_GCC

    @property
    def surely_new(self) -> bool:
        """All its C++ library code is of the stable kind."""
        return bool(self.gcc) and min(self.gcc) >= STABLE_GCC


def toolchain(facts: ObjectFacts) -> Toolchain:
    """Return what .comment tells."""
    gcc = frozenset(int(match[1]) for text in facts.producers for match in _GCC.finditer(text))
    clang = [int(match[1]) for text in facts.producers for match in _CLANG.finditer(text)]
    return Toolchain(gcc, max(clang, default=None))


def toolchains_differ(one: ObjectFacts, others: Iterable[ObjectFacts]) -> bool:
    """Tell whether objects were made by compilers of different kind or major version."""
    own = toolchain(one).shown
    return any(toolchain(other).shown != own for other in others)


def shown(facts: Sequence[ObjectFacts]) -> str:
    """Return the compilers of some objects for running text."""
    return ", ".join(sorted({toolchain(one).shown for one in facts}))
