"""Narrowing and comparing predicted bindings, on a pair where the order of loading decides."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abiclash.linker.process import Process
from abiclash.linker.world import World
from abiclash.reports.bindings import Narrow, difference, difference_lines, json_lines, table
from abiclash.reports.paint import Paint
from abiclash.sources.live_host import live

if TYPE_CHECKING:
    from tests.support import Builder

pytestmark = pytest.mark.compiler


class Played:
    """liba.so and libb.so both need libshared.so, whose own reference to `value` liba.so captures when it is first."""

    def __init__(self, builder: Builder) -> None:
        shared = builder.library("libshared.so", "int value; int *get(void) { return &value; }", runpath="$ORIGIN")
        run_path = {"libs": [shared], "runpath": "$ORIGIN"}
        self.a = builder.library("liba.so", "int value; int *get(void); int *a(void) { return get(); }", **run_path)  # type: ignore[arg-type]
        self.b = builder.library("libb.so", "int *get(void); int *b(void) { return get(); }", **run_path)  # type: ignore[arg-type]
        self.shared = shared
        self.host = live(Path(sys.executable), environ={})
        self.world = World([self.host])

    def process(self, *libraries: Path) -> Process:
        process = Process.start(self.world, self.host, self.host.interpreter.executable)
        for library in libraries:
            assert process.dlopen(str(library)).failure is None
        return process

    def names(self, keys: list[int]) -> dict[int, str]:
        return {key: name.decode() for key, name in self.host.names(keys).items()}


@pytest.fixture
def played(builder: Builder) -> Played:
    return Played(builder)


def test_json_lines_tell_loads_then_bindings(played: Played) -> None:
    records = [json.loads(line) for line in json_lines(played.process(played.a), played.names, Narrow())]
    assert records[0] == {"load": str(played.a)}
    assert {"from": str(played.shared), "symbol": "value", "version": None, "to": str(played.a)} in records


@pytest.mark.parametrize(
    ("narrow", "expected"),
    [
        (Narrow(symbol="value", object="libshared.so"), {("libshared.so", "value", "liba.so")}),
        (Narrow(symbol="val*", object="*/liba.so"), {("libshared.so", "value", "liba.so")}),
        (Narrow(symbol="get", object="liba.so"), {("liba.so", "get", "libshared.so")}),
        (Narrow(symbol="get", object="libb.so"), set()),
    ],
)
def test_narrow(played: Played, narrow: Narrow, expected: set[tuple[str, str, str]]) -> None:
    records = [json.loads(line) for line in json_lines(played.process(played.a), played.names, narrow)]
    assert {(Path(r["from"]).name, r["symbol"], Path(r["to"]).name) for r in records} == expected


def test_table_is_aligned(played: Played) -> None:
    lines = list(table(played.process(played.a), played.names, Narrow(object="liba.so"), Paint()))
    assert f"value  {played.shared} -> {played.a}\n" in [
        " ".join(line.split()).replace("value ", "value  ") + "\n" for line in lines
    ]
    assert len({line.index(" -> ") for line in lines if str(played.shared) + " ->" in line}) == 1


def test_difference_is_what_changes_in_company(played: Played) -> None:
    first, second = played.process(played.a, played.b), played.process(played.b, played.a)
    rows = difference(first, second, played.names, Narrow(object="liba.so"))
    assert rows == [
        {
            "from": str(played.shared),
            "symbol": "value",
            "version": None,
            "first": str(played.a),
            "second": str(played.shared),
        }
    ]
    assert difference(first, second, played.names, Narrow(symbol="value")) == rows
    assert list(difference_lines(rows, Paint())) == [
        f"{played.shared}: value\n",
        f"  first:   {played.a}\n",
        f"  second:  {played.shared}\n",
    ]


def test_an_object_that_is_not_loaded_binds_nothing(played: Played) -> None:
    rows = difference(played.process(played.b), played.process(), played.names, Narrow(symbol="get"))
    assert {(Path(str(row["from"])).name, row["second"]) for row in rows} == {("libb.so", None)}


def test_no_difference_is_said() -> None:
    assert list(difference_lines([], Paint())) == ["nothing is bound differently in the two orders\n"]


def test_equal_processes_do_not_differ(played: Played) -> None:
    assert difference(played.process(played.a), played.process(played.a), played.names, Narrow()) == []


def test_processes_of_two_worlds_cannot_be_compared(played: Played, builder: Builder) -> None:
    with pytest.raises(ValueError, match="two worlds"):
        difference(played.process(), Played(builder).process(), played.names, Narrow())
