"""Names among the strings of an extension module: what it may import from C.

A Cython module keeps two kinds. Plain C strings name the modules whose types and functions it needs (`cimport`): they
are imported when it is initialised. The names of its Python code are in a string table: since Cython 3.1 one text that
an array of lengths cuts, compressed with zlib or bz2 since 3.2 and with an LZSS of its own since 3.3
(Cython/Compiler/Code.py generate_pystring_constants, Cython/Utility/StringTools.c); before, one C string each.
"""

from __future__ import annotations

import bz2
import re
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CYTHON = "cython_runtime"
MYPYC = "__mypyc"
"""How the module ends that holds the code of a group of modules that mypyc compiled."""
TABLE = "cython_string_table"
"""Stands in the names of a module before those of its string table (`read_names`)."""
TEXT = "cython_string_text"
"""Stands before the table's text where it could not be cut into names."""

IMPORTS_FUNCTIONS = "cython_import_function"
"""Stands for the message of Cython's C code that takes functions out of another module when it is initialised."""
_NO_FUNCTION = b"does not export expected C function"
_NAME = re.compile(rb"(?<=\0)(?=[A-Za-z_]|\w+__mypyc\0)\w\w{0,60}(?:\.[A-Za-z_]\w{0,60}){0,8}(?=\0)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z", re.ASCII)
_STREAM = re.compile(rb"x[\x01\x5e\x9c\xda]|BZh[1-9]1AY&SY")
_LZSS = re.compile(rb"(?=[\x0f\x1f\x2f\x3f\x4f\x5f\x6f\x7f\x8f\x9f\xaf\xbf\xcf\xdf\xef\xff][\x20-\x7e\n]{4})")
"""A stream opens with four or more plain bytes: there is nothing to refer back to."""
_TEXT = re.compile(rb"(?:[\x01-\x7f]|[\xc2-\xf4][\x80-\xbf]+){400,}")
_LANDMARK = b"__main__"
_SECOND = b"__test__"
_MAX_TABLE = 8 << 20
_MIN_TABLE = 100
_MAX_UNCUT = 20_000


def read_names(data: bytes) -> tuple[str, ...]:
    """Return the names in a file's bytes: plain C strings sorted, then `TABLE` and Cython's string table sorted.

    Where the table cannot be cut, `TEXT` and its whole text follow instead. `cython_runtime` is among the plain ones of
    every module that Cython made. `zlib.decompress` or `bz2.decompress` stands first in the table of one that imports
    zlib or bz2 to unpack it.
    """
    plain = {name.decode() for name in _NAME.findall(data)}
    if _NO_FUNCTION in data:
        plain.add(IMPORTS_FUNCTIONS)
    names = sorted(plain)
    if CYTHON not in plain:
        return tuple(names)
    table, text, unpacks = string_table(data)
    if text:
        names.append(TABLE)
        if unpacks:
            names.append(f"{unpacks}.decompress")
        names += sorted({name for name in table if _DOTTED.match(name)}) if table else [TEXT, text.replace("\n", " ")]
    return tuple(names)


def string_table(data: bytes) -> tuple[list[str], str, str]:
    """Return the strings of Cython's table, their whole text, and the module that unpacks them.

    The strings are empty where the lengths are not found: a short array of them is part of the code.
    """
    words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<u4").astype(np.int64)
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(words)])
    for text, unpacks in _texts(data):
        if _LANDMARK in text and _SECOND in text:
            strings = cut(text, words, sums)
            return strings, text[:_MAX_UNCUT].decode("latin-1"), unpacks
    return [], "", ""


def _texts(data: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield what may be a table's text, with the module that unpacks it."""
    for match in _STREAM.finditer(data):
        packed = data[match.start() : match.start() + _MAX_TABLE]
        try:
            if match.group()[:1] == b"x":
                inflater = zlib.decompressobj()
                text = inflater.decompress(packed, _MAX_TABLE)
                if inflater.eof:
                    yield text, "zlib"
            else:
                unpacker = bz2.BZ2Decompressor()
                text = unpacker.decompress(packed, _MAX_TABLE)
                if unpacker.eof:
                    yield text, "bz2"
        except (zlib.error, OSError, ValueError):
            continue
    for match in _TEXT.finditer(data):
        yield match.group(), ""
    for match in _LZSS.finditer(data):
        text = unpack_lzss(data, match.start())
        if len(text) >= _MIN_TABLE:
            yield text, ""


def unpack_lzss(data: bytes, start: int) -> bytes:
    """Unpack Cython's LZSS from `start` until it stops being text (StringTools.c __pyx_lzss_decompress).

    The length is in the code, not beside the data: a NUL byte or an impossible reference ends the text.
    """
    out = bytearray()
    position, end = start, min(len(data) - 3, start + _MAX_TABLE)
    while position < end:
        flags = data[position] | 0xFF00
        position += 1
        while flags & 0x100 and position < end:
            if flags & 1:
                byte = data[position]
                position += 1
                if byte < 9:
                    return bytes(out)
                out.append(byte)
            else:
                low, high = data[position], data[position + 1]
                position += 2
                if not low & 0x80:
                    back, length = low, high
                elif not high & 0x80:
                    back, length = 0x80 + (((high << 2) & 0x180) | (low & 0x7F)), high & 0x1F
                else:
                    back, length = 0x80 + ((high & 0x7F) << 7 | (low & 0x7F)), data[position]
                    position += 1
                length += 3
                origin = len(out) - back - length
                if origin < 0:
                    return bytes(out)
                out += out[origin : origin + length]
            flags >>= 1
    return bytes(out)


def cut(text: bytes, words: NDArray[np.int64], sums: NDArray[np.int64]) -> list[str]:
    """Cut a table's text by the array of lengths that lies somewhere in the file.

    words: the file as 32-bit words. sums: their sums, with a leading 0. The array is recognised by what it must do:
    cut out the names `__main__` and `__test__`, which are in every table.
    """
    landmark, second = text.rfind(_LANDMARK), text.rfind(_SECOND)
    if second < 0:
        return []
    at = np.flatnonzero(words == len(_LANDMARK))
    wanted = sums[at] - landmark
    starts = np.searchsorted(sums, wanted)
    for index in np.flatnonzero((starts <= at) & (sums[np.minimum(starts, len(sums) - 1)] == wanted)):
        first = int(starts[index])
        other = int(np.searchsorted(sums, sums[first] + second))
        if other >= len(words) or sums[other] != sums[first] + second or words[other] != len(_SECOND):
            continue
        last = int(np.searchsorted(sums, sums[first] + len(text), side="right")) - 1
        cuts = (sums[first : last + 1] - sums[first]).tolist()
        return [text[a:b].decode("utf-8", "replace") for a, b in pairwise(cuts)]
    return []
