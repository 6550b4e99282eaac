from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError
from abiclash.sources.lockfiles import LockContent, read
from abiclash.sources.platform import Platform, Python, Runtime
from abiclash.sources.target import LockTarget, parse_target
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

A, B = "a" * 64, "b" * 64

PYLOCK = f"""
lock-version = "1.0"
created-by = "hand"
[[packages]]
name = "both"
version = "1.0"
dependencies = [{{ name = "windows" }}, {{ name = "old" }}, {{ name = "source" }}]
wheels = [
  {{ url = "https://host/both-1.0-cp311-cp311-win_amd64.whl", size = 1, hashes = {{ sha256 = "{A}" }} }},
  {{ url = "https://host/both-1.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }},
  {{ url = "https://host/both-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", size = 7, hashes = {{ sha256 = "{B}" }} }},
  {{ url = "https://host/both-1.0-cp37-cp37m-manylinux1_x86_64.whl", hashes = {{ sha256 = "{A}" }} }},
]
[[packages]]
name = "windows"
version = "1"
marker = "sys_platform == 'win32'"
wheels = [{{ url = "https://host/windows-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]
[[packages]]
name = "old"
version = "1"
marker = "python_version < '3.8'"
wheels = [{{ path = "house/old-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]
[[packages]]
name = "dev"
marker = "'dev' in dependency_groups"
archive = {{ url = "https://host/dev-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}
[[packages]]
name = "source"
version = "2"
sdist = {{ url = "https://host/source-2.tar.gz", hashes = {{ sha256 = "{A}" }} }}
[[packages]]
name = "fromgit"
vcs = {{ type = "git", url = "https://host/fromgit", commit-id = "0" }}
"""

UVLOCK = f"""
version = 1
requires-python = ">=3.7"
[[package]]
name = "project"
version = "0"
source = {{ virtual = "." }}
dependencies = [
  {{ name = "a" }},
  {{ name = "only-windows", marker = "sys_platform == 'win32'" }},
  {{ name = "c", extra = ["fast"] }},
  {{ name = "forked", version = "1", source = {{ registry = "https://index" }}, marker = "python_version < '3.8'" }},
  {{ name = "forked", version = "2", source = {{ registry = "https://index" }}, marker = "python_version >= '3.8'" }},
]
[package.dev-dependencies]
dev = [{{ name = "linter" }}]
[[package]]
name = "a"
version = "1"
source = {{ registry = "https://index" }}
dependencies = [{{ name = "b" }}]
wheels = [{{ url = "https://host/a-1-py3-none-any.whl", hash = "sha256:{A}", size = 10 }}]
[[package]]
name = "b"
version = "1"
source = {{ registry = "https://index" }}
sdist = {{ url = "https://host/b-1.tar.gz", hash = "sha256:{A}" }}
wheels = [{{ url = "https://host/b-1-cp311-cp311-win32.whl", hash = "sha256:{A}" }}]
[[package]]
name = "c"
version = "1"
source = {{ path = "house/c-1-py3-none-any.whl" }}
wheels = [{{ filename = "c-1-py3-none-any.whl", hash = "sha256:{A}" }}]
[package.optional-dependencies]
fast = [{{ name = "d" }}]
slow = [{{ name = "linter" }}]
[[package]]
name = "d"
version = "1"
source = {{ registry = "house" }}
wheels = [{{ path = "d-1-py3-none-any.whl" }}]
[[package]]
name = "forked"
version = "1"
source = {{ registry = "https://index" }}
wheels = [{{ url = "https://host/forked-1-py3-none-any.whl" }}]
[[package]]
name = "forked"
version = "2"
source = {{ registry = "https://index" }}
wheels = [{{ url = "https://host/forked-2-py3-none-any.whl" }}]
[[package]]
name = "linter"
version = "1"
source = {{ registry = "https://index" }}
wheels = [{{ url = "https://host/linter-1-py3-none-any.whl" }}]
[[package]]
name = "only-windows"
version = "1"
source = {{ registry = "https://index" }}
wheels = [{{ url = "https://host/only_windows-1-py3-none-any.whl" }}]
"""

POETRY = f"""
[[package]]
name = "Flask"
version = "2.0"
optional = false
files = [
  {{ file = "flask-2.0-py3-none-any.whl", hash = "sha256:{A}" }},
  {{ file = "flask-2.0.tar.gz", hash = "sha256:{B}" }},
]
[package.dependencies]
click = ">=8"
[[package]]
name = "click"
version = "8.0"
optional = false
files = [{{ file = "click-8.0-py3-none-any.whl", hash = "sha256:{A}" }}]
[package.dependencies]
colorama = {{ version = "*", markers = "sys_platform == \\"win32\\"" }}
[[package]]
name = "colorama"
version = "1"
optional = false
files = []
[[package]]
name = "pytest"
version = "8"
optional = false
groups = ["dev"]
[[package]]
name = "black"
version = "8"
category = "dev"
[[package]]
name = "new"
version = "1"
groups = ["main"]
markers = "python_version >= \\"3.12\\""
[[package]]
name = "gitted"
version = "1"
[package.source]
type = "git"
url = "https://host/x"
[[package]]
name = "private"
version = "1"
[package.source]
type = "legacy"
url = "https://private/simple"
"""


def content(folder: Path, name: str, text: str, python: str = "3.11") -> LockContent:
    (folder / name).write_text(text)
    target = parse_target(str(folder / name))
    assert isinstance(target, LockTarget)
    return read(target, Runtime(Python.parse(python), Platform.parse("manylinux_2_28_x86_64")))


def test_pylock_gives_the_best_wheel_of_what_applies(tmp_path: Path) -> None:
    found = content(tmp_path, "pylock.toml", PYLOCK)
    (both,) = found.packages
    assert both.filename == "both-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    assert (both.sha256, both.size, both.requested) == (B, 7, True)
    assert [(item.what, item.reason.partition(",")[0]) for item in found.not_analysed] == [
        ("source 2", "only a source distribution exists"),
        ("fromgit", "comes from a version control system"),
    ]


def test_pylock_for_an_older_python(tmp_path: Path) -> None:
    both, old = sorted(content(tmp_path, "pylock.toml", PYLOCK, "3.7").packages)
    assert both.filename == "both-1.0-cp37-cp37m-manylinux1_x86_64.whl"
    assert (old.path, old.url, old.requested) == (tmp_path / "house/old-1-py3-none-any.whl", None, False)


def test_uv_lock_is_walked_from_the_project(tmp_path: Path) -> None:
    found = content(tmp_path, "uv.lock", UVLOCK)
    assert {package.name: (package.version, package.requested) for package in found.packages} == {
        "a": ("1", True),
        "c": ("1", True),
        "d": ("1", False),
        "forked": ("2", True),
    }
    places = {package.name: package.path or package.url for package in found.packages}
    assert places["c"] == tmp_path / "house/c-1-py3-none-any.whl"
    assert places["d"] == tmp_path / "house/d-1-py3-none-any.whl"
    (problem,) = found.not_analysed
    assert problem.what == "b 1"
    assert problem.reason == (
        "no wheel for CPython 3.11 on manylinux_2_28_x86_64; its wheels are for Windows: choose another --platform"
        " or version"
    )


def test_uv_lock_forks_by_python(tmp_path: Path) -> None:
    versions = {package.name: package.version for package in content(tmp_path, "uv.lock", UVLOCK, "3.7").packages}
    assert versions["forked"] == "1"


def test_poetry_lock_gives_pinned_requirements(tmp_path: Path) -> None:
    found = content(tmp_path, "poetry.lock", POETRY)
    assert {line.line: (line.hashes, line.requested) for line in found.lines} == {
        "Flask==2.0": ({A, B}, True),
        "click==8.0": ({A}, False),
        "private==1": (frozenset(), True),
    }
    assert found.settings == [("extra-index-url", "https://private/simple")]
    assert [item.what for item in found.not_analysed] == ["gitted==1"]


def test_old_poetry_locks_keep_hashes_apart(tmp_path: Path) -> None:
    text = '[[package]]\nname = "six"\nversion = "1"\ncategory = "main"\n[metadata.files]\n'
    text += f'six = [{{hash = "sha256:{A}"}}]\n'
    assert content(tmp_path, "poetry.lock", text).lines[0].hashes == {A}


def test_poetry_lock_with_a_local_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "house", {}, tag="py3-none-any")
    text = f'[[package]]\nname = "demo"\nversion = "1.0"\n[package.source]\ntype = "file"\nurl = "house/{wheel.name}"\n'
    assert content(tmp_path, "poetry.lock", text).lines[0].line == f"demo @ {wheel.as_uri()}"


@pytest.mark.parametrize("name", ["pylock.toml", "uv.lock", "poetry.lock"])
@pytest.mark.parametrize("text", ["= nonsense", 'package = [1]\npackages = [1]\nlock-version = "1.0"', "\0"])
def test_a_broken_lock_is_one_clear_error(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SourceError, match=rf"{name}: not .*; write it anew"):
        content(tmp_path, name, text)


def test_names_that_would_leave_the_cache_are_no_wheels(tmp_path: Path) -> None:
    evil = UVLOCK.replace("host/a-1-py3-none-any.whl", "host/a-1-py3-none-any.x%2F..%2F..%2Fetc%2Fx.whl")
    evil = evil.replace(
        'https://host/forked-2-py3-none-any.whl"', f'https://host/forked-2-py3-none-any.whl", hash = "sha256:../{A}"'
    )
    found = content(tmp_path, "uv.lock", evil)
    assert [package.name for package in found.packages] == ["c", "d"]
    assert {"a 1", "forked 2"} <= {item.what for item in found.not_analysed}
