"""The experiments: what ends the failure, what brings it back, what changes nothing, what was ruled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.lab.investigate.result import Role
from abiclash.reports.investigation.blocks import Block, Heading, Items, Table, Text, code
from abiclash.reports.investigation.story import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.lab.investigate.result import Attempt, Cause, Investigation

_METHOD = (
    "Each row is a fresh process in a copy of the environment in which exactly one thing is changed; the change is "
    "undone before the next. A cause is proven when a change ends the failure, the same thing alone brings it "
    "into a program that works, and the same edit on symbols that the hypothesis says nothing of changes nothing "
    "(placebo)."
)
_TITLES = {
    Role.REMOVAL: "Taken away from the failing program",
    Role.RESTORATION: "Brought into the working program",
    Role.PLACEBO: "Placebos: the same edit where nothing should happen",
}


def proof(found: Investigation) -> Iterator[Block]:
    """The attempts on the cause."""
    cause = found.cause
    if cause is None:
        return
    yield Heading(2, "The proof")
    yield Text(_METHOD)
    yield Text(f"Result: {cause.status}.")
    if cause.suspect.kind == "definitions":
        yield Items(tuple(_edits(cause)))
    if cause.suspect.kind == "registry":
        yield Items(tuple(_entry_edits(cause)))
    for role, title in _TITLES.items():
        attempts = [attempt for attempt in cause.attempts if attempt.role is role]
        if attempts:
            yield Heading(3, title)
            rows = tuple((_what(each), code(each.program), each.outcome.text, _as_expected(each)) for each in attempts)
            yield Table(("change", "program", "how it ended", "reading"), rows)
    if not cause.minimal:
        yield Text("Time ran out before the sets were as small as they can be.")


def _edits(cause: Cause) -> Iterator[str]:
    removals = [attempt for attempt in cause.attempts if attempt.role is Role.REMOVAL]
    objects = sorted({path for attempt in removals for path in attempt.objects})
    yield (
        "To take a definition away, its entry in the symbol table is made a reference (section index and value 0): its "
        "owner then takes what the process offers; or it is hidden (one byte, st_other). "
        f"Edited: {', '.join(map(code, objects))}."
    )
    if public(cause):
        yield (
            f"To bring it in, {code(cause.suspect.object)} is opened first, for everybody (RTLD_GLOBAL). Of those who "
            "then get its definitions, everyone's own definitions are hidden, which binds them to themselves, but for "
            "the ones named."
        )
    else:
        yield (
            f"To bring it in, {code(cause.suspect.object)} is opened first, by itself, with every other definition "
            "hidden."
        )
    if cause.removing:
        yield f"Smallest set that ends the failure: {readable(cause.removing)}."
    if cause.restoring:
        yield f"Smallest set that brings it into the working program: {readable(cause.restoring)}."


def _entry_edits(cause: Cause) -> Iterator[str]:
    path = code(cause.suspect.object)
    yield (
        f"An entry of {path} gets another name of the same length: in the file itself, and where it is Python source "
        "in those of its package that mention it. The names of Python's classes stay as they are."
    )
    yield f"To bring an entry in, {path} alone is loaded first, with every other entry renamed."
    if cause.removing:
        yield f"Smallest set that ends the failure: {', '.join(map(code, cause.removing))}."
    if cause.restoring:
        yield f"Smallest set that brings it into the working program: {', '.join(map(code, cause.restoring))}."


def public(cause: Cause) -> bool:
    """Whether the definitions reach the others because their object is in the global scope."""
    return any("RTLD_GLOBAL" in attempt.what for attempt in cause.attempts)


def _what(attempt: Attempt) -> str:
    if attempt.symbols:
        listed = ", ".join(code(symbol) for symbol in attempt.symbols[:3])
        return f"{attempt.what}: {listed}" + (
            f" and {len(attempt.symbols) - 3} more" if len(attempt.symbols) > 3 else ""
        )
    objects = ", ".join(code(path) for path in attempt.objects)
    return f"{attempt.what} {'nothing' if attempt.what.endswith('but') else objects}".strip()


def _as_expected(attempt: Attempt) -> str:
    said = {
        Role.REMOVAL: ("the failure is gone", "it still fails"),
        Role.RESTORATION: ("the same failure", "no effect"),
        Role.PLACEBO: ("nothing changes, as it should", "it changes something: not a clean placebo"),
        Role.REMEDY: ("helps", "does not help"),
    }[attempt.role]
    return said[0] if attempt.good else said[1]


def ruled_out(found: Investigation) -> Iterator[Block]:
    """The other suspects, and how they were refuted."""
    if not found.ruled_out:
        return
    yield Heading(2, "What was ruled out")
    yield Items(tuple(map(_refuted, found.ruled_out)))


def _refuted(cause: Cause) -> str:
    suspect = cause.suspect
    tries = "; ".join(f"{each.what} {_count(each)}: {each.outcome.text}" for each in cause.attempts[:4])
    about = f"{len(suspect.symbols)} definitions of " if suspect.symbols else ""
    return f"{about}{code(suspect.object)} ({suspect.package or suspect.kind}), {cause.status}: {tries}."


def _count(attempt: Attempt) -> str:
    return f"({len(attempt.symbols)} symbols)" if attempt.symbols else ""
