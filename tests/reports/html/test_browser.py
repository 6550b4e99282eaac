"""The report in a real browser: everything works from file://, for everyone, and nothing leaves the page."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.reports.formats import Report
from abiclash.reports.html import report
from tests.reports.html import made
from tests.support.require import missing

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from abiclash.rules.case import Case
    from tests.reports.html.conftest import Look

pytestmark = [pytest.mark.browser, pytest.mark.compiler]

_GRAVE = {"serious", "critical"}
_FOCUS = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const visible = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
  return [element.id || element.getAttribute("href") || element.tagName, visible];
}"""
_ATTRIBUTES = "[...document.querySelectorAll('*')].flatMap((element) => element.getAttributeNames())"


def _shown(page: Page) -> int:
    return page.locator("article.finding:not([hidden])").count()


def test_filter(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    total = _shown(page)
    page.fill("#filter-text", "split-state librt")
    assert 0 < _shown(page) < total
    assert page.locator("#filter-status").inner_text() == f"1 finding of {total} shown"
    page.fill("#filter-text", "no such thing")
    assert _shown(page) == 0
    assert page.locator("section.cause:visible").count() == 0
    page.fill("#filter-text", "")
    page.uncheck("[name=severity][value=warning]")
    page.uncheck("[name=severity][value=note]")
    assert _shown(page) == page.locator("article.finding.error").count() == 1
    page.select_option("#filter-audience", "user")
    assert _shown(page) == 1, "an error is for everyone"


def test_fold_by_keyboard(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    evidence = page.locator("article.finding.error details.evidence")
    assert not evidence.evaluate("e => e.open")
    evidence.locator("> summary").focus()
    page.keyboard.press("Enter")
    assert evidence.evaluate("e => e.open")
    assert evidence.get_by_text("Who binds where").is_visible()


def test_a_filter_opens_what_is_folded_around_its_hits(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    fold = page.locator("section.cause.note > details").first
    assert not fold.evaluate("e => e.open")
    page.fill("#filter-text", "runtime-capture")
    assert fold.evaluate("e => e.open")


def test_two_orders_side_by_side(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    assert page.input_value("#compare-left") != page.input_value("#compare-right")
    assert page.locator("#compare-status").inner_text() == "2 symbols of 1 object get another definition"
    left, right = page.locator("#compare-result .side").all_inner_texts()
    assert left.split() == ["first,", "second", "first", "_f.so", "in", "first"]
    assert right.split() == ["second,", "first", "librt.so:", "its", "own"]
    page.click("#compare-swap")
    assert page.locator("#compare-result .side").all_inner_texts() == [right, left]
    page.click("#compare-result details summary")
    page.locator("#compare-result .symbols").wait_for()
    assert sorted(page.locator("#compare-result .symbols li").all_inner_texts()) == ["more", "state"]
    for side in ("#compare-left", "#compare-right"):
        page.select_option(side, index=0)
    assert "bound alike" in page.locator("#compare-status").inner_text()


def test_a_finding_leads_to_its_two_orders(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    page.select_option("#compare-left", label="first alone")
    page.click("article.finding.error .links button")
    assert page.evaluate("document.activeElement.id") == "compare-title"
    chosen = page.locator("#compare-left option:checked").inner_text()
    assert chosen == "first, second (conflict)"


def test_graph(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    page.locator("#graph").scroll_into_view_if_needed()
    page.wait_for_selector("#graph-canvas[data-drawn]")
    place = page.evaluate(
        "document.querySelector('#graph-canvas').cy.nodes('[label = \"first 1.0\"]').renderedPosition()"
    )
    page.locator("#graph-canvas").click(position=place)
    assert page.locator("#graph-detail h3").inner_text() == "first 1.0"
    assert "replaces own definitions of librt.so" in page.locator("#graph-detail").inner_text()
    edges = page.evaluate("document.querySelector('#graph-canvas').cy.edges().length")
    page.uncheck("#graph-kinds [value=captures]")
    assert page.evaluate("document.querySelector('#graph-canvas').cy.edges().length") < edges
    page.select_option("#graph-which", index=1)
    labels = page.evaluate("document.querySelector('#graph-canvas').cy.nodes().map((node) => node.data('label'))")
    assert {"_f.so", "librt.so"} <= set(labels)


def test_graph_as_a_list(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    page.click("#graph-list > summary")
    told = page.locator("#graph-table").inner_text()
    assert re.search(r"first 1\.0 replaces own definitions of librt\.so \(2\) in 1 order\b", told)


def test_who_loads_what(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    tree = page.locator("#loads-tree")
    assert page.locator("#loads-status").inner_text() == "2 loads in this order"
    assert tree.locator("> ol > li").count() == 2
    tree.locator("summary").first.click()
    assert "observed" in tree.locator(".because").first.inner_text()
    tree.locator("li li summary").first.click()
    tree.locator("ul.tree").first.wait_for()
    assert sorted(tree.locator("ul.tree .file").all_inner_texts()) == ["librt.so", "libx.so"]
    page.check("#loads-use")
    assert page.locator("#loads-status").inner_text() == "3 loads in this order"


def test_symbols(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    page.fill("#symbols-text", "STAT")
    assert page.locator("#symbols-result h3").all_inner_texts() == ["state"]
    told = page.locator("#symbols-result li").all_inner_texts()
    assert any(text.startswith("split-state: ") for text in told)
    assert any("gets it from _f.so or itself, by import order" in text for text in told)
    page.locator("#symbols-result a").first.click()
    assert page.locator("article.finding:target").is_visible()


def test_fits(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # opens everything
    for width in (1440, 768, 360):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (360, "dark")])
def test_accessible(conflict_page: Path, look: Look, width: int, scheme: str) -> None:
    page = look(conflict_page, width=width, scheme=scheme)
    page.fill("#symbols-text", "state")
    page.locator("#graph").scroll_into_view_if_needed()
    page.wait_for_selector("#graph-canvas[data-drawn]")
    assert _faults(page) == []
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # opens everything
    assert _faults(page) == []


def test_keyboard_reaches_everything_in_order_and_shows_where_it_is(conflict_page: Path, look: Look) -> None:
    page = look(conflict_page)
    stops: list[tuple[str, bool]] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUS)
        if stop[0] == "BODY":
            break
        stops.append((stop[0], stop[1]))
    names = [name for name, _ in stops]
    assert names[0] == "#findings"
    wanted = [
        "filter-text",
        "compare-left",
        "compare-swap",
        "compare-right",
        "graph-which",
        "loads-order",
        "symbols-text",
    ]
    assert [name for name in names if name in wanted] == wanted
    assert all(visible for _, visible in stops)


def test_prints_unfolded(conflict_page: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(conflict_page.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    page.emulate_media(media="print")
    assert page.get_by_text("Who binds where").first.is_visible()
    assert not page.locator("nav").is_visible()
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
    assert page.locator("article.finding.error details.evidence").evaluate("e => !e.open"), "folded again afterwards"
    page.close()


def test_without_javascript(conflict_page: Path, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(conflict_page.as_uri())
    assert page.get_by_role("heading", level=1).inner_text() == "The import order decides: 1 of 2 orders breaks."
    assert page.locator("article.finding.error").is_visible()
    page.click("article.finding.error details.evidence > summary")
    assert page.get_by_text("Who binds where").first.is_visible()
    assert page.locator("form:visible").count() == 0
    assert page.get_by_text("need JavaScript").is_visible()
    context.close()


def test_only_the_result_is_known(conflict: Case, look: Look, tmp_path: Path) -> None:
    whole = made.report_of(conflict)
    path = tmp_path / "result.html"
    path.write_text(report(Report(whole.result, whole.view)), encoding="utf-8")
    page = look(path)
    page.fill("#filter-text", "state")
    assert _shown(page)
    assert page.locator("#compare, #graph, #loads, #symbols").count() == 0


def test_hostile_names_are_inert(hostile: Case, look: Look, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(report(made.hostile_report(hostile)), encoding="utf-8")
    page = look(path)
    page.fill("#symbols-text", "img")
    page.locator("#graph").scroll_into_view_if_needed()
    page.wait_for_selector("#graph-canvas[data-drawn]")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for _ in range(3):  # what opening brings can be opened in turn
        page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true })")
        page.wait_for_timeout(50)
    assert page.locator("img, iframe, object, embed, link, base").count() == 0
    assert page.locator("script").count() == 3
    assert [name for name in page.evaluate(_ATTRIBUTES) if name.startswith("on")] == []
    shown = page.locator("body").inner_text()
    assert "<img src=x onerror=alert(1)>" in shown
    assert not re.search(r"[\x00\x07\x1b\u202a-\u202e\u2066-\u2069]", shown)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def _faults(page: Page) -> list[str]:
    """Return what axe-core finds wrong gravely: rule and place."""
    try:
        axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        missing("browser", "needs axe-core: pip install --group browser")
    page.evaluate(f"() => {{ {axe} }}")
    found: list[dict[str, Any]] = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{fault['id']}: {json.dumps(node['target'])}: {node['failureSummary']}"
        for fault in found
        if fault["impact"] in _GRAVE
        for node in fault["nodes"]
    ]
