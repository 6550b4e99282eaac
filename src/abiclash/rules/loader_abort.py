"""The dynamic linker itself gives up and ends the process.

## What happens

Importing a package ends Python at once, without an exception: "Inconsistency detected by ld.so: dl-lookup.c: ...:
check_match: Assertion `version->filename == NULL || ! _dl_name_match_p (version->filename, map)' failed!".

## Why it breaks

ld.so asserts that the symbol versions an object was linked with fit the libraries that are in the process. Where a
library is found under the right name but is another build, without any symbol versions, or where a tool renamed a
needed library and forgot the version table, the assertion does not hold.

## How the loader decides

Each needed version names a library (DT_VERNEED). `_dl_check_map_versions` (glibc elf/dl-version.c) asserts that a
library of that name is loaded. `check_match` (elf/dl-lookup.c, until glibc 2.41) asserts that a definition without
versions is not taken from the very library that the reference names for its version.

## Example

The fixture `without_versions` builds one library with symbol versions and one of the same soname without, a package
for each. Once the library without is loaded, loading one that needs a version ends the process.

## Fix on each side

Give a bundled library that differs from the usual build a soname of its own, as `auditwheel repair` does, or keep its
version script. After renaming, every file that `readelf --version-info` lists under "Version needs" must also be in
DT_NEEDED; patchelf renames both. Users can try the other import order.

## Incidents

None is known from the wheels that were looked at; both ways were reproduced with small libraries.

## Limits

musl has no symbol versions and no such assertions. What would be loaded after the process has ended is not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.rules.displaced import displaced
from abiclash.rules.failures import failure_groups, quoted, safe_orders
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case
    from abiclash.rules.displaced import Displaced
    from abiclash.rules.failures import FailureGroup
    from abiclash.rules.model import Finding

RULE = Rule(
    id="loader-abort",
    title="The dynamic linker gives up and ends the process",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.VERSION,
    since="0.1",
    references=("https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html",),
)


def check(case: Case) -> Iterable[Finding]:
    """One finding for each assertion that fails; alone, too, it is grave, but no matter of company."""
    for group in failure_groups(case, "inconsistency"):
        yield _finding(case, group)


def _finding(case: Case, group: FailureGroup) -> Finding:
    run, played = group.seen[0]
    other = next((item for _, item in displaced(case, group)), None)
    owners = [p for file in (other.own, other.used) if (p := case.package(file)) is not None] if other else []
    path = played.load.path.removeprefix(case.site_packages + "/")
    victims = " and ".join(p.name for p in group.victims) or "a package"
    safe = safe_orders(case, group)
    company = "" if group.alone else f" after {in_order([name for name in run.order if name not in victims])}"
    return RULE.finding(
        packages=[*group.victims, *owners],
        severity=group.severity,
        confidence=group.confidence,
        summary=f"Loading {path} of {victims}{company} ends the process: an assertion of the dynamic linker fails.",
        explanation=_explanation(case, group, path, other),
        advice=_advice(case, group, other, safe),
        key=[path],
        failing_order=tuple(p.name for p in group.victims[:1]) if group.alone else run.order,
        safe_order=safe[0] if safe else None,
        objects=dict.fromkeys([path, *([case.path(other.used), case.path(other.own)] if other else [])]),
        evidence={
            "message": quoted(case, group.failure),
            "alone": group.alone,
            "stage": run.stage.value,
            "failing_orders": [list(order) for order in group.orders],
        },
    )


def _explanation(case: Case, group: FailureGroup, path: str, other: Displaced | None) -> str:
    end = f"It prints `{quoted(case, group.failure)}` and ends the process; Python cannot catch that."
    if other is not None:
        return (
            f"{path}, or a library that it brings, was linked with {case.path(other.own)} and its symbol versions. The "
            f"process already has another file of that name, {case.path(other.used)}, and a process loads a name only "
            f"once. That file has no symbol versions, which the dynamic linker takes for impossible. {end}"
        )
    return (
        f"The symbol versions that {path}, or a library that it brings, was linked with do not fit its own libraries: "
        f"one was renamed, or is a build without symbol versions. {end}"
    )


def _advice(case: Case, group: FailureGroup, other: Displaced | None, safe: list[tuple[str, ...]]) -> list[Advice]:
    advice = [Advice("user", f"Import in this order: {', '.join(safe[0])}.", checked=True)] if safe else []
    if other is not None and (owner := case.owner(other.used)) is not None:
        text = (
            f"Give {case.basename(other.used)} a soname of its own (auditwheel repair does), or link it with the "
            "version script of the original (-Wl,--version-script)."
        )
        advice.append(Advice(f"maintainer of {owner}", text))
    text = 'Every file under "Version needs" of `readelf --version-info` must be in DT_NEEDED: rename with patchelf.'
    return advice + [Advice(f"maintainer of {p.name}", text) for p in group.victims if other is None]
