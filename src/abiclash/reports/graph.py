"""The collision graph as GraphML, GEXF, DOT, Cytoscape JSON, and as JSON of its own.

Identifiers in the files are made up (`n0`, `e0`): names come from strangers, and formats differ in what they allow.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from abiclash.graph.model import EdgeKind, NodeKind
from abiclash.reports.safe import inert, name, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.graph.model import Edge, Graph, Node

SCHEMA = "urn:abiclash:graph:1"
_SYMBOLS = 20  # names that an attribute of a drawing lists
_COLOURS = {"error": "#c62828", "warning": "#b26a00", "note": "#1565c0", "": "#616161"}
_SHAPES = {NodeKind.PACKAGE: "box3d", NodeKind.OBJECT: "box", NodeKind.HOST: "ellipse", NodeKind.SYMBOLS: "note"}
_STYLES = {
    EdgeKind.CONTAINS: "dotted",
    EdgeKind.NEEDS: "dashed",
    EdgeKind.BINDS_TO: "solid",
    EdgeKind.CONCERNS: "dotted",
}


def document(graph: Graph) -> dict[str, object]:
    """Return the graph as JSON values: nodes and edges by place, nothing cut but names beyond any sense."""
    return {
        "orders": [list(order) for order in graph.orders],
        "nodes": [_whole_node(node) for node in graph.nodes],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "kind": edge.kind.value,
                "weight": edge.weight,
                "findings": list(edge.findings),
                "orders": list(edge.orders),
                "symbols": list(edge.symbols),
            }
            for edge in graph.edges
        ],
    }


def _whole_node(node: Node) -> dict[str, object]:
    return {
        "kind": node.kind.value,
        "name": node.name,
        "label": node.label,
        "package": node.package,
        "version": node.version,
        "requested": node.requested,
        "soname": node.soname,
        "size": node.size,
        "severity": node.severity and node.severity.value,
        "findings": list(node.findings),
        "symbols": list(node.symbols),
    }


def _node(node: Node) -> dict[str, Any]:
    """Return a node's attributes for programs that draw: flat, printable, of one type each."""
    return {
        "label": name(node.label, 80),
        "kind": node.kind.value,
        "name": name(node.name),
        "package": name(node.package or ""),
        "version": name(node.version, 80),
        "requested": node.requested,
        "soname": name(node.soname or ""),
        "size": node.size,
        "severity": node.severity.value if node.severity else "",
        "findings": _list(node.findings),
        "symbols": _list(node.symbols),
    }


def _edge(graph: Graph, edge: Edge) -> dict[str, Any]:
    orders = (" > ".join(graph.orders[order]) for order in edge.orders)
    return {
        "kind": edge.kind.value,
        "weight": edge.weight,
        "mutual": edge.kind.mutual,
        "findings": _list(edge.findings),
        "orders": _list(tuple(orders)),
        "symbols": _list(edge.symbols),
    }


def _list(values: tuple[str, ...]) -> str:
    """Return a list as text, with the number of what is left out."""
    shown = "; ".join(name(value) for value in values[:_SYMBOLS])
    return shown + (f"; ... {len(values) - _SYMBOLS:,} more" if len(values) > _SYMBOLS else "")


def networkx(graph: Graph) -> Any:
    """Return the graph as a networkx.MultiDiGraph; an edge without a direction is there once, with `mutual` set."""
    import networkx as nx  # noqa: PLC0415 - heavy

    made = nx.MultiDiGraph()
    for place, node in enumerate(graph.nodes):
        made.add_node(f"n{place}", **_node(node))
    for place, edge in enumerate(graph.edges):
        made.add_edge(f"n{edge.source}", f"n{edge.target}", key=f"e{place}", **_edge(graph, edge))
    return made


def graphml(graph: Graph) -> str:
    """Return GraphML (graphml.graphdrawing.org), read by networkx, igraph, Gephi, yEd, Cytoscape."""
    from networkx.readwrite.graphml import GraphMLWriter  # noqa: PLC0415 - heavy

    writer = GraphMLWriter(encoding="utf-8", prettyprint=True)
    writer.add_graph_element(networkx(graph))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{writer}\n'


def gexf(graph: Graph) -> str:
    """Return GEXF 1.2draft (gexf.net), Gephi's own format; without the date, so that equal scans give equal bytes."""
    import networkx as nx  # noqa: PLC0415 - heavy
    from networkx.readwrite.gexf import GEXFWriter  # noqa: PLC0415

    made = nx.MultiDiGraph(networkx(graph))
    for _, _, key, attributes in made.edges(keys=True, data=True):
        attributes["id"] = key
    writer = GEXFWriter(encoding="utf-8", prettyprint=True, version="1.2draft")
    writer.add_graph(made)
    for element in writer.xml.iter():
        element.attrib.pop("lastmodifieddate", None)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue().decode("utf-8").rstrip() + "\n"


def cytoscape(graph: Graph) -> str:
    """Return Cytoscape JSON, for Cytoscape and cytoscape.js."""
    nodes = [  # "value": what networkx takes for the node
        {"data": {"id": f"n{place}", "value": f"n{place}", **_node(node)}} for place, node in enumerate(graph.nodes)
    ]
    edges = [
        {
            "data": {
                "id": f"e{i}",
                "key": f"e{i}",
                "source": f"n{edge.source}",
                "target": f"n{edge.target}",
                **_edge(graph, edge),
            }
        }
        for i, edge in enumerate(graph.edges)
    ]
    made = {"data": {"name": "abiclash"}, "directed": True, "multigraph": True}
    return json.dumps(inert({**made, "elements": {"nodes": nodes, "edges": edges}}), indent=1) + "\n"


def dot(graph: Graph) -> str:
    """Return DOT for graphviz: `dot -Tsvg`. Objects stand in their package's box; the bolder, the more symbols."""
    lines = ["digraph abiclash {", "  rankdir=LR; compound=true;", '  node [fontname="sans-serif", fontsize=10];']
    lines.append('  edge [fontname="sans-serif", fontsize=8];')
    inside: dict[str, list[int]] = {}
    for place, node in enumerate(graph.nodes):
        owner = node.name if node.kind is NodeKind.PACKAGE else node.package
        inside.setdefault(owner or "", []).append(place)
    for number, (package, places) in enumerate(inside.items()):
        boxed = package and len(places) > 1
        if boxed:
            lines.append(f"  subgraph cluster_{number} {{ label={_quoted(name(package, 80))}; color=gray;")
        lines += [_dot_node(place, graph.nodes[place]) for place in places]
        lines += ["  }"] if boxed else []
    lines += [_dot_edge(edge) for edge in graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_node(place: int, node: Node) -> str:
    colour = _COLOURS[node.severity.value if node.severity else ""]
    look = f'shape={_SHAPES[node.kind]}, color="{colour}", tooltip={_quoted(name(node.name))}'
    return f"    n{place} [label={_quoted(name(node.label, 80))}, {look}];"


def _dot_edge(edge: Edge) -> str:
    structure = edge.kind in _STYLES
    colour = _COLOURS["error" if edge.findings and not structure else ""]
    label = "" if structure and edge.weight == 1 else f"{edge.kind.value} {edge.weight:,}"
    width = 1 + min(len(str(edge.weight)) - 1, 4)
    way = ", dir=none" if edge.kind.mutual else ""
    style = _STYLES.get(edge.kind, "bold")
    look = f'label="{label}", style={style}, color="{colour}", penwidth={width}{way}'
    return f"  n{edge.source} -> n{edge.target} [{look}];"


def _quoted(text: str) -> str:
    r"""Return a DOT string: in it a quote ends it, and a backslash starts an escape such as \N."""
    text = shorten(text, 400).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


WRITERS: dict[str, Callable[[Graph], str]] = {"graphml": graphml, "gexf": gexf, "dot": dot, "cytoscape": cytoscape}
