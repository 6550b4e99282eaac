"""A variable is served by another package's variable of the same name and another size.

## What happens

Two packages define a variable of the same name; they mean different things by it. Alone, each uses its own. In
company, the dynamic linker gives one of them the variable of the other, which is of another size or kind.

## Why it breaks

A package that believes the variable to be larger than it is writes over whatever lies behind it: memory of the other
package, which then crashes or computes wrong results later and elsewhere. One that believes it to be smaller reads
and writes the beginning of an object of another type. Where one side has a function and the other a variable of that
name, a call ends in data.

## How the loader decides

Symbols are found by name and version only; neither size nor type takes part (`check_match` in glibc's elf/dl-lookup.c
tells only code, data and TLS from section and file symbols). A package meets another's definition when that one is in
the global scope (RTLD_GLOBAL), which is searched before its own objects, or in the search list of a library that both
use.

## Example

The fixture `small_flag` is a library with `int flag` that is put into the global scope; `large_flag` defines a
24-byte `flag` and fills it in an initialiser. After the first, the second writes 20 bytes beyond its end.

## Fix on each side

Neither package needs to export the variable: give it internal linkage or hidden visibility, or link with a version
script. The package that puts its objects into the global scope should not. Users can import the package that is hit
first: it then keeps its own variable.

## Incidents

torch 1.4.0 before sentencepiece 0.1.92 (google/sentencepiece issue 505): `FLAGS_minloglevel`, an int in libc10.so,
is a 24-byte object in sentencepiece, whose constructor overwrites a function pointer of torch.

## Limits

Only variables in the dynamic symbol table are seen. That the variable is really written beyond its end is inferred;
constant tables and virtual tables are judged by the rule odr-mismatch.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.case import Stage
from abiclash.rules.clauses import look_ups
from abiclash.rules.crossings import (
    Means,
    changes,
    column,
    is_function,
    is_variable,
    is_writable,
    known_names,
    selected,
)
from abiclash.rules.culprits import importers, library_name, named, orders, reached_by_initialisers, who
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.rules.case import Case, Run
    from abiclash.rules.crossings import Crossing
    from abiclash.rules.model import Finding

RULE = Rule(
    id="size-mismatch",
    title="A variable is served by another one of the same name and another size",
    severity=Severity.ERROR,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.LOOKUP,
    since="0.1",
    references=("https://github.com/google/sentencepiece/issues/505",),
)


@dataclass(frozen=True, slots=True)
class Clash:
    """A variable that `user` (file id) shares with `provider` against both their meaning.

    expected, found: sizes in bytes as the user knows it and as it is. kind: `beyond` (the user's view is the larger
    one, and it can be written), `other` (other size), or `code` (function on one side, variable on the other).
    early: an initialiser of the user reaches it. tried: the provider's own imports bind it so too.
    """

    key: int
    user: int
    provider: int
    expected: int
    found: int
    kind: str
    early: bool
    tried: bool


def check(case: Case) -> Iterable[Finding]:
    """One finding for each provider's package and each package (or library of the host) that it hits."""
    seen: dict[tuple[str, str], list[tuple[Run, Clash]]] = defaultdict(list)
    for run in case.runs:
        for crossing in changes(case, run):
            for package, part in selected(case, crossing, "all", lambda part: np.ones(len(part), dtype=np.bool_)):
                victim = case.owner(crossing.source.file) or case.path(crossing.source.file)
                seen[package, victim] += [(run, clash) for clash in _clashes(case, run, part)]
    for at in sorted(seen):
        if seen[at]:
            yield _finding(case, seen[at])


def _clashes(case: Case, run: Run, part: Crossing) -> Iterator[Clash]:
    """Yield the variables among changed references whose sizes or kinds disagree, unique symbols left out."""
    for row, kind, expected, there in _disagreeing(case, part):
        keys = part.keys[row : row + 1]
        yield Clash(
            key=int(keys[0]),
            user=part.source.file,
            provider=int(part.target[row]),
            expected=expected,
            found=there,
            kind=kind,
            early=reached_by_initialisers(run.process, part.source.file, keys),
            tried=_bound_so_alone(case, run, part, row),
        )


def _disagreeing(case: Case, part: Crossing) -> Sequence[tuple[int, str, int, int]]:
    """Return (row, kind, size in bytes that is expected, size there), found once for each crossing."""
    return case.once("disagreeing", [part], lambda: tuple(_compared(case, part)))


def _compared(case: Case, part: Crossing) -> Iterator[tuple[int, str, int, int]]:
    served = column(case, part.target, part.target_row, "info")
    known = np.where(part.own, part.own_column("info"), column(case, part.alone, part.alone_row, "info"))
    sized = np.where(part.own, part.own_column("size"), column(case, part.alone, part.alone_row, "size"))
    found = column(case, part.target, part.target_row, "size")
    both = is_variable(served) & is_variable(known) & (sized != found) & (sized > 0) & (found > 0)
    code = (is_variable(served) & is_function(known)) | (is_function(served) & is_variable(known))
    place = np.where(part.own, part.own_column("place"), column(case, part.alone, part.alone_row, "place"))
    both &= is_writable(place) | is_writable(column(case, part.target, part.target_row, "place"))
    wanted = (both | code) & (part.means != Means.UNIQUE) & (part.own | (part.alone != NOT_FOUND))
    # Of what a whole library loses to the global scope, only the overruns are a cause of their own.
    wanted &= (part.means == Means.LIST) | (both & (sized > found))
    for row in np.flatnonzero(wanted).tolist():
        kind = "code" if code[row] else "beyond" if sized[row] > found[row] else "other"
        yield row, kind, int(sized[row]), int(found[row])


def _bound_so_alone(case: Case, run: Run, part: Crossing, row: int) -> bool:
    """Tell whether one of the packages has this binding without company too: then it lives with it."""
    for package in run.order:
        link = case.alone[package, run.stage].process.maps.get(part.source.file)
        if link is not None and link.targets is not None and link.targets[part.rows[row]] == part.target[row]:
            return True
    return False


def _finding(case: Case, found: list[tuple[Run, Clash]]) -> Finding:
    fatal = [(run, clash) for run, clash in found if clash.kind == "beyond" and not clash.tried]
    run, clash = next(((r, c) for r, c in fatal if c.early), (fatal or found)[0])
    failing = orders(r for r, _ in (fatal or found))
    safe = case.safe_orders(failing)
    distinct = {(c.key, c.user, c.provider): c for _, c in found}
    clashes = [distinct[at] for at in sorted(distinct)]
    names = known_names(case, np.array([c.key for c in clashes], dtype=np.uint64))
    users, providers = sorted({c.user for c in clashes}), sorted({c.provider for c in clashes})
    first, second = who(case, run, clash.provider), who(case, run, clash.user)
    symbols = sorted(set(names.values()))
    at_import = clash.early and run.stage is Stage.IMPORT
    return RULE.finding(
        packages=[*named(case, run, providers), *named(case, run, users), *importers(case, run, users)],
        severity=Severity.ERROR if fatal else Severity.WARNING,
        confidence=Confidence.CERTAIN if fatal and at_import else Confidence.LIKELY if fatal else Confidence.POSSIBLE,
        summary=_summary(first, second, clashes, bool(fatal)),
        explanation=_explanation(case, run, clash, names[clash.key], at_import),
        advice=_advice(case, second, clash, names[clash.key], safe),
        key=symbols,
        failing_order=run.order,
        safe_order=safe[0] if safe else None,
        objects=[case.path(file) for file in (*providers, *users)],
        symbols=symbols,
        evidence={
            "stage": run.stage.value,
            "variables": [
                {
                    "symbol": names[c.key],
                    "user": case.path(c.user),
                    "size_expected": c.expected,
                    "provider": case.path(c.provider),
                    "size_found": c.found,
                    "kind": c.kind,
                    "initializer": c.early,
                }
                for c in sorted(clashes, key=lambda c: (c.kind != "beyond", names[c.key]))
            ],
            "look_ups": look_ups(case, run, [(clash.user, clash.key)]),
            "failing_orders": [list(order) for order in failing],
        },
        silent=bool(fatal) or clash.kind == "other",
    )


def _summary(first: str, second: str, clashes: list[Clash], fatal: bool) -> str:
    count = counted(len(clashes), "variable")
    if fatal:
        return f"After {first}, {second} writes beyond the end of {count} that {first} also has."
    return f"After {first}, {second} gets {count} of {first} that mean something else."


def _explanation(case: Case, run: Run, clash: Clash, name: str, at_import: bool) -> str:
    first, second = who(case, run, clash.provider), who(case, run, clash.user)
    source, user = library_name(case, clash.provider), library_name(case, clash.user)
    begin = (
        f"{source} (in {first}) and {user} (in {second}) both use the name `{name}`. Alone, {second} has "
        f"{clash.expected} bytes for it; after {first} has been imported, the dynamic linker gives it what {source} "
        f"has under that name, {clash.found} bytes.\n\n"
    )
    if clash.kind == "beyond":
        when = f"while `import {second}` runs" if at_import else f"when {second} writes it"
        return begin + (
            f"{second} does not know that. It writes {clash.expected} bytes and so overwrites "
            f"{clash.expected - clash.found} bytes of {first}'s memory behind the variable, {when}. The crash or the "
            f"wrong result comes later, usually inside {first}. Import order: {in_order(run.order)}."
        )
    if clash.kind == "code":
        return begin + (
            "One of the two is a function and the other a variable: a call ends in data, or code is read as data. "
            "Nothing happens as long as the name is not used."
        )
    return begin + "The two are different objects: what one side stores there means something else to the other."


def _advice(case: Case, second: str, clash: Clash, name: str, safe: list[tuple[str, ...]]) -> list[Advice]:
    advice = []
    if safe:
        text = f"Import {' before '.join(safe[0])}: then {second} uses its own `{name}`."
        advice.append(Advice("user", text, checked=True))
    for file in (clash.provider, clash.user):
        if case.owner(file) is not None:
            text = f"Do not export `{name}` from {library_name(case, file)}: make it static or hidden, or list it as "
            advice.append(Advice(f"maintainer of {case.owner(file)}", text + "`local:` in a version script."))
    return advice
