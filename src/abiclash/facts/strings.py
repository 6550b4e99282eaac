"""What an object's read-only strings tell the rules: modules it may import, registry keys, files of descriptors.

Kinds of `ObjectFacts.strings`:
pybind11-internals, nanobind-internals   the key under which an extension module shares its registry of types
typeinfo-name   names of C++ types (Itanium ABI, as in _ZTS symbols) in modules with such a key
bound-type      those of them whose plain name is a string of its own too, as the Python name of a bound class is
refusal         messages about a library whose version is not the one that another module was built with
proto-file      names of the .proto files whose descriptors the object holds
env             names of environment variables that steer paths, plugins and threads, where getenv is used
version         whole strings that are a version number, in extension modules
numpy-abi       the oldest NumPy C API that the module was built for, as its import error spells it
numpy-types     the module whose declarations of NumPy's types a Cython module was compiled with, where it checks sizes
words           one string: the bare lower-case identifiers of an extension module, joined by blanks
glued           one string: the constants of a Cython module that keeps them deflated, without separators;
                look for a name that is known, it cannot be split
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.text import DOTTED, LONGEST, LOWER, UPPER, WORD, blocks
from abiclash.names import name_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.text import Texts

MAX_MODULES, MAX_TYPES, MAX_OTHERS = 4096, 20_000, 2000
MAX_JOINED = 64 * 1024
MAX_INFLATED = 1 << 20
LONGEST_WORD, SHORTEST_KEY = 40, 12
MAX_MESSAGES = 20
_REFUSAL = b"version mismatch"
_SIZE_CHECK = b"size changed, may indicate binary incompatibility"
_DECLARED = b".multiarray failed to import"  # raised by import_array of numpy/__init__.pxd

_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_TYPE_NAME = re.compile(r"(?:N[KV]*|S[tabsiod])?[1-9]\d{0,2}[A-Za-z_]\w*")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
# fmt: off
_STEERING = {
    "PATH", "PATHS", "DIR", "DIRS", "HOME", "ROOT", "PREFIX", "CONF", "CONFIG", "FILE", "LIB", "LIBS", "LIBRARY",
    "DATA", "PLUGIN", "PLUGINS", "BACKEND", "PLATFORM", "OK", "THREADS", "PRELOAD", "MODULE", "MODULES",
}
# fmt: on
_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,5}){1,3}")
_NUMPY_HEADERS = re.compile(r"module was compiled against NumPy C-API version 0x%x \(NumPy ([\d.]+)\)")
_PYBIND11 = re.compile(r"__pybind11_internals_v\w+")
_NANOBIND = re.compile(r"(?:__nb_internals_)?v\d+\w*_(?:libstdcpp|libcpp)\w*")
_PROTO = re.compile(rb"[\w/.\-]*\.proto\Z")
_DESCRIPTOR_HEAD = 132  # a tag, a length of one byte, and a name of that length
_PLAIN = re.compile(rb"[\t\n\x20-\x7e\0]*")

_GETENV_NAMES = (
    "getenv",
    "secure_getenv",
    "__secure_getenv",
    "_Z7qgetenvPKc",  # qgetenv(const char*) and its companions, which Qt's libraries use instead
    "_Z25qEnvironmentVariableIsSetPKc",
    "_Z27qEnvironmentVariableIsEmptyPKc",
    "_Z28qEnvironmentVariableIntValuePKcPb",
    "_Z20qEnvironmentVariablePKc",
    "_Z20qEnvironmentVariablePKcRK7QString",
)
_GETENV = np.array([name_key(name) for name in _GETENV_NAMES], dtype=np.uint64)


def uses_environment(keys: NDArray[np.uint64]) -> bool:
    """Tell whether a symbol table (keys ascending) holds getenv."""
    return bool((np.searchsorted(keys, _GETENV, side="right") > np.searchsorted(keys, _GETENV, side="left")).any())


def classes_needed(*, extension: bool, environment: bool) -> int:
    """Return the classes of text that `read_strings` looks at."""
    return WORD | DOTTED if extension else UPPER if environment else 0


def read_strings(
    regions: list[NDArray[np.uint8]], texts: Texts, *, extension: bool, environment: bool
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return (modules, strings) of `ObjectFacts`, sorted within each kind."""
    modules: list[str] = []
    found = [("proto-file", name) for name in sorted(_descriptor_files(regions))[:MAX_OTHERS]]
    if environment:
        names = texts.select((texts.classes & UPPER != 0) & (texts.classes & LOWER == 0))
        found += [("env", name) for name in names if _steers(name)][:MAX_OTHERS]
    if extension:
        dotted = texts.select((texts.classes & (DOTTED | WORD)) == DOTTED)
        modules = [name for name in dotted if _MODULE.fullmatch(name)][:MAX_MODULES]
        found += [("version", name) for name in dotted if _VERSION.fullmatch(name)][:MAX_OTHERS]
        lower = texts.classes & LOWER != 0
        found += _registries(texts, texts.select(lower & (texts.length >= SHORTEST_KEY)))
        matches = (_NUMPY_HEADERS.match(text) for text in texts.select(texts.numbered & (texts.length > 99)))
        found += [("numpy-abi", match[1]) for match in matches if match]
        found += [("refusal", text) for text in _holding(regions, _REFUSAL)]
        declared = _holding(regions, _DECLARED)
        if declared and _holding(regions, _SIZE_CHECK):
            found += [("numpy-types", text.partition(" ")[0]) for text in declared]
        words = _join(texts.select(lower & (texts.length <= LONGEST_WORD)))
        found += [("words", words)] if words else []
        found += [("glued", text) for text in _inflated(regions)]
    return tuple(modules), tuple(sorted(found))


def _steers(name: str) -> bool:
    """Tell whether a name is one of an environment variable that steers paths, plugins or threads, by its last word."""
    return name.rpartition("_")[2] in _STEERING and _VARIABLE.fullmatch(name) is not None


def _registries(texts: Texts, lower: list[str]) -> list[tuple[str, str]]:
    """Return the keys of pybind11's and nanobind's registries, and the type names of modules that have one."""
    keys = [("pybind11-internals", word) for word in lower if _PYBIND11.fullmatch(word)]
    keys += [("nanobind-internals", word) for word in lower if _NANOBIND.fullmatch(word)]
    if keys:
        words = texts.select(texts.classes & WORD != 0)
        types = [word for word in words if _TYPE_NAME.fullmatch(word)][:MAX_TYPES]
        keys += [("typeinfo-name", word) for word in types]
        spoken = set(words)
        keys += [("bound-type", word) for word in types if last_component(word) in spoken]
    return keys


def last_component(type_name: str) -> str:
    """Return the last source name of a mangled type name without template arguments; '' where there is none.

    "8ObjSense" -> "ObjSense", "N5highs4NodeE" -> "Node" (Itanium C++ ABI, <nested-name>, <source-name>).
    """
    at, last = 0, ""
    if type_name.startswith("N"):
        at = 1
        while at < len(type_name) and type_name[at] in "KV":
            at += 1
    while at < len(type_name) and type_name[at].isdigit():
        end = at
        while type_name[end : end + 1].isdigit():
            end += 1
        length = int(type_name[at:end])
        last, at = type_name[end : end + length], end + length
    closed = type_name[at:] in ("", "E")
    return last if closed else ""


def _holding(regions: list[NDArray[np.uint8]], wanted: bytes) -> list[str]:
    """Return the whole strings that hold some bytes."""
    found: set[str] = set()
    for region in regions:
        for block, own, _ in blocks(region):
            raw = block.tobytes()
            at = raw.find(wanted)
            while 0 <= at < own and len(found) < MAX_MESSAGES:
                start, end = raw.rfind(b"\0", 0, at) + 1, raw.find(b"\0", at)
                text = raw[start:end] if 0 <= end <= start + LONGEST else b""
                found |= {text.decode("ascii")} if text and _PLAIN.fullmatch(text) else set()
                at = raw.find(wanted, at + 1)
    return sorted(found)


def _join(words: list[str]) -> str:
    """Return the words that can be identifiers, joined by blanks and cut to `MAX_JOINED`."""
    joined = " ".join(word for word in words if not word[0].isdigit())
    return joined if len(joined) <= MAX_JOINED else joined[:MAX_JOINED].rpartition(" ")[0]


def _descriptor_files(regions: list[NDArray[np.uint8]]) -> set[str]:
    """Return the file names that open a serialized FileDescriptorProto: tag 10, length, name.

    A dependency in a descriptor has tag 26 (google/protobuf/descriptor.proto), so it is not taken for a file of ours.
    """
    found: set[str] = set()
    for region in regions:
        for block, own, _ in blocks(region):
            dots = np.flatnonzero(block[: max(min(own, len(block) - 5), 0)] == ord("."))
            dots = dots[(block[dots + 1] == ord("p")) & (block[dots + 5] == ord("o"))]
            for end in (dots + 6).tolist():
                raw = block[max(end - _DESCRIPTOR_HEAD, 0) : end].tobytes()
                match = _PROTO.search(raw)
                if match and len(found) < MAX_OTHERS:
                    found |= {name.decode("ascii") for name in _opened(raw, match.start(), len(raw))}
    return found


def _opened(raw: bytes, start: int, end: int) -> list[bytes]:
    """Return the name that ends at `end` and has its tag and length before it.

    The length byte may itself look like a part of the name, so each start is tried.
    """
    for at in range(max(start, 2), end):
        if raw[at - 2] == 0x0A and raw[at - 1] == end - at:
            return [raw[at:end]]
    return []


def _inflated(regions: list[NDArray[np.uint8]]) -> list[str]:
    """Return the constants that Cython 3.1 and later keeps deflated (zlib, level 9), as far as they are text."""
    found: set[str] = set()
    for region in regions:
        raw = region[:MAX_INFLATED].tobytes()
        at = raw.find(b"\x78\xda")
        while at >= 0:
            try:
                text = zlib.decompressobj().decompress(raw[at:], MAX_JOINED)
            except zlib.error:
                text = b""
            plain = _PLAIN.match(text)
            if plain and len(plain[0]) > 64:
                found.add(plain[0].decode("ascii"))
            at = raw.find(b"\x78\xda", at + 2)
    return sorted(found)
