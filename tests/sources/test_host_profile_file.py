"""Profile files: what is written is what is read, and damage is told."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abiclash.errors import SourceError
from abiclash.facts.model import Initializers, ObjectFacts, References, Symbols
from abiclash.names import name_key
from abiclash.sources.live_files import LiveFiles
from abiclash.sources.live_host import live
from abiclash.sources.loader import Loader
from abiclash.sources.profile_build import Libraries, ProfileBuilder, collect_libraries
from abiclash.sources.profile_file import ProfileFile
from abiclash.sources.profiles import load_profile, summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from abiclash.sources.profile_file import Loaded

_NAMES = ("libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1")


@pytest.fixture(scope="module")
def files() -> LiveFiles:
    return LiveFiles()


@pytest.fixture(scope="module")
def profile(files: LiveFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of this machine's main libraries, without extension modules."""
    path = tmp_path_factory.mktemp("profile") / "here.profile"
    write(files, path)
    return path


def write(files: LiveFiles, path: Path) -> None:
    host = live(environ={})

    def find(soname: str) -> Iterator[str]:
        yield from host.cache.get(soname, ())
        yield from (f"{folder}/{soname}" for folder in host.default_dirs)

    found = collect_libraries(files, _NAMES, find, [])
    builder = ProfileBuilder()
    loader = Loader(host.libc, host.libc_version, host.default_dirs, host.lib)
    builder.set_host("here", host.machine, loader, found, ["a package 1.0"])
    executable = host.interpreter.executable
    loaded = files.read(executable)
    assert loaded is not None
    interpreter = replace(host.interpreter, libpython=None, extensions={})
    numbers = builder.add_group({executable: loaded})
    builder.add_document("stdlib", {"os": ["sys", "abc"]})
    builder.add_interpreter(
        interpreter, machine=host.machine, libc=host.libc, variant="static", files=numbers, cache={}, stdlib="stdlib"
    )
    builder.write(path)


@pytest.fixture(scope="module")
def small(files: LiveFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of one library, that is also its interpreter: quick to read as a whole."""
    here = live(environ={})
    path = here.realpath(here.cache["libz.so.1"][0])
    assert path is not None
    loaded = files.read(path)
    assert loaded is not None
    builder = ProfileBuilder()
    links = {f"{here.default_dirs[0]}/libz.so.1": path}
    loader = Loader(here.libc, here.libc_version, here.default_dirs, here.lib)
    builder.set_host("small", "x86_64", loader, Libraries({"libz.so.1": [path]}, links, {path: loaded}, ()), [])
    numbers = builder.add_group({"/python": loaded})
    builder.add_document("stdlib", {"os": ["sys", "abc"]})
    interpreter = replace(here.interpreter, version="3.11", executable="/python", libpython=None, extensions={})
    builder.add_interpreter(
        interpreter, machine="x86_64", libc=here.libc, variant="static", files=numbers, cache={}, stdlib="stdlib"
    )
    output = tmp_path_factory.mktemp("small") / "small.profile"
    builder.write(output)
    everything(output)
    return output


def comparable(value: Any) -> Any:
    """Facts with arrays as (dtype, content), so that == compares everything."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.tolist()
    if isinstance(value, ObjectFacts | Symbols | References | Initializers):
        return {item.name: comparable(getattr(value, item.name)) for item in fields(value)}
    return value


def texts(loaded: Loaded) -> list[bytes]:
    return [loaded[1].name(row) for row in range(len(loaded[1]))]


def test_objects_read_back_equal(files: LiveFiles, profile: Path) -> None:
    stored = ProfileFile(profile)
    numbers = stored.header["host"]["files"]
    assert len(numbers) >= len(_NAMES)
    for path, number in numbers.items():
        expected, found = files.read(path), stored.object(number)
        assert expected is not None
        assert comparable(expected[0]) == comparable(found[0])
        assert texts(expected) == texts(found)
        assert np.array_equal(expected[1].key, found[1].key)


def test_a_host_reads_back_equal(profile: Path) -> None:
    here, host = live(environ={}), load_profile(profile, live().interpreter.version)
    for name in ("libc", "libc_version", "machine", "lib", "default_dirs", "static_tls_surplus"):
        assert getattr(here, name) == getattr(host, name)
    for soname in _NAMES:
        path = host.cache[soname][0]
        assert here.realpath(path) == host.realpath(path)
        assert all(here.realpath(f"{d}/{soname}") == host.realpath(f"{d}/{soname}") for d in host.default_dirs)
    assert host.realpath("/absent") is None
    assert host.object("/absent") is None
    assert host.interpreter.stdlib_imports("os") == ("sys", "abc")
    assert host.interpreter.stdlib_imports("absent") is None
    assert host.provenance == ("a package 1.0",)


def test_names_come_with_the_objects(profile: Path) -> None:
    host = load_profile(profile, live().interpreter.version)
    key = name_key("malloc")
    assert host.names([key]) == {}
    host.object(str(host.realpath(host.cache["libc.so.6"][0])))
    assert host.names([key, name_key("absent")]) == {key: b"malloc"}


def test_equal_facts_give_equal_bytes(files: LiveFiles, profile: Path, tmp_path: Path) -> None:
    write(files, tmp_path / "again.profile")
    assert profile.read_bytes() == (tmp_path / "again.profile").read_bytes()


def test_what_is_not_there_is_said(profile: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no facts of CPython 2\.7; there are 3\.\d+ \(static\)"):
        load_profile(profile, "2.7")
    with pytest.raises(SourceError, match=r"no facts of CPython 3\.\d+ \(shared\)"):
        load_profile(profile, live().interpreter.version, variant="shared")
    with pytest.raises(SourceError, match=r"absent\.profile: no such host profile"):
        load_profile(tmp_path / "absent.profile", "3.11")
    with pytest.raises(SourceError, match=r"cannot be written: .*; name another file"):
        write(LiveFiles(), tmp_path / "no folder" / "x.profile")


def everything(path: Path) -> None:
    """Read all there is in a profile."""
    summary(path, "x86_64")
    host = load_profile(path, "3.11")
    stored = ProfileFile(path)
    for number in range(len(stored)):
        stored.object(number)
    for soname in host.cache:
        host.realpath(soname)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_told(small: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed or cut off: everything is read, or the error names the file."""
    raw = bytearray(small.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # The directory at the end of a zip and the headers at its start are where damage does most.
        at = data.draw(st.integers(0, len(raw) - 1) | st.integers(len(raw) - 800, len(raw) - 1) | st.integers(0, 80))
        raw[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(raw)) | st.integers(0, len(raw)))
    path = tmp_path / "damaged.profile"
    path.write_bytes(raw[:end])
    try:
        everything(path)
    except SourceError as error:
        told = str(error)
    else:
        told = str(path)
    assert "damaged.profile" in told or "no facts of CPython" in told


_VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-2, 2**40) | st.text(max_size=5) | st.just([]) | st.just({})
)


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_headers_of_any_content_are_told(small: Path, tmp_path: Path, data: st.DataObject) -> None:
    """A well-formed zip whose header says something else."""
    with zipfile.ZipFile(small) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["profile.json"])
    node: Any = header
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            node[key] = data.draw(_VALUES)
            break
        node = inner
    members["profile.json"] = json.dumps(header).encode()
    path = tmp_path / "changed.profile"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())
    try:
        everything(path)
    except SourceError as error:
        told = str(error)
    else:
        told = str(path)
    assert "changed.profile" in told or "no facts of CPython" in told


@pytest.mark.parametrize("content", [b"", b"PK", b"\x7fELF", b"{}"])
def test_other_files_are_no_profiles(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(SourceError, match=r"/x: not a readable host profile"):
        load_profile(tmp_path / "x", "3.11")
