"""A file that is to be loaded is no shared object that this machine can load.

## What happens

An import opens a file that is not what its name says: a text (such as a linker script, or the pointer that a checkout
without Git LFS leaves), an empty or cut-off file, a library for another kind of machine, or a program.

## Why it breaks

ld.so maps shared objects of one class, byte order and machine. It refuses everything else with "invalid ELF header",
"file too short", "wrong ELF class" or "cannot dynamically load position-independent executable", and the import fails.

## How the loader decides

`open_verify` (glibc elf/dl-load.c) reads the header. Objects of another class or machine are passed over while a
directory search lasts; anything else that is wrong ends the search. `_dl_map_object_from_fd` refuses programs and
objects without a dynamic section.

## Example

The fixture `text_as_library` has an extension module whose library is a text of the right name.

## Fix on each side

Maintainers look at the file with `readelf -h` and package the real library; `auditwheel show` fails on such files, too.
Users install another release, or the wheel for their machine.

## Incidents

None is known from the wheels that were looked at; every refusal was reproduced with small libraries.

## Limits

A bare name that dlopen merely tries is not reported. ld.so's message is predicted from the first 64 bytes of the file;
where those were not kept, "invalid ELF header" stands for whatever is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.rules.failures import failure_groups, packaged, quoted, safe_orders, shown
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding

RULE = Rule(
    id="bad-object",
    title="A file is no library that can be loaded",
    severity=Severity.WARNING,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.FILE,
    since="0.1",
    references=("https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html",),
)


def check(case: Case) -> Iterable[Finding]:
    """State the files that ld.so refuses for what they are; a bare name that dlopen merely tries is no need."""
    for group in failure_groups(case, "bad-object", "missing-library"):
        tried = all(played.tried for _, played in group.seen)
        if not tried and (group.failure.kind == "bad-object" or packaged(case, group.failure.object)):
            yield _finding(case, group)


def _finding(case: Case, group: FailureGroup) -> Finding:
    file = shown(case, group.failure.object)
    reason = group.failure.reason if group.failure.kind == "bad-object" else "invalid ELF header"
    message = quoted(case, group.failure).replace(group.failure.reason, reason)
    victims = " and ".join(p.name for p in group.victims) or "a package"
    safe = safe_orders(case, group)
    opened = sorted({shown(case, played.load.path) for _, played in group.seen} - {file})
    through = f" {opened[0]} of {victims} brings it." if opened else ""
    company = (
        "" if group.alone else " When its package is imported alone it is not met: others change what is found first."
    )
    return RULE.finding(
        packages=group.victims,
        severity=group.severity,
        confidence=group.confidence,
        audience=Audience.MAINTAINER if group.severity is Severity.NOTE else Audience.USER,
        summary=f"{victims} loads {file}, which the dynamic linker refuses: {reason}.",
        explanation=(
            f"{file} is not a shared object for this kind of machine, or it is damaged.{through}{company} Loading it "
            f"fails with: {message}"
        ),
        advice=[
            *([Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True)] if safe else []),
            Advice("user", f"Install {victims} anew, in another release, or from the wheel for this machine."),
            *(
                Advice(
                    f"maintainer of {p.name}",
                    f"Look at {file} with `readelf -h`, and package the library it stands for.",
                )
                for p in group.victims
            ),
        ],
        key=[file],
        failing_order=tuple(p.name for p in group.victims[:1]) if group.alone else group.run.order,
        safe_order=safe[0] if safe else None,
        objects=[file, *opened],
        evidence={
            "message": message,
            "alone": group.alone,
            "stage": group.run.stage.value,
            "failing_orders": [list(order) for order in group.orders],
        },
    )
