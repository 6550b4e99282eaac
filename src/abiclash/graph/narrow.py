"""Smaller graphs: packages only, one cause, the neighbourhood of one package."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.errors import UsageError
from abiclash.graph.model import Edge, EdgeKind, Graph, NodeKind
from abiclash.graph.ties import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet


def to_packages(graph: Graph) -> Graph:
    """Return a graph in which each package stands for its objects.

    Weights of edges that become one are added up; what is within one package is gone.
    """
    packages = {node.name: place for place, node in enumerate(graph.nodes) if node.kind is NodeKind.PACKAGE}
    stands = {
        place: packages.get(node.package or "", place) if node.kind is NodeKind.OBJECT else place
        for place, node in enumerate(graph.nodes)
    }
    keep = sorted(set(stands.values()))
    return _with_edges(graph, keep, _joined(graph.edges, stands, len(graph.orders)))


def to_finding(graph: Graph, identity: str) -> Graph:
    """Return one cause with whom it concerns, and what ties those together. Raises UsageError for an unknown id."""
    cause = _find(graph, NodeKind.SYMBOLS, identity, "the scan has no such finding; its report lists the ids")
    about = {edge.target for edge in graph.edges if edge.source == cause and edge.kind is EdgeKind.CONCERNS}
    return _among(graph, {cause} | about | _owners(graph, about))


def around(graph: Graph, package: str) -> Graph:
    """Return a package with its objects, what these are tied to, and all ties among them.

    Raises UsageError for a package that is not there.
    """
    place = _find(graph, NodeKind.PACKAGE, package, "no such package was loaded; name one of the set")
    own = {place} | {at for at, node in enumerate(graph.nodes) if node.package == package}
    near = {end for edge in graph.edges if {edge.source, edge.target} & own for end in (edge.source, edge.target)}
    return _among(graph, near | _owners(graph, near))


def _find(graph: Graph, kind: NodeKind, name: str, otherwise: str) -> int:
    for place, node in enumerate(graph.nodes):
        if node.kind is kind and node.name == name:
            return place
    raise UsageError(f"{name}: {otherwise}")


def _owners(graph: Graph, places: AbstractSet[int]) -> set[int]:
    names = {graph.nodes[place].package for place in places}
    return {at for at, node in enumerate(graph.nodes) if node.kind is NodeKind.PACKAGE and node.name in names}


def _among(graph: Graph, places: AbstractSet[int]) -> Graph:
    edges = [edge for edge in graph.edges if edge.source in places and edge.target in places]
    return _with_edges(graph, sorted(places), edges)


def _with_edges(graph: Graph, keep: list[int], edges: Iterable[Edge]) -> Graph:
    """Return the graph of some nodes; edges: by the old places."""
    new = {old: place for place, old in enumerate(keep)}
    moved = tuple(replace(edge, source=new[edge.source], target=new[edge.target]) for edge in edges)
    return Graph(tuple(graph.nodes[old] for old in keep), moved, graph.orders)


def _joined(edges: Iterable[Edge], stands: Mapping[int, int], orders: int) -> list[Edge]:
    """Return edges between what stands for their ends; ends that fall together leave none."""
    groups: dict[tuple[int, int, EdgeKind], list[Edge]] = defaultdict(list)
    for edge in edges:
        source, target = stands[edge.source], stands[edge.target]
        if edge.kind.mutual and source > target:
            source, target = target, source
        if source != target:
            groups[source, target, edge.kind].append(edge)
    kinds = list(EdgeKind)
    places = sorted(groups, key=lambda key: (*key[:2], kinds.index(key[2])))
    return [_one(*key, groups[key], orders) for key in places]


def _one(source: int, target: int, kind: EdgeKind, edges: list[Edge], orders: int) -> Edge:
    always = any(not edge.orders for edge in edges)
    held = sorted({order for edge in edges for order in edge.orders})
    return Edge(
        source,
        target,
        kind,
        1 if kind is EdgeKind.CONCERNS else sum(edge.weight for edge in edges),
        findings=tuple(dict.fromkeys(identity for edge in edges for identity in edge.findings)),
        orders=() if always or len(held) == orders else tuple(held),
        symbols=tuple(dict.fromkeys(symbol for edge in edges for symbol in edge.symbols))[:SAMPLE],
    )
