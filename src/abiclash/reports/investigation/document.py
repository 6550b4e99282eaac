"""The report's parts, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.reports.investigation import experiments, responsibility, story
from abiclash.reports.investigation import figures as draw
from abiclash.reports.investigation.blocks import Block, Code, Figure, Heading, Items, Table, Text, code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.lab.investigate.result import Investigation

_LISTED = 24
_CODE_SECTIONS = (".text", ".plt", ".init", ".fini")


def compose(found: Investigation, command: str) -> list[Block]:
    """Return the report. Equal results give equal parts, but for the last section, which says where they come from."""
    return [
        *story.opening(found),
        *_runs(found),
        *_crash(found),
        *_difference(found),
        *figures(found),
        *story.steps(found),
        *experiments.proof(found),
        *experiments.ruled_out(found),
        *responsibility.sides(found),
        *_reproduce(found, command),
        *_provenance(found),
    ]


def _runs(found: Investigation) -> Iterator[Block]:
    yield Heading(2, "What was run")
    rows = tuple(
        (code(str(program)), _outcome(program.outcome.text, program.outcome.detail)) for program in found.programs
    )
    yield Table(("program", "how it ended"), rows)
    if found.agreements:
        yield Text(
            "The failing program and the one it is compared with were run again under the dynamic linker's own log "
            "(`LD_DEBUG`, `LD_BIND_NOW`), and what it did was compared with abiclash's model of it."
        )
        yield Table(
            ("program", "bindings observed", "predicted", "predicted and not observed"),
            tuple(
                (code(each.program), f"{each.observed:,}", f"{each.agree:,}", f"{each.extra:,}")
                for each in found.agreements
            ),
        )


def _outcome(text: str, detail: str) -> str:
    return f"{text}: {code(detail)}" if detail and text != "works" else text


def _crash(found: Investigation) -> Iterator[Block]:
    crash = found.crash
    if crash is None or not crash.frames:
        return
    yield Heading(2, "Where it ends")
    if crash.null_jump:
        yield Text("The program counter is 0: something called a function through a pointer that was never set.")
    elif crash.section and not crash.section.startswith(_CODE_SECTIONS):
        yield Text(
            f"The program counter is in {code(crash.section)} of an object, which is data: something jumped to an "
            "address that was never one of code. (The name in frame 0 is only the nearest symbol.)"
        )
    yield Text(f"The stack, as {crash.tool} shows it, innermost first:")
    rows = tuple(
        (str(frame.number), code(frame.function), code(frame.object) if frame.object else "")
        for frame in crash.frames[:16]
    )
    yield Table(("frame", "function", "object or source"), rows)


def _difference(found: Investigation) -> Iterator[Block]:
    if found.passing is None:
        return
    yield Heading(2, "What differs")
    sources = {change.source for change in found.changes}
    yield Text(
        f"Of the references that both {code(str(found.failing))} and {code(str(found.passing))} bind, "
        f"{len(found.changes):,} (in objects: {len(sources):,}) get another definition in the failing run."
    )
    groups: dict[tuple[str, str, str], int] = {}
    for change in found.changes:
        key = change.source, change.failing, change.passing
        groups[key] = groups.get(key, 0) + 1
    ordered = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
    rows = tuple((code(source), code(bad), code(good), str(count)) for (source, bad, good), count in ordered[:_LISTED])
    if rows:
        yield Table(("who refers", "gets, when it fails", "gets, when it works", "references"), rows)
    if len(ordered) > _LISTED:
        yield Text(f"{len(ordered) - _LISTED} more rows are left out.")


def figures(found: Investigation) -> list[Figure]:
    """Return the drawings that this investigation has the material for."""
    if found.failing is None or found.passing is None:
        return []
    titles = (f"fails: {found.failing}", f"works: {found.passing}")
    result = []
    cause = found.cause
    suspect = cause.suspect.object if cause else ""
    if cause and found.bound[0]:
        shown = set(cause.removing) or set(cause.suspect.symbols)
        sides = [[row for row in rows if row.symbol in shown] for rows in found.bound]
        caption = "Who gets which definition of " + ", ".join(code(symbol) for symbol in sorted(shown)[:4])
        result.append(Figure("definitions", draw.bindings(sides[0], sides[1], titles, suspect), caption))
        own = {row.source for row in found.bound[1]}
        before = {scope.source: scope for scope in found.scopes[1]}
        for scope in found.scopes[0]:
            if scope.source in before and scope.source in own:
                caption = f"The objects that {code(scope.source)} asks for it, in order"
                result.append(Figure("scopes", draw.scopes(scope, before[scope.source], titles), caption))
                break
    marked = {suspect: "bad"} if suspect else {}
    if cause:
        symbols = set(cause.suspect.symbols)
        marked |= {each.source: "good" for each in found.changes if each.symbol in symbols and each.failing == suspect}
    drawn = draw.timeline(found.failing_loads, found.passing_loads, titles, marked)
    result.append(
        Figure("loads", drawn, "What was loaded when: blue are libraries of the host, grey those of packages")
    )
    return result


def _reproduce(found: Investigation, command: str) -> Iterator[Block]:
    yield Heading(2, "To reproduce")
    yield Code(command)
    yield Text(f"CPython {found.python}, {found.libc}. Packages, as installed:")
    wheels = {package.name: package for package in found.packages}
    if wheels:
        rows = tuple(
            (package.name, package.version, code(package.wheel), code(package.sha256)) for package in found.packages
        )
        yield Table(("package", "version", "wheel", "sha256"), rows)
    if found.pins:
        yield Code("\n".join(found.pins))
    if found.hashes:
        yield Text("The objects that the cause names:")
        yield Table(("object", "sha256"), tuple((code(path), code(digest)) for path, digest in found.hashes.items()))


def _provenance(found: Investigation) -> Iterator[Block]:
    if found.not_analysed:
        yield Heading(2, "Not analysed")
        yield Items(tuple(f"{code(each.what)}: {each.reason}" for each in found.not_analysed))
    yield Heading(2, "Provenance")
    yield Text(
        f"Written by abiclash investigate in {found.seconds:.0f} s. Only this section changes when it is repeated."
    )
