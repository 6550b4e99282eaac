"""The rules themselves, listed and explained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.rules.registry import sections

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.reports.paint import Paint
    from abiclash.rules.registry import Registered


def listing(entries: Iterable[Registered], paint: Paint) -> str:
    """Return one line per rule: id, severity, audience, title."""
    rows = [
        (paint(e.rule.id, "bold"), e.rule.severity.value, paint(e.rule.audience.value, "dim"), e.rule.title)
        for e in entries
    ]
    return "".join(f"{line}\n" for line in paint.columns(rows))


def explanation(entry: Registered, paint: Paint) -> str:
    """Return a rule's page for the terminal: its metadata, then the sections of its docstring."""
    about = entry.rule
    lines = [f"{paint(about.id, 'bold')}: {about.title}"]
    kind = f"{about.severity.value}, {about.confidence.value}, for the {about.audience.value}"
    lines.append(paint(f"{kind}; {about.mechanism.value}; since {about.since}", "dim"))
    for heading, body in sections(entry.doc).items():
        lines += ["", *([paint(heading, "bold")] if heading else []), body]
    if about.references:
        lines += ["", paint("References", "bold"), *about.references]
    return "\n".join(lines) + "\n"


def as_json(entries: Iterable[Registered]) -> str:
    """Return the metadata and pages of rules as a JSON array."""
    rules = [
        {
            "id": e.rule.id,
            "title": e.rule.title,
            "severity": e.rule.severity.value,
            "confidence": e.rule.confidence.value,
            "audience": e.rule.audience.value,
            "mechanism": e.rule.mechanism.value,
            "since": e.rule.since,
            "references": list(e.rule.references),
            "sections": sections(e.doc),
        }
        for e in entries
    ]
    return json.dumps(rules, indent=2) + "\n"
