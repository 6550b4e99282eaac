"""A library asks for an executable stack.

## What happens

Loading the library makes the stack of the whole process executable, which switches off a protection for all other
code; from glibc 2.41 on, the load fails instead.

## Why it breaks

An object without a `.note.GNU-stack` section, usually hand-written assembly, was linked in, so the linker marked the
library as needing an executable stack, mostly without need.

## How the loader decides

PT_GNU_STACK with PF_X set makes `_dl_map_object_from_fd` (glibc elf/dl-load.c) change the stack's protection; since
2.41 dlopen refuses: "cannot enable executable stack as shared object requires".

## Example

The fixture `executable_stack` links a library with `-z execstack`.

## Fix on each side

Maintainers link with `-z noexecstack`; `patchelf --clear-execstack` repairs a finished wheel. Users update the
package, or stay on a system with glibc before 2.41.

## Incidents

ctranslate2 4.5.0 (OpenNMT/CTranslate2 issue 1849).

## Limits

On machines where a missing PT_GNU_STACK also asks for it (old ARM, PowerPC 32) only the explicit request is seen.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from abiclash.rules.case import Stage
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case
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
_REFUSED_SINCE = (2, 41)


def check(case: Case) -> Iterable[Finding]:
    """One finding for each package with such objects that an import or later use loads."""
    asked: dict[str, list[ObjectFacts]] = defaultdict(list)
    for name, package in case.packages.items():
        asked[name] = [facts for facts in package.wheel.objects if facts.exec_stack and facts.has_dynamic]
    loaded = {case.path(file): run.stage for run in reversed(list(case.runs)) for file in run.process.maps}
    refused = {
        case.path(case.world.find(played.event.failure.object) or -1) if "/" in played.event.failure.object else ""
        for run in case.runs
        for played in run.played
        if played.event.failure is not None and played.event.failure.kind == "executable-stack"
    }
    for name, objects in asked.items():
        concerned = [facts for facts in objects if facts.path in loaded or facts.path in refused]
        if concerned:
            yield _finding(case, name, concerned, at_import=any(loaded.get(f.path) is Stage.IMPORT for f in concerned))


def _finding(case: Case, name: str, objects: list[ObjectFacts], *, at_import: bool) -> Finding:
    refused = case.host.libc_version >= _REFUSED_SINCE
    package = case.packages[name]
    paths = sorted(facts.path for facts in objects)
    libc = ".".join(map(str, case.host.libc_version))
    effect = (
        f"glibc {libc} refuses to load it, so the import fails."
        if refused
        else f"glibc {libc} obeys and makes the stack of the whole process executable, which exposes every other "
        "package to an attack that is otherwise blocked; glibc 2.41 and later refuse to load it."
    )
    return RULE.finding(
        packages=[package.id],
        severity=Severity.ERROR if refused else Severity.WARNING,
        confidence=Confidence.CERTAIN if at_import else Confidence.POSSIBLE,
        summary=f"{name} asks for an executable stack for the whole process.",
        explanation=f"{paths[0]} is marked as needing an executable stack, usually by mistake of its build. {effect}",
        advice=[
            Advice("user", f"Use a release of {name} without the mark."),
            Advice(
                f"maintainer of {name}", "Link with -z noexecstack, or run patchelf --clear-execstack on the library."
            ),
        ],
        key=["exec-stack"],
        failing_order=(name,) if package.requested else None,
        objects=paths,
        evidence={"libc": libc, "refused": refused},
    )
