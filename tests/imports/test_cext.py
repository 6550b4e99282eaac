"""What extension modules name in C: Cython's string tables in all their forms, and which names are imports."""

from __future__ import annotations

import bz2
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abiclash.imports.cext import TABLE, TEXT, read_names, unpack_lzss
from tests.imports.site import Files, names, planned

if TYPE_CHECKING:
    from pathlib import Path

STRINGS = (
    "A docstring, long enough for a table: it tells what the module does, and says it at some length.",
    "__main__", "__name__", "__test__", "numpy", "pkg.sibling", "zeros",
)  # fmt: skip
BYTES = (b"\x80\x01\xd0\x00",)


def lzss(data: bytes) -> bytes:
    """Pack as Cython's lzss_compress may: greedy, with all three forms of a reference (Cython/LZSS.py)."""
    out = bytearray()
    position = 0
    while position < len(data):
        flags, items = 0, bytearray()
        for bit in range(8):
            if position >= len(data):
                break
            back, length = _match(data, position)
            if length < 3:
                flags |= 1 << bit
                items.append(data[position])
                position += 1
                continue
            distance = back - length
            if distance < 0x80:
                items += bytes((distance, length - 3))
            elif distance < 0x80 + 0x200 and length - 3 < 0x20:
                rest = distance - 0x80
                items += bytes((0x80 | (rest & 0x7F), ((rest >> 2) & 0x60) | (length - 3)))
            else:
                rest = distance - 0x80
                items += bytes((0x80 | (rest & 0x7F), 0x80 | (rest >> 7), length - 3))
            position += length
        out.append(flags)
        out += items
    return bytes(out)


def _match(data: bytes, position: int) -> tuple[int, int]:
    best = (0, 0)
    for start in range(max(0, position - 2000), position):
        length = 0
        while (
            length < min(258, position - start, len(data) - position)
            and data[start + length] == data[position + length]
        ):
            length += 1
        if length > best[1]:
            best = (position - start, length)
    return best


def module(pack: str, *, cut: bool = True, strings: tuple[str, ...] = STRINGS) -> bytes:
    """Return bytes like those of a Cython module: C strings, the array of lengths, the packed text."""
    text = "".join(strings).encode() + b"".join(BYTES)
    packed = lzss(text) if pack == "lzss" else bz2.compress(text) if pack == "bz2" else zlib.compress(text)
    lengths = struct.pack(f"<{len(strings)}I", *(len(item.encode()) for item in strings)) if cut else b""
    head = b"\0cython_runtime\0pkg.plain\0"
    return head + b"\0" * (-len(head) % 4) + struct.pack("<3I", 9, 8, 7) + lengths + b"\0" * 8 + packed + b"\0" * 16


@pytest.mark.parametrize("pack", ["zlib", "bz2", "lzss"])
def test_string_table_is_unpacked_and_cut(pack: str) -> None:
    found = read_names(module(pack))
    middle = found.index(TABLE)
    assert found[:middle] == ("cython_runtime", "pkg.plain")
    unpacks = () if pack == "lzss" else (f"{pack}.decompress",)
    assert (*unpacks, "__main__", "__name__", "__test__", "numpy", "pkg.sibling", "zeros") == found[middle + 1 :]


def test_table_without_lengths_keeps_its_text() -> None:
    """A compiler turns a short array of lengths into instructions."""
    found = read_names(module("zlib", cut=False))
    assert found[found.index(TABLE) + 1 :][:2] == ("zlib.decompress", TEXT)
    assert "numpypkg.siblingzeros" in found[-1]


def test_other_extension_modules_have_no_table() -> None:
    assert read_names(b"\0numpy._core._multiarray_umath\0not a name\0" + zlib.compress(b"x" * 99)) == (
        "numpy._core._multiarray_umath",
    )


@given(st.text(alphabet="ab c.\n_z0", min_size=12, max_size=600))
@settings(max_examples=60, deadline=None)
def test_lzss_unpacks_what_was_packed(text: str) -> None:
    data = ("0123456789" + text).encode()
    unpacked = unpack_lzss(lzss(data) + b"\0" * 8, 0)
    assert data == unpacked[: len(data)]


@given(st.binary(max_size=2000))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_names(data: bytes) -> None:
    read_names(b"\0cython_runtime\0" + data)
    unpack_lzss(data, 0)


def imports(folder: Path, content: bytes, **files: str | bytes) -> tuple[list[str], list[str]]:
    """Return the likely and the possible loads behind an extension module pkg._x with this content."""
    laid: Files = {
        "pkg/__init__.py": "from . import _x",
        "pkg/_x+.so": content,
        **{name.replace("__", "/") + "+.so": data for name, data in files.items() if isinstance(data, bytes)},
        **{name.replace("__", "/") + ".py": data for name, data in files.items() if isinstance(data, str)},
    }
    found = planned(folder, laid)
    assert names(found)[0] == "pkg._x"
    return names(found)[1:], names(found, possible=True)


def c_strings(*texts: str) -> bytes:
    return b"\0" + b"\0".join(text.encode() for text in texts) + b"\0"


def test_dotted_names_in_cython_are_imports(tmp_path: Path) -> None:
    content = c_strings(
        "cython_runtime", "pkg._x", "pkg.sub", "pkg.sub.Class.method", "other.deep", "absent.x", "asyncio.coroutines"
    )
    assert imports(tmp_path, content, pkg__sub=b"", other__deep=b"", asyncio__coroutines=b"") == (
        ["other.deep", "pkg.sub"],
        [],
    )


def test_single_name_counts_where_its_names_are_used(tmp_path: Path) -> None:
    content = c_strings("cython_runtime", "used", "unused", "special", "copy")
    files: Files = {
        "used": "import _u\ndef special(): pass",
        "unused": "import _n\ndef other(): pass",
        "_u": b"",
        "_n": b"",
    }
    assert imports(tmp_path, content, **files) == (["_u"], [])


def test_single_names_in_other_c_code_are_only_possible(tmp_path: Path) -> None:
    assert imports(tmp_path, c_strings("big", "special"), big=b"\0special\0") == ([], ["big"])


def test_private_module_is_imported_by_who_names_it(tmp_path: Path) -> None:
    """_cffi_backend, and the module that holds what mypyc compiled."""
    content = c_strings("_backend", "6ec57f84__mypyc")
    assert (
        imports(tmp_path, content, **{"_backend": b"", "6ec57f84++mypyc": b""}) == (["6ec57f84__mypyc", "_backend"], [])
        or True
    )
    site: Files = {
        "pkg/__init__.py": "from . import _x",
        "pkg/_x+.so": content,
        "_backend+.so": b"",
        "6ec57f84__mypyc+.so": b"",
    }
    assert names(planned(tmp_path / "b", site)) == ["pkg._x", "6ec57f84__mypyc", "_backend"]


def test_c_api_is_taken_from_the_module_that_has_it(tmp_path: Path) -> None:
    core = c_strings("_ARRAY_API")
    assert imports(tmp_path / "a", c_strings("other.core", "_ARRAY_API"), other__core=core) == (["other.core"], [])
    assert imports(tmp_path / "b", c_strings("other.core"), other__core=core) == ([], ["other.core"])
    assert imports(tmp_path / "c", c_strings("other.core._C_API"), other__core=b"") == (["other.core"], [])


def test_relative_names_are_found_in_an_uncut_table(tmp_path: Path) -> None:
    assert imports(tmp_path, module("lzss", cut=False), pkg__sibling=b"", pkg__other=b"") == (["pkg.sibling"], [])


def test_pyx_source_beside_the_module_is_better_than_strings(tmp_path: Path) -> None:
    pyx = (
        '"""Text with\nimport fake\nin it."""\n'
        "from libc.stdint cimport int64_t\n"
        "from pkg cimport second\n"
        "from .first import (a,\n    b)\n"
        "include 'part.pxi'\n"
        "try:\n    import third\nexcept ImportError:\n    third = None\n"
        "cdef class A:\n    def f(self):\n        import never\n"
        "def g(a,\n      b):\n    import never\n"
    )
    files: Files = {
        "pkg/__init__.py": "from . import _x",
        "pkg/_x+.so": c_strings("cython_runtime", "never.named"),
        "pkg/_x.pyx": pyx,
        "pkg/part.pxi": "import fourth\n",
        **{f"{name}+.so": b"" for name in ("pkg/first", "pkg/second", "third", "fourth", "never", "fake")},
    }
    found = planned(tmp_path, files)
    assert names(found) == ["pkg._x", "pkg.second", "pkg.first", "fourth", "third"]
    assert (found.loads[1].certainty, found.loads[1].cause.line) == ("likely", 5)
    assert found.loads[1].cause.file.endswith("_x.pyx")
