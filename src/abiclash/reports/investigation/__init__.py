"""An investigation as a report that can be handed on: Markdown, and one HTML page without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.reports.investigation.blocks import as_html, as_markdown
from abiclash.reports.investigation.document import compose, figures

if TYPE_CHECKING:
    from abiclash.lab.investigate.result import Investigation

__all__ = ["files", "markdown"]


def markdown(found: Investigation, command: str) -> str:
    """Return the report as Markdown. command: what made it, for the reader to repeat."""
    return as_markdown(compose(found, command))


def files(found: Investigation, command: str) -> dict[str, str]:
    """Return the files of a report's folder: name -> text."""
    blocks = compose(found, command)
    drawn = {f"{figure.name}.svg": figure.svg for figure in figures(found)}
    return {"report.md": as_markdown(blocks), "report.html": as_html(blocks), **drawn}
