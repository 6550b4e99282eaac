"""What is shown of a wheel and of an object agrees with what was built."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from abiclash.facts.index import index_wheels
from abiclash.facts.model import WheelFacts
from abiclash.facts.store import Store
from abiclash.reports import facts as report
from abiclash.reports.paint import Paint
from tests.support import Builder, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
extern int given(void);
__thread int mine = 1;
int plain(void) { return given() + mine; }
__attribute__((weak)) int loose;
__attribute__((constructor)) static void begin(void) { plain(); }
"""
VERSIONS = "V1 { global: plain; };\nV2 { global: mine; loose; } V1;"


@pytest.fixture
def wheel(builder: Builder, tmp_path: Path) -> tuple[WheelFacts, Store]:
    library = builder.library("libx.so", SOURCE, soname="libx.so.1", versions=VERSIONS, runpath="$ORIGIN/../x.libs")
    path = make_wheel(
        tmp_path / "wheels", {"x/__init__.py": "", "x/libx.so": library, "x/bad.so": b"\x7fELF"}, requires=["y>1"]
    )
    store = Store(tmp_path / "store")
    [facts] = index_wheels([path], store)
    assert isinstance(facts, WheelFacts)
    return facts, store


@pytest.mark.compiler
def test_object(wheel: tuple[WheelFacts, Store]) -> None:
    facts, store = wheel
    [library] = facts.objects
    names = store.names(facts.sha256, library.symbols.key)
    rows = {row["name"] + row["version"]: row for row in report.symbol_rows(library, names)}
    assert {key: rows["plain@@V1"][key] for key in ("binding", "type", "place")} == {
        "binding": "GLOBAL",
        "type": "FUNC",
        "place": "CODE",
    }
    assert (rows["mine@@V2"]["type"], rows["loose@@V2"]["binding"], rows["given"]["place"]) == (
        "TLS",
        "WEAK",
        "UNDEFINED",
    )
    text = report.object_text(library, list(rows.values()), Paint())
    assert "soname:        libx.so.1\n" in text
    assert "runpath:       $ORIGIN/../x.libs\n" in text
    assert "TLS:           4 bytes, aligned to 4\n" in text
    assert "plain@@V1\n" in text
    document = json.loads(report.object_json(library, list(rows.values())))
    assert (document["soname"], document["tls"]["size"]) == ("libx.so.1", 4)
    assert document["counts"]["defined"] == sum(row["place"] != "UNDEFINED" for row in document["symbols"])


@pytest.mark.compiler
def test_wheel(wheel: tuple[WheelFacts, Store]) -> None:
    facts, _ = wheel
    text = report.wheel_text(facts, Paint())
    assert text.startswith("demo 1.0\n")
    assert "requires:    y>1\n" in text
    assert "x/bad.so" in text.partition("Not analysed")[2]
    document = json.loads(report.wheel_json(facts))
    assert [found["path"] for found in document["objects"]] == ["x/libx.so"]
    assert "x/bad.so" in document["not_analysed"][0]["what"]
