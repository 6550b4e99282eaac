"""The conflict of 2019 from the real wheels: what its page is given."""

from __future__ import annotations

from typing import Any, cast

import pytest

from abiclash.errors import SourceError
from abiclash.reports.html.payload import payload
from abiclash.scanning import ScanRequest, played
from tests.support.require import cache_folder, missing

pytestmark = pytest.mark.index

_TARGETS = ("tensorflow==1.13.1", "pyarrow==0.13.0", "numpy==1.16.6", "protobuf==3.20.3")


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    request = ScanRequest(_TARGETS, python="3.7", host="debian-12", cache=cache_folder("scan"), all_orders=True)
    try:
        scanned = played(request)
    except SourceError as error:
        if "cannot be reached" in str(error):
            missing("index", str(error))
        raise
    return cast("dict[str, Any]", payload(scanned.result, scanned.result.findings, scanned.case))


def test_the_orders_that_are_shown_first_split_the_state(shipped: dict[str, Any]) -> None:
    left, right = shipped["pair"]
    labels = [shipped["orders"][run]["label"].split(", ") for run in (left, right)]
    assert labels[0].index("pyarrow") < labels[0].index("tensorflow")
    assert labels[1].index("tensorflow") < labels[1].index("pyarrow")
    told = set()
    for group in shipped["changes"]["groups"]:
        number, variants = shipped["changes"]["files"][group["file"]]
        to = [shipped["objects"][group["to"][variants[run]]][0].rpartition("/")[2] for run in (left, right)]
        if shipped["objects"][number][0].endswith("/libstdc++.so.6.0.30") and to[0] == "libarrow.so.13":
            told |= {(shipped["symbols"][symbol][-1], to[1]) for symbol in group["symbols"]}
    assert {("std::__once_call", "libstdc++.so.6.0.30"), ("std::__once_callable", "libstdc++.so.6.0.30")} <= told


def test_who_brings_the_runtime(shipped: dict[str, Any]) -> None:
    opens = [shipped["loads"]["opens"][number] for number in shipped["loads"]["runs"][shipped["pair"][0]]]
    brings = {
        shipped["objects"][file][0].rpartition("/")[2]: (shipped["packages"][each["p"]], shipped["objects"][parent][0])
        for each in opens
        for file, parent in each.get("new", [])
    }
    assert brings["libstdc++.so.6.0.30"] == ("pyarrow", "pyarrow/lib.cpython-37m-x86_64-linux-gnu.so")
    assert brings["libarrow_boost_regex.so.1.66.0"] == ("pyarrow", "pyarrow/libarrow.so.13")
