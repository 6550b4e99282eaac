"""Real conflicts and real innocents: what is found, what is missed, what is wrongly accused.

The cases are JSON lines (see `ABICLASH_GAUNTLET`, default `../shared/gauntlet/cases.jsonl` beside the repository).
Run with `python -m pytest -m gauntlet tests/gauntlet -s`: it fetches every wheel of every case once, some gigabytes.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.rules.model import Severity
from abiclash.scan import ScanRequest, prepare, scan
from tests.support.require import cache_folder

if TYPE_CHECKING:
    from abiclash.rules.model import Finding, ScanResult

CASES = Path(os.environ.get("ABICLASH_GAUNTLET", Path(__file__).parents[3] / "shared/gauntlet/cases.jsonl"))
RULES = {
    "c-api-struct-size": {"python-abi"},
    "duplicate-openmp": {"duplicate-openmp"},
    "env-plugin-path": {"environment-path"},
    "execstack": {"executable-stack"},
    "glibcxx-version": {"missing-version", "soname-collision"},
    "libstdcxx-scope-capture": {"runtime-capture", "split-state"},
    "once-tls-capture": {"split-state"},
    "protobuf-registry": {"shared-registry"},
    "pybind11-type-registry": {"shared-registry"},
    "rtld-global-data-symbol": {"size-mismatch", "global-scope"},
    "rtld-global-weak-templates": {"global-scope", "odr-mismatch"},
    "runtime-version-handshake": {"python-abi"},
    "self-declared-order": {"declared-order"},
    "soname-collision": {"soname-collision"},
    "static-tls": {"static-tls"},
    "undefined-symbol-companion": {"undefined-symbol"},
}
"""Mechanism of a case -> rules that name it."""


def _cases() -> list[dict[str, Any]]:
    if not CASES.is_file():
        return []
    return [json.loads(line) for line in CASES.read_text("utf-8").splitlines() if line.strip()]


@dataclass(frozen=True)
class Judged:
    """A case with what the scan said of it. imported: package -> modules."""

    case: dict[str, Any]
    result: ScanResult
    imported: dict[str, tuple[str, ...]]

    def named(self) -> set[str]:
        """Return the case's packages, as findings name them."""
        return {re.split(r"[=<>!~\[ ]", text)[0].lower().replace("_", "-") for text in self.case["packages"]}

    def finding(self) -> Finding | None:
        """Return the finding that counts for a positive, by the rule that ends RULES.md."""
        wanted = RULES[self.case["mechanism"]]
        for finding in self.result.findings:
            known = self.named() & {package.name for package in finding.packages}
            host = any(path.startswith("/") for path in finding.objects) or len(self.named()) == 1
            enough = len(known) > 1 or (known and (host or self.case["mechanism"] == "execstack"))
            if finding.rule in wanted and finding.severity is not Severity.NOTE and enough and self._order(finding):
                return finding
        return None

    def _order(self, finding: Finding) -> bool:
        """Tell whether a failing order of the finding is one that fails for real."""
        said = [finding.failing_order or (), *finding.evidence.get("failing_orders", ())]  # type: ignore[misc]
        if finding.failing_order is None:
            return True
        for program in self.case["fails"]:
            first = {
                name: min((m.start() for module in modules if (m := re.search(rf"\b{module}\b", program))), default=-1)
                for name, modules in self.imported.items()
            }
            real = sorted((name for name, at in first.items() if at >= 0), key=first.__getitem__)
            if any(
                [name for name in order if name in real] == [name for name in real if name in order] for order in said
            ):
                return True
        return False


def _judge(case: dict[str, Any]) -> Judged:
    request = ScanRequest(tuple(case["packages"]), python=case["python"], cache=cache_folder("gauntlet"))
    setting, _, _ = prepare(request)
    modules = {name: package.wheel.modules for name, package in setting.packages.items() if package.requested}
    return Judged(case, scan(request), modules)


@pytest.mark.gauntlet
@pytest.mark.index
@pytest.mark.parametrize("case", _cases(), ids=lambda case: str(case["id"]))
def test_case(case: dict[str, Any]) -> None:
    judged = _judge(case)
    errors = [f for f in judged.result.findings if f.severity is Severity.ERROR]
    if case["kind"] == "negative":
        assert errors == [], f"false alarm: {[f.summary for f in errors]}"
    else:
        said = [(f.rule, f.severity.value, f.failing_order) for f in judged.result.findings]
        assert judged.finding() is not None, f"missed {case['mechanism']}: {said}"


def test_every_mechanism_has_a_rule() -> None:
    mechanisms = {case["mechanism"] for case in _cases() if case["kind"] == "positive"}
    assert mechanisms - RULES.keys() == set()
