"""The main job on real wheels of the package index: the conflict of 2019, and a pair that works."""

from __future__ import annotations

import pytest

from abiclash.errors import SourceError
from abiclash.rules.model import Confidence, Outcome, ScanResult, Severity
from abiclash.scanning import ScanRequest, scan
from tests.support.require import cache_folder, missing

pytestmark = pytest.mark.index


def _scan(*targets: str, python: str) -> ScanResult:
    try:
        return scan(ScanRequest(targets, python=python, host="debian-12", cache=cache_folder("scan")))
    except SourceError as error:
        if "cannot be reached" in str(error):
            missing("index", str(error))
        raise


def test_tensorflow_and_pyarrow_of_2019_split_the_state_of_call_once() -> None:
    result = _scan("tensorflow==1.13.1", "pyarrow==0.13.0", "numpy==1.16.6", "protobuf==3.20.3", python="3.7")
    found = [f for f in result.findings if f.rule == "split-state"]
    assert [(f.severity, f.confidence) for f in found] == [(Severity.ERROR, Confidence.CERTAIN)]
    (finding,) = found
    assert finding.symbols == ("_ZSt11__once_call", "_ZSt15__once_callable")
    assert {"pyarrow", "tensorflow"} <= {package.name for package in finding.packages}
    assert finding.failing_order is not None
    assert finding.failing_order.index("pyarrow") < finding.failing_order.index("tensorflow")
    assert finding.safe_order is not None
    assert finding.safe_order.index("tensorflow") < finding.safe_order.index("pyarrow")
    assert finding.evidence["call"] == "__once_proxy"
    assert finding.evidence["initializer"] is True


def test_numpy_and_scipy_are_clean() -> None:
    result = _scan("numpy==2.2.6", "scipy==1.15.3", python="3.12")
    assert [f.summary for f in result.findings if f.severity is Severity.ERROR] == []
    assert {verdict.outcome for verdict in result.orders} == {Outcome.CLEAN}
    assert result.coverage.resolved == result.coverage.references > 10_000
    assert result.not_analysed == ()
