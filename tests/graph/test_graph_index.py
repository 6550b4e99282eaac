"""The graph, its answers and every format on the real wheels of the conflict of 2019."""

from __future__ import annotations

import json

import pytest

from abiclash.control.view import everything
from abiclash.errors import SourceError
from abiclash.graph.build import graph_of
from abiclash.graph.model import EdgeKind
from abiclash.graph.narrow import to_finding
from abiclash.graph.playing import judge_of
from abiclash.graph.questions import ask
from abiclash.reports.chain import as_text
from abiclash.reports.formats import Report, render
from abiclash.reports.paint import Paint
from abiclash.reports.reproducer import script
from abiclash.scanning import Scanned, ScanRequest, played
from tests.support.require import cache_folder, missing

pytestmark = pytest.mark.index


@pytest.fixture(scope="module")
def scanned() -> Scanned:
    request = ScanRequest(
        ("tensorflow==1.13.1", "pyarrow==0.13.0"), python="3.7", host="debian-12", cache=cache_folder("scan")
    )
    try:
        return played(request)
    except SourceError as error:
        if "cannot be reached" in str(error):
            missing("index", str(error))
        raise


def test_graph(scanned: Scanned) -> None:
    [split] = [finding for finding in scanned.result.findings if finding.rule == "split-state"]
    graph = graph_of(scanned.case, scanned.result.findings)
    narrow = to_finding(graph, split.id)
    captures = {
        (narrow.nodes[edge.source].label, narrow.nodes[edge.target].label): edge
        for edge in narrow.edges
        if edge.kind is EdgeKind.CAPTURES
    }
    edge = captures["libarrow.so.13", "libstdc++.so.6.0.30"]
    assert edge.weight >= 2
    assert [graph.orders[order] for order in edge.orders] == [("pyarrow", "tensorflow")]
    assert split.id in edge.findings
    answers = ask(scanned.result, graph, judge_of(scanned))
    assert {hub.package for hub in answers.hubs[:2]} == {"pyarrow", "tensorflow"}
    assert answers.change.hitting.sets == (("pyarrow",), ("tensorflow",))
    assert answers.change.checked is True
    assert answers.order.order == ("tensorflow", "pyarrow")


def test_formats(scanned: Scanned) -> None:
    result = scanned.result
    report = Report(result, everything(result.findings), case=scanned.case)
    for form in ("text", "json", "sarif", "markdown", "junit", "cyclonedx"):
        assert "split-state" in render(form, report)
    bill = json.loads(render("cyclonedx", report))
    [arrow] = [component for component in bill["components"] if component["name"] == "pyarrow"]
    places = {inner["evidence"]["occurrences"][0]["location"]: inner for inner in arrow["components"]}
    library = places["pyarrow/libarrow.so.13"]
    assert library["hashes"][0]["alg"] == "SHA-256"
    assert {inner["name"] for inner in library["components"]} >= {"jemalloc", "libstdc++"}


def test_story(scanned: Scanned) -> None:
    [split] = [finding for finding in scanned.result.findings if finding.rule == "split-state"]
    text = as_text(split, scanned.result, scanned.case, script(split, scanned.result), Paint())
    assert "Importing pyarrow brings pyarrow/libarrow.so.13.\n" in text
    assert "pyarrow/lib.cpython-37m-x86_64-linux-gnu.so  needs libarrow.so.13\n" in text
    assert 'try "should pass" "import tensorflow, pyarrow" || bad=1\n' in text
