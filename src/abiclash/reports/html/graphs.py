"""The collision graph as the page draws it: packages, and for each grave finding the objects it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.graph.build import graph_of
from abiclash.graph.model import EdgeKind, NodeKind
from abiclash.graph.narrow import to_finding, to_packages
from abiclash.reports.safe import name
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.graph.model import Edge, Graph, Node
    from abiclash.reports.html.tables import Tables
    from abiclash.rules.model import Finding

CAUSES = 40
"""Findings that get a drawing of their own."""
EDGES = 600
"""Edges of one drawing: beyond that a drawing shows nothing."""
_TELLING = (
    EdgeKind.DIFFERS_IN_ABI,
    EdgeKind.CAPTURES,
    EdgeKind.SHADOWS,
    EdgeKind.SHARES_SONAME,
    EdgeKind.BINDS_TO,
    EdgeKind.NEEDS,
    EdgeKind.DUPLICATES_UNIQUE,
    EdgeKind.DUPLICATES_WEAK,
)
"""Kinds that are drawn, the more telling first."""


def graphs(tables: Tables, findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Return [{"title", "finding": id or null, "nodes", "edges", "left_out": edges}], the packages' graph first.

    A node is {"label", "kind", "name", "severity", "p": package}; an edge {"from", "to", "kind", "n", "symbols"}.
    """
    graph = graph_of(tables.case, findings)
    drawn = [_drawing("Packages", None, to_packages(graph), tables)]
    grave = [finding for finding in findings if finding.severity is not Severity.NOTE]
    for finding in grave[:CAUSES]:
        title = f"{finding.rule}: {', '.join(name(package.name) for package in finding.packages[:4])}"
        drawn.append(_drawing(title, finding.id, to_finding(graph, finding.id), tables))
    return [drawing for drawing in drawn if drawing["edges"]]


def _drawing(title: str, finding: str | None, graph: Graph, tables: Tables) -> dict[str, object]:
    edges = [edge for edge in graph.edges if edge.kind in _TELLING]
    edges.sort(key=lambda edge: (_TELLING.index(edge.kind), -edge.weight, edge.source, edge.target))
    shown = edges[:EDGES]
    used = sorted({end for edge in shown for end in (edge.source, edge.target)})
    place = {node: number for number, node in enumerate(used)}
    return {
        "title": title,
        "finding": finding,
        "nodes": [_node(graph.nodes[node], tables) for node in used],
        "edges": [_edge(edge, place, tables) for edge in shown],
        "left_out": len(edges) - len(shown),
    }


def _node(node: Node, tables: Tables) -> dict[str, object]:
    owner = node.name if node.kind is NodeKind.PACKAGE else node.package
    entry: dict[str, object] = {"label": name(node.label, 60), "kind": node.kind.value, "p": tables.package(owner)}
    if node.kind is not NodeKind.PACKAGE:
        entry["name"] = name(node.name)
    if node.severity is not None:
        entry["severity"] = node.severity.value
    return entry


def _edge(edge: Edge, place: dict[int, int], tables: Tables) -> dict[str, object]:
    entry: dict[str, object] = {
        "from": place[edge.source],
        "to": place[edge.target],
        "kind": edge.kind.value,
        "n": edge.weight,
    }
    if edge.symbols:
        entry["symbols"] = [tables.symbol(symbol) for symbol in edge.symbols]
    if edge.orders:
        entry["orders"] = len(edge.orders)
    return entry
