"""The order in which hypotheses are tried."""

from __future__ import annotations

from abiclash.lab.investigate.result import Change, Load, Outcome
from abiclash.lab.investigate.suspects import suspects
from abiclash.rules.model import Audience, Confidence, Finding, Severity


def _finding(rule: str, severity: Severity, symbols: tuple[str, ...]) -> Finding:
    return Finding(
        id=f"{rule}-00000000",
        rule=rule,
        severity=severity,
        confidence=Confidence.CERTAIN,
        audience=Audience.USER,
        packages=(),
        summary="",
        explanation="",
        advice=(),
        symbols=symbols,
    )


def test_the_gravest_finding_comes_first_though_others_are_taken_from_more() -> None:
    changes = [Change("b/b.so", f"f{at}", "", "a/many.so", "b/b.so") for at in range(9)]
    changes.append(Change("b/b.so", "flag", "", "a/one.so", "b/b.so"))
    loads = [Load("a/many.so", "a-1"), Load("a/one.so", "a-1"), Load("b/b.so", "b-1")]
    found = [
        _finding("global-scope", Severity.WARNING, ("f0", "f1", "flag")),
        _finding("size-mismatch", Severity.ERROR, ("flag",)),
    ]
    tried = suspects(changes, loads, loads, found, Outcome(-11, "SIGSEGV"))
    assert [(each.object, len(each.symbols), each.rule) for each in tried] == [
        ("a/one.so", 1, "size-mismatch-00000000"),
        ("a/many.so", 2, "global-scope-00000000"),
        ("a/many.so", 9, ""),
    ]


def test_without_findings_whose_definitions_are_taken_most_comes_first() -> None:
    changes = [Change("b/b.so", f"f{at}", "", "a/many.so", "b/b.so") for at in range(2)]
    changes.append(Change("b/b.so", "flag", "", "a/one.so", "b/b.so"))
    loads = [Load("a/many.so", "a-1"), Load("a/one.so", "a-1"), Load("b/b.so", "b-1")]
    tried = suspects(changes, loads, loads, (), Outcome(-11, "SIGSEGV"))
    assert [each.object for each in tried] == ["a/many.so", "a/one.so"]
