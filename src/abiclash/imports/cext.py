"""Names among the strings of an extension module: what it may import from C.

A Cython module keeps two kinds. Plain C strings name the modules whose types and functions it needs (`cimport`): they
are imported when it is initialised. The names of its Python code are in string tables: since Cython 3.1 one text, cut
by an array of lengths and compressed since 3.2 (Cython/Compiler/Code.py, generate_pystring_constants); before, one C
string each, beside all others.
"""

from __future__ import annotations

import bz2
import re
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAME = re.compile(rb"(?<=\0)[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){0,8}(?=\0)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z", re.ASCII)
_STREAM = re.compile(rb"x[\x01\x5e\x9c\xda]|BZh[1-9]1AY&SY")
_TEXT = re.compile(rb"(?:[\x01-\x7f]|[\xc2-\xf4][\x80-\xbf]+){400,}")
_LANDMARK = b"__main__"
CYTHON = "cython_runtime"
CYTHON_RUNTIME = frozenset(("array", "asyncio.coroutines", "copy", "gc", "select", "collections.abc", "inspect"))
"""Names that Cython's own utility code brings into modules that do not import them."""
_MAX_TABLE = 8 << 20


def read_names(data: bytes) -> tuple[str, ...]:
    """Return the dotted names in a file's bytes, sorted.

    `cython_runtime` among them tells a module that Cython made; `zlib.decompress` (or `bz2.decompress`) one that
    unpacks its string table when it is initialised.
    """
    names = {name.decode() for name in _NAME.findall(data)}
    if CYTHON in names:
        table, unpacks = string_table(data)
        names.update(name for name in table if _DOTTED.match(name))
        if unpacks:
            names.add(f"{unpacks}.decompress")
    return tuple(sorted(names))


def string_table(data: bytes) -> tuple[list[str], str]:
    """Return the strings of Cython's table and the module that unpacks them; empty where there is no table."""
    for text, unpacks in (*_packed(data), *((match.group(), "") for match in _TEXT.finditer(data))):
        if _LANDMARK in text:
            strings = cut(text, data)
            if strings:
                return strings, unpacks
    return [], ""


def _packed(data: bytes) -> list[tuple[bytes, str]]:
    """Return the contents of all complete zlib and bz2 streams, with the module that unpacks them."""
    found = []
    for match in _STREAM.finditer(data):
        packed = data[match.start() : match.start() + _MAX_TABLE]
        name = "zlib" if match.group()[:1] == b"x" else "bz2"
        try:
            if name == "zlib":
                inflater = zlib.decompressobj()
                text = inflater.decompress(packed, _MAX_TABLE)
                complete = inflater.eof
            else:
                unpacker = bz2.BZ2Decompressor()
                text = unpacker.decompress(packed, _MAX_TABLE)
                complete = unpacker.eof
        except (zlib.error, OSError, ValueError):
            continue
        if complete:
            found.append((text, name))
    return found


def cut(text: bytes, data: bytes) -> list[str]:
    """Cut a table's text by the array of lengths that lies in the file's read-only data.

    The array is found by what it must satisfy: its sum is the length of the text, and it cuts out `__main__`.
    """
    landmark = text.find(_LANDMARK)
    words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<u4").astype(np.int64)
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(words)])
    start = _starts(sums, len(text))
    for first, last in start:
        lengths = words[first:last]
        cuts = sums[first : last + 1] - sums[first]
        at = int(np.searchsorted(cuts, landmark))
        while at < len(lengths) and cuts[at] == landmark and lengths[at] == 0:
            at += 1
        if at < len(lengths) and cuts[at] == landmark and lengths[at] == len(_LANDMARK):
            return [text[cuts[i] : cuts[i + 1]].decode("utf-8", "replace") for i in range(len(lengths))]
    return []


def _starts(sums: NDArray[np.int64], total: int) -> list[tuple[int, int]]:
    """Return the (first, last) pairs of the runs whose sum is `total`."""
    wanted = sums[:-1] + total
    ends = np.searchsorted(sums, wanted)
    good = (ends < len(sums)) & (sums[np.minimum(ends, len(sums) - 1)] == wanted) & (ends - np.arange(len(ends)) > 8)
    first = np.flatnonzero(good)
    return [(int(f), int(ends[f])) for f in first]

