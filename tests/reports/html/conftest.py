"""Reports to look at, made once, and a browser that looks."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from abiclash.reports.html import report
from tests.reports.html import made
from tests.rules.harness import Site
from tests.support import Builder
from tests.support.require import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from abiclash.rules.case import Case


@pytest.fixture(scope="session")
def conflict(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return the conflict of `made`; mark its tests `compiler`."""
    folder = tmp_path_factory.mktemp("conflict")
    return made.conflict_site(Site(Builder.at(folder), folder))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return the case in which all names are hostile; mark its tests `compiler`."""
    folder = tmp_path_factory.mktemp("hostile")
    return made.hostile_site(Site(Builder.at(folder), folder))


@pytest.fixture(scope="session")
def conflict_page(conflict: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of the conflict's report."""
    path = tmp_path_factory.mktemp("pages") / "conflict.html"
    path.write_text(report(made.report_of(conflict)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return the machine's chromium; the test skips where there is none."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be absent
    except ImportError:
        missing("browser", "needs playwright: pip install --group browser")
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = os.environ.get("ABICLASH_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        missing("browser", "needs chromium on PATH or its path in ABICLASH_CHROMIUM (Debian: apt install chromium)")
    # As root, in containers, chromium runs only without its sandbox.
    sandbox = os.geteuid() != 0
    with sync_playwright() as started:
        launched = started.chromium.launch(executable_path=executable, chromium_sandbox=sandbox)
        yield launched
        launched.close()


@dataclass
class Watched:
    """A page and whatever it should not do. said: errors and warnings on its console. asked: requests it made."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, path: Path) -> Page:
        """Open a report by its path and wait until it is ready."""
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready=yes]")
        return self.page


class Look(Protocol):
    """Opens a report as a reader would."""

    def __call__(self, path: Path, *, width: int = 1440, scheme: str = "light") -> Page: ...


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Return how to open a report; afterwards nothing may have been said on the console or asked of anyone."""
    watched: list[tuple[Watched, Path]] = []

    def opened(path: Path, *, width: int = 1440, scheme: str = "light") -> Page:
        dark = scheme == "dark"
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        watched.append((Watched(context.new_page()), path))
        return watched[-1][0].open(path)

    yield opened
    for each, path in watched:
        each.page.context.close()
        assert each.said == []
        assert {url.partition("#")[0] for url in each.asked} == {path.as_uri()}
