"""What the pages say is tried: command lines are parsed, Python is run on small wheels, TOML is read."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import click
import pytest

import abiclash
from abiclash import api
from abiclash.cli.app import COMMANDS, app
from tests.cli.test_scan_command import wheels

__all__ = ["wheels"]  # a fixture

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if page.parent.name != "rules")
COMMAND = re.compile(r"^(?:    |\s*commands = |\s*\$ )abiclash (.+)$", re.MULTILINE)
ELLIPSIS = re.compile(r"(^|\s)\.\.\.(\s|$)")


def _lines(page: Path) -> list[str]:
    text = re.sub(r"\\\n\s*", "", page.read_text())  # a line that goes on
    found = [line.partition("  #")[0].partition(" | ")[0].strip() for line in COMMAND.findall(text)]
    return [line for line in found if not ELLIPSIS.search(line) and line.split()[0] in COMMANDS]


@pytest.mark.parametrize("page", [page for page in PAGES if _lines(page)], ids=lambda page: page.stem)
def test_command_lines_are_understood(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    context = click.Context(app)
    for line in _lines(page):
        words = shlex.split(re.split(r"\s[<>]\s|2>", line)[0])
        command = app.get_command(context, words[0])
        while isinstance(command, click.Group):
            words = words[1:]
            command = command.get_command(context, words[0])
        assert command is not None, line
        command.make_context(words[0], words[1:], parent=context)


@pytest.mark.compiler
def test_python_of_the_pages_runs(wheels: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, used in (("polars", "DataFrame"), ("pyarrow", "table")):
        if importlib.util.find_spec(name) is None:
            stand_in = types.ModuleType(name)
            setattr(stand_in, used, list)
            monkeypatch.setitem(sys.modules, name, stand_in)
    folder = str(Path(wheels[0]).parent)  # the pages name packages of the index; here are two small wheels
    order = ["second", "first"]
    monkeypatch.setattr(abiclash, "scan", lambda *_: api.scan(folder, offline=True), raising=False)
    monkeypatch.setattr(
        abiclash, "bindings", lambda *_, **__: api.bindings(folder, order=order, offline=True), raising=False
    )
    monkeypatch.setattr(abiclash, "read_facts", lambda *_, **__: api.read_facts(folder, offline=True), raising=False)
    for page in ("api", "for-investigators"):
        blocks = re.findall(
            r"^```python\n(.*?)^```", (ROOT / "docs" / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL
        )
        assert blocks
        names: dict[str, Any] = {}
        for block in blocks:
            exec(compile(block, page, "exec"), names)  # noqa: S102 - our own text
    assert names["facts"].objects.num_rows


def test_toml_of_the_pages_is_toml() -> None:
    for page in PAGES:
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            tomllib.loads(block)


def test_every_page_can_be_found() -> None:
    """In the site's navigation, or by a link of the first page."""
    ways = (ROOT / "mkdocs.yml").read_text() + (ROOT / "docs" / "index.md").read_text()
    assert [page.name for page in (ROOT / "docs").glob("*.md") if not re.search(rf"[ (]{page.name}\b", ways)] == []


def test_pictures_are_alone() -> None:
    """SVG of the pages loads nothing and says in words what it shows."""
    for picture in (ROOT / "docs" / "assets").glob("*.svg"):
        text = picture.read_text()
        assert "<title" in text
        assert "<desc" in text
        assert not re.search(r"href|<script|url\((?!#)", text)
