"""The published site: read in a browser, queried over HTTP range requests, used instead of wheels."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.cli import app
from abiclash.corpus import snapshot
from abiclash.corpus.executor import LocalExecutor
from abiclash.corpus.join import connect
from abiclash.corpus.pipeline import Pipeline
from abiclash.corpus.results import FolderResults
from abiclash.corpus.site.publish import publish
from abiclash.errors import UsageError
from abiclash.facts.store import Store
from abiclash.scanning import ScanRequest, scan
from abiclash.sources.published import open_published
from tests.corpus.small import lock_of, tree
from tests.support.require import missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.corpus.small import Index


class _Ranges(SimpleHTTPRequestHandler):
    """A static server that answers byte ranges, as object storage does, and counts what it sends."""

    sent: list[tuple[str, int]]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        if asked is None:
            super().do_GET()
            return
        with open(self.translate_path(self.path), "rb") as file:  # noqa: PTH123 - its own path as text
            body = file.read()
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start = int(first) if first else len(body) - int(last)
        end = min(int(last), len(body) - 1) if first and last else len(body) - 1
        part = body[start : end + 1]
        self.sent.append((self.path, len(part)))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(body)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        pass


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    sent: list[tuple[str, int]] = []
    handler = type("Bound", (_Ranges,), {"sent": sent})
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: handler(*a, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site(index: Index, tmp_path: Path) -> Path:
    """Publish two runs: first without beta, then with it; the second brings the clash."""
    lock = lock_of(index)
    for number, skipped in enumerate(("beta", "")):
        roots = tuple(root for root in lock.roots if root.name != skipped)
        files = {sha256: file for sha256, file in lock.files.items() if file.name != skipped}
        run = replace(lock, roots=roots, files=files, created=f"2026-01-0{number + 1}")
        Pipeline(run, tmp_path / "cache", str(tmp_path / "results"), LocalExecutor(0)).run()
    runs = snapshot.snapshots(FolderResults(tmp_path / "results"), "small")
    target = tmp_path / "site"
    publish("Small", runs, target, base="https://example.org/", facts=Store(tmp_path / "cache"))
    return target


@pytest.mark.compiler
def test_pages_feed_and_data(site: Path, tmp_path: Path) -> None:
    found = tree(site)
    assert {"index.html", "feed.json", "packages/alpha.html", "rules/soname-collision.html"} <= found.keys()
    feed = json.loads(found["feed.json"])
    assert any("alpha" in item["title"] and "beta" in item["title"] for item in feed["items"])
    assert all(item["url"].startswith("https://example.org/packages/") for item in feed["items"])
    alpha = found["packages/alpha.html"].decode()
    assert "beta came" in alpha
    assert "libshared.so.1" in alpha
    runs = snapshot.snapshots(FolderResults(tmp_path / "results"), "small")
    publish("Small", runs, site, base="https://example.org/", facts=Store(tmp_path / "cache"))
    assert tree(site) == found


def test_nothing_to_publish(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        publish("Small", [], tmp_path / "site")


@pytest.mark.compiler
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # aiohttp leaves its sockets to the collector
def test_findings_are_queried_over_range_requests(site: Path) -> None:
    pytest.importorskip("aiohttp")
    http = pytest.importorskip("fsspec.implementations.http")

    class Published(http.HTTPFileSystem):  # type: ignore[name-defined,misc]
        """DuckDB asks when a file was changed, and fsspec does not say it of addresses; published files stay."""

        def modified(self, _: str) -> dt.datetime:
            return dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    with serving(site) as (url, sent):
        connection = connect()
        connection.register_filesystem(Published(block_size=4096))
        query = f"SELECT rule FROM read_parquet('{url}/data/findings.parquet') WHERE severity = 'error'"  # noqa: S608
        rules = {row[0] for row in connection.execute(query).fetchall()}
        connection.close()
    assert "soname-collision" in rules
    assert sent
    assert all(path == "/data/findings.parquet" for path, _ in sent)


def ask_only(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the package index of the test the only one."""
    for name, value in {
        "UV_DEFAULT_INDEX": f"{index.url}/simple/",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_CONFIG": "1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.compiler
@pytest.mark.parametrize("remote", [False, True])
def test_a_scan_with_published_facts_downloads_no_wheel(
    site: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, remote: bool
) -> None:
    ask_only(index, tmp_path, monkeypatch)
    here = tmp_path / f"fresh-{remote}"
    request = ScanRequest(
        ("alpha", "beta"), python="3.11", platform="manylinux_2_36_x86_64", host="debian-12", cache=here
    )
    with serving(site) as (url, _):
        facts = f"{url}/facts" if remote else str(site / "facts")
        found = scan(replace(request, facts=facts))
    assert "soname-collision" in {one.rule for one in found.findings}
    assert not found.not_analysed
    assert not list(here.rglob("*.whl"))
    assert scan(replace(request, offline=True)).findings == found.findings  # what was taken is kept


@pytest.mark.compiler
@pytest.mark.parametrize("words", ["plan", "bindings", "graph", "explain soname-collision"])
def test_other_commands_take_published_facts(
    words: str, site: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_only(index, tmp_path, monkeypatch)
    here = tmp_path / "fresh"
    like = ["--python", "3.11", "--platform", "manylinux_2_36_x86_64", "--host", "debian-12", "--cache", str(here)]
    status = app.run([*words.split(), "alpha", "beta", *like, "--facts", str(site / "facts")])
    assert status in {None, 0}
    assert not list(here.rglob("*.whl"))


@pytest.mark.compiler
def test_published_facts_that_are_damaged_are_not_believed(site: Path, index: Index, tmp_path: Path) -> None:
    sha256 = lock_of(index, broken=False).roots[0].files[0]
    entry = next((site / "facts").rglob(f"{sha256}/symbols.parquet"))
    store = Store(tmp_path / "other", upstream=open_published(str(site / "facts")))
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    assert store.get(sha256) is None
    shutil.rmtree(entry.parent)
    assert store.get(sha256) is None
    assert store.get_document("imports", "nothing") is None


HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e"


@pytest.fixture
def hostile_site(tmp_path: Path) -> Path:
    """Publish findings whose every text comes from somebody who wants to run a script."""
    finding: dict[str, Any] = {
        "id": "split-state-00000000",
        "rule": "split-state",
        "severity": "error",
        "confidence": "certain",
        "audience": "user",
        "packages": [{"name": HOSTILE, "version": HOSTILE}, {"name": "alpha", "version": "1"}],
        "failing_order": [HOSTILE, "alpha"],
        "safe_order": None,
        "alone": [],
        "pairs": [[HOSTILE, "alpha"]],
        "advice": [{"who": HOSTILE, "text": HOSTILE, "checked": False}],
        "objects": [HOSTILE],
        "symbols": [HOSTILE],
        "summary": HOSTILE,
        "explanation": f"{HOSTILE}\n\n{HOSTILE}",
    }
    package = {
        "rank": 1,
        "name": "alpha",
        "version": HOSTILE,
        "wheel": HOSTILE,
        "sha256": "0",
        "dependencies": [HOSTILE],
    }
    package |= {"native": True, "counts": {}, "loads": {}, "findings": [], "not_analysed": [[HOSTILE, HOSTILE]]}
    results = FolderResults(tmp_path / "results")
    totals = {
        "packages": 1,
        "analysed": 1,
        "wheels": 1,
        "candidates": 1,
        "simulated": 1,
        "interfering": 1,
        "severities": {"error": 1},
    }
    variant = {"python": "3.11", "platform": "p", "host": "h"}
    for day, findings in (("2026-01-01", []), ("2026-01-02", [finding])):
        run = {"corpus": "small", "created": day, "tool": HOSTILE, "variant": variant, "totals": totals}
        files = {"findings.json": snapshot.as_json(findings), "packages.json": snapshot.as_json([package])}
        files["lock.json"] = snapshot.as_json({"files": []})
        files |= dict.fromkeys(("findings.parquet", "packages.parquet", "pairs.parquet"), b"")
        snapshot.write(results, "small", "v", run, files)
    publish("Small", snapshot.snapshots(results, "small"), tmp_path / "site")
    return tmp_path / "site"


def test_hostile_names_are_escaped(hostile_site: Path) -> None:
    for path, content in tree(hostile_site).items():
        if path.endswith(".html"):
            assert b"<script>alert" not in content
            assert b"\x1b" not in content
            assert "\u202e".encode() not in content


def watched(page: Page, said: Sequence[str]) -> list[str]:
    notes = list(said)
    page.on("console", lambda message: notes.append(message.text))
    page.on("pageerror", lambda error: notes.append(str(error)))
    page.on("dialog", lambda dialog: notes.append(dialog.message))
    return notes


@contextmanager
def browsing() -> Iterator[Page]:
    """Open a page in the machine's chromium; the test skips where there is none."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be absent
    except ImportError:
        missing("browser", "needs playwright: pip install --group browser")
    program = os.environ.get("ABICLASH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("browser", "needs chromium on PATH or its path in ABICLASH_CHROMIUM (Debian: apt install chromium)")
    with sync_playwright() as started:
        launched = started.chromium.launch(executable_path=program, chromium_sandbox=os.geteuid() != 0)
        yield launched.new_page()
        launched.close()


@pytest.mark.browser
@pytest.mark.compiler
def test_the_site_in_a_browser(site: Path) -> None:
    with serving(site) as (url, _), browsing() as page:
        said = watched(page, [])
        page.goto(f"{url}/index.html")
        assert "alpha" in page.inner_text("body")
        assert page.locator("svg polyline").count() == 3
        page.fill("#search", "soname beta")
        page.click("#found a >> text=beta")
        page.wait_for_url("**/packages/beta.html")
        assert "Clashes with" in page.inner_text("body")
        page.click("article h3 a >> nth=0")
        page.wait_for_url("**/rules/*.html")
        page.click("nav a >> text=overview")
        page.wait_for_url("**/index.html")
        links = page.eval_on_selector_all("a", "all => all.map(a => a.href)")
        assert {page.request.get(link).status for link in dict.fromkeys(links)} == {200}
    assert said == []


@pytest.mark.browser
def test_hostile_names_do_nothing_in_a_browser(hostile_site: Path) -> None:
    with serving(hostile_site) as (url, _), browsing() as page:
        said = watched(page, [])
        for path in sorted(hostile_site.rglob("*.html")):
            page.goto(f"{url}/{path.relative_to(hostile_site)}")
        page.goto(f"{url}/index.html")
        page.fill("#search", "script")
        page.wait_for_selector("#found li")
    assert said == []
