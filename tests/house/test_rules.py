"""Each rule has its page with every heading, a fixture that fires and one that must not."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import types
from pathlib import Path

import pytest

from abiclash.rules import registry
from abiclash.rules.model import Advice, Audience, Confidence, PackageId, Severity, fingerprint, stable_name

ROOT = Path(__file__).parents[2]
RULES = registry.rules()
CORNERS = ("test_found", "test_near_miss")


@pytest.mark.parametrize("entry", RULES, ids=lambda entry: entry.rule.id)
def test_rule_is_named_after_its_module(entry: registry.Registered) -> None:
    assert entry.check.__module__ == f"abiclash.rules.{entry.rule.id.replace('-', '_')}"


@pytest.mark.parametrize("entry", RULES, ids=lambda entry: entry.rule.id)
def test_rule_has_all_headings(entry: registry.Registered) -> None:
    sections = registry.sections(entry.doc)
    assert tuple(sections)[1:] == registry.HEADINGS
    assert all(sections.values())


@pytest.mark.parametrize("entry", RULES, ids=lambda entry: entry.rule.id)
def test_rule_is_tested_in_every_corner(entry: registry.Registered) -> None:
    file = ROOT / "tests" / "rules" / f"test_{entry.rule.id.replace('-', '_')}.py"
    assert file.exists()
    names = [node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    missing = [corner for corner in CORNERS if not any(name.startswith(corner) for name in names)]
    assert missing == []


def test_pages_are_those_of_the_docstrings() -> None:
    spec = importlib.util.spec_from_file_location("build_rules", ROOT / "docs" / "build_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kept = {path.name: path.read_text() for path in (ROOT / "docs" / "rules").glob("*.md")}
    assert kept == module.pages(), "run python docs/build_rules.py"


RULE = registry.Rule(
    id="my-rule",
    title="A title",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=registry.Mechanism.SCOPE,
    since="0.1",
    references=("https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html",),
)
DOC = "One line.\n\n" + "\n\n".join(f"## {heading}\n\nText of {heading}." for heading in registry.HEADINGS)


def test_a_page_has_the_metadata_and_all_sections() -> None:
    entry = registry.Registered(RULE, list, DOC)
    page = registry.page(entry)
    assert page.startswith("# my-rule\n\n**A title**\n")
    assert "| Severity | Confidence | For |" in page
    assert "\n| warning | " in page
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        *(f"## {heading}" for heading in registry.HEADINGS),
        "## References",
    ]


def test_a_finding_takes_what_it_does_not_say_from_its_rule() -> None:
    finding = RULE.finding(
        packages=[PackageId("b", "2"), PackageId("a", "1")],
        summary="s",
        explanation="e",
        advice=[Advice("user", "x")],
        failing_order=["b", "a"],
        key=["two", "one"],
        severity=Severity.ERROR,
    )
    assert (finding.severity, finding.confidence, finding.audience) == (
        Severity.ERROR,
        Confidence.LIKELY,
        Audience.USER,
    )
    assert [package.name for package in finding.packages] == ["a", "b"]
    assert (finding.failing_order, finding.safe_order) == (("b", "a"), None)
    assert finding.id == fingerprint("my-rule", ["a", "b"], ["one", "two"])


def test_a_fingerprint_outlives_releases_hosts_and_orders() -> None:
    one = fingerprint("r", ["a", "b"], ["a.libs/libx-3fa91c02.so.1", "/lib/x86_64-linux-gnu/libstdc++.so.6", "s"])
    other = fingerprint("r", ["b", "a"], ["s", "/usr/lib64/libstdc++.so.6.0.30", "a.libs/libx-00000000.so.2", "s"])
    assert one == other
    assert fingerprint("r", ["a", "b"], ["s"]) != fingerprint("r", ["a"], ["b", "s"])


@pytest.mark.parametrize(
    ("path", "stable"),
    [
        ("numpy/_core/_x.cpython-311-x86_64-linux-gnu.so", "numpy/_core/_x.so"),
        ("a/_y.abi3.so", "a/_y.so"),
        ("a.libs/libgfortran-040039e1.so.5.0.0", "a.libs/libgfortran.so"),
        ("/opt/x/libpython3.11.so.1.0", "libpython3.11.so"),
        ("pyarrow/libarrow.so.13", "pyarrow/libarrow.so"),
    ],
)
def test_stable_name(path: str, stable: str) -> None:
    assert stable_name(path) == stable


def test_discovery_takes_modules_that_declare_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("abiclash.rules.my_rule", DOC)
    module.RULE, module.check = RULE, list  # type: ignore[attr-defined]
    real = importlib.import_module

    def found(name: str) -> types.ModuleType:
        return module if name == "abiclash.rules.my_rule" else real(name)

    names = [types.SimpleNamespace(name=name) for name in ("model", "my_rule", "registry")]
    monkeypatch.setattr("pkgutil.iter_modules", lambda _path: names)
    monkeypatch.setattr("importlib.import_module", found)
    monkeypatch.setattr(registry, "_rules_in", registry._rules_in.__wrapped__)
    assert [entry.rule.id for entry in registry.rules()] == ["my-rule"]
    assert registry.rule("my-rule").doc == DOC
