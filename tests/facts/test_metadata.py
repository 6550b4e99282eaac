"""`facts.metadata` and `facts.installed`: what a wheel says of itself, and where its files go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abiclash.errors import WheelError
from abiclash.facts.installed import importable, installed_path, module_name
from abiclash.facts.metadata import dist_info, read_metadata, read_record, record_faults

FILENAME = "My_Demo-1.0.post1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"

METADATA = """\
Metadata-Version: 2.1
Name: My.Demo
Version: 1.0-1
Requires-Python: >=3.9
Requires-Dist: numpy>=1.2; python_version < "3.12"
Requires-Dist: pytz (>=2011k)
Author: Zo\u00eb

Requires-Dist: not a header
"""

WHEEL = """\
Wheel-Version: 1.0
Root-Is-Purelib: false
Tag: cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64
Tag: garbage
"""


def test_what_metadata_says() -> None:
    found = read_metadata("renamed.whl", METADATA.encode(), WHEEL.encode())
    assert found.name == "my-demo"
    assert found.version == "1.0.post1"
    assert found.requires == ('numpy>=1.2; python_version < "3.12"', "pytz (>=2011k)")
    assert found.requires_python == ">=3.9"
    assert found.tags == ("cp311-cp311-manylinux2014_x86_64", "cp311-cp311-manylinux_2_17_x86_64")
    assert not found.root_is_purelib


def test_the_file_name_fills_gaps() -> None:
    found = read_metadata(FILENAME, None, None)
    assert (found.name, found.version) == ("my-demo", "1.0.post1")
    assert found.tags == ("cp311-cp311-manylinux2014_x86_64", "cp311-cp311-manylinux_2_17_x86_64")
    assert (found.requires, found.requires_python, found.root_is_purelib) == ((), None, False)


def test_a_version_that_is_none_is_kept_as_it_is() -> None:
    assert read_metadata("x.whl", b"Name: x\nVersion: 2011k\n", b"Root-Is-Purelib: TRUE\n").version == "2011k"


def test_neither_names_the_package() -> None:
    with pytest.raises(WheelError, match=r"download\.whl: neither METADATA nor the file name tells"):
        read_metadata("download.whl", b"Summary: nothing\n", None)


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_metadata(metadata: bytes, wheel: bytes) -> None:
    assert read_metadata(FILENAME, metadata, wheel).tags == tuple(
        sorted(set(read_metadata(FILENAME, metadata, wheel).tags))
    )


def test_dist_info_folder() -> None:
    assert dist_info(["demo/x.py", "demo-1.0.dist-info/METADATA"], FILENAME) == "demo-1.0.dist-info"
    assert dist_info(["other-1.dist-info/A", "my.demo-1.0.dist-info/A"], FILENAME) == "my.demo-1.0.dist-info"
    assert dist_info(["demo/demo-1.0.dist-info/METADATA"], FILENAME) is None


def test_record() -> None:
    record = read_record(b'a.py,sha256=AA,3\n"b,c.py",,\n\nshort.py\nRECORD,,\n')
    assert record == {"a.py": (3, "sha256=AA"), "b,c.py": (None, ""), "short.py": (None, ""), "RECORD": (None, "")}
    for bad in (b"a.py,sha256=AA,three\n", b"\xff\xfe,,\n"):
        with pytest.raises(WheelError, match="not a table of paths, hashes and sizes"):
            read_record(bad)


def test_a_record_that_lies() -> None:
    record: dict[str, tuple[int | None, str]] = {"a.py": (3, ""), "b.py": (4, ""), "c.py": (None, ""), "d.py": (1, "")}
    sizes = {"a.py": 3, "b.py": 5, "c.py": 9, "e.py": 1, "x.dist-info/RECORD": 7, "x.dist-info/RECORD.jws": 7}
    assert record_faults(record, sizes, "x.dist-info") == [
        "it lists files that the wheel does not contain: 1 files, the first is d.py",
        "it does not list files that the wheel contains: 1 files, the first is e.py",
        "it states other sizes than the files have: 1 files, the first is b.py",
    ]
    assert record_faults({"a.py": (3, "")}, {"a.py": 3}, "x.dist-info") == []


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ("demo/a.py", "demo/a.py"),
        ("demo-1.0.data/purelib/demo/a.py", "demo/a.py"),
        ("demo-1.0.data/platlib/demo/_x.so", "demo/_x.so"),
        ("demo-1.0.data/scripts/run", "../../../bin/run"),
        ("demo-1.0.data/data/lib/libx.so", "../../../lib/libx.so"),
        ("demo-1.0.data/headers/x.h", "../../../include/demo/x.h"),
        ("demo-1.0.data/other/x", "demo-1.0.data/other/x"),
        ("demo/demo-1.0.data/purelib/a.py", "demo/demo-1.0.data/purelib/a.py"),
    ],
)
def test_installed_path(member: str, path: str) -> None:
    assert installed_path(member) == path


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("demo/__init__.py", "demo"),
        ("demo/a/b.py", "demo.a.b"),
        ("demo/_x.cpython-311-x86_64-linux-gnu.so", "demo._x"),
        ("demo/_x.abi3.so", "demo._x"),
        ("_x.so", "_x"),
        ("demo/libx.so.1", None),
        ("demo.libs/libx-123.so", None),
        ("demo/data-files/a.py", None),
        ("demo/readme.txt", None),
        ("../../../bin/run.py", None),
        ("__init__.py", None),
    ],
)
def test_module_name(path: str, module: str | None) -> None:
    assert module_name(path) == module


def test_importable_names() -> None:
    files = ["demo/__init__.py", "demo/_x.abi3.so", "single.py", "_native.so", "space/inner/mod.py", "data/table.csv"]
    files += ["share/lib/libq.so", "demo.libs/libz.so.1", "demo-1.0.dist-info/METADATA", "../../../bin/tool.py"]
    assert importable(files, "") == ("_native", "demo", "single", "space")
    assert importable(files, "demo\n_native\nnot_packaged\n") == ("_native", "demo")
    assert importable(files, "space/inner\n") == ("space",)
    assert importable(files, "not_packaged\n") == ("_native", "demo", "single", "space")
