"""A shared library uses one package's copies of its own functions, and another package pays for it.

## What happens

Package A is imported first and brings a shared library S, such as `libstdc++.so.6`, into the process. A exports its
own copies of some of S's functions, usually because a part of S was linked into it. The dynamic linker binds S's
calls of *its own* functions to those copies. Package B comes later and uses S, which no longer is what B expects.

## Why it breaks

Mostly it does not: copies of one function do the same. It does where the copies come from another release and only a
part of a class was replaced. Then B creates an object through S, S hands the work to A's function, and the other
member functions of that object, which B takes from S itself, find contents that they do not understand.

## How the loader decides

An object that comes in as a dependency is relocated in the scope of the object that was opened: the global scope, then
that object's search list. S's references to its own functions go through that scope too, unless S was linked with
`-Bsymbolic`, and a definition without a symbol version satisfies a versioned reference (`check_match` in glibc's
elf/dl-lookup.c). S is relocated once, for the whole process. B has a scope of its own without A (RTLD_LOCAL).

## Example

The fixture `mixed_class` builds a runtime whose class has `open`, `open_named` and `read`; `open_named` calls `open`.
One library exports an old `open` that fills the object differently and needs the runtime; a second one calls
`open_named` and `read`. Alone it reads 7; after the first one it reads something else.

## Fix on each side

The package with the copies should not export them: link with a version script or `-Wl,--exclude-libs,ALL`, or link
the runtime dynamically. Users can import the other package first, or load the library itself before both.

## Incidents

tensorflow 2.12 and 2.18 before sentencepiece 0.1.97 and 0.2.0, or before rdkit 2024.3: `std::random_device` was set up
by tensorflow's copy of `_M_init` and read by that of libstdc++.so.6 (google/sentencepiece issue 813). Importing
sentencepiece first works. tensorflow 2.13 before duckdb 0.8.1 (tensorflow/tensorflow issue 61741) is the same.

## Limits

That two implementations differ is inferred from the size of their code: a factor above 2 is taken as proof, and
smaller differences are only noted. Which functions of S call which others is not read; a class counts as mixed where
the later package uses some of its members and can reach the replaced ones only through S.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.clauses import look_ups
from abiclash.rules.crossings import Means, changes, crossings, is_function, is_strong, known_names, selected
from abiclash.rules.culprits import library_name, named, orders, who
from abiclash.rules.families import examples
from abiclash.rules.mixed_class import Mixed, mixed, taken_functions
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.runtime_symbols import in_runtime_group
from abiclash.rules.words import counted, in_order, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from abiclash.rules.case import Case, Run
    from abiclash.rules.crossings import Crossing
    from abiclash.rules.model import Finding

RULE = Rule(
    id="runtime-capture",
    title="A shared library uses one package's copies of its own functions",
    severity=Severity.ERROR,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.SCOPE,
    since="0.1",
    references=(
        "https://github.com/google/sentencepiece/issues/813",
        "https://github.com/tensorflow/tensorflow/issues/61741",
    ),
)

EXAMPLES = 10


@dataclass(slots=True)
class Capture:
    """What one package took over of one library, in all runs. keys: captured symbols, strong and all.

    classes: mixed classes by (run number, class); runs: those in which the package captured anything.
    """

    library: int
    package: str
    keys: set[int] = field(default_factory=set)
    strong: set[int] = field(default_factory=set)
    providers: set[int] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)
    mixes: list[tuple[Run, Mixed]] = field(default_factory=list)

    @property
    def fatal(self) -> list[tuple[Run, Mixed]]:
        return [(run, mix) for run, mix in self.mixes if mix.differs]


def check(case: Case) -> Iterable[Finding]:
    """One finding for each library and package that captured it."""
    found: dict[tuple[int, str], Capture] = {}
    for run in case.runs:
        for library, package, crossing in _captures(case, run):
            capture = found.setdefault((library, package), Capture(library, package))
            _record(capture, run, crossing)
    for run in case.runs:
        for crossing in changes(case, run):
            _record_mixes(case, run, crossing, found)
    for at in sorted(found):
        capture = found[at]
        if capture.fatal:
            yield _clash(case, capture)
        else:
            yield _hazard(case, capture)


def _captures(case: Case, run: Run) -> Iterator[tuple[int, str, Crossing]]:
    """Yield (library, package, references) where a search list gave a library another's definitions of its own."""
    for crossing in crossings(case, run):
        for package, part in selected(case, crossing, "captured", _captured):
            yield crossing.source.file, package, part


def _captured(crossing: Crossing) -> NDArray[np.bool_]:
    """Mark the references to symbols that the library defines itself, bound elsewhere by a search list."""
    mask: NDArray[np.bool_] = crossing.own & (crossing.means == Means.LIST)
    return mask


def _record(capture: Capture, run: Run, crossing: Crossing) -> None:
    capture.runs.append(run)
    new = ~np.isin(crossing.keys, np.array(sorted(capture.keys), dtype=np.uint64))
    if new.any():
        info = crossing.own_column("info")
        capture.keys.update(crossing.keys[new].tolist())
        capture.strong.update(crossing.keys[new & is_strong(info) & is_function(info)].tolist())
    capture.providers.update(np.unique(crossing.target).tolist())


def _record_mixes(case: Case, run: Run, crossing: Crossing, found: dict[tuple[int, str], Capture]) -> None:
    if crossing.package is None:
        return
    known = case.alone[crossing.package, run.stage].process.maps
    for package, part in selected(case, crossing, "captured", _captured):
        taken = taken_functions(case, part)
        if not taken:
            continue
        capture = found[crossing.source.file, package]
        others = (None, package, case.owner(crossing.source.file))
        victims = [file for file in run.process.maps if file in known and case.owner(file) not in others]
        capture.mixes += [(run, mix) for mix in mixed(case, run.process, crossing.source, taken, victims)]


def _clash(case: Case, capture: Capture) -> Finding:
    """The finding for a class that a later package sees in two halves."""
    fatal = capture.fatal
    typed = [entry for entry in fatal if entry[1].family.typed]
    run, mix = (typed or fatal)[0]
    failing = orders(run for run, _ in (typed or fatal))
    safe = case.safe_orders(failing)
    victims = sorted({mix.victim for _, mix in fatal})
    providers = sorted(capture.providers)
    classes = sorted({mix.family.shown for _, mix in fatal})
    first, second = who(case, run, providers[0]), who(case, run, mix.victim)
    lib, source = library_name(case, capture.library), case.basename(providers[0])
    taken = [one for one in mix.taken if one.differs]
    symbols = sorted({one.name for _, m in fatal for one in m.taken} | {n for _, m in fatal for n in m.used.values()})
    return RULE.finding(
        packages=[*named(case, run, providers), *named(case, run, victims)],
        severity=Severity.ERROR if typed else Severity.WARNING,
        confidence=Confidence.LIKELY if typed else Confidence.POSSIBLE,
        summary=f"After {first}, {second} gets two implementations of {listed(classes)} and can crash.",
        explanation=(
            f"{source} (in {first}) contains its own copy of a part of {lib} and exports it. When {first} is imported "
            f"first, the dynamic linker loads {lib} on its behalf and makes {lib} itself call that copy of "
            f"{listed(examples(one.name for one in taken))}.\n\n"
            f"{second} comes later and uses {mix.family.shown} through {lib}: "
            f"{listed(examples(mix.used.values()))} are the ones inside {lib}, what they call is "
            f"{first}'s. {_sizes(taken[0].theirs, taken[0].own)} An object that one of them fills is read by the "
            f"other: the process can crash when {second} uses it. Import order: {in_order(run.order)}."
        ),
        advice=_advice(capture.package, second, source, lib, safe),
        key=[lib, capture.package, *classes],
        failing_order=run.order,
        safe_order=safe[0] if safe else None,
        objects=[case.path(file) for file in (*providers, capture.library, *victims)],
        symbols=symbols,
        evidence={
            "stage": run.stage.value,
            "classes": [_class(case, m) for m in _distinct(m for _, m in capture.mixes)],
            "captured": {"symbols": len(capture.keys), "strong functions": len(capture.strong)},
            "look_ups": look_ups(case, run, [(capture.library, taken[0].key)]),
            "failing_orders": [list(order) for order in failing],
        },
    )


def _sizes(theirs: int, own: int) -> str:
    return f"The two are different code ({theirs} bytes there, {own} here)."


def _distinct(mixes: Iterable[Mixed]) -> list[Mixed]:
    seen = {(mix.family.scope, mix.victim): mix for mix in mixes}
    return [seen[at] for at in sorted(seen)]


def _class(case: Case, mix: Mixed) -> dict[str, object]:
    return {
        "class": mix.family.shown,
        "victim": case.path(mix.victim),
        "replaced": [{"symbol": one.name, "size_there": one.theirs, "size_here": one.own} for one in mix.taken],
        "used": sorted(mix.used.values()),
        "differs": mix.differs,
    }


def _advice(first: str, second: str, source: str, lib: str, safe: list[tuple[str, ...]]) -> list[Advice]:
    if safe:
        order = " before ".join(safe[0])
        help_now = Advice("user", f"Import {order}: then {lib} keeps its own functions.", checked=True)
    else:
        help_now = Advice("user", f"Load {lib} before either package: `import ctypes; ctypes.CDLL({lib!r})`.")
    return [
        help_now,
        Advice(
            f"maintainer of {first}",
            f"Do not export {lib}'s symbols from {source}: link it with -Wl,--exclude-libs,ALL or a version script, "
            f"or link {lib} dynamically.",
        ),
        Advice("user", f"A release of {first} that no longer exports them removes the conflict with {second}."),
    ]


def _hazard(case: Case, capture: Capture) -> Finding:
    """The finding for a capture that hurts nobody in this set."""
    run = capture.runs[0]
    providers = sorted(capture.providers)
    first, lib = who(case, run, providers[0]), library_name(case, capture.library)
    names = sorted(known_names(case, np.array(sorted(capture.keys), dtype=np.uint64)).values())
    strong = sorted(known_names(case, np.array(sorted(capture.strong), dtype=np.uint64)).values())
    strong = [name for name in strong if not in_runtime_group(name)]
    serious, verb = bool(strong), "exports" if len(providers) == 1 else "export"
    what = f"{counted(len(names), 'symbol')}, {counted(len(strong), 'ordinary function')} among them"
    return RULE.finding(
        packages=named(case, run, providers),
        severity=Severity.NOTE,
        confidence=Confidence.CERTAIN,
        audience=Audience.MAINTAINER if serious else Audience.RESEARCHER,
        summary=f"{lib} uses {first}'s copies of its own definitions where {first} is imported first ({what}).",
        explanation=(
            f"{listed(case.basename(file) for file in providers)} (in {first}) {verb} definitions that {lib} has too. "
            f"Where {first} is the first to load {lib}, the dynamic linker binds {lib}'s own references to {first}'s "
            f"copies, for the whole process: {listed(examples(strong or names))}.\n\n"
            + (
                "Nothing in this set is hurt by it: nobody else uses only a part of a class that was replaced by "
                "different code. Another package or release can be."
                if serious
                else "They are weak definitions, such as instantiations of templates: one copy is as good as another."
            )
        ),
        advice=[
            Advice(
                f"maintainer of {capture.package}",
                f"Do not export {lib}'s symbols: link with -Wl,--exclude-libs,ALL or a version script.",
            )
        ],
        key=[lib, capture.package],
        objects=[case.path(file) for file in (*providers, capture.library)],
        symbols=names,
        evidence={
            "captured": {"symbols": len(names), "strong functions": len(strong)},
            "examples": (strong or names)[:EXAMPLES],
            "classes": [_class(case, m) for m in _distinct(m for _, m in capture.mixes)],
            "orders": [list(order) for order in orders(capture.runs)],
        },
    )
