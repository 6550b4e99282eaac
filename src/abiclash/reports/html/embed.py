"""Putting data, scripts and styles into the page so that nothing in them can become markup or reach out."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_STYLES = ("base.css", "page.css", "tools.css", "print.css")
_SCRIPTS = ("dom.js", "data.js", "findings.js", "compare.js", "loads.js", "symbols.js", "graph.js", "main.js")
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def data(value: object) -> str:
    """Return JSON for <script type="application/json">: in ASCII, without a character that HTML could take for its own.

    Such an element ends at the first `</script`, and `<!--` changes how it is read: neither can occur.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def style() -> str:
    """Return the page's style sheet."""
    return "\n".join(_read("assets", name) for name in _STYLES)


def script() -> str:
    """Return the page's own script: its parts share one scope of their own."""
    parts = "\n".join(_read("assets", name) for name in _SCRIPTS)
    return f'(function () {{\n"use strict";\n{parts}\n}})();\n'


def library() -> str:
    """Return cytoscape.js, minified; vendor/README.md says where it is from."""
    return _read("vendor", "cytoscape.min.js")


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """Return a content security policy under which just these run and apply, and nothing is fetched or sent."""
    return (
        f"default-src 'none'; script-src {' '.join(map(_hash, scripts))}; style-src {' '.join(map(_hash, styles))}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _read(folder: str, name: str) -> str:
    return resources.files("abiclash.reports.html").joinpath(folder, name).read_text("utf-8")
