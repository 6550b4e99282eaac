"""The shared fixtures keep their promises: what other tests build on is tested too."""

from __future__ import annotations

import ctypes
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support import Builder, Wheelhouse, make_wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.compiler
def test_builder_links_in_the_given_order(builder: Builder) -> None:
    one = builder.library("libone.so", "int answer(void) { return 1; }")
    two = builder.library("libtwo.so", "int answer(void) { return 2; }")
    source = "int answer(void); int main(void) { return answer(); }"
    folder = f"-Wl,-rpath,{one.parent}"
    first = builder.program("first", source, libs=[one, two], flags=[folder])
    second = builder.program("second", source, libs=[two, one], flags=[folder])
    assert [subprocess.run([first], check=False).returncode, subprocess.run([second], check=False).returncode] == [1, 2]


@pytest.mark.compiler
def test_builder_keeps_what_it_built_apart(tmp_path: Path) -> None:
    cache, folder = tmp_path / "cache", tmp_path / "out"
    cache.mkdir()
    builder = Builder(cache, folder)
    first = builder.library("libx.so", "int x(void) { return 1; }").read_bytes()
    assert builder.library("libx.so", "int x(void) { return 1; }").read_bytes() == first
    assert len(list(cache.iterdir())) == 1
    other = builder.library("libx.so", "int x(void) { return 7; }", into=tmp_path / "other")
    assert len(list(cache.iterdir())) == 2
    assert ctypes.CDLL(str(other)).x() == 7


@pytest.mark.compiler
def test_builder_shows_what_the_compiler_said(builder: Builder) -> None:
    with pytest.raises(AssertionError, match="error:"):
        builder.library("libbad.so", "int x(")


def test_make_wheel_is_reproducible_and_complete(tmp_path: Path) -> None:
    files: dict[str, str | bytes | Path] = {"demo/__init__.py": "from . import _x\n", "demo/_x.so": b"\x7fELF"}
    wheel = make_wheel(tmp_path / "a", files, requires=["numpy"])
    again = make_wheel(tmp_path / "b", files, requires=["numpy"])
    assert wheel.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        assert archive.namelist()[:2] == ["demo/__init__.py", "demo/_x.so"]
        assert b"Requires-Dist: numpy" in archive.read("demo-1.0.dist-info/METADATA")
        assert archive.read("demo-1.0.dist-info/RECORD").count(b"\n") == 5


@pytest.mark.index
def test_wheelhouse_serves_old_pythons_from_its_cache(wheelhouse: Wheelhouse) -> None:
    wheel = wheelhouse("MarkupSafe==2.0.1", python="3.7")
    assert "cp37-cp37m" in wheel.name
    assert wheelhouse("MarkupSafe==2.0.1", python="3.7") == wheel


def test_wheelhouse_insists_on_pins(wheelhouse: Wheelhouse) -> None:
    with pytest.raises(ValueError, match="pin numpy with =="):
        wheelhouse("numpy")


def test_a_promised_compiler_may_not_be_missing(monkeypatch: pytest.MonkeyPatch, builder: Builder) -> None:
    monkeypatch.setenv("ABICLASH_REQUIRE", "compiler")
    with pytest.raises(pytest.fail.Exception, match="ABICLASH_REQUIRE names compiler"):
        builder.library("libx.so", "", compiler="no-such-compiler-gcc")
    monkeypatch.setenv("ABICLASH_REQUIRE", "")
    with pytest.raises(pytest.skip.Exception, match="needs no-such-compiler-gcc"):
        builder.library("libx.so", "", compiler="no-such-compiler-gcc")
