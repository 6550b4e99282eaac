"""Edits of shared objects, judged by the machine's own dynamic linker."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import LabError
from abiclash.lab.investigate.edits import Symbols, rename_library
from abiclash.lab.investigate.overlay import overlay

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder

pytestmark = pytest.mark.compiler


def _answer(*libraries: Path) -> str:
    """What who() of the last library says when all are opened in turn for the whole process, or the failure."""
    paths = [str(each) for each in libraries]
    code = f"import ctypes\nfor path in {paths}: last = ctypes.CDLL(path, ctypes.RTLD_GLOBAL)\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "print(last.who())"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1].rpartition(": ")[2]


def _libraries(builder: Builder) -> tuple[Path, Path]:
    source = "int answer(void) {{ return {0}; }} int who(void) {{ return answer(); }} __thread int slot = {0};"
    return tuple(builder.library(f"lib{at}.so", source.format(at), flags=["-O0"]) for at in (1, 2))  # type: ignore[return-value] # two


def test_a_hidden_definition_is_its_owners_alone(builder: Builder) -> None:
    one, two = _libraries(builder)
    assert _answer(one, two) == "1"
    symbols = Symbols(one.read_bytes(), "one")
    assert symbols.hide(["answer", "who"]) == 2
    one.write_bytes(symbols.data)
    assert _answer(one, two) == "2"


def test_a_withdrawn_definition_is_looked_for_elsewhere(builder: Builder) -> None:
    one, two = _libraries(builder)
    symbols = Symbols(two.read_bytes(), "two")
    assert symbols.withdraw(["answer"]) == 1
    two.write_bytes(symbols.data)
    assert _answer(one, two) == "1"
    assert _answer(two) == "answer"  # undefined symbol: answer


def test_everything_but_some_can_be_hidden(builder: Builder) -> None:
    one, _ = _libraries(builder)
    symbols = Symbols(one.read_bytes(), "one")
    assert {"answer", "who", "slot"} <= set(symbols.exported())
    symbols.hide_all_but(["slot"])
    assert symbols.exported() == ["slot"]


def test_names_are_whole_names(builder: Builder) -> None:
    one = builder.library("lib1.so", "int foo_bar, bar, bar_;")
    symbols = Symbols(one.read_bytes(), "one")
    assert symbols.exports(["bar", "foo", "bar_"]) == {"bar", "bar_"}
    assert symbols.hide(["bar"]) == 1
    assert symbols.exports(["foo_bar", "bar"]) == {"foo_bar"}


def test_unique_definitions_become_global(builder: Builder) -> None:
    source = "template <class T> int &shared() { static int here; return here; } int *use() { return &shared<int>(); }"
    one = builder.library("lib1.so", source, language="c++")
    symbols = Symbols(one.read_bytes(), "one")
    assert symbols.make_global() >= 1
    assert Symbols(bytes(symbols.data), "one").make_global() == 0


def test_a_library_can_be_given_a_name_of_its_own(builder: Builder) -> None:
    one = builder.library("libone.so", "int who(void) { return 7; }")
    user = builder.library(
        "libuser.so", "extern int who(void); int use(void) { return who(); }", libs=[one], runpath="$ORIGIN"
    )
    for path in (one, user):
        path.write_bytes(rename_library(path.read_bytes(), "libone.so", "libQne.so"))
    one.rename(one.with_name("libQne.so"))
    assert _answer(user.with_name("libQne.so"), user) == "7"


def test_what_is_no_object_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="not a readable ELF object"):
        Symbols(b"no", str(tmp_path))


def test_an_overlay_changes_files_and_leaves_the_original_alone(tmp_path: Path) -> None:
    (tmp_path / "env/lib").mkdir(parents=True)
    (tmp_path / "env/lib/a").write_text("a")
    with overlay(tmp_path / "env") as copy:
        copy.write("lib/a", b"changed")
        copy.write("lib/new", b"new")
        assert (copy.path / "lib/a").read_text() == "changed"
        assert (tmp_path / "env/lib/a").read_text() == "a"
        copy.restore()
        assert (copy.path / "lib/a").samefile(tmp_path / "env/lib/a")
        assert not (copy.path / "lib/new").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["env"]
