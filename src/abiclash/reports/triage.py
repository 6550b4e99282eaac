"""What `triage` made of a crash text, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.reports.safe import inert, name
from abiclash.rules.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abiclash.reports.paint import Paint
    from abiclash.triage.causes import Cause
    from abiclash.triage.crash import Crash

SCHEMA = "urn:abiclash:triage:1"
_SHOWN = 5


def as_text(crash: Crash, causes: Sequence[Cause], paint: Paint, *, scanned: bool) -> str:
    """Return what was understood and the likely causes. scanned: they were held against the environment."""
    return "\n".join(_lines(crash, causes, paint, scanned=scanned)) + "\n"


def _lines(crash: Crash, causes: Sequence[Cause], paint: Paint, *, scanned: bool) -> Iterator[str]:
    if not crash.understood:
        yield "Nothing in this text is known to abiclash: no dynamic linker's message, no native crash, no backtrace."
        yield from paint.wrap("Give it the whole output: of python -X faulthandler, of gdb's bt, or of ImportError.", 0)
        return
    yield from _heard(crash, paint)
    plain = [text for clue in crash.clues if not clue.message.rules for text in (clue.meaning, clue.advice)]
    yield from (line for text in plain for line in paint.wrap(name(text, 2000), 0))
    if not causes:
        return
    yield ""
    yield paint("Likely causes, the likeliest first", "bold")
    said = set()
    for number, cause in enumerate(causes[:_SHOWN], start=1):
        found = f"  {cause.finding.id}" if cause.finding else ""
        yield f"{number}. {paint(cause.rule, 'bold')}: {rule(cause.rule).rule.title}{paint(found, 'dim')}"
        why = cause.finding.summary if cause.finding else cause.because
        for text in (why, f"What to do: {cause.advice}" if cause.advice else ""):
            if text and text not in said:  # one message can have several causes
                said.add(text)
                yield from paint.wrap(name(text, 2000), 3)
    yield ""
    yield paint("Next", "bold")
    for step in steps(crash, causes, scanned=scanned):
        yield f"  {name(step, 1000)}"


def _heard(crash: Crash, paint: Paint) -> Iterator[str]:
    if crash.fatal:
        yield name(crash.fatal)
    for clue in crash.clues:
        yield from paint.wrap(f"line {clue.line}: {name(clue.text, 1000)}", 0, hang=2)
    if crash.importing:
        yield from paint.wrap(f"while importing: {', '.join(map(name, crash.importing))}", 0, hang=2)
    others = [one for one in dict.fromkeys((*crash.packages, *crash.loaded)) if one not in crash.importing]
    if others:
        yield from paint.wrap(f"also in the process: {', '.join(map(name, others[:20]))}", 0, hang=2)


def steps(crash: Crash, causes: Sequence[Cause], *, scanned: bool) -> list[str]:
    """Return commands that find out more."""
    found = next((cause for cause in causes if cause.finding), None)
    if found is not None and found.finding is not None:
        packages = " ".join(f"{package.name}=={package.version}" for package in found.finding.packages)
        return [f"abiclash suggest {packages}", f"abiclash rules {found.rule}"]
    packages = " ".join(dict.fromkeys((*crash.importing, *crash.packages, *crash.loaded)))
    if not scanned:
        wanted = ["abiclash triage --env FOLDER < crash.txt    # the environment it happened in"]
        return [*wanted, *([f"abiclash scan {packages}"] if " " in packages else [])]
    return [f"abiclash rules {cause.rule}" for cause in causes[:2]]


def as_json(crash: Crash, causes: Sequence[Cause], *, scanned: bool) -> str:
    """Return the same as a JSON object."""
    document = {
        "schema": SCHEMA,
        "fatal": crash.fatal or None,
        "clues": [
            {
                "line": clue.line,
                "text": clue.text,
                "rules": clue.message.rules,
                "meaning": clue.meaning,
                **dict(clue.told),
            }
            for clue in crash.clues
        ],
        "frames": [{"function": frame.function, "object": frame.object or None} for frame in crash.native],
        "importing": crash.importing,
        "packages": crash.packages,
        "loaded": crash.loaded,
        "scanned": scanned,
        "causes": [
            {
                "rule": cause.rule,
                "because": cause.because,
                "advice": cause.advice,
                "finding": cause.finding.id if cause.finding else None,
                "summary": cause.finding.summary if cause.finding else None,
            }
            for cause in causes
        ],
        "next": steps(crash, causes, scanned=scanned),
    }
    return json.dumps(inert(document), indent=2, ensure_ascii=False) + "\n"
