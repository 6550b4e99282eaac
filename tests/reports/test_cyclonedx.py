"""What is vendored where: valid CycloneDX 1.6, with each library inside its wheel."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from abiclash.facts.index import index_wheels
from abiclash.facts.model import WheelFacts
from abiclash.facts.store import Store
from abiclash.reports.cyclonedx import document
from abiclash.reports.formats import render
from abiclash.reports.safe import inert
from abiclash.rules.model import ScannedPackage
from tests.reports.cases import CASES, PAIR, hostile_report, report_of
from tests.support import Builder, make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def _valid(text: str) -> dict[str, Any]:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    content: dict[str, Any] = json.loads(text)
    return content


@pytest.mark.parametrize("case", CASES)
def test_valid(case: str) -> None:
    _valid(render("cyclonedx", report_of(case)))


def test_hostile_names_are_valid_too() -> None:
    _valid(render("cyclonedx", hostile_report()))


@pytest.mark.compiler
def test_libraries_inside_a_wheel(builder: Builder, tmp_path: Path) -> None:
    library = builder.library("libz.so.1", 'const char *zlibVersion(void) { return "1.2.13"; }')
    extension = builder.library(
        "_demo.so", "void *inflateInit2_(void) { return 0; } int PyInit__demo(void) { return 0; }"
    )
    files: dict[str, str | bytes | Path] = {
        "demo.libs/libz-0a1b2c3d.so.1": library,
        "demo/_demo.so": extension,
        "demo/__init__.py": "",
    }
    wheel = make_wheel(tmp_path, files)
    [facts] = index_wheels([wheel], Store(tmp_path / "store"))
    assert isinstance(facts, WheelFacts)
    package = ScannedPackage(facts.name, facts.version, facts.filename, facts.sha256)
    content = document(replace(PAIR, packages=(package,)), {facts.name: facts}, ())
    bom = _valid(json.dumps(inert(content)))
    [component] = bom["components"]
    assert component["purl"] == "pkg:pypi/demo@1.0"
    assert component["hashes"] == [{"alg": "SHA-256", "content": facts.sha256}]
    shared, carrier = component["components"]
    assert shared["type"] == "library"
    assert shared["evidence"]["occurrences"] == [{"location": "demo.libs/libz-0a1b2c3d.so.1"}]
    assert len(shared["hashes"][0]["content"]) == 64
    assert (carrier["type"], carrier["name"]) == ("file", "demo/_demo.so".rpartition("/")[2])
    [static] = carrier["components"]
    assert static["name"] == "zlib"
    assert static["properties"] == [{"name": "abiclash:linkage", "value": "static"}]
    assert bom["compositions"] == [{"aggregate": "unknown", "assemblies": ["package:demo"]}]


def test_what_was_not_read_is_incomplete() -> None:
    bom = _valid(render("cyclonedx", report_of("unread")))
    assert {"aggregate": "incomplete", "assemblies": ["package:pandas"]} in bom["compositions"]
    named = [entry["value"] for entry in bom["metadata"]["properties"] if entry["name"] == "abiclash:not-analysed"]
    assert len(named) == 2
