"""The reader of ld.so.cache against ldconfig itself, and against bytes that are no cache."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.errors import SourceError
from abiclash.sources.ldconfig import CacheEntry, LdCache, parse, select

if TYPE_CHECKING:
    from tests.support import Builder

_CACHE = Path("/etc/ld.so.cache")
_LDCONFIG = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin:/usr/bin")
needs_ldconfig = pytest.mark.skipif(_LDCONFIG is None or not _CACHE.is_file(), reason="needs ldconfig and its cache")


def ldconfig(*arguments: str | Path) -> str:
    done = subprocess.run([str(_LDCONFIG), *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout


def printed(text: str) -> list[tuple[str, str]]:
    """(soname, path) of each line of `ldconfig -p`."""
    lines = (line.strip() for line in text.splitlines() if " => " in line)
    return [(line.split(" ", 1)[0], line.partition(" => ")[2]) for line in lines]


@needs_ldconfig
def test_agrees_with_ldconfig_on_this_machine() -> None:
    expected = printed(ldconfig("-p"))
    assert expected == [(entry.soname, entry.path) for entry in parse(_CACHE.read_bytes(), str(_CACHE))]


@needs_ldconfig
@pytest.mark.compiler
@pytest.mark.parametrize("form", ["new", "compat"])
def test_hwcaps_subdirectories_come_first_when_active(builder: Builder, tmp_path: Path, form: str) -> None:
    """A cache that ldconfig writes for one library in three directories.

    Behind the old format ld.so looks for the names of subdirectories in the wrong place (they are written relative to
    the new header, and read relative to the file, in glibc_hwcaps_compare), so none of them counts.
    """
    library = builder.library("libcap.so.1", "int capability(void) { return 1; }")
    folder = tmp_path / "lib"
    levels = ["glibc-hwcaps/x86-64-v2", "glibc-hwcaps/x86-64-v3", ""]
    for level in levels:
        (folder / level).mkdir(parents=True, exist_ok=True)
        shutil.copy(library, folder / level / "libcap.so.1")
    (tmp_path / "conf").write_text(f"{folder}\n")
    cache = tmp_path / "cache"
    ldconfig("-X", "-c", form, "-f", tmp_path / "conf", "-C", cache)
    entries = parse(cache.read_bytes(), str(cache))
    v2, v3, plain = (str(folder / level / "libcap.so.1") for level in levels)
    named = form == "new"
    assert ((v3, v2, plain) if named else (plain,)) == select(entries, "x86_64", ("x86-64-v3", "x86-64-v2"))[
        "libcap.so.1"
    ]
    assert ((v2, plain) if named else (plain,)) == select(entries, "x86_64", ("x86-64-v2",))["libcap.so.1"]
    assert select(entries, "x86_64", ())["libcap.so.1"] == (plain,)
    assert "libcap.so.1" not in select(entries, "aarch64", ())


def test_of_several_paths_the_first_of_the_right_abi_counts() -> None:
    rows = [(0x0303, "/a"), (0x0003, "/b"), (0x0303, "/c"), (0x0A03, "/d")]
    entries = [CacheEntry("libx.so.1", path, flags, None, 0) for flags, path in rows]
    entries.append(CacheEntry("libx.so.1", "/legacy", 0x0303, None, 1 << 40))
    assert select(entries, "x86_64", ())["libx.so.1"] == ("/a", "/c")
    assert select(entries, "i686", ())["libx.so.1"] == ("/b",)
    assert select(entries, "aarch64", ())["libx.so.1"] == ("/d",)


def test_digits_in_names_compare_as_numbers() -> None:
    cache = LdCache({"libx.so.1": ("/x1",), "libx.so.10": ("/x10",)})
    assert cache["libx.so.01"] == ("/x1",)
    assert cache.get("libx.so.010") == ("/x10",)
    assert cache.get("libx.so.2", ()) == ()


def test_an_unknown_machine_is_said() -> None:
    with pytest.raises(SourceError, match="machine vax: no known"):
        select([], "vax", ())


_VALID = b"glibc-ld.so.cache1.1" + (1).to_bytes(4, "little") + (24).to_bytes(4, "little") + bytes(20)
_ENTRY = (0x303).to_bytes(4, "little") + (72).to_bytes(4, "little") + (78).to_bytes(4, "little") + bytes(12)
_FILE = _VALID + _ENTRY + b"libx.\0/libx.\0"


def test_the_smallest_cache() -> None:
    assert [CacheEntry("libx.", "/libx.", 0x303, None, 0)] == parse(_FILE, "cache")


@given(st.binary(max_size=400))
def test_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(SourceError, match=r"^cache: "):
        parse(raw, "cache")


@given(st.integers(0, len(_FILE) - 1), st.binary(min_size=1, max_size=8), st.integers(0, len(_FILE)))
def test_damage_is_refused_or_harmless(at: int, patch: bytes, end: int) -> None:
    """Whatever is changed or cut off, the reader answers with entries or with its own error."""
    damaged = (_FILE[:at] + patch + _FILE[at + len(patch) :])[:end]
    with contextlib.suppress(SourceError):
        assert all(isinstance(entry, CacheEntry) for entry in parse(damaged, "cache"))
