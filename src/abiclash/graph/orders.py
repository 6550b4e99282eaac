"""A safe import order for a whole set, or what rules every order out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.graph.precedence import Precedence, precedences
from abiclash.orders import ALL_ORDERS_UP_TO
from abiclash.rules.judging import erroneous

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.graph.playing import Judge
    from abiclash.rules.model import Finding

    Order = tuple[str, ...]

_TRIES = 6
"""Orders to propose: each that fails adds what it taught."""


@dataclass(frozen=True, slots=True)
class SafeOrder:
    """The answer about the order of all packages.

    order: one without an error, as the model played it; None where there is none, or none was found. groups: the same
    packages: those of a group may be imported in any order, the groups one after the other. demands: what has to come
    before what. obstacle: demands that cannot all be met, where there is no safe order. exhaustive: every order there
    is was played, so a "no" is a proof; else it follows from orders in which the demands were seen. played: further
    orders that were played for this answer.
    """

    order: Order | None
    groups: tuple[Order, ...] = ()
    demands: tuple[Precedence, ...] = ()
    obstacle: tuple[Precedence, ...] = ()
    exhaustive: bool = False
    played: tuple[Order, ...] = ()


def safe_order(names: Sequence[str], played: Sequence[Order], errors: Sequence[Finding], judge: Judge) -> SafeOrder:
    """Return an order of all packages that the model finds clean, or why there is none.

    names: as given. played: orders that the scan played; errors: its error findings. judge: plays further ones.
    """
    exhaustive = len(names) <= ALL_ORDERS_UP_TO
    if not errors:
        return SafeOrder(tuple(names), (tuple(names),) if names else (), exhaustive=exhaustive)
    demands = precedences(errors, played, names)
    tried: dict[Order, list[Finding]] = {}
    for _ in range(_TRIES):
        obstacle = _contradiction(demands)
        if obstacle:
            clean = _clean(names, played, errors)
            if clean is None:
                return SafeOrder(None, (), tuple(demands), obstacle, exhaustive, tuple(tried))
            return SafeOrder(clean, tuple((name,) for name in clean), (), (), exhaustive, tuple(tried))
        groups = _groups(names, demands)
        failed = _first_failure(groups, judge, tried)
        if failed is None:
            order = tuple(name for group in groups for name in group)
            return SafeOrder(order, groups, tuple(demands), (), exhaustive, tuple(tried))
        learnt = set(precedences(tried[failed], [*played, *tried], names)) - set(demands)
        learnt |= {demand for error in tried[failed] for demand in _of_pair(error, failed)} - set(demands)
        if not learnt:
            break
        demands = sorted({*demands, *learnt})
    clean = _clean(names, played, errors)
    groups = tuple((name,) for name in clean) if clean else ()
    return SafeOrder(clean, groups, tuple(demands), (), exhaustive, tuple(tried))


def _clean(names: Sequence[str], played: Iterable[Order], errors: Sequence[Finding]) -> Order | None:
    """Return an order of all packages that the scan played without an error."""
    whole = [order for order in played if set(order) == set(names)]
    bad = erroneous(whole, errors)
    return next((order for order in whole if order not in bad), None)


def _first_failure(groups: Sequence[Order], judge: Judge, tried: dict[Order, list[Finding]]) -> Order | None:
    """Play the groups in turn, each forwards and then each backwards; return the order that has an error."""
    forwards = tuple(name for group in groups for name in group)
    backwards = tuple(name for group in groups for name in reversed(group))
    for order in dict.fromkeys((forwards, backwards)):
        if order not in tried:
            tried[order] = judge(order)
        if tried[order]:
            return order
    return None


def _of_pair(error: Finding, order: Order) -> list[Precedence]:
    """Return what an error of two packages in an order teaches: the other way round."""
    named = {package.name for package in error.packages}
    about = [name for name in order if name in named]
    return [Precedence(about[1], about[0], error.id, order)] if len(about) == 2 else []


def _groups(names: Sequence[str], demands: Iterable[Precedence]) -> tuple[Order, ...]:
    """Return packages in generations: whatever has to come before a package is in an earlier one."""
    import networkx as nx  # noqa: PLC0415 - heavy

    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from((demand.before, demand.after) for demand in demands)
    return tuple(tuple(sorted(level, key=names.index)) for level in nx.topological_generations(graph))


def _contradiction(demands: Sequence[Precedence]) -> tuple[Precedence, ...]:
    """Return demands that form a shortest cycle, none where all can be met."""
    import networkx as nx  # noqa: PLC0415 - heavy

    graph = nx.DiGraph()
    first: dict[tuple[str, str], Precedence] = {}
    for demand in demands:
        first.setdefault((demand.before, demand.after), demand)
        graph.add_edge(demand.before, demand.after)
    best: list[str] = []
    for before, after in sorted(graph.edges):
        if best and len(best) <= 2:
            break
        if before == after:
            return (first[before, after],)
        if nx.has_path(graph, after, before):
            cycle = [before, *nx.shortest_path(graph, after, before)[:-1]]
            if not best or len(cycle) < len(best):
                best = cycle
    return tuple(first[one, other] for one, other in zip(best, [*best[1:], *best[:1]], strict=True))
