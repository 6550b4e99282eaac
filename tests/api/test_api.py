"""The Python interface: its doctests, what is lazy, and Arrow tables in the hands of others."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import jsonschema
import pytest

import abiclash
from abiclash import api
from abiclash.errors import UsageError
from abiclash.facts.arrow import strings, text_column
from abiclash.reports.json import schema
from tests.cli.test_scan_command import FIRST, LEAK, RUNTIME, SECOND, SUFFIX
from tests.support import Builder, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from arro3.core import Table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with dist/: two wheels whose order matters."""
    where = tmp_path_factory.mktemp("api")
    builder = Builder.at(where)
    runtime = builder.library("librt.so.1", RUNTIME)
    leak = builder.library("libleak.so", LEAK, libs=[runtime], runpath="$ORIGIN")
    for name, source, libs in (("first", FIRST, [leak, runtime]), ("second", SECOND, [runtime])):
        module = builder.library(f"_x{SUFFIX}", source, libs=libs, runpath="$ORIGIN", into=where / name)
        files: dict[str, str | Path] = {f"{name}/{path.name}": path for path in (module, *libs)}
        files[f"{name}/__init__.py"] = "from . import _x\n"
        make_wheel(where / "dist", files, name=name, tag="py3-none-linux_x86_64")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        patch.setenv("ABICLASH_CACHE", str(where / "cache"))
        yield where


def _rows(query: str, **tables: Table) -> list[tuple[str, ...]]:
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)
    rows: list[tuple[str, ...]] = connection.execute(query).fetchall()
    return rows


@pytest.mark.compiler
@pytest.mark.usefixtures("folder")
def test_examples_of_the_docstrings() -> None:
    tried = doctest.testmod(api)
    assert (tried.failed, tried.attempted >= 10) == (0, True)


@pytest.mark.compiler
@pytest.mark.usefixtures("folder")
def test_json_keeps_to_its_schema() -> None:
    text = abiclash.to_json(abiclash.scan("dist/", offline=True))
    jsonschema.Draft202012Validator(json.loads(schema())).validate(json.loads(text))


@pytest.mark.compiler
@pytest.mark.usefixtures("folder")
def test_facts_are_related_tables() -> None:
    facts = abiclash.read_facts("dist/", offline=True)
    related = {name: getattr(facts, name) for name in ("wheels", "objects", "needed", "symbols", "references")}
    libraries = _rows(
        "SELECT name, path, library FROM wheels JOIN objects USING (wheel) JOIN needed USING (object)", **related
    )
    assert ("first", "first/libleak.so", "librt.so.1") in libraries
    used = _rows(
        'SELECT path, name, kind FROM objects JOIN symbols USING (object) JOIN "references" r'
        " ON r.object = symbols.object AND r.symbol = symbols.row WHERE name IN ('leak', 'get') AND NOT defined"
        " AND path LIKE 'first/_x%' ORDER BY name",
        **related,
    )
    assert used == [(f"first/_x{SUFFIX}", "get", "PLT"), (f"first/_x{SUFFIX}", "leak", "PLT")]


@pytest.mark.compiler
@pytest.mark.usefixtures("folder")
def test_bindings_follow_the_order() -> None:
    def owner(*order: str) -> list[tuple[str, ...]]:
        joint = abiclash.bindings("dist/", order=order, offline=True)
        query = "SELECT DISTINCT to_package FROM joint WHERE symbol = 'state' AND \"from\" LIKE '%librt.so.1'"
        return _rows(query, joint=joint)

    assert owner("first", "second") == [("first",)]
    assert owner("second", "first") == [("second",)]
    with pytest.raises(UsageError, match="third: no package of this set"):
        owner("third")


def test_nothing_to_look_at() -> None:
    with pytest.raises(UsageError, match="nothing to look at"):
        abiclash.scan()


def test_names_that_are_no_text() -> None:
    from arro3.core import Array, DataType  # noqa: PLC0415

    raw = Array([b"plain", b"\xff", None], type=DataType.binary())
    assert text_column(raw).to_pylist() == ["plain", "\ufffd", None]
    assert strings(["\udcff", None]).to_pylist() == ["?", None]


def test_the_interface_is_lazy_and_complete() -> None:
    code = (
        "import sys, abiclash; before = 'numpy' in sys.modules; abiclash.scan; print(before, 'numpy' in sys.modules);"
        "print(callable(abiclash.scan), set(abiclash.__all__) <= set(dir(abiclash)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "True"]
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = abiclash.nothing_such
