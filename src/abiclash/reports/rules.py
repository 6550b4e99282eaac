"""The rules themselves, listed and explained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.rules.model import Audience
from abiclash.rules.registry import sections

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.reports.paint import Paint
    from abiclash.rules.registry import Registered

_READERS = {
    Audience.USER: "For whoever installs packages together",
    Audience.MAINTAINER: "For whoever builds a wheel (--audience maintainer)",
    Audience.RESEARCHER: "For whoever studies them all (--audience researcher)",
}
_SEVERITY = 9  # "warning" and two spaces


def listing(entries: Iterable[Registered], paint: Paint) -> str:
    """Return one line per rule (id, severity, title), under whom it speaks to; long titles go on below themselves."""
    entries = list(entries)
    left = max((len(entry.rule.id) for entry in entries), default=0)
    lines: list[str] = []
    for audience in Audience:
        found = [entry.rule for entry in entries if entry.rule.audience is audience]
        if found:
            lines += ["", paint(_READERS[audience], "bold")] if lines else [paint(_READERS[audience], "bold")]
        for rule in found:
            first, *more = paint.wrap(rule.title, left + _SEVERITY + 4)
            lines += [
                f"  {paint(f'{rule.id:{left}}', 'bold')}  {rule.severity.value:{_SEVERITY}}{first.strip()}",
                *more,
            ]
    lines += ["", "'abiclash rules NAME' explains one. Single findings can be graver or milder."]
    return "\n".join(lines) + "\n"


def explanation(entry: Registered, paint: Paint) -> str:
    """Return a rule's page for the terminal: its metadata, then the sections of its docstring."""
    about = entry.rule
    lines = [*paint.wrap(f"{about.id}: {about.title}", 0)]
    lines[0] = lines[0].replace(about.id, paint(about.id, "bold"), 1)
    kind = f"{about.severity.value}, {about.confidence.value}, for the {about.audience.value}"
    lines.append(paint(f"{kind}; {about.mechanism.value}; since {about.since}", "dim"))
    for heading, body in sections(entry.doc).items():
        if heading:  # what stands before the first one says the title again
            lines += ["", paint(heading, "bold"), *paint.wrap(body, 2)]
    if about.references:
        lines += ["", paint("References", "bold"), *(f"  {url}" for url in about.references)]
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
