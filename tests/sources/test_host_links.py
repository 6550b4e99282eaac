"""Canonical paths against the kernel's, and on trees that exist only as data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.sources.links import canonical
from abiclash.sources.live_files import LiveFiles


def kernel_link(path: str) -> str | None:
    return str(Path(path).readlink()) if Path(path).is_symlink() else None


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small system: merged /usr, a versioned library, links that leave, loop and dangle."""
    (tmp_path / "usr/lib/multi").mkdir(parents=True)
    (tmp_path / "usr/lib/multi/libx.so.1.2").write_bytes(b"x")
    links = {
        "lib": "usr/lib",
        "usr/lib/multi/libx.so.1": "libx.so.1.2",
        "usr/lib/libabs.so": "/lib/multi/libx.so.1",
        "usr/lib/libup.so": "../../lib/./multi/../multi/libx.so.1",
        "usr/lib/loop-a": "loop-b",
        "usr/lib/loop-b": "loop-a",
        "usr/lib/gone": "nowhere",
    }
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    return tmp_path


@pytest.mark.parametrize("path", ["/lib/multi/libx.so.1", "/lib/libabs.so", "/usr/lib/libup.so", "/../lib//libabs.so"])
def test_a_tree_in_a_directory_is_seen_from_its_root(tree: Path, path: str) -> None:
    assert LiveFiles(tree).realpath(path) == "/usr/lib/multi/libx.so.1.2"


@pytest.mark.parametrize("path", ["/usr/lib/loop-a", "/usr/lib/gone", "/usr/lib", "/absent", "lib/libabs.so"])
def test_what_is_no_file_has_no_real_path(tree: Path, path: str) -> None:
    assert LiveFiles(tree).realpath(path) is None


@pytest.mark.parametrize("path", ["absent/../usr/lib/multi/libx.so.1.2", "usr/lib/gone/../../lib/libabs.so"])
def test_a_folder_that_is_not_there_is_not_passed_through(tree: Path, path: str) -> None:
    """Paths with $ORIGIN/.. in them: open() fails, so must we."""
    assert LiveFiles().realpath(f"{tree}/{path}") is None


def test_the_kernel_agrees(tree: Path) -> None:
    for name in ("usr/lib/libup.so", "lib/multi/libx.so.1", "lib/../lib/multi/libx.so.1"):
        path = f"{tree}/{name}"
        assert canonical(path, kernel_link) == os.path.realpath(path)


_NAMES = st.sampled_from(["a", "b", "c", "..", "."])
_TARGETS = st.lists(_NAMES, min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from(["/".join(parts), "/" + "/".join(parts)])
)


@given(st.dictionaries(st.sampled_from(["/a", "/b", "/a/b", "/b/c", "/c/a"]), _TARGETS), st.lists(_NAMES, max_size=6))
def test_any_graph_of_links_ends(links: dict[str, str], parts: list[str]) -> None:
    """The result is absolute, has no dots, and no part of it is a link; or links go round in circles."""
    real = canonical("/" + "/".join(parts), links.get)
    if real is not None:
        assert real.startswith("/")
        pieces = real.split("/")[1:]
        assert not {".", ".."} & set(pieces)
        assert not any("/" + "/".join(pieces[: n + 1]) in links for n in range(len(pieces)) if pieces[n])
