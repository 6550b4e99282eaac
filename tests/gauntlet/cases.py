"""The cases of the gauntlet, and what a scan must say of each: the judgement that both kinds of tests share.

A case is one JSON line: id, kind ("positive" or "negative"), python, packages (pinned requirements), fails and passes
(programs that were run), expected (how the first of `fails` ended), mechanism, source, note; missed: why a positive is
known not to be found.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abiclash.rules.model import Severity
from abiclash.scanning import ScanRequest, played
from tests.support.require import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abiclash.rules.model import Finding, ScanResult

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("ABICLASH_GAUNTLET", HERE.parents[2] / "shared/gauntlet/cases.jsonl"))
OWN = HERE / "cases.jsonl"

RULES = {
    "c-api-struct-size": {"python-abi"},
    "duplicate-openmp": {"duplicate-openmp"},
    "env-plugin-path": {"environment-path"},
    "execstack": {"executable-stack"},
    "file-overwrite": {"file-overwrite"},
    "glibcxx-version": {"missing-version", "soname-collision"},
    "libstdcxx-scope-capture": {"runtime-capture", "split-state"},
    "libstdcxx-unique-variables": {"unique-symbol"},
    "llvm-options-registry": {"shared-registry"},
    "once-tls-capture": {"split-state"},
    "protobuf-registry": {"shared-registry"},
    "pybind11-type-registry": {"shared-registry"},
    "rtld-global-c-library": {"global-scope"},
    "rtld-global-data-symbol": {"size-mismatch", "global-scope"},
    "rtld-global-weak-templates": {"global-scope", "odr-mismatch"},
    "runtime-version-handshake": {"python-abi"},
    "self-declared-order": {"declared-order"},
    "soname-collision": {"soname-collision"},
    "static-tls": {"static-tls"},
    "undefined-symbol-companion": {"undefined-symbol"},
}
"""Mechanism of a case -> rules that name it."""

PINS = {
    "neg-tflite-tensorflow": ("numpy<2",),
    "opencv-pyqt5-plugin-path": ("numpy<2",),
    "neg-paddle185-mxnetmkl": ("protobuf<3.21",),
    "paddle185-mxnetmkl16-libiomp5-twice": ("protobuf<3.21",),
    "ray-pyarrow-vendored": ("protobuf<3.21",),
    "torch14-sentencepiece92-flags": ("numpy<1.22",),
}
"""What a case needs besides its own pins to be what it was when it was recorded.

The first two were recorded before numpy 2 became what they resolve to. Beside it what was compiled for numpy 1 refuses
to be imported, which is another conflict, and a true one. The others do not come up at all today without these.
"""


def load_cases() -> list[dict[str, Any]]:
    """Return the shared cases, where they are at hand, and ours."""
    files = [path for path in (SHARED, OWN) if path.is_file()]
    return [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines() if line.strip()]


def requirements(case: dict[str, Any]) -> tuple[str, ...]:
    """Return what a case installs."""
    return (*case["packages"], *PINS.get(case["id"], ()))


@dataclass(frozen=True)
class Judged:
    """A case with what the scan said of it. imported: package -> modules."""

    case: dict[str, Any]
    result: ScanResult
    imported: dict[str, tuple[str, ...]]

    @property
    def named(self) -> set[str]:
        """The case's packages, as findings name them."""
        return {re.split(r"[=<>!~\[ ]", text)[0].lower().replace("_", "-") for text in self.case["packages"]}

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.result.findings if finding.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.result.findings if finding.severity is Severity.WARNING]

    def finding(self) -> Finding | None:
        """Return the finding that counts for a positive: it names packages, mechanism and a failing order.

        The packages are two of the case's, or one and the host or interpreter; severity is warning or more.
        """
        wanted = RULES[self.case["mechanism"]]
        for finding in (*self.errors, *self.warnings):
            known = self.named & {package.name for package in finding.packages}
            host = any(path.startswith("/") for path in finding.objects) or len(self.named) == 1
            enough = len(known) > 1 or (known and (host or self.case["mechanism"] == "execstack"))
            if finding.rule in wanted and enough and any(self.agree(finding, order) for order in self.real_orders()):
                return finding
        return None

    def real_orders(self) -> list[list[str]]:
        """Return in which order the programs that failed import the packages."""
        return [self.order_of(program) for program in self.case["fails"]]

    def order_of(self, program: str) -> list[str]:
        """Return the packages that a program mentions, by their first mention."""
        first = {
            name: min((m.start() for module in modules if (m := re.search(rf"\b{module}\b", program))), default=-1)
            for name, modules in self.imported.items()
        }
        return sorted((name for name, at in first.items() if at >= 0), key=first.__getitem__)

    @staticmethod
    def agree(finding: Finding, real: Sequence[str]) -> bool:
        """Tell whether one of a finding's failing orders is a real one, as far as both speak of the same packages."""
        return any(
            [name for name in order if name in real] == [name for name in real if name in order]
            for order in failing_orders(finding)
        )


def failing_orders(finding: Finding) -> Iterator[tuple[str, ...]]:
    if finding.failing_order is not None:
        yield finding.failing_order
    yield from (tuple(order) for order in finding.evidence.get("failing_orders", ()))  # type: ignore[attr-defined]


@cache
def _judged(number: int) -> Judged:
    case = load_cases()[number]
    request = ScanRequest(requirements(case), python=case["python"], cache=cache_folder("gauntlet"))
    scanned = played(request)
    packages = scanned.case.packages
    modules = {name: package.wheel.modules for name, package in packages.items() if package.requested}
    return Judged(case, scanned.result, modules)


def judge(case: dict[str, Any]) -> Judged:
    """Scan a case's packages: its wheels are fetched once and kept, nothing of them is run."""
    return _judged([one["id"] for one in load_cases()].index(case["id"]))
