"""Two packages exchange C++ objects and were compiled with different std::string.

## What happens

Since GCC 5, `std::string` and `std::list` come in two layouts, chosen by `_GLIBCXX_USE_CXX11_ABI`. A library of one
package calls C++ functions of another package's library, and the two were compiled with different choices.

## Why it breaks

Functions that take a string have another name, so that the call is an undefined symbol. Functions whose names do not
show the string (results, members of classes) are found, and read an object of one layout as the other: a crash, or
wrong text.

## How the loader decides

It compares mangled names only. The new layout is part of a name as the namespace `std::__cxx11` or as `B5cxx11`.

## Example

The fixture `box_and_user` builds a library with the new strings and a user of it with the old ones.

## Fix on each side

Compile both packages with the same value of `-D_GLIBCXX_USE_CXX11_ABI`, or exchange C types only. Users can look for
releases that were built together.

## Incidents

torch's wheels used the old strings until 2.6; extensions that were compiled with the new ones failed with undefined
symbols.

## Limits

Which layout an object uses shows only by the functions of libstdc++ that it refers to. An object that uses both, or
none, is left out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from abiclash.names import name_key
from abiclash.rules.carried import owned
from abiclash.rules.case import Stage
from abiclash.rules.culprits import named, orders
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding

RULE = Rule(
    id="cxx11-abi",
    title="Two packages exchange C++ objects with different strings",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.LOOKUP,
    since="0.1",
    references=("https://gcc.gnu.org/onlinedocs/libstdc++/manual/using_dual_abi.html",),
)

_NEW = "_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE"
_NEW_CONST = "_ZNKSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE"


def _keys(names: Iterable[str]) -> NDArray[np.uint64]:
    return np.sort(np.array([name_key(name) for name in names], dtype=np.uint64))


OLD = _keys(
    (
        *(
            f"_ZNSs{tail}"
            for tail in ("4_Rep20_S_empty_rep_storageE", "4_Rep10_M_destroyERKSaIcE", "4_Rep9_S_createEmmRKSaIcE")
        ),
        *(f"_ZNSs{tail}" for tail in ("6appendEPKcm", "6appendERKSs", "6assignEPKcm", "6assignERKSs", "7reserveEm")),
        *(f"_ZNSsC1E{tail}" for tail in ("RKSs", "PKcRKSaIcE", "PKcmRKSaIcE", "RKSsmm")),
        *(f"_ZNKSs{tail}" for tail in ("7compareEPKc", "4findEPKcmm", "6substrEmm", "7compareERKSs")),
    )
)
NEW = _keys(
    (
        *(f"{_NEW}{tail}" for tail in ("9_M_createERmm", "9_M_appendEPKcm", "9_M_assignERKS4_", "10_M_replaceEmmPKcm")),
        *(
            f"{_NEW}{tail}"
            for tail in ("14_M_replace_auxEmmmc", "7reserveEm", "6resizeEmc", "9_M_mutateEmmPKcm", "8_M_eraseEmm")
        ),
        *(f"{_NEW}C1E{tail}" for tail in ("RKS4_", "OS4_", "PKcRKS3_", "PKcmRKS3_")),
        *(f"{_NEW_CONST}{tail}" for tail in ("7compareEPKc", "4findEPKcmm", "6substrEmm", "7compareERKS4_")),
    )
)


def string_abi(facts: ObjectFacts) -> str | None:
    """Return "old" or "new" for an object that uses one layout of std::string, None where it uses both or none."""
    old, new = (_refers(facts, keys) for keys in (OLD, NEW))
    return None if old == new else "old" if old else "new"


def _refers(facts: ObjectFacts, keys: NDArray[np.uint64]) -> bool:
    key = facts.symbols.key
    if not len(key):
        return False
    at = np.minimum(np.searchsorted(key, keys), len(key) - 1)
    return bool((key[at] == keys).any())


def check(case: Case) -> Iterable[Finding]:
    """Group by (user's package, provider's package)."""
    seen: dict[tuple[str, str], list[tuple[Run, LinkMap, int, tuple[str, ...]]]] = defaultdict(list)
    known: dict[int, str | None] = {}
    for run in case.runs:
        for user, link, provider, names in _crossings(case, run, known):
            seen[user, case.owner(provider) or ""].append((run, link, provider, names))
    for pair, found in sorted(seen.items()):
        yield _finding(case, pair, found)


def _crossings(
    case: Case, run: Run, known: dict[int, str | None]
) -> Iterator[tuple[str, LinkMap, int, tuple[str, ...]]]:
    """Find objects bound to C++ functions of another package's object that has the other kind of string."""
    for owner, link in owned(case, run):
        if link.targets is None:
            continue
        for provider in sorted(case.servers(link)):
            other = case.owner(provider)
            if other is None or other == owner:
                continue
            mine, theirs = (_cached(case, file, known) for file in (link.file, provider))
            if mine is None or theirs is None or mine == theirs:
                continue
            own = _names(case, link, provider)
            if own:
                yield owner, link, provider, own


def _names(case: Case, link: LinkMap, provider: int) -> tuple[str, ...]:
    """Return the C++ names that an object takes from another one, those of the standard library left out."""

    def find() -> tuple[str, ...]:
        rows = np.flatnonzero(link.targets == provider)
        names = case.names(link.facts.symbols.key[link.facts.references.symbol[rows]].tolist()).values()
        own = (name for name in names if name.startswith(("_ZN", "_ZTI", "_ZTV")) and "NSt" not in name[:6])
        return tuple(sorted(own))

    return case.once(("cxx11 names", provider), [link.targets], find)


def _cached(case: Case, file: int, known: dict[int, str | None]) -> str | None:
    if file not in known:
        known[file] = string_abi(case.facts(file))
    return known[file]


def _finding(case: Case, pair: tuple[str, str], found: list[tuple[Run, LinkMap, int, tuple[str, ...]]]) -> Finding:
    user, other = pair
    run, link, provider, _ = found[0]
    names = sorted({name for *_, own in found for name in own})
    failing = orders([run for run, *_ in found])
    safe = case.safe_orders(failing)
    mine = string_abi(link.facts)
    old, new = (user, other) if mine == "old" else (other, user)
    return RULE.finding(
        packages=named(case, run, (link.file, provider)),
        confidence=Confidence.LIKELY if run.stage is Stage.IMPORT else Confidence.POSSIBLE,
        summary=f"{user} uses {counted(len(names), 'C++ symbol')} of {other}, but the two were compiled with different "
        "std::string.",
        explanation=(
            f"{case.basename(link.file)} of {user} is bound to {listed(names, 2)} in {case.basename(provider)} of "
            f"{other}. {old} was compiled with the old layout of std::string, {new} with the new one "
            "(_GLIBCXX_USE_CXX11_ABI). Wherever such a call passes or returns a string inside of an object, the other "
            "side reads it wrongly, and crashes or gets wrong text."
        ),
        advice=[
            Advice("user", f"Install releases of {user} and {other} that were built to work together."),
            Advice(f"maintainer of {user}", f"Compile with the value of _GLIBCXX_USE_CXX11_ABI that {other} uses."),
        ],
        key=[f"{user} uses {other}"],
        failing_order=failing[0],
        safe_order=safe[0] if safe else None,
        objects=[case.path(link.file), case.path(provider)],
        symbols=names,
        evidence={
            "user": case.path(link.file),
            "provider": case.path(provider),
            "old": old,
            "new": new,
            "stage": run.stage.value,
            "failing_orders": [list(order) for order in failing],
        },
    )
