"""What is written of a graph is read back by the programs it is written for, hostile names and all."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import networkx as nx
import pytest

from abiclash.graph.hitting import Hitting
from abiclash.graph.orders import SafeOrder
from abiclash.graph.questions import Answers, Change, Hub
from abiclash.reports import answers, graph
from abiclash.reports.paint import Paint
from tests.reports.sample import HOSTILE, LONG
from tests.reports.sample_graph import GRAPH, HOSTILE_GRAPH
from tests.support.require import missing

if TYPE_CHECKING:
    from abiclash.graph.model import Graph

BOTH = pytest.mark.parametrize("drawn", [GRAPH, HOSTILE_GRAPH], ids=["plain", "hostile"])


def _checked(read: Any, drawn: Graph) -> None:
    """The graph has the nodes, edges and attributes that it should have."""
    assert list(read.nodes) == [f"n{place}" for place in range(len(drawn.nodes))]
    kinds = [attributes["kind"] for _, attributes in read.nodes(data=True)]
    assert kinds == [node.kind.value for node in drawn.nodes]
    found = sorted((a, b, attributes["kind"], attributes["weight"]) for a, b, attributes in read.edges(data=True))
    assert found == sorted((f"n{e.source}", f"n{e.target}", e.kind.value, e.weight) for e in drawn.edges)
    for _, attributes in read.nodes(data=True):
        assert all(text.isprintable() and len(text) < 1000 for text in attributes.values() if isinstance(text, str))


@BOTH
def test_graphml(drawn: Graph) -> None:
    _checked(nx.parse_graphml(graph.graphml(drawn), force_multigraph=True), drawn)


@BOTH
def test_gexf(drawn: Graph) -> None:
    _checked(nx.read_gexf(io.BytesIO(graph.gexf(drawn).encode())), drawn)
    assert graph.gexf(drawn) == graph.gexf(drawn)


@BOTH
def test_cytoscape(drawn: Graph) -> None:
    content = json.loads(graph.cytoscape(drawn))
    _checked(nx.cytoscape_graph(content), drawn)


@BOTH
def test_dot(drawn: Graph) -> None:
    text = graph.dot(drawn)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) < 30_000
    if shutil.which("dot") is None:
        missing("graphviz", "needs graphviz's dot")
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    assert done.stdout.count('class="node"') == len(drawn.nodes)
    assert done.stdout.count('class="edge"') == len(drawn.edges)
    assert "<script" not in done.stdout


def test_attributes() -> None:
    made = graph.networkx(GRAPH)
    assert made.nodes["n1"] == {
        "label": "libarrow.so.13",
        "kind": "object",
        "name": "pyarrow/libarrow.so.13",
        "package": "pyarrow",
        "version": "",
        "requested": False,
        "soname": "libarrow.so.13",
        "size": 7,
        "severity": "",
        "findings": "",
        "symbols": "",
    }
    assert made.edges["n1", "n2", "e2"] == {
        "kind": "captures",
        "weight": 17,
        "mutual": False,
        "findings": "split-state-13950ca7",
        "orders": "pyarrow > tensorflow",
        "symbols": "_ZSt11__once_call",
    }


def test_hostile_answers_come_out_inert() -> None:
    hostile = Answers(
        (Hub(HOSTILE, 1, 0, (LONG, HOSTILE), 3),),
        Change(Hitting(((HOSTILE, LONG),), exact=False), checked=False, blameless=(HOSTILE,)),
        SafeOrder((HOSTILE, LONG), ((HOSTILE, LONG),)),
    )
    text = answers.as_text(hostile, (), Paint())
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text) < 5000
    json.loads(answers.as_json(HOSTILE_GRAPH, hostile, ()))
