"""The page itself: what the templates are given, and their rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from abiclash.reports.html import embed
from abiclash.reports.html.findings import accepted, groups
from abiclash.reports.html.verdict import UNFOLDED, headline, listed
from abiclash.reports.safe import name, prose
from abiclash.reports.symbols import readable
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.control.view import View
    from abiclash.rules.model import ScanResult

UNREAD = 500
"""Entries of "not analysed" that are listed."""
_GRAPH_STYLE = ".__________cytoscape_container { position: relative; }"
"""What cytoscape.js puts into a style element of its own unless the page has it: the policy allows no other."""


def render(result: ScanResult, view: View, shipped: Mapping[str, object] | None) -> str:
    """Return the page. shipped: what its scripts show, None where only the result is known."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("abiclash.reports.html", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html").render(_context(result, view, shipped))
    return text.rstrip() + "\n"


def _context(result: ScanResult, view: View, shipped: Mapping[str, object] | None) -> dict[str, Any]:
    orders, more_orders = listed(result.orders)
    unread = sorted(set(result.not_analysed))
    return _parts(shipped) | {
        "headline": headline(result, view),
        "version": name(result.version),
        "targets": [name(target) for target in result.targets[:40]],
        "orders": orders,
        "more_orders": more_orders,
        "unfolded": UNFOLDED,
        "groups": groups(view, readable(view.findings)),
        "counts": {severity.value: _count(view, severity) for severity in Severity},
        "accepted": accepted(view),
        "hidden": sum(view.hidden.values()),
        "unread": [{"what": name(entry.what), "reason": prose(entry.reason, 2000)} for entry in unread[:UNREAD]],
        "unread_count": len(unread),
        "packages": [
            {"name": name(p.name), "version": name(p.version), "wheel": name(p.wheel), "sha256": name(p.sha256)}
            for p in sorted(result.packages)
        ],
        "host": _host(result),
        "coverage": result.coverage,
        "loads": sorted((how, count) for how, count in result.coverage.loads.items() if count),
    }


def _parts(shipped: Mapping[str, object] | None) -> dict[str, Any]:
    """Return what is put in as it is: it is ours, or escaped by `embed.data`."""
    style, script, library = embed.style(), embed.script(), embed.library()
    return {
        "policy": embed.policy([library, script], [style, _GRAPH_STYLE]),
        "style": Markup(style),  # noqa: S704 - ours
        "graph_style": Markup(_GRAPH_STYLE),  # noqa: S704 - ours
        "script": Markup(script),  # noqa: S704 - ours
        "library": Markup(library),  # noqa: S704 - ours
        "data": None if shipped is None else Markup(embed.data(shipped)),  # noqa: S704 - escaped
    }


def _count(view: View, severity: Severity) -> int:
    return sum(finding.severity is severity for finding in view.findings)


def _host(result: ScanResult) -> str:
    host = result.host
    profile = "this machine" if host.profile == "live" else host.profile
    libc = f"{host.libc} {host.libc_version}".strip()
    return name(f"Python {host.python} on {host.machine} with {libc} (host profile: {profile})", 1000)
