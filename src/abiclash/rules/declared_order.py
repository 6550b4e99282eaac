"""A package that refuses to be imported after, or before, another one.

## What happens

The source of a package checks whether another module has been imported already, and raises ImportError if so.

## Why it breaks

The package knows of a conflict that it cannot solve: usually it carries its own copy of the other package's
libraries and wants to be first in the process.

## How the loader decides

It is not asked: Python's `sys.modules` decides. The check runs while `import` executes the package's modules.

## Example

The fixture `first_and_second` has a module that begins with `if "first" in sys.modules: raise ImportError(...)`.

## Fix on each side

Import the packages in the order that is demanded. The maintainer should remove the reason (a vendored copy, exported
symbols) rather than forbid the order.

## Incidents

ray 0.7.2 raises "Ray must be imported before pyarrow": it carried a whole copy of pyarrow.

## Limits

Only tests of `sys.modules` in an `if` statement are recognised. In sets that are too large to follow every order, it
is inferred that the statement is reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.rules.carried import ids, played_orders
from abiclash.rules.case import Stage
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.imports.effects import Executed
    from abiclash.imports.source import Demand
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

RULE = Rule(
    id="declared-order",
    title="A package refuses an import order",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.IMPORT,
    since="0.1",
    references=("https://docs.python.org/3/library/sys.html#sys.modules",),
)

FOLLOWED_UP_TO = 3
"""In sets of at most so many packages, a plan follows each order itself, refusals included."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """`package` refuses because of `other`. where: the module with the check. failing: orders in which it raises."""

    package: str
    other: str
    where: Executed
    demand: Demand
    failing: tuple[tuple[str, ...], ...]
    followed: bool


def check(case: Case) -> Iterable[Finding]:
    """State each refusal that a played order meets."""
    for refusal in refusals(case):
        yield _finding(case, refusal)


def refusals(case: Case) -> Iterator[Refusal]:
    """Find checks in a package's modules that name a module of another package which was asked for."""
    homes = _homes(case)
    seen = set()
    for name in case.requested:
        plan = case.plans.get((name,))
        for module in plan.executed if plan is not None else ():
            for demand in module.source.demands:
                other = homes.get(demand.module)
                if other is None or other in (name, module.package) or (module.path, demand.line) in seen:
                    continue
                seen.add((module.path, demand.line))
                failing, followed = _failing(case, name, other, module, demand)
                if failing:
                    yield Refusal(name, other, module, demand, failing, followed)


def _homes(case: Case) -> dict[str, str]:
    """Return module name -> requested package that brings it and whose own import executes it.

    A package may also put a copy of another one on the path, whose modules then have the other's names.
    """
    homes: dict[str, str] = {}
    for name in case.requested:
        plan = case.plans.get((name,))
        own = case.packages[name].wheel.modules
        for module in plan.executed if plan is not None else ():
            if module.package == name and module.name.partition(".")[0] in own:
                homes.setdefault(module.name, name)
    return homes


def _failing(
    case: Case, package: str, other: str, module: Executed, demand: Demand
) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Return the orders in which the check raises, and whether a plan showed it."""
    bad = []
    orders = [order for order in played_orders(case) if package in order and other in order]
    followed = len(case.requested) <= FOLLOWED_UP_TO
    for order in orders:
        wrong = (order.index(other) < order.index(package)) == demand.present
        if followed:
            plan = case.plans.get(order)
            ends = plan.endings if plan is not None else ()
            wrong = any((end.file, end.line) == (module.path, demand.line) for end in ends)
        if wrong:
            bad.append(order)
    return tuple(bad), followed


def _finding(case: Case, refusal: Refusal) -> Finding:
    package, other = refusal.package, refusal.other
    before = (package, other) if refusal.demand.present else (other, package)
    safe = case.safe_orders(refusal.failing)
    path = refusal.where.path.removeprefix(case.site_packages + "/")
    place = f"{path}:{refusal.demand.line}"
    advice = [Advice("user", f"Import {before[0]} before {before[1]}.", checked=before in safe)]
    if not refusal.demand.present or not safe:
        advice.append(Advice("user", f"Or keep {package} and {other} in separate environments."))
    cure = f"Remove the reason for the check in {place}: do not carry a copy of {other}'s libraries, or hide it."
    advice.append(Advice(f"maintainer of {package}", cure))
    return RULE.finding(
        packages=ids(case, (package, other)),
        confidence=Confidence.CERTAIN if refusal.followed else Confidence.LIKELY,
        summary=f"{package} refuses to be imported {'after' if refusal.demand.present else 'before'} {other}.",
        explanation=(
            f"{package} checks on import whether the module {refusal.demand.module!r} is already there ({place}), and "
            f"raises: {refusal.demand.error}. So importing it fails in the order "
            f"{in_order(refusal.failing[0])}.\n\nNothing in the process is broken by that, but the package does it "
            "because it knows of a conflict between its own libraries and the other package's."
        ),
        advice=advice,
        key=[package, refusal.demand.module, path],
        failing_order=refusal.failing[0],
        safe_order=safe[0] if safe else None,
        objects=[path],
        evidence={
            "file": path,
            "line": refusal.demand.line,
            "module": refusal.demand.module,
            "error": refusal.demand.error,
            "followed": refusal.followed,
            "stage": Stage.IMPORT.value,
            "failing_orders": [list(order) for order in refusal.failing],
        },
    )
