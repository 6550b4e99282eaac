"""A library asks for an executable stack.

## What happens

Loading the library makes the stack of the whole process executable, which switches off a protection for all other
code; from glibc 2.41 on, the load fails instead.

## Why it breaks

An object without a `.note.GNU-stack` section, usually hand-written assembly, was linked in, so the linker marked the
library as needing an executable stack, mostly without need.

## How the loader decides

PT_GNU_STACK with PF_X set, or on x86 and 32-bit ARM its absence, makes `_dl_map_object_from_fd` (glibc elf/dl-load.c)
change the stack's protection; since 2.41 dlopen refuses: "cannot enable executable stack as shared object requires".

## Example

The fixture `marked_library` links a library with `-z execstack`. The map of the process shows the stack as `rwxp`
once it is loaded.

## Fix on each side

Maintainers link with `-z noexecstack`; `patchelf --clear-execstack` repairs a finished wheel. Users update the
package, or stay on a system with glibc before 2.41.

## Incidents

ctranslate2 4.5.0 (OpenNMT/CTranslate2 issue 1849).

## Limits

Whether the kernel grants it is not known: a security module may refuse it on any glibc.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from abiclash.linker import load_checks
from abiclash.rules.case import Stage
from abiclash.rules.failures import failure_groups, shown
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding

RULE = Rule(
    id="executable-stack",
    title="A library asks for an executable stack",
    severity=Severity.WARNING,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.STACK,
    since="0.1",
    references=("https://sourceware.org/git/?p=glibc.git;a=blob;f=NEWS;hb=glibc-2.41",),
)


def check(case: Case) -> Iterable[Finding]:
    """One finding for each package with such objects that an import or later use loads, or would."""
    host = next((run.process.host for run in case.runs), None)
    if host is None:
        return
    loaded = {file: run.stage for run in reversed(list(case.runs)) for file in run.process.maps}
    refused = {group.failure.object: group for group in failure_groups(case, "executable-stack")}
    for name, package in case.packages.items():
        asking = {facts.path: facts for facts in package.wheel.objects if facts.has_dynamic}
        asking = {path: facts for path, facts in asking.items() if load_checks.wants_executable_stack(facts, host)}
        stages = {path: stage for file, stage in loaded.items() if (path := case.path(file)) in asking}
        groups = [group for at, group in refused.items() if any(_is(case, at, facts) for facts in asking.values())]
        paths = {path for path, facts in asking.items() if any(_is(case, at, facts) for at in refused)}
        at_import = Stage.IMPORT in stages.values() or any(group.at_import for group in groups)
        if paths or stages:
            yield _finding(case, name, sorted(paths or stages), groups, at_import=at_import)


def _is(case: Case, name: str, facts: ObjectFacts) -> bool:
    """Whether ld.so means this object: by its path, or by the bare name that another object needs it under."""
    if "/" in name:
        return shown(case, name) == facts.path
    return name in (facts.soname, posixpath.basename(facts.path))


def _finding(case: Case, name: str, paths: list[str], refused: list[FailureGroup], *, at_import: bool) -> Finding:
    package = case.packages[name]
    libc = ".".join(map(str, case.host.libc_version))
    musl = case.host.libc == "musl"
    if refused:
        effect = f"glibc {libc} refuses to load it, so the import fails."
    elif musl:
        effect = "musl ignores the mark; code that does run on the stack would crash."
    else:
        effect = (
            f"glibc {libc} obeys and makes the stack of the whole process executable, which exposes every other "
            "package to an attack that is otherwise blocked; glibc 2.41 and later refuse to load it."
        )
    return RULE.finding(
        packages=[package.id, *(victim for group in refused for victim in group.victims)],
        severity=Severity.ERROR if refused else Severity.NOTE if musl else Severity.WARNING,
        confidence=Confidence.CERTAIN if at_import else Confidence.POSSIBLE,
        summary=f"{name} asks for an executable stack for the whole process"
        + (f"; glibc {libc} does not load such a library." if refused else "."),
        explanation=f"{paths[0]} is marked as needing an executable stack, usually by mistake of its build. {effect}",
        advice=[
            Advice("user", f"Use a release of {name} without the mark."),
            Advice(
                f"maintainer of {name}", "Link with -z noexecstack, or run patchelf --clear-execstack on the library."
            ),
        ],
        key=[name],
        failing_order=(name,) if package.requested else None,
        objects=paths,
        evidence={
            "libc": f"{case.host.libc} {libc}",
            "refused": bool(refused),
            "stage": (Stage.IMPORT if at_import else Stage.USE).value,
        },
    )
