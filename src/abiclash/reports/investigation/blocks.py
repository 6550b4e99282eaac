"""The parts of a report, and their two forms. Text has one kind of markup: `code` between backticks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CODE = re.compile(r"`([^`]*)`")
_LINE = 4000  # a command of which the middle is missing cannot be repeated


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list. numbered: its order means something."""

    items: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines shown as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing. name: of its file, without `.svg`. svg: complete, made of escaped text only."""

    name: str
    svg: str
    caption: str


Block = Heading | Text | Items | Table | Code | Figure


def code(text: str) -> str:
    """Return a name of a stranger's as code: one line, nothing that could end it."""
    return f"`{name(text).replace('`', chr(39))}`"


def as_markdown(blocks: Iterable[Block]) -> str:
    """Return GitHub's Markdown; figures are referred to by file name."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_plain(text)}"
        case Text(text):
            return _plain(text)
        case Items(items, numbered):
            return "\n".join(f"{f'{at}.' if numbered else '-'} {_plain(item)}" for at, item in enumerate(items, 1))
        case Table(head, rows):
            lines = [head, tuple("---" for _ in head), *rows]
            return "\n".join(
                "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
            )
        case Code(text):
            return "\n".join(f"    {name(line, _LINE)}" for line in text.splitlines())
        case Figure(file, _, caption):
            return f"![{caption}]({file}.svg)\n\n*{caption}*"


def _plain(text: str) -> str:
    """Escape what Markdown and HTML would take for markup, but leave code alone."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\<>*_\[\]])", r"\\\1", part) for part in parts)


_STYLE = """
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; }
h1, h2, h3 { line-height: 1.2; margin-top: 2rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 0.92em; }
th, td { border: 1px solid #c9ced6; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
th { background: #eef1f5; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.92em; overflow-wrap: anywhere; }
pre { background: #f4f6f8; padding: 0.8rem; overflow-x: auto; }
figure { margin: 1.5rem 0; overflow-x: auto; }
figcaption { color: #4a525c; font-size: 0.92em; }
"""


def as_html(blocks: Sequence[Block]) -> str:
    """Return one page that holds everything and may load nothing."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "Investigation")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title.replace('`', ''))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    )
    return head + "\n".join(_html(block) for block in blocks) + "\n</body>\n</html>\n"


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_marked(text)}</h{level}>"
        case Text(text):
            return f"<p>{_marked(text)}</p>"
        case Items(items, numbered):
            kind = "ol" if numbered else "ul"
            return f"<{kind}>" + "".join(f"<li>{_marked(item)}</li>" for item in items) + f"</{kind}>"
        case Table(head, rows):
            top = "".join(f"<th>{_marked(cell)}</th>" for cell in head)
            body = "\n".join("<tr>" + "".join(f"<td>{_marked(cell)}</td>" for cell in row) + "</tr>" for row in rows)
            return f"<table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
        case Code(text):
            return f"<pre>{escape(chr(10).join(name(line, _LINE) for line in text.splitlines()))}</pre>"
        case Figure(_, svg, caption):
            return f"<figure>\n{svg}<figcaption>{_marked(caption)}</figcaption>\n</figure>"


def _marked(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
