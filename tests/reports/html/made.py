"""Reports of packages made of text: a conflict of two, and one in which every name is hostile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.control.view import everything
from abiclash.reports.formats import Report
from abiclash.rules.model import Audience, Outcome, PackageId, ScannedPackage, ScanResult, Severity, Verdict, by_weight
from abiclash.rules.registry import rules
from tests.reports.sample import CONFLICT, COVERAGE, HOST, HOSTILE_RESULT, SPLIT_STATE

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

_PACKAGES = (PackageId("first", "1.0"), PackageId("second", "1.0"))
_ERROR = replace(
    SPLIT_STATE,
    id="split-state-00000001",
    packages=_PACKAGES,
    failing_order=("first", "second"),
    safe_order=("second", "first"),
    objects=("first/_f.so", "second/_s.so"),
    symbols=("state",),
    summary="first and second see two copies of a variable of librt.so.",
    evidence={"bindings": [{"symbol": "state", "from": "librt.so", "to": "first/_f.so"}]},
)
_WARNING = replace(
    _ERROR,
    id="size-mismatch-00000002",
    rule="size-mismatch",
    severity=Severity.WARNING,
    objects=(),
    audience=Audience.MAINTAINER,
)
_NOTE = replace(
    _ERROR,
    id="runtime-capture-00000003",
    rule="runtime-capture",
    severity=Severity.NOTE,
    audience=Audience.RESEARCHER,
    symbols=("more", "state"),
    failing_order=None,
    safe_order=None,
)

EVIL = "<img src=x onerror=alert(1)>'\"&\x1b[31m\u202e`{{7*7}}"


def conflict_site(site: Site) -> Case:
    """Play two packages that need the system's librt.so; `first` exports a `state` of its own, which captures it."""
    site.library(
        "librt.so", "int state[2]; int more(void) { return 1; } int *get(void) { return state + more(); }", system=True
    )
    site.library("first/libx.so", "int x1;", open_with=None)
    site.library("second/libx.so", "int x2;", open_with=None)
    site.library(
        "first/_f.so",
        "int *get(void); int state[4]; int more(void) { return 2; } int f(void) { return get() == state; }",
        needs=["librt.so", "first/libx.so"],
    )
    site.library(
        "second/_s.so",
        "extern int state[2]; int *get(void); int s(void) { *get() = 1; return state[0]; }",
        needs=["librt.so", "second/libx.so"],
    )
    site.library("second/_later.so", "int later;", later=True)
    return site.case("first", "second")


def hostile_site(site: Site) -> Case:
    """Play the same conflict between packages, files and symbols with hostile names."""
    evil = EVIL.replace('"', '\\"')
    symbol = f'.globl "{evil}"\n.type "{evil}", @object\n'
    define = f'{symbol}.data\n"{evil}": .quad 0\n.size "{evil}", 8\n'
    refer = f'.data\n.quad "{evil}"\n'
    stack = '.section .note.GNU-stack,"",@progbits\n'
    site.library("librt.so", define + refer + stack, system=True, language="assembler", flags=["-nostdlib"])
    for package in (EVIL, "B" + EVIL):
        text = (define if package == EVIL else "") + refer + stack
        site.library(
            f"{package}/{EVIL}.so", text, needs=["librt.so"], language="assembler", flags=["-nostdlib"], soname=EVIL
        )
    return site.case()


def report_of(case: Case) -> Report:
    """Return a report of the conflict. Its findings are made here, so that what rules say may change."""
    library = next(path for path in map(case.path, range(len(case.world.paths))) if path.endswith("/system/librt.so"))
    findings = (replace(_ERROR, objects=(*_ERROR.objects, library)), _WARNING, _NOTE)
    failing = {finding.failing_order for finding in findings if finding.severity is Severity.ERROR}
    orders = dict.fromkeys(run.order for run in case.together)
    result = ScanResult(
        version="1.2.3",
        targets=case.requested,
        packages=tuple(ScannedPackage(name, "1.0") for name in case.packages),
        host=HOST,
        orders=tuple(
            Verdict(order, Outcome.CONFLICT if order in failing else Outcome.CLEAN, COVERAGE) for order in orders
        ),
        findings=findings,
        not_analysed=CONFLICT.not_analysed,
        coverage=COVERAGE,
    )
    return Report(result, everything(findings), case)


def hostile_report(case: Case) -> Report:
    """Return a report in which the findings, too, say nothing but hostile names: those of rules, and made up ones."""
    found = tuple(sorted((f for rule in rules() for f in rule.check(case)), key=by_weight))
    findings = (*HOSTILE_RESULT.findings, *found)
    result = replace(HOSTILE_RESULT, findings=findings)
    return Report(result, everything(findings), case)
