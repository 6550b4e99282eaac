"""Two packages enter the same name into a registry that exists once in the process.

## What happens

Some libraries keep one table for the whole process: protobuf's descriptors by file name, pybind11's and nanobind's
types by C++ type name, gflags' flags, LLVM's options. Two packages enter different things under one name.

## Why it breaks

The second entry is refused: Python raises TypeError or ImportError, a C++ library prints a message and ends the
process. So it is always the package that is imported last that fails, in either order.

## How the loader decides

It has no part in registries that live in Python objects (protobuf's default pool, pybind11's capsule in `builtins`):
no symbol is shared. For registries in C++ libraries the binding of the registering function decides whose table is
used: a copy whose references are bound to itself has a table of its own.

## Example

The fixture `two_registrations` has two packages that register different descriptors as `common.proto`.

## Fix on each side

Rename: put .proto files into a folder and a package of the project's own, bind types with `py::module_local()`, do not
export a library that is linked in. Users can keep the packages in separate environments or processes.

## Incidents

pymilvus and ikvpy both register `common.proto`. scipy 1.15.0 and highspy: type "ObjSense" is already registered!

## Limits

Whether a C++ type is bound is inferred from its name and its Python name both being in the module; types bound with
`py::module_local()` do not clash but look the same, so such a finding is a warning. GObject types are not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.rules.carried import ids, played_orders
from abiclash.rules.case import Stage
from abiclash.rules.culprits import named, orders
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.native_registries import native_clashes
from abiclash.rules.registries import descriptor_clashes, readable, type_clashes
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, in_order, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding, PackageId
    from abiclash.rules.native_registries import NativeClash
    from abiclash.rules.registries import DescriptorClash, Pair, TypeClash

RULE = Rule(
    id="shared-registry",
    title="Two packages enter one name into a registry of the process",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.REGISTRY,
    since="0.1",
    references=(
        "https://protobuf.dev/reference/python/python-generated/",
        "https://pybind11.readthedocs.io/en/stable/advanced/classes.html#module-local-class-bindings",
    ),
)


def check(case: Case) -> Iterable[Finding]:
    """Look into each kind of registry."""
    for pair, clash in sorted(descriptor_clashes(case).items()):
        yield _descriptors(case, pair, clash)
    yield from _types(case)
    yield from _native(case)


def _descriptors(case: Case, pair: Pair, clash: DescriptorClash) -> Finding:
    failing = played_orders(case)
    what = sorted(clash.files) or sorted(clash.names)
    noun = "descriptor file" if clash.files else "message"
    places = sorted(clash.places)
    modules = {owner: path.removeprefix(case.site_packages + "/") for owner, path, *_ in reversed(places)}
    one, other = pair
    return RULE.finding(
        packages=_pair(case, pair),
        severity=Severity.ERROR if clash.imported != "possible" else Severity.WARNING,
        confidence=Confidence(clash.imported),
        summary=f"{one} and {other} register {counted(len(what), noun)} of one name in protobuf's pool, such as "
        f"{what[0]}; whichever comes second fails.",
        explanation=_refusal(pair, clash, modules, what),
        advice=_renames(pair, what[0]),
        key=["protobuf"],
        failing_order=failing[0] if failing else None,
        objects=[path.removeprefix(case.site_packages + "/") for _, path, *_ in places],
        evidence={
            "registry": "protobuf's default descriptor pool",
            "files": sorted(clash.files),
            "names": sorted(clash.names),
            "registered": [
                {
                    "package": owner,
                    "module": path.removeprefix(case.site_packages + "/"),
                    "file": file,
                    "content": hash_,
                }
                for owner, path, _, file, hash_ in places
            ],
            "imported": clash.imported,
            "stage": (Stage.USE if clash.imported == "possible" else Stage.IMPORT).value,
            "failing_orders": [list(order) for order in failing],
        },
    )


def _refusal(pair: Pair, clash: DescriptorClash, modules: dict[str, str], what: list[str]) -> str:
    one, other = pair
    outcome = (
        "The imports alone are not seen to reach both modules; the failure comes when they are used."
        if clash.imported == "possible"
        else "Importing both packages in one process fails, in either order."
    )
    return (
        f"{modules[one]} (of {one}) and {modules[other]} (of {other}) both register {listed(what)} in protobuf's "
        "default descriptor pool, of which a process has one, and what they register differs. The pool refuses "
        "the second one: TypeError: Couldn't build proto file into descriptor pool: duplicate "
        f"{'file name' if clash.files else 'symbol'} {what[0]}.\n\n{outcome}"
    )


def _renames(pair: Pair, what: str) -> list[Advice]:
    apart = f"Use {' and '.join(pair)} in separate processes or environments; no import order helps."
    return [
        Advice("user", apart),
        *(
            Advice(
                f"maintainer of {name}",
                f"Give {what} a path and a protobuf package of its own (such as {name.replace('-', '_')}/{what}), and "
                "generate the modules anew.",
            )
            for name in pair
        ),
    ]


def _pair(case: Case, pair: Pair) -> list[PackageId]:
    """Return both packages, and those the user asked for whose imports bring them."""
    names = dict.fromkeys(pair)
    for package in pair:
        if package not in case.requested:
            for name in case.requested:
                plan = case.plans.get((name,))
                if plan is not None and any(module.package == package for module in plan.executed):
                    names[name] = None
                    break
    return ids(case, names)


def _types(case: Case) -> Iterator[Finding]:
    seen: dict[Pair, tuple[Run, TypeClash]] = {}
    runs: dict[Pair, list[Run]] = {}
    for run in case.runs:
        for pair, clash in type_clashes(case, run).items():
            seen.setdefault(pair, (run, clash))
            runs.setdefault(pair, []).append(run)
    for pair, (run, clash) in sorted(seen.items()):
        yield _type_finding(case, run, clash, orders(runs[pair]))


def _type_finding(case: Case, run: Run, clash: TypeClash, failing: Sequence[tuple[str, ...]]) -> Finding:
    owners = [case.owner(file) or "" for file in clash.files]
    one, other = sorted({owner for owner in owners if owner})
    types = [readable(name) for name in clash.types]
    library = "pybind11" if "pybind11" in clash.key else "nanobind"
    return RULE.finding(
        packages=named(case, run, clash.files),
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY if run.stage is Stage.IMPORT else Confidence.POSSIBLE,
        summary=f"{one} and {other} bind {counted(len(types), 'C++ type')} of one name with {library}, such as "
        f"{types[0]}; whichever module comes second can fail.",
        explanation=_second_binding(case, run, clash, types, library),
        advice=[
            Advice("user", f"Do not use {one} and {other} in one process, or move one of them to another release."),
            *(Advice(f"maintainer of {name}", f"{_LOCAL[library]}: {listed(types)}.") for name in (one, other)),
        ],
        key=[library],
        failing_order=failing[0],
        objects=[case.path(file) for file in clash.files],
        evidence={
            "registry": clash.key,
            "types": types,
            "stage": run.stage.value,
            "failing_orders": [list(order) for order in failing],
        },
    )


_LOCAL = {
    "pybind11": "Bind these types with `py::module_local()` (an argument of py::class_ and py::enum_)",
    "nanobind": "Give the module's types a domain of their own (NB_DOMAIN of nanobind_add_module)",
}


def _second_binding(case: Case, run: Run, clash: TypeClash, types: list[str], library: str) -> str:
    when = "As soon as both packages are imported" if run.stage is Stage.IMPORT else "When both modules are loaded"
    outcome = (
        "the second definition is ignored with a warning, and both packages then use the first one's class."
        if library == "nanobind"
        else f'the second module fails with ImportError: generic_type: type "{types[0]}" is already registered!'
    )
    return (
        f"{case.path(clash.files[0])} and {case.path(clash.files[-1])} share {library}'s registry of types "
        f"({clash.key}), which is keyed by the name of the C++ type. Both bind {listed(types)}. {when}, "
        f"{outcome} The order does not matter.\n\nThat does not happen where the types are bound with "
        "py::module_local(), which cannot be seen in the files."
    )


def _native(case: Case) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str], tuple[Run, NativeClash]] = {}
    runs: dict[tuple[str, str, str], list[Run]] = {}
    for run in case.together or tuple(case.alone.values()):
        for key, clash in native_clashes(case, run).items():
            seen.setdefault(key, (run, clash))
            runs.setdefault(key, []).append(run)
    for key, (run, clash) in sorted(seen.items()):
        yield _native_finding(case, run, clash, orders(runs[key]))


def _native_finding(case: Case, run: Run, clash: NativeClash, failing: Sequence[tuple[str, ...]]) -> Finding:
    one, other = (case.owner(file) or "the host" for file in clash.files)
    safe = case.safe_orders(failing)
    owner = case.owner(clash.provider) or "the host"
    advice = [Advice("user", f"Import in this order: {in_order(safe[0])}.", checked=True)] if safe else []
    advice.append(
        Advice(
            f"maintainer of {owner}",
            f"Do not export the library from {case.basename(clash.provider)}: link it with -Wl,--exclude-libs,ALL or a "
            "version script, so that each copy keeps a table of its own.",
        )
    )
    return RULE.finding(
        packages=named(case, run, (*clash.files, clash.provider)),
        confidence=Confidence.CERTAIN if run.stage is Stage.IMPORT else Confidence.POSSIBLE,
        summary=f"{one} and {other} enter {listed(clash.names, 1)} into one copy of {clash.registry.name}.",
        explanation=(
            f"{case.path(clash.files[0])} and {case.path(clash.files[1])} enter the same names into "
            f"{clash.registry.name}. Both use the copy in {case.path(clash.provider)}, because the dynamic linker "
            f'bound both there. The second entry ends the process: "{clash.registry.message}".'
        ),
        advice=advice,
        key=[clash.registry.name, case.path(clash.provider)],
        failing_order=failing[0],
        safe_order=safe[0] if safe else None,
        objects=[case.path(file) for file in (*clash.files, clash.provider)],
        evidence={
            "registry": clash.registry.name,
            "names": list(clash.names),
            "provider": case.path(clash.provider),
            "stage": run.stage.value,
            "failing_orders": [list(order) for order in failing],
        },
    )
