"""A small graph to write in every format, and one whose names are hostile."""

from __future__ import annotations

from dataclasses import replace

from abiclash.graph.model import Edge, EdgeKind, Graph, Node, NodeKind
from abiclash.rules.model import Severity
from tests.reports.sample import HOSTILE, LONG

_ID = "split-state-13950ca7"
GRAPH = Graph(
    nodes=(
        Node(NodeKind.PACKAGE, "pyarrow", "pyarrow 0.13.0", version="0.13.0", requested=True, severity=Severity.ERROR),
        Node(NodeKind.OBJECT, "pyarrow/libarrow.so.13", "libarrow.so.13", "pyarrow", soname="libarrow.so.13", size=7),
        Node(NodeKind.HOST, "/usr/lib/libstdc++.so.6.0.30", "libstdc++.so.6.0.30", soname="libstdc++.so.6"),
        Node(NodeKind.SYMBOLS, _ID, "split-state: 1 symbol", findings=(_ID,), symbols=("_ZSt11__once_call",)),
    ),
    edges=(
        Edge(0, 1, EdgeKind.CONTAINS),
        Edge(1, 2, EdgeKind.NEEDS),
        Edge(1, 2, EdgeKind.CAPTURES, 17, (_ID,), (1,), ("_ZSt11__once_call",)),
        Edge(1, 2, EdgeKind.DUPLICATES_WEAK, 1500),
        Edge(3, 1, EdgeKind.CONCERNS, findings=(_ID,)),
    ),
    orders=(("tensorflow", "pyarrow"), ("pyarrow", "tensorflow")),
)


def _hostile(node: Node) -> Node:
    return replace(
        node,
        name=HOSTILE + node.name,
        label=LONG,
        package=node.package and HOSTILE + "pyarrow",
        version=HOSTILE,
        soname=LONG,
        symbols=(HOSTILE, LONG),
    )


HOSTILE_GRAPH = Graph(
    nodes=tuple(_hostile(node) for node in GRAPH.nodes),
    edges=tuple(replace(edge, symbols=(HOSTILE, LONG), findings=(HOSTILE,)) for edge in GRAPH.edges),
    orders=((HOSTILE, LONG), (LONG, HOSTILE)),
)
