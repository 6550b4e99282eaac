"""The summary, and what happens step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.demangle import demangle
from abiclash.reports.investigation.blocks import Block, Heading, Items, Text, code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.lab.investigate.result import Cause, Investigation, Program
    from abiclash.rules.model import Finding

_SHOWN = 6
_RULES = {"library": ("soname-collision", "missing-version", "bundled-library"), "static-tls": ("static-tls",)}
"""Rules that speak of a kind of suspect without naming symbols."""


def readable(symbols: Iterable[str]) -> str:
    """Return symbols as a list in a sentence, the readable form before the raw one."""
    names = list(symbols)
    raw = [name.encode("utf-8", "surrogateescape") for name in names]
    shown = demangle(raw[:_SHOWN])
    parts = [
        code(shown[each]) + (f" ({code(name)})" if shown[each] != name else "")
        for each, name in zip(raw[:_SHOWN], names, strict=False)
    ]
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(parts) + rest


def matching(found: Investigation) -> Finding | None:
    """Return the finding that names the cause, or the gravest that shares a symbol or object with it."""
    cause = found.cause
    if cause is None:
        return None
    ranked = sorted(found.findings, key=lambda finding: finding.severity.rank)
    by_id = [finding for finding in ranked if finding.id == cause.suspect.rule]
    named = set(cause.removing) | set(cause.restoring)
    sharing = [finding for finding in ranked if named & set(finding.symbols)]
    rules = _RULES.get(cause.suspect.kind, ())
    alike = [finding for finding in ranked if finding.rule in rules and _about(finding, cause)]
    return next(iter([*by_id, *sharing, *alike]), None)


def _about(finding: Finding, cause: Cause) -> bool:
    """Whether a finding names one of the two libraries; memory for TLS has no single one."""
    named = {cause.suspect.object, cause.suspect.finding} - {""}
    return not named or bool(named & set(finding.objects))


def opening(found: Investigation) -> Iterator[Block]:
    """The title, and a summary for whoever only wants to get on."""
    if found.failing is None:
        yield Heading(1, f"{', '.join(found.targets)}: nothing fails")
        yield Heading(2, "Summary")
        yield Text(f"All {len(found.programs)} programs end as they should; there is nothing to explain.")
        return
    yield Heading(1, f"Why {code(str(found.failing))} ends with {found.failing.outcome.text}")
    yield Heading(2, "Summary")
    yield Text(_verdict(found.cause))
    finding = matching(found)
    if finding is not None:
        yield Text(f"In the words of the rule `{finding.rule}`: {finding.summary}")
    helps = [f"Run {code(str(program))}: it works." for program in reordered(found) if program.outcome.works]
    helps += [f"{each.what[0].upper()}{each.what[1:]}: it works." for each in found.remedies if each.outcome.works]
    if helps:
        yield Text("What helps, tried here:")
        yield Items(tuple(helps))


def reordered(found: Investigation) -> list[Program]:
    """Return the programs that do what the failing one does, in another order."""
    wanted = sorted(found.failing.statements) if found.failing is not None else []
    same = [each for each in found.programs if sorted(each.statements) == wanted]
    return [each for each in same if each != found.failing]


def _verdict(cause: Cause | None) -> str:
    if cause is None:
        return (
            "The failure was reproduced, but no single change that was tried ends it. The cause stays open; below is "
            "what was observed, and what was ruled out."
        )
    suspect = cause.suspect
    if suspect.kind == "static-tls":
        return f"The cause is {cause.status}: memory for thread-local variables of libraries that come late runs out."
    if suspect.kind == "library":
        return (
            f"The cause is {cause.status}: {code(suspect.object)} of {suspect.package or 'the host'} is already loaded "
            f"under the same name, so it is taken in place of {code(suspect.finding)}."
        )
    if suspect.kind == "registry":
        return (
            f"The cause is {cause.status}: {code(suspect.object)} of {suspect.package} enters names into a registry of "
            f"the process ({code(suspect.finding)}) that another package enters as well. The failure ends when it "
            + ("looks for the registry" if cause.removing == (suspect.finding,) else _entering(cause))
            + " under another name"
            + (
                f", and {_entries(cause.restoring)} alone brings it into a program that works."
                if cause.restoring
                else "."
            )
        )
    return (
        f"The cause is {cause.status}: {code(suspect.object)} of {suspect.package} exports definitions that other "
        f"libraries take for their own. Of these, {readable(cause.removing)} ends the failure when it is taken away"
        + (f", and {readable(cause.restoring)} alone brings it into a program that works." if cause.restoring else ".")
    )


def steps(found: Investigation) -> Iterator[Block]:
    """What happens, one thing after the other, each with its evidence."""
    cause = found.cause
    if cause is None or found.failing is None or found.passing is None:
        return
    yield Heading(2, "What happens, step by step")
    told = {"definitions": _steps, "library": _library_steps, "static-tls": _memory_steps, "registry": _registry_steps}[
        cause.suspect.kind
    ]
    yield Items(tuple(told(found, cause)), numbered=True)
    finding = matching(found)
    if finding is not None:
        yield Text(f"What the rule `{finding.rule}` ({code(finding.id)}) says, without having run anything:")
        for paragraph in finding.explanation.split("\n\n"):
            yield Text(paragraph.replace("`", "'"))


def _steps(found: Investigation, cause: Cause) -> Iterator[str]:
    suspect, failing = cause.suspect, found.failing
    order = [load.path for load in found.failing_loads]
    if suspect.object in order:
        place = f"as number {order.index(suspect.object) + 1} of {len(order)}"
        yield f"{code(suspect.object)} of {suspect.package} is bound {place} objects of the failing run."
    symbols = set(cause.removing) | set(cause.restoring)
    if len(suspect.symbols) <= _SHOWN:
        symbols |= set(suspect.symbols)
    if symbols:
        yield f"It exports {readable(sorted(symbols))}."
    rows = [change for change in found.changes if change.symbol in symbols and change.failing == suspect.object]
    for change in rows[:_SHOWN]:
        yield (
            f"{code(change.source)} refers to {code(change.symbol)}"
            + (f" (version {code(change.version)})" if change.version else "")
            + f" and gets the definition in {code(change.failing)}. In the working run it gets the one in "
            + f"{code(change.passing)}."
        )
    captured = {change.source for change in rows}
    others = sorted(
        {(row.source, row.target) for row in found.bound[0] if row.symbol in symbols and row.target != suspect.object}
    )
    for source, target in [pair for pair in others if pair[0] not in captured][:_SHOWN]:
        yield f"{code(source)} refers to the same name and gets the definition in {code(target)}: another copy."
    yield from _sizes(found, symbols)
    for value in found.values:
        if value.symbol in symbols or value.symbol in suspect.symbols[:_SHOWN]:
            yield _value(value.object, value.symbol, value.target, value.function)
    finding = matching(found)
    call = finding.evidence.get("call") if finding is not None else None
    if isinstance(call, str):
        yield f"The two sides meet in a call of {code(call)} (as the rule says, from the files alone)."
    if found.crash and found.crash.frames and failing is not None:
        yield from _ending(found)


def _sizes(found: Investigation, symbols: Iterable[str]) -> Iterator[str]:
    """Variables of one name and several sizes."""
    for symbol in sorted(symbols):
        rows = [each for each in found.sizes if each.symbol == symbol]
        if len({each.size for each in rows}) > 1:
            listed = ", ".join(f"{each.size} bytes in {code(each.object)}" for each in rows)
            yield f"The variables of the name {code(symbol)} differ in size: {listed}."


def _library_steps(found: Investigation, cause: Cause) -> Iterator[str]:
    here, there = cause.suspect.object, cause.suspect.finding
    order = [load.path for load in found.failing_loads]
    if here in order:
        yield f"{code(here)} is bound as number {order.index(here) + 1} of {len(order)} objects of the failing run."
    yield (
        f"In the working run {code(there)} is loaded instead. Both answer to one name, and the dynamic linker takes an "
        "object that is already loaded under a name before it searches for a file (elf/dl-load.c, _dl_map_object)."
    )
    users = sorted({change.source for change in found.changes if change.failing == here and change.passing == there})
    if users:
        count = sum(change.failing == here and change.passing == there for change in found.changes)
        yield f"So {count:,} references of {', '.join(map(code, users[:_SHOWN]))} get definitions of the wrong one."
    if found.failing is not None and found.failing.outcome.detail:
        yield f"It ends with {code(found.failing.outcome.detail)}."


def _entering(cause: Cause) -> str:
    return f"enters {_entries(cause.removing)}"


def _entries(names: Iterable[str]) -> str:
    """Return names of a registry as a list in a sentence."""
    listed = list(names)
    rest = f" and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
    return ", ".join(map(code, listed[:_SHOWN])) + rest


def _registry_steps(found: Investigation, cause: Cause) -> Iterator[str]:
    suspect, finding = cause.suspect, matching(found)
    shown = cause.restoring or suspect.symbols
    rest = f" (names that both files have: {len(suspect.symbols)})" if len(shown) < len(suspect.symbols) else ""
    yield f"{code(suspect.object)} of {suspect.package} is loaded first, and enters {_entries(shown)}{rest}."
    others = [path for path in (finding.objects if finding is not None else ()) if path != suspect.object]
    if others:
        yield (
            f"{', '.join(map(code, others[:_SHOWN]))} comes later and enters the same. No symbol is shared: the "
            f"registry ({code(suspect.finding)}) is found by a name of its own, whatever the scope."
        )
    if found.failing is not None:
        yield f"The second entry is refused: {code(found.failing.outcome.detail)}."


def _memory_steps(found: Investigation, cause: Cause) -> Iterator[str]:
    del cause
    yield (
        "Libraries whose thread-local variables are reached at a fixed distance from the thread pointer (initial-exec) "
        "need a place in memory that the C library sets aside when the process starts."
    )
    yield "It sets aside little for libraries that come later by dlopen, and each takes its part as it comes."
    if found.failing is not None:
        yield f"The last one finds too little left: {code(found.failing.outcome.detail)}."


def _value(where: str, symbol: str, target: str, function: str) -> str:
    held = {"null": "null", "data": "an address outside all loaded objects (stack or heap)"}.get(target)
    if held is None:
        held = f"an address in {code(target)}" + (f", at {readable([function])}" if function else "")
    return f"Just before the last statement the copy of {code(symbol)} in {code(where)} holds {held}."


def _ending(found: Investigation) -> Iterator[str]:
    crash, failing = found.crash, found.failing
    if crash is None or failing is None:
        return
    natives = [frame for frame in crash.frames if frame.object]
    starters = [f for f in natives if f.function.startswith(("_GLOBAL__sub_I", "__static_initialization", "call_init"))]
    first = next((frame for frame in natives if not frame.object.startswith("./")), None)
    if first is not None:
        yield (
            f"It ends with {failing.outcome.text}; the innermost known frames are "
            + ", called by ".join(f"{code(frame.function)} in {code(frame.object)}" for frame in natives[:4])
            + "."
        )
    if starters:
        frame = starters[0]
        yield f"A static initializer is on the stack ({code(frame.function)}): it happens while a library is loaded."
