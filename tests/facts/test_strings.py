"""Whole strings, and what is read from them."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.facts import text
from abiclash.facts.fingerprints import DEFINITIONS, PREFIXES
from abiclash.facts.strings import read_strings
from abiclash.facts.text import DOTTED, LONGEST, SHORTEST, UPPER, WORD, read_texts
from tests.facts.elf_files import read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder

WHOLE = re.compile(rb"(?<![^\0])[ -~]{%d,%d}(?=\0)" % (SHORTEST, LONGEST))
CHARACTERS = st.sampled_from(
    [b"\0", b"\0", b"\0abc", b"a", b"B", b".", b"_", b"7", b" ", b"\n", b"\xff", b"1.2", b"x" * 500]
)


def region(raw: bytes) -> list[np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    """Return bytes as read-only data."""
    return [np.frombuffer(raw, dtype=np.uint8)]


def strings_of(raw: bytes, *, extension: bool = True) -> tuple[tuple[str, ...], set[tuple[str, str]]]:
    """Return what is read from bytes."""
    data = region(raw)
    modules, strings = read_strings(data, read_texts(data, WORD | DOTTED), extension=extension, environment=True)
    return modules, set(strings)


@given(st.lists(CHARACTERS, max_size=60), st.integers(8, 2000))
def test_texts_are_what_a_regular_expression_finds(parts: list[bytes], block: int) -> None:
    raw = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_BLOCK", block)
        found = read_texts(region(raw), WORD | DOTTED)
    got = [found.raw[a : a + n] for a, n in zip(found.start.tolist(), found.length.tolist(), strict=True)]
    whole = WHOLE.findall(raw)
    assert got == [w for w in whole if re.fullmatch(rb"[\w.]+", w, re.ASCII) or re.search(rb"\d\.\d", w)]
    assert [bool(c & WORD) for c in found.classes.tolist()] == [re.fullmatch(rb"\w+", w) is not None for w in got]
    assert [bool(c & UPPER) for c in found.classes.tolist()] == [
        re.fullmatch(rb"[A-Z0-9_]+", w) is not None for w in got
    ]
    assert found.numbered.tolist() == [re.search(rb"\d\.\d", w) is not None for w in got]


def test_modules_and_words() -> None:
    modules, strings = strings_of(
        b"\0numpy.core.multiarray\0numpy\0Upper\0a sentence.with dots\0.hidden.name\x0010.5.1\0"
    )
    assert modules == ("numpy.core.multiarray",)
    assert strings == {("words", "numpy"), ("version", "10.5.1")}


def test_libraries_have_no_modules() -> None:
    assert strings_of(b"\0numpy.core.multiarray\0numpy\0", extension=False) == ((), set())


def test_registries() -> None:
    key, other = (
        "__pybind11_internals_v5_gcc_libstdcpp_cxxabi1002__",
        "__nb_internals_v16_system_libstdcpp_gxx_abi_1xxx",
    )
    _, strings = strings_of(f"\0{key}\0{other}\08ObjSense\0N5arrow5ArrayE\0plain\0".encode())
    assert strings >= {("pybind11-internals", key), ("nanobind-internals", other)}
    assert {name for kind, name in strings if kind == "typeinfo-name"} == {"8ObjSense", "N5arrow5ArrayE"}
    assert not [1 for kind, _ in strings_of(b"\08ObjSense\0")[1] if kind == "typeinfo-name"]


def test_bound_types() -> None:
    key = "__pybind11_internals_v4_gcc_libstdcpp_cxxabi1011__"
    names = (key, "8ObjSense", "ObjSense", "N5highs4NodeE", "Node", "6Hidden")
    _, strings = strings_of("\0".join(names).encode() + b"\0")
    assert {name for kind, name in strings if kind == "bound-type"} == {"8ObjSense", "N5highs4NodeE"}


def test_refusals() -> None:
    message = "lxml & xmlsec libxml2 library version mismatch"
    assert ("refusal", message) in strings_of(f"\0other\0{message}\0more\0".encode())[1]


@pytest.mark.parametrize(("place", "check"), [("core", "size"), ("_core", "size"), ("core", "shape")])
def test_where_numpy_s_types_were_declared(place: str, check: str) -> None:
    """Only a module that checks sizes when it is imported tells by it what it was compiled for."""
    message = f"%.200s.%.200s {check} changed, may indicate binary incompatibility. Expected %zd"
    raw = f"\0numpy.{place}.multiarray failed to import\0{message}\0"
    found = ("numpy-types", f"numpy.{place}.multiarray") in strings_of(raw.encode())[1]
    assert found is (check == "size")


def test_environment_variables_that_steer() -> None:
    _, strings = strings_of(b"\0QT_QPA_PLATFORM_PLUGIN_PATH\0KMP_DUPLICATE_LIB_OK\0OPENSSL_CONF\0TYPE_INT32\0PATH\0")
    found = {name for kind, name in strings if kind == "env"}
    assert found == {"QT_QPA_PLATFORM_PLUGIN_PATH", "KMP_DUPLICATE_LIB_OK", "OPENSSL_CONF"}


def test_descriptor_files() -> None:
    own, dependency = b"onnx/onnx.proto", b"google/protobuf/any.proto"
    raw = b"\0\x0a%c%s\x1a%c%s\0" % (len(own), own, len(dependency), dependency)
    assert {name for kind, name in strings_of(raw)[1] if kind == "proto-file"} == {"onnx/onnx.proto"}


def test_descriptor_file_whose_length_reads_as_a_letter() -> None:
    name = b"a" * 91 + b".proto"  # 97 bytes: the length byte is itself an "a"
    assert ("proto-file", name.decode()) in strings_of(b"\x0a%c%s" % (len(name), name))[1]


def test_deflated_constants() -> None:
    constants = b"scipy._cyutilitynumpynumpy._core.multiarray failed to import" * 3
    _, strings = strings_of(b"\0" * 9 + zlib.compress(constants, 9) + b"\0")
    assert ("glued", constants.decode()) in strings


def test_numpy_headers() -> None:
    message = b"module was compiled against NumPy C-API version 0x%x (NumPy 1.23)"
    message += b" but the running NumPy has C-API version 0x%x."
    assert ("numpy-abi", "1.23") in strings_of(b"\0" + message + b"\0")[1]


def read_built(path: Path) -> tuple[str, ...]:
    """Return the runtimes of a built library."""
    return read(path)[0].runtimes


@pytest.mark.compiler
def test_runtimes_by_definition(builder: Builder) -> None:
    defined = builder.library("libz-inside.so", "int inflateInit2_(void) { return 0; }")
    needed = builder.library("libz-outside.so", "int inflateInit2_(void); int f(void) { return inflateInit2_(); }")
    assert (read_built(defined), read_built(needed)) == (("zlib",), ())


@pytest.mark.compiler
def test_runtimes_by_their_own_words(builder: Builder) -> None:
    banners = [
        "OpenSSL 1.1.1k  25 Mar 2021",
        " inflate 1.2.11 Copyright 1995-2017 Mark Adler ",
        "see OpenBLAS 0.3.27 docs",
    ]
    source = "".join(f'const char *b{at}(void) {{ return "{banner}"; }}' for at, banner in enumerate(banners))
    assert read_built(builder.library("libwords.so", source)) == ("openssl 1.1.1k", "zlib 1.2.11")


@pytest.mark.compiler
def test_static_libstdcxx_and_abseil(builder: Builder) -> None:
    source = "#include <iostream>\nvoid hello() { std::cout << 1; }"
    inside = builder.library("libinside.so", source, language="c++", flags=["-static-libstdc++", "-static-libgcc"])
    outside = builder.library("liboutside.so", source, language="c++")
    assert "libstdc++" in read_built(inside)
    assert "libstdc++" not in read_built(outside)
    functions = "".join(f"int f{at}() {{ return {at}; }}" for at in range(5))
    absl = f"namespace absl {{ inline namespace lts_20230802 {{ {functions} }} }}"
    assert read_built(builder.library("libabsl.so", absl, language="c++")) == ("abseil 20230802",)


def test_tables_of_runtimes_do_not_overlap() -> None:
    assert not DEFINITIONS.keys() & PREFIXES.keys()
    names = [name for names in DEFINITIONS.values() for name in names]
    assert len(names) == len(set(names))
