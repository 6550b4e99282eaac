"""A package carries a C++, Fortran or unwinding runtime of its own.

## What happens

A wheel bundles `libstdc++.so.6`, `libgcc_s.so.1` or `libgfortran.so`, or links one of them statically into its
libraries, so that a process has two: the package's and the host's.

## Why it breaks

By itself it does not. It does where the copies meet: a copy with exported symbols captures references of the host's
runtime or of other packages, a copy with its plain soname takes the place of a newer one, and exceptions, streams and
locales that cross from one copy to the other are not understood there.

## How the loader decides

Every exported definition takes part in symbol look-up. A bundled library with the soname of the host's is loaded only
if nobody loaded the host's before, and serves everybody afterwards.

## Example

The fixture `whole_runtime` builds a library that contains the whole of libstdc++ and exports it.

## Fix on each side

Link the runtime dynamically and leave it to the host, as the manylinux policies allow; or hide it with
`-static-libstdc++ -Wl,--exclude-libs,ALL`. Rename bundled libraries (auditwheel repair does).

## Incidents

tensorflow 1.13 with pyarrow 0.13 (apache/arrow issue 4472); tesseract-robotics-nanobind bundles libstdc++.so.6.

## Limits

A static copy whose symbols are all hidden is not seen, and is the harmless kind. Harm that comes of a copy is stated
by the rules on bindings and on library names; this rule only says who carries one. Of a copy whose file name is unique
(auditwheel gives it a hash) it tells researchers only.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from abiclash.rules.carried import runtimes
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case, CasePackage
    from abiclash.rules.model import Finding

RULE = Rule(
    id="duplicate-runtime",
    title="A package carries its own C++, Fortran or unwinding runtime",
    severity=Severity.NOTE,
    confidence=Confidence.CERTAIN,
    audience=Audience.MAINTAINER,
    mechanism=Mechanism.SCOPE,
    since="0.1",
    references=("https://peps.python.org/pep-0600/",),
)

RUNTIMES: Mapping[str, tuple[str, str]] = {
    "libstdc++": ("libstdc++", "libstdc++"),
    "libstdc++ once": ("libstdc++", "libstdc++"),
    "libc++": ("libc++", "libc++"),
    "unwinder": ("the unwinder (libgcc_s)", "libgcc_s"),
    "unwinder registration": ("the unwinder (libgcc_s)", "libgcc_s"),
    "libgfortran": ("libgfortran", "libgfortran"),
    "libquadmath": ("libquadmath", "libquadmath"),
}
"""Fingerprint -> what people call it, and how the soname of the library itself begins."""
_KEPT = "bundled"


def check(case: Case) -> Iterable[Finding]:
    """State one finding for each package and runtime."""
    for package in case.packages.values():
        copies: dict[str, dict[str, str]] = defaultdict(dict)
        for facts in package.wheel.objects:
            if facts.runtimes:
                for name in runtimes(facts).keys() & RUNTIMES.keys():
                    label, stem = RUNTIMES[name]
                    copies[label][facts.path] = _kind(facts, stem)
        for label, paths in sorted(copies.items()):
            yield _finding(package, label, dict(sorted(paths.items())))


def _kind(facts: ObjectFacts, stem: str) -> str:
    """Return how an object has a runtime: as itself, or as a static copy with exported symbols."""
    if not (facts.soname or "").startswith(stem):
        return "static, exported"
    return _KEPT if "-" in (facts.soname or "")[len(stem) :] else "bundled with its plain name"


def _finding(package: CasePackage, label: str, copies: dict[str, str]) -> Finding:
    kinds = sorted(set(copies.values()))
    name = package.id.name
    return RULE.finding(
        packages=[package.id],
        audience=Audience.RESEARCHER if kinds == [_KEPT] else None,  # its maintainer has nothing to do
        summary=f"{name} carries {label} {listed(kinds)} in {counted(len(copies), 'object')}.",
        explanation=(
            f"{listed(copies)} of {name} contain {label}. A process that imports {name} has this copy beside the "
            "host's or another package's. That is harmless as long as nobody else uses it: hidden symbols and a "
            "unique file name make sure of it."
        ),
        advice=[Advice(f"maintainer of {name}", _advice(label, kinds))],
        key=[label],
        objects=list(copies)[:50],
        evidence={"runtime": label, "copies": copies},
    )


def _advice(label: str, kinds: list[str]) -> str:
    if "static, exported" in kinds:
        return f"Link {label} dynamically, or hide it: -Wl,--exclude-libs,ALL or a version script with `local: *`."
    if "bundled with its plain name" in kinds:
        return f"Leave {label} to the host, or give the copy a unique soname (auditwheel repair does)."
    return f"Nothing has to be done: this copy of {label} is kept to the package's own objects."
