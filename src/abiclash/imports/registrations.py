"""Protobuf descriptors that generated modules put into the process-wide pool.

Generated code hands the pool a serialised FileDescriptorProto (google/protobuf/descriptor.proto). The pool keeps one
file for each name and one definition for each full name; a second one that differs is refused with a TypeError.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from abiclash.imports.world import ImportWorld

_NAME, _PACKAGE = 1, 2
_DEFINITIONS = (4, 5, 6, 7)  # message_type, enum_type, service, extension; each has its name as field 1
MAX_NAMES = 400
_TESTS = frozenset({"test", "tests", "testing"})


@dataclass(frozen=True, slots=True)
class Registration:
    """One descriptor. file: its name in the pool. content: short hash of its bytes. names: full names it defines."""

    file: str
    line: int
    content: str
    names: tuple[str, ...] = ()


def registration(node: ast.Call) -> Registration | None:
    """Return what a call in generated code registers.

    `AddSerializedFile(b"...")` since protobuf 3.20, `FileDescriptor(..., serialized_pb=b"...")` before.
    """
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name == "AddSerializedFile" and node.args:
        data = _bytes(node.args[0])
    elif name == "FileDescriptor":
        data = next((_bytes(key.value) for key in node.keywords if key.arg == "serialized_pb"), None)
    else:
        data = None
    return read_descriptor(data, node.lineno) if data is not None else None


def _bytes(node: ast.expr) -> bytes | None:
    """Return the bytes of a literal, also of the `_b("...")` that code for Python 2 and 3 wraps around text."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        node = node.args[0]
    if not isinstance(node, ast.Constant):
        return None
    if isinstance(node.value, str):
        try:
            return node.value.encode("latin-1")
        except UnicodeEncodeError:
            return None
    return node.value if isinstance(node.value, bytes) else None


def read_descriptor(data: bytes, line: int = 0) -> Registration | None:
    """Return what a serialised FileDescriptorProto registers, or None where the bytes are none."""
    file = package = ""
    names: list[str] = []
    try:
        for number, value in _fields(data):
            if number == _NAME:
                file = value.decode()
            elif number == _PACKAGE:
                package = value.decode()
            elif number in _DEFINITIONS:
                names += [inner.decode() for tag, inner in _fields(value) if tag == _NAME][:1]
    except (ValueError, IndexError):
        return None
    if not file:
        return None
    full = sorted(f"{package}.{name}" if package else name for name in names)[:MAX_NAMES]
    return Registration(file, line, hashlib.sha256(data).hexdigest()[:16], tuple(full))


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, bytes) of a message's length-delimited fields. Raises ValueError, IndexError."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("a field ends behind its message")
            yield tag >> 3, data[at : at + size]
            at += size
        elif kind == 0:
            _, at = _varint(data, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number is longer than 64 bits")


@dataclass(frozen=True, slots=True)
class Placed:
    """A descriptor and the generated module that registers it. package: who installs it. path: absolute."""

    package: str
    path: str
    registration: Registration


def contested(world: ImportWorld, files: Mapping[str, Iterable[str]]) -> tuple[Placed, ...]:
    """Return what the generated modules register that two packages have under one file name.

    files: package -> installed paths, relative to a directory of the search path. protoc names a module after its
    .proto file, so modules of distinct names can only clash where somebody renamed one; reading just the namesakes
    keeps this cheap for packages with hundreds of such modules.
    """
    owners: dict[str, dict[str, list[str]]] = {}
    for package, paths in files.items():
        for path in paths:
            if path.endswith("_pb2.py") and _TESTS.isdisjoint(path.split("/")):
                owners.setdefault(path.rpartition("/")[2], {}).setdefault(package, []).append(path)
    found = []
    for claims in (claims for _, claims in sorted(owners.items()) if len(claims) > 1):
        for package, paths in claims.items():
            for path in sorted(paths):
                place = next((f"{at}/{path}" for at in world.path if world.exists(f"{at}/{path}")), None)
                if place is not None:
                    found += [Placed(package, place, entry) for entry in world.source(place).registrations]
    world.flush()
    return tuple(found)
