"""The graph of a small conflict has the ties that were built into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.errors import UsageError
from abiclash.graph.build import graph_of
from abiclash.graph.model import EdgeKind, Graph, NodeKind
from abiclash.graph.narrow import around, to_finding, to_packages
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

pytestmark = pytest.mark.compiler

FIRST, SECOND = ("first", "second"), ("second", "first")


def _ties(graph: Graph, kind: EdgeKind) -> dict[tuple[str, str], tuple[int, tuple[tuple[str, ...], ...]]]:
    """Return (file name, file name) -> weight and orders of the edges of one kind."""

    def name(place: int) -> str:
        return graph.nodes[place].name.rpartition("/")[2]

    return {
        (name(edge.source), name(edge.target)): (edge.weight, tuple(graph.orders[order] for order in edge.orders))
        for edge in graph.edges
        if edge.kind is kind and "libc" not in name(edge.source) + name(edge.target)
    }


def test_ties(case: Case, findings: list[Finding]) -> None:
    graph = graph_of(case, findings)
    assert set(graph.orders) == {FIRST, SECOND}
    assert _ties(graph, EdgeKind.CAPTURES) == {("_f.so", "librt.so"): (1, (FIRST,))}
    assert _ties(graph, EdgeKind.SHADOWS) == {("librt.so", "_f.so"): (1, (SECOND,))}
    assert _ties(graph, EdgeKind.DUPLICATES_WEAK) == {("_f.so", "_s.so"): (1, ())}
    assert _ties(graph, EdgeKind.DUPLICATES_UNIQUE) == {}
    assert _ties(graph, EdgeKind.SHARES_SONAME) == {("libx.so", "libx.so"): (1, ())}
    assert _ties(graph, EdgeKind.DIFFERS_IN_ABI) == {("_f.so", "librt.so"): (1, ())}
    binds = _ties(graph, EdgeKind.BINDS_TO)
    assert binds["_s.so", "librt.so"] == (2, ())
    assert binds["librt.so", "_f.so"] == (1, (FIRST,))
    needs = _ties(graph, EdgeKind.NEEDS)
    assert {("_f.so", "librt.so"), ("_s.so", "librt.so"), ("_f.so", "libx.so")} <= needs.keys()


def test_edges_know_the_findings_that_rest_on_them(case: Case, findings: list[Finding]) -> None:
    graph = graph_of(case, findings)
    [split] = [finding for finding in findings if finding.rule == "split-state"]
    capture = next(
        edge for edge in graph.edges if edge.kind is EdgeKind.CAPTURES and split.id in edge.findings and edge.symbols
    )
    assert graph.nodes[capture.source].name == "first/_f.so"
    assert capture.symbols == ("state",)
    [cause] = [node for node in graph.nodes if node.name == split.id]
    assert (cause.kind, cause.symbols, cause.severity) == (NodeKind.SYMBOLS, ("state",), Severity.ERROR)
    assert {node.name: node.severity for node in graph.nodes if node.kind is NodeKind.PACKAGE} == {
        "first": Severity.ERROR,
        "second": Severity.ERROR,
    }


def test_narrowed(case: Case, findings: list[Finding]) -> None:
    graph = graph_of(case, findings)
    packages = to_packages(graph)
    assert not [node for node in packages.nodes if node.kind is NodeKind.OBJECT]
    assert _ties(packages, EdgeKind.SHARES_SONAME) == {("first", "second"): (1, ())}
    assert _ties(packages, EdgeKind.CAPTURES) == {("first", "librt.so"): (1, (FIRST,))}
    [split] = [finding for finding in findings if finding.rule == "split-state"]
    one = to_finding(graph, split.id)
    assert [node.name for node in one.nodes if node.kind is NodeKind.SYMBOLS] == [split.id]
    assert {node.name for node in one.nodes if node.kind is NodeKind.PACKAGE} == {"first", "second"}
    near = around(graph, "first")
    assert {node.name for node in near.nodes} >= {"first", "first/_f.so", "second/_s.so"}
    assert all(edge.target < len(near.nodes) for edge in near.edges)


def test_nothing_of_that_name(case: Case) -> None:
    graph = graph_of(case, ())
    with pytest.raises(UsageError, match="no such finding"):
        to_finding(graph, "split-state-00000000")
    with pytest.raises(UsageError, match="no such package"):
        around(graph, "third")
