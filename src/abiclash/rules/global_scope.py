"""A package makes its symbols everybody's, and another package's references now end in it.

## What happens

Package G opens its libraries with RTLD_GLOBAL (`sys.setdlopenflags`, or `ctypes.CDLL(mode=RTLD_GLOBAL)`). From then on
every library that is loaded later looks into G's libraries first. Package B brings libraries of its own, and
finds that names it defines itself, or takes from the system, are served by G.

## Why it breaks

G's functions of that name may be another version of the library, another library altogether, or the same templates
compiled by another compiler. B calls them with its own data structures. It also gets only a part: what G does not
define stays B's, so that one object is handled by two implementations.

## How the loader decides

Each object is relocated in [global scope, search list of the dlopen that brought it]; RTLD_GLOBAL appends the opened
object and its dependencies to the global scope (`add_to_global_update` in glibc's elf/dl-open.c). A definition in the
library itself comes later in that list than the global scope, unless it is hidden, protected, or the library was
linked with -Bsymbolic. Libraries loaded before G are not touched.

## Example

The fixture `global_codec` opens a library with its own `codec_open` and `codec_size` into the global scope; a second
library brings another release of the codec with three functions. After the first, it calls the first one's
`codec_open` and its own `codec_read`, and reads the wrong field.

## Fix on each side

G should not use RTLD_GLOBAL: its libraries find each other by DT_NEEDED. B can protect itself by hiding what it
does not mean to export (`-fvisibility=hidden`, `-Wl,--exclude-libs,ALL`, a version script) or by -Bsymbolic.
Users can import B first.

## Incidents

torch up to 1.4 set RTLD_GLOBAL for its extension: torch 1.0.1 before open3d 0.8 (pytorch/pytorch issue 19739) aborts
in free() of a std::unordered_map that was made by GCC 5.4 and changed by code of GCC 4.9; torch 1.4.0 before onnx 1.6.0
crashes in a table of tables that was made by GCC 4 and emptied by code of GCC 7. Newer tensorflow does the same: its
crypto and regular expression libraries serve pyarrow's, and psycopg2's (psycopg/psycopg2 issue 1784), which then cannot
speak TLS.

## Limits

Whether two functions of one name differ is judged by the size of their code, and for C++ standard containers by
the compilers that are named in .comment. Symbols looked up by dlsym are not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.clauses import look_ups
from abiclash.rules.crossings import Means, changes, known_names, selected
from abiclash.rules.culprits import importers, library_name, named, orders, who
from abiclash.rules.families import examples
from abiclash.rules.global_scope_taking import KINDS, Taking
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.toolchains import toolchain
from abiclash.rules.words import counted, in_order, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding

RULE = Rule(
    id="global-scope",
    title="A package's global symbols serve another package's references",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.SCOPE,
    since="0.1",
    references=("https://github.com/pytorch/pytorch/issues/19739",),
)

EXAMPLES = 20


def check(case: Case) -> Iterable[Finding]:
    """One finding for each package with global objects and each package that they serve, and one where nobody is."""
    found: dict[tuple[str, str], Taking] = {}
    for run in case.runs:
        for crossing in changes(case, run):
            for package, served in selected(case, crossing, "global", lambda part: part.means == Means.GLOBAL):
                victim = case.owner(crossing.source.file) or case.path(crossing.source.file)
                found.setdefault((package, victim), Taking()).record(case, run, served)
    for at in sorted(found):
        yield _finding(case, found[at])
    guilty = {package for package, _ in found}
    for package, (run, files) in sorted(_global_packages(case).items()):
        if package not in guilty:
            yield _hazard(case, run, files)


def _global_packages(case: Case) -> dict[str, tuple[Run, list[int]]]:
    """Return each package's objects in the global scope of some run."""
    found: dict[str, tuple[Run, list[int]]] = {}
    for run in case.runs:
        for file in run.process.global_scope:
            owner = case.owner(file)
            if owner is not None and file not in found.setdefault(owner, (run, []))[1]:
                found[owner][1].append(file)
    return found


def _finding(case: Case, taking: Taking) -> Finding:
    run = taking.runs[0]
    providers, users = sorted(taking.providers), sorted(taking.users)
    failing = orders(taking.runs)
    safe = case.safe_orders(failing)
    names = known_names(case, np.array(sorted(taking.keys), dtype=np.uint64))
    first, second = who(case, run, providers[0]), who(case, run, taking.user)
    severity, confidence, audience = _weigh(taking)
    return RULE.finding(
        packages=[*named(case, run, providers), *named(case, run, users), *importers(case, run, users)],
        severity=severity,
        confidence=confidence,
        audience=audience,
        summary=_summary(first, second, taking, severity),
        explanation=_explanation(case, run, taking, [names[key] for key in sorted(taking.telling) if key in names]),
        advice=_advice(case, taking, safe),
        key=[f"{case.owner(providers[0])} serves {case.owner(taking.user) or case.path(taking.user)}"],
        failing_order=None if severity is Severity.NOTE else run.order,
        safe_order=safe[0] if safe and severity is not Severity.NOTE else None,
        objects=[case.path(file) for file in (*providers, *users)],
        symbols=sorted(set(names.values())),
        evidence={
            "stage": run.stage.value,
            "look_ups": look_ups(case, run, ((taking.user, key) for key in sorted(taking.telling))),
            "counts": {kind: len(getattr(taking, kind)) for kind in KINDS},
            "examples": _examples(taking, names),
            "compilers": {case.path(file): toolchain(case.facts(file)).shown for file in (*providers, *users)},
            "failing_orders": [list(order) for order in failing],
        },
        silent=severity is not Severity.ERROR,
    )


def _weigh(taking: Taking) -> tuple[Severity, Confidence, Audience]:
    """Judge by the gravest kind. Equal code, and standard library code of a like size, is a note."""
    if taking.grown:
        return Severity.ERROR, Confidence.LIKELY, Audience.USER
    if taking.own or taking.variables or taking.foreign:
        return Severity.WARNING, Confidence.POSSIBLE, Audience.USER
    if taking.copies:
        return Severity.WARNING, Confidence.POSSIBLE, Audience.RESEARCHER
    return Severity.NOTE, Confidence.CERTAIN, Audience.RESEARCHER


def _examples(taking: Taking, names: dict[int, str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for kind in KINDS:
        for name, key in sorted((names[key], key) for key in getattr(taking, kind) if key in names):
            theirs, own = taking.sizes[key]
            rows.append({"symbol": name, "kind": kind, "size_there": theirs, "size_alone": own})
    return rows[:EXAMPLES]


def _summary(first: str, second: str, taking: Taking, severity: Severity) -> str:
    count = counted(len(taking.keys), "symbol")
    if severity is Severity.ERROR:
        return f"After {first}, {second} uses its code for containers of another layout and will crash."
    if taking.own or taking.variables:
        return f"After {first}, {second} uses {count} of {first} instead of its own, some of them different code."
    return f"After {first}, {second} is served {count} by {first}."


def _explanation(case: Case, run: Run, taking: Taking, telling: list[str]) -> str:
    first, second = who(case, run, min(taking.providers)), who(case, run, taking.user)
    user = library_name(case, taking.user)
    user = f"{user} (in {second})" if case.owner(taking.user) else second
    begin = (
        f"{first} puts its libraries into the global scope (RTLD_GLOBAL), where every library that is loaded later "
        f"looks first. For that reason {user} gets {counted(len(taking.keys), 'symbol')} "
        f"from {listed(library_name(case, file) for file in taking.providers)} that it gets elsewhere when it is "
        f"imported without {first}: {listed(examples(telling))}.\n\n"
    )
    if taking.grown:
        return begin + (
            f"{first} was made by {_compilers(case, taking.providers)}, {second} by {_compilers(case, taking.users)}. "
            "Between the two, std::unordered_map and its kin grew: since GCC 5 a table keeps its first bucket within "
            f"itself. {_fate(case, taking, second)} Import order: {in_order(run.order)}."
        )
    if taking.own or taking.variables:
        return begin + (
            f"{counted(len(taking.own), 'function')} and {counted(len(taking.variables), 'variable')} of them are not "
            f"the same code or kind as {second}'s own, so another version of a library, or another library of the same "
            f"names, now does its work. It may go well, give other results, or crash. Import order: "
            f"{in_order(run.order)}."
        )
    if taking.foreign:
        return begin + (
            f"The code of {counted(len(taking.foreign), 'function')} differs a lot from what {second} uses alone."
        )
    return begin + "They look like builds of the same code, so this is mostly harmless."


def _fate(case: Case, taking: Taking, second: str) -> str:
    """Tell what another layout of hash tables does to the victim."""
    if toolchain(case.facts(taking.user)).surely_old:
        return (
            f"Where tables are the elements of a table, the newer code looks for the rest of {second}'s elements "
            "beyond them, and the process crashes when such a table is filled or emptied."
        )
    return (
        "Older code frees that bucket as if it were memory of its own, and the C library aborts the process "
        f"(`free(): invalid pointer`) when a table of {second} first grows."
    )


def _compilers(case: Case, files: Iterable[int]) -> str:
    return listed(toolchain(case.facts(file)).shown for file in files)


def _advice(case: Case, taking: Taking, safe: list[tuple[str, ...]]) -> list[Advice]:
    first, second = case.owner(min(taking.providers)), case.owner(taking.user)
    advice = []
    if safe:
        text = f"Import {' before '.join(safe[0])}: what is loaded before {first} keeps its own symbols."
        advice.append(Advice("user", text, checked=True))
    advice.append(Advice(f"maintainer of {first}", _NOT_GLOBAL))
    if second is not None:
        text = "Hide what is not meant to be exported (-fvisibility=hidden, -Wl,--exclude-libs,ALL) or use -Bsymbolic."
        advice.append(Advice(f"maintainer of {second}", text))
    return advice


_NOT_GLOBAL = "Do not open libraries with RTLD_GLOBAL: they find each other by DT_NEEDED; extension modules need none."


def _hazard(case: Case, run: Run, files: list[int]) -> Finding:
    """The finding for global objects that serve nobody else in this set."""
    first = who(case, run, files[0])
    symbols = [case.facts(file).symbols for file in files]
    exported = sum(int(np.count_nonzero(one.hashed & (one.shndx != 0))) for one in symbols)
    return RULE.finding(
        packages=named(case, run, files),
        severity=Severity.NOTE,
        confidence=Confidence.CERTAIN,
        audience=Audience.MAINTAINER,
        summary=f"{first} puts {counted(len(files), 'object')} with {counted(exported, 'definition')} into the global "
        "scope.",
        explanation=(
            f"{first} opens {listed(library_name(case, file) for file in files)} with RTLD_GLOBAL. Every library that "
            "is loaded later looks there first. Nothing in this set changes by it; another package's can."
        ),
        advice=[Advice(f"maintainer of {case.owner(files[0])}", _NOT_GLOBAL)],
        key=["serves nobody"],
        objects=[case.path(file) for file in files],
        evidence={"definitions": exported, "objects": len(files)},
    )
