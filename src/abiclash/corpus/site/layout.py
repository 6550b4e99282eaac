"""HTML of the published site: everything that comes from wheels is escaped, nothing is loaded from elsewhere."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'"
)
_PLAIN = re.compile(r"[a-z0-9][a-z0-9.-]*")

STYLE = """\
:root { color-scheme: light dark; --line: #8884; --error: #c22; --warning: #b70; --note: #678; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
nav a { margin-right: 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; }
.error { color: var(--error); font-weight: 600; }
.warning { color: var(--warning); font-weight: 600; }
.note { color: var(--note); }
article { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem 1rem; margin: 1rem 0; }
svg { width: 100%; height: auto; }
input[type=search] { font: inherit; width: 100%; padding: .4rem; box-sizing: border-box; }
"""

SEARCH = """\
"use strict";
const field = document.getElementById("search"), list = document.getElementById("found");
let entries = null;
async function show() {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
  if (entries === null) entries = await (await fetch(field.dataset.index)).json();
  list.replaceChildren();
  if (!words.length) return;
  const hits = entries.filter((e) => words.every((w) => e.text.includes(w))).slice(0, 50);
  for (const hit of hits) {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = hit.url;
    link.textContent = hit.title;
    item.append(link);
    list.append(item);
  }
  if (!hits.length) list.append(Object.assign(document.createElement("li"), { textContent: "nothing found" }));
}
field.addEventListener("input", show);
"""


def text(value: object, limit: int = 400) -> str:
    """Return a value as HTML text."""
    return html.escape(name(str(value), limit))


def link(url: str, label: object) -> str:
    return f'<a href="{html.escape(url)}">{text(label)}</a>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are HTML already."""
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    if not lines:
        return "<p>None.</p>"
    top = "".join(f"<th>{text(label)}</th>" for label in head)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"


def items(entries: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{entry}</li>" for entry in entries) + "</ul>"


def page(title: str, body: str, root: str = "", script: str = "") -> str:
    """Return a whole page. root: relative address of the site's top folder, such as `../`."""
    links = " ".join(
        f'<a href="{root}{address}">{label}</a>'
        for address, label in (("index.html", "overview"), ("rules/index.html", "rules"), ("feed.json", "feed"))
    )
    load = f'<script src="{root}{script}" defer></script>' if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{text(title)}</title><link rel="stylesheet" href="{root}style.css">'
        '<link rel="icon" href="data:,">'
        f'<link rel="alternate" type="application/feed+json" href="{root}feed.json">{load}</head>'
        f"<body><nav>{links}</nav><main><h1>{text(title)}</h1>{body}</main></body></html>\n"
    )


def address(label: str) -> str:
    """Return the file name of a page about something; names of packages and rules are plain, others are coded."""
    return label if _PLAIN.fullmatch(label) else "x-" + label.encode("utf-8", "surrogateescape").hex()[:80]
