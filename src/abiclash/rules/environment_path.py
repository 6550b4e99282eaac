"""An import sets an environment variable that steers another package's libraries.

## What happens

While package A is imported, its Python code sets a variable such as `QT_QPA_PLATFORM_PLUGIN_PATH` to a folder of its
own. A library of package B reads the same variable later, and looks for its plugins or data in A's folder.

## Why it breaks

The environment belongs to the whole process. B finds plugins that were built for A's copy of the library, cannot use
them, and stops; or it silently works with A's data.

## How the loader decides

It is not asked: no symbol and no library name is shared. `os.environ[...] = ...` calls `putenv`, and B's library
calls `getenv`.

## Example

The fixture `setter_and_reader` has a module that sets a variable, and a library of another package that reads it.

## Fix on each side

Import the package that reads the variable first and let it initialise, or remove the variable between the imports.
The maintainer who sets it should pass the path to the library by its API, and leave a value that is set already.

## Incidents

opencv-python sets `QT_QPA_PLATFORM_PLUGIN_PATH`; PyQt5 then aborts: "Could not load the Qt platform plugin".

## Limits

That the reader uses the variable after the import that sets it is inferred. Variables whose names are put together at
run time are not seen. A variable that steers threads or logging is a note, because its effect is not a foreign file.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.rules.carried import has_string, ids, owned, requires
from abiclash.rules.culprits import named, roots
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import in_order, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.imports.effects import Executed
    from abiclash.imports.source import Setting
    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding

RULE = Rule(
    id="environment-path",
    title="An import redirects another package through the environment",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.IMPORT,
    since="0.1",
    references=("https://docs.python.org/3/library/os.html#os.environ",),
)

_PLACES = re.compile(r"PATH|DIR|HOME|ROOT|PREFIX|CONF|FILE|LIB|DATA|PLUGIN|PRELOAD|MODULE")
_COMMON = frozenset({"PATH", "HOME", "PYTHONPATH"})


@dataclass(frozen=True, slots=True)
class Write:
    """A variable that importing `package` sets, and the module with the statement."""

    package: str
    where: Executed
    setting: Setting


def check(case: Case) -> Iterable[Finding]:
    """Pair each variable that an import sets with the other packages' loaded objects that read it."""
    readers: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    first: dict[tuple[str, str], tuple[Write, Run]] = {}
    orders: dict[tuple[str, str], dict[tuple[str, ...], None]] = defaultdict(dict)
    writes = _writes(case)
    if not writes:
        return
    for run in case.runs:
        known = owned(case, run)
        for write in writes:
            for owner, link in known:
                key = write.package, write.setting.name
                if owner != write.package and has_string(link.facts, "env", write.setting.name):
                    readers[key][owner].add(link.file)
                    first.setdefault(key, (write, run))
                    if _comes_first(case, run, write, link.file):
                        orders[key][run.order] = None
    for key in sorted(readers):
        yield _finding(case, first[key], readers[key], list(orders[key]))


def _writes(case: Case) -> list[Write]:
    found: dict[tuple[str, str], Write] = {}
    for name in case.requested:
        plan = case.plans.get((name,))
        for module in plan.executed if plan is not None else ():
            for setting in module.source.environment:
                owner = module.package
                if owner is not None and setting.at_import and owner in case.packages and setting.name not in _COMMON:
                    found.setdefault((owner, setting.name), Write(owner, module, setting))
    return list(found.values())


def _comes_first(case: Case, run: Run, write: Write, reader: int) -> bool:
    """Tell whether the import that sets the variable precedes the one that brings the reader, a file."""
    brought = roots(case, run, reader)
    if not brought:
        return False
    plans = (case.plans.get((name,)) for name in run.order)
    setters = [
        name
        for name, plan in zip(run.order, plans, strict=True)
        if plan is not None and any(module.path == write.where.path for module in plan.executed)
    ]
    return bool(setters) and run.order.index(setters[0]) < run.order.index(brought[0])


def _finding(
    case: Case, first: tuple[Write, Run], readers: dict[str, set[int]], orders: list[tuple[str, ...]]
) -> Finding:
    write, run = first
    name, package = write.setting.name, write.package
    meant = all(requires(case, package, reader) for reader in readers)
    place = _PLACES.search(name) is not None and not meant
    path = write.where.path.removeprefix(case.site_packages + "/")
    others = listed(readers)
    files = sorted({file for files in readers.values() for file in files}, key=case.path)
    safe = case.safe_orders(orders) if orders else []
    return RULE.finding(
        packages=[*ids(case, (package, *sorted(readers))), *named(case, run, files)],
        severity=Severity.WARNING if place and orders else Severity.NOTE,
        confidence=Confidence.LIKELY if write.where.certainty == "certain" else Confidence.POSSIBLE,
        audience=Audience.USER if place and orders else Audience.RESEARCHER,
        summary=f"importing {package} sets {name}, which libraries of {others} read.",
        explanation=_explanation(case, write, path, others, files[0]),
        advice=_advice(write, others),
        key=[package, name],
        failing_order=orders[0] if orders else None,
        safe_order=safe[0] if safe else None,
        objects=[path, *(case.path(file) for file in files[:20])],
        evidence={
            "variable": name,
            "value": write.setting.value,
            "file": path,
            "line": write.setting.line,
            "readers": {reader: len(found) for reader, found in sorted(readers.items())},
            "stage": run.stage.value,
            "orders": [in_order(order) for order in orders],
            "failing_orders": [list(order) for order in orders],
        },
    )


def _explanation(case: Case, write: Write, path: str, others: str, reader: int) -> str:
    name, package = write.setting.name, write.package
    return (
        f"Importing {package} runs {path}:{write.setting.line}, which sets the environment variable {name} to "
        f"{write.setting.value}. {case.basename(reader)} of {others} reads that variable too. Once {package} has "
        f"been imported, {others} looks where {package} points to, and finds files that were made for another copy "
        "of the library: plugins are refused, and the process may stop.\n\nIt depends on when the library reads "
        f"the variable: what has been initialised before {package} is not affected."
    )


def _advice(write: Write, others: str) -> list[Advice]:
    name, package = write.setting.name, write.package
    return [
        Advice(
            "user",
            f"Import and initialise {others} before {package}, or run `os.environ.pop({name!r}, None)` after "
            f"importing {package}.",
        ),
        Advice(
            f"maintainer of {package}",
            f"Do not set {name} for the whole process: pass the path to the library itself, or set it only where "
            "the library is used.",
        ),
    ]
