"""Descriptors in generated protobuf modules, of all generations of the generator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.imports.registrations import read_descriptor
from abiclash.imports.source import ModuleSource, read_module


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


DATA = (
    field(1, b"a/b.proto")
    + field(2, b"pkg")
    + field(4, field(1, b"Message") + field(2, field(1, b"a_field")))
    + field(5, field(1, b"Enum"))
    + field(6, field(1, b"Service"))
    + field(12, b"proto3")
)


def test_what_a_descriptor_defines() -> None:
    found = read_descriptor(DATA, 3)
    assert found is not None
    assert (found.file, found.line) == ("a/b.proto", 3)
    assert found.names == ("pkg.Enum", "pkg.Message", "pkg.Service")


def test_content_tells_descriptors_apart() -> None:
    one, other = read_descriptor(DATA), read_descriptor(DATA + field(4, field(1, b"More")))
    assert one is not None
    assert other is not None
    assert one.file == other.file
    assert one.content != other.content


@pytest.mark.parametrize(
    "text",
    [
        f"DESCRIPTOR = _pool.Default().AddSerializedFile({DATA!r})\n",
        f"DESCRIPTOR = _descriptor.FileDescriptor(name='a/b.proto', package='pkg', serialized_pb={DATA!r})\n",
        f"DESCRIPTOR = _descriptor.FileDescriptor(name='x', serialized_pb=_b({DATA.decode('latin-1')!r}))\n",
    ],
    ids=["3.20 and later", "3.0 and later", "for Python 2 and 3"],
)
def test_generated_modules(text: str) -> None:
    (found,) = read_module(text.encode(), "b_pb2.py").registrations
    assert found == read_descriptor(DATA, 1)


def test_a_digest_keeps_registrations() -> None:
    source = read_module(f"pool.AddSerializedFile({DATA!r})\n".encode(), "b_pb2.py")
    assert ModuleSource.load(*source.dump()).registrations == source.registrations


@pytest.mark.parametrize("text", ["pool.AddSerializedFile(data)\n", "pool.AddSerializedFile(b'\\xff\\xff')\n"])
def test_what_is_no_descriptor(text: str) -> None:
    assert read_module(text.encode(), "b_pb2.py").registrations == ()


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    found = read_descriptor(data)
    assert found is None or found.file


@given(st.integers(0, len(DATA)))
def test_a_cut_descriptor_never_gives_a_name_that_is_not_there(length: int) -> None:
    found = read_descriptor(DATA[:length])
    assert found is None or set(found.names) <= {"pkg.Enum", "pkg.Message", "pkg.Service", "Enum", "Message", "Service"}
