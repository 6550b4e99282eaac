"""abiclash graph: who collides with whom, to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.graph.model import Graph


@click.command(
    "graph",
    epilog="""\b
Formats: text answers who is in the middle of the collisions, which fewest packages have to change,
and which import order is safe; json is that with the graph; the others are for programs that draw.

\b
  abiclash graph tensorflow==1.13.1 pyarrow==0.13.0 --python 3.7 --packages --format dot | dot -Tsvg > it.svg

\b
Exit status: 0 done; 2 could not be done; 3 done, but some input could not be read.""",
)
@options.targets
@options.HOST
@options.FACTS
@click.option("--packages", is_flag=True, help="One node for a package, not one for each of its objects.")
@click.option("--finding", metavar="ID", help="Only one cause, with whom it concerns.")
@click.option("--around", metavar="PACKAGE", help="Only a package and what it is tied to.")
@options.output("text", "json", "graphml", "gexf", "dot", "cytoscape")
@options.QUIET
def command(
    *,
    packages: bool,
    finding: str | None,
    around: str | None,
    form: str,
    output: Path | None,
    color: str,
    quiet: bool,
    **given: Any,
) -> int:
    """Draw what ties packages together, and answer questions about it."""
    request = options.request(**given)
    from abiclash import scanning  # noqa: PLC0415 - heavy, and the arguments are known to be right
    from abiclash.graph.build import graph_of  # noqa: PLC0415
    from abiclash.reports import answers, graph  # noqa: PLC0415

    scanned = scanning.played(request, terminal.progress(quiet=quiet))
    whole = graph_of(scanned.case, scanned.result.findings)
    shown = _narrowed(whole, packages=packages, finding=finding, around=around)
    failures = scanned.result.not_analysed
    if form in graph.WRITERS:
        terminal.write(graph.WRITERS[form](shown), output)
        return PARTIAL if failures else 0
    from abiclash.graph.playing import judge_of  # noqa: PLC0415
    from abiclash.graph.questions import ask  # noqa: PLC0415

    found = ask(scanned.result, whole, judge_of(scanned))
    if form == "json":
        terminal.write(answers.as_json(shown, found, failures), output)
    else:
        terminal.write(answers.as_text(found, failures, terminal.paint(color, output)), output)
    return PARTIAL if failures else 0


def _narrowed(graph: Graph, *, packages: bool, finding: str | None, around: str | None) -> Graph:
    from abiclash.graph import narrow  # noqa: PLC0415 - heavy

    if finding is not None:
        graph = narrow.to_finding(graph, finding)
    if around is not None:
        graph = narrow.around(graph, around)
    return narrow.to_packages(graph) if packages else graph
