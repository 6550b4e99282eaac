"""What `check --diff` says of two wheels, for people, programs and code scanning."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from abiclash import __version__
from abiclash.demangle import demangle
from abiclash.gate.difference import MEANINGS
from abiclash.reports import sarif
from abiclash.reports.gate import STYLES
from abiclash.reports.safe import inert, name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.gate.difference import Change, Difference
    from abiclash.reports.paint import Paint
    from abiclash.reports.places import Place

SCHEMA = "urn:abiclash:difference:1"
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Release:
    """What a release changes and what the policy says. blocking: kinds of changes. verdict: as of a `gate.Verdict`."""

    difference: Difference
    blocking: frozenset[str]
    verdict: str


def as_text(release: Release, paint: Paint) -> str:
    """Return what a release changes, a paragraph for each kind."""
    difference = release.difference
    title = f"{name(difference.old)} -> {name(difference.new)}"
    lines = [f"{title}: {paint(release.verdict, *STYLES[release.verdict])}"]
    names = _readable(difference)
    for change in difference.changes:
        stands = " (blocks)" if change.kind in release.blocking else ""
        lines += ["", f"{paint(change.kind, 'bold')}{stands}: {_counts(change)}"]
        lines += paint.wrap(MEANINGS[change.kind], 2)
        for sign, style, side in (("+", "green", change.new), ("-", "red", change.gone)):
            lines += [f"  {paint(sign, style)} {name(names.get(text, text), 400)}" for text in side[:_SHOWN]]
            if len(side) > _SHOWN:
                lines.append(f"  {paint(sign, style)} and {len(side) - _SHOWN:,} more (--format json has them all)")
    if not difference.changes and not difference.not_analysed:
        lines += ["", "Nothing that neighbours could notice is different."]
    for entry in difference.not_analysed:
        lines += ["", *paint.wrap(f"not analysed: {name(entry.what)}: {name(entry.reason, 500)}", 0, hang=2)]
    return "\n".join(lines) + "\n"


def as_json(release: Release) -> str:
    """Return what a release changes as a JSON object."""
    difference = release.difference
    document = {
        "schema": SCHEMA,
        "tool": {"name": "abiclash", "version": __version__},
        "verdict": release.verdict,
        "old": difference.old,
        "new": difference.new,
        "changes": [
            {
                "kind": change.kind,
                "meaning": MEANINGS[change.kind],
                "blocks": change.kind in release.blocking,
                "new": change.new,
                "gone": change.gone,
            }
            for change in difference.changes
        ],
        "not_analysed": [{"what": entry.what, "reason": entry.reason} for entry in difference.not_analysed],
    }
    return json.dumps(inert(document), indent=2) + "\n"


def schema() -> str:
    """Return the text of the JSON Schema that `as_json` keeps to."""
    return resources.files("abiclash.reports").joinpath("schema/difference-1.json").read_text("utf-8")


def as_sarif(release: Release, project: str, place: Place) -> str:
    """Return what a release changes as SARIF: a result for each kind. place: of the project (see `places`)."""
    difference = release.difference
    names = _readable(difference)
    log = sarif.log(
        category="check-diff",
        version=__version__,
        descriptors=[_descriptor(change.kind) for change in difference.changes],
        results=[
            {
                "ruleId": f"change-{change.kind}",
                "ruleIndex": index,
                "level": "error" if change.kind in release.blocking else "note",
                "message": {"text": sarif.literal(_message(change, names))},
                "locations": [sarif.location(project, place, ())],
                "partialFingerprints": {"primaryLocationLineHash": f"{change.kind}:1"},
            }
            for index, change in enumerate(difference.changes)
        ],
        notifications=sarif.notifications(difference.not_analysed),
        properties={"verdict": release.verdict, "old": difference.old, "new": difference.new},
    )
    return json.dumps(inert(log), indent=2) + "\n"


def _descriptor(kind: str) -> dict[str, object]:
    return {
        "id": f"change-{kind}",
        "shortDescription": {"text": f"A release changes: {kind}."},
        "fullDescription": {"text": f"{MEANINGS[kind]}."},
        "help": {"text": f"{MEANINGS[kind]}. See abiclash check --help, --diff."},
        "defaultConfiguration": {"level": "note"},
        "properties": {"tags": ["abi", "release"], "precision": "very-high", "problem.severity": "recommendation"},
    }


def _message(change: Change, names: Mapping[str, str]) -> str:
    lines = [f"{change.kind}: {_counts(change)} ({MEANINGS[change.kind]})"]
    for sign, side in (("+", change.new), ("-", change.gone)):
        lines += [f"{sign} {name(names.get(text, text), 400)}" for text in side[:_SHOWN]]
        lines += [f"{sign} and {len(side) - _SHOWN:,} more"] if len(side) > _SHOWN else []
    return "\n".join(lines)


def _counts(change: Change) -> str:
    return ", ".join(f"{len(side):,} {word}" for word, side in (("new", change.new), ("gone", change.gone)) if side)


def _readable(difference: Difference) -> dict[str, str]:
    """Return symbols as they are shown -> demangled names, where they have one."""
    raw = {
        text: text.encode("utf-8", "surrogateescape")
        for change in difference.changes
        if change.kind in {"exports", "unique"}
        for text in (*change.new[:_SHOWN], *change.gone[:_SHOWN])
    }
    found = demangle(raw.values())
    return {text: found[data] for text, data in raw.items() if data in found}
