"""Resolution against folders of made wheels: what the index of a test would say, without a network."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import NotAnalysed, SourceError, UsageError
from abiclash.sources.resolve import Options, resolve
from abiclash.sources.target import environment_target, parse_target
from tests.support import make_wheel

if TYPE_CHECKING:
    from abiclash.sources.resolution import Resolution

LINUX = "cp311-cp311-manylinux_2_17_x86_64"
ANY = "py3-none-any"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of wheels that is all that uv and pip know of."""
    monkeypatch.chdir(tmp_path)
    for variable in os.environ:
        if variable.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "house"))
    folder = tmp_path / "house"
    make_wheel(folder, {}, name="native", version="1.0", tag=LINUX, requires=["base>=1"])
    make_wheel(folder, {}, name="native", version="1.0", tag="cp311-cp311-win_amd64", requires=["base>=1"])
    make_wheel(folder, {}, name="native", version="2.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    make_wheel(folder, {}, name="base", version="1.0", tag=ANY)
    make_wheel(folder, {}, name="base", version="2.0", tag=ANY)
    make_wheel(folder, {}, name="picky", version="1.0", tag=ANY, requires=["base<2", 'native; sys_platform == "win32"'])
    make_wheel(folder, {}, name="greedy", version="1.0", tag=ANY, requires=["base>=2"])
    make_wheel(folder, {}, name="orphan", version="1.0", tag=ANY, requires=["base", "nowhere"])
    make_wheel(folder, {}, name="windows", version="1.0", tag="cp311-cp311-win_amd64")
    make_wheel(folder, {}, name="local", version="1.0+cpu", tag=LINUX)
    make_wheel(folder, {}, name="local", version="1.0", tag=LINUX, requires=["nowhere"])
    make_wheel(folder, {}, name="rare", version="1.0", tag="cp311-cp311-manylinux_2_17_s390x", requires=["base"])
    make_wheel(folder, {}, name="rare", version="1.1", tag="cp311-cp311-manylinux_2_34_s390x", requires=["base"])
    return folder


def scan(
    tmp_path: Path,
    *targets: str,
    python: str = "3.11",
    platform: str = "manylinux_2_28_x86_64",
    dependencies: bool = True,
) -> Resolution:
    parsed = [parse_target(target) for target in targets]
    return resolve(parsed, python, platform, Options(tmp_path / "cache", dependencies=dependencies))


def versions(resolution: Resolution) -> dict[str, str]:
    return {package.name: package.version for package in resolution.packages}


def error(tmp_path: Path, *targets: str, python: str = "3.11", platform: str = "manylinux_2_28_x86_64") -> str:
    with pytest.raises(SourceError) as caught:
        scan(tmp_path, *targets, python=python, platform=platform)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_targets_are_resolved_together_with_their_dependencies(house: Path, tmp_path: Path) -> None:
    found = scan(tmp_path, "native", "picky")
    assert versions(found) == {"base": "1.0", "native": "1.0", "picky": "1.0"}
    assert [package.name for package in found.packages if package.requested] == ["native", "picky"]
    native = found.packages[1]
    assert native.path == house / native.filename
    assert native.sha256 in {None, hashlib.sha256(native.path.read_bytes()).hexdigest()}
    assert found.not_analysed == ()


def test_without_dependencies(house: Path, tmp_path: Path) -> None:
    assert versions(scan(tmp_path, "native", dependencies=False)) == {"native": "1.0"}


def test_a_local_version_wins_when_the_requirement_allows_it(house: Path, tmp_path: Path) -> None:
    assert versions(scan(tmp_path, "local==1.0")) == {"local": "1.0+cpu"}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere", "no such project in the package index"),
        ("base==9", "the package index has no such version"),
        ("windows", "no wheel for CPython 3.11 on manylinux_2_28_x86_64; its wheels are for Windows"),
        ("native==2.0", "no wheel for CPython 3.11 on manylinux_2_28_x86_64; its wheels are for cp312-cp312"),
    ],
)
def test_one_that_cannot_be_had_does_not_lose_the_others(house: Path, tmp_path: Path, target: str, reason: str) -> None:
    found = scan(tmp_path, target, "greedy")
    assert versions(found) == {"base": "2.0", "greedy": "1.0"}
    (problem,) = found.not_analysed
    assert problem.what == target
    assert problem.reason.startswith(reason)
    assert error(tmp_path, target).startswith(f"{target}: {reason}")


def test_a_dependency_that_cannot_be_had_is_left_out(house: Path, tmp_path: Path) -> None:
    found = scan(tmp_path, "orphan")
    assert versions(found) == {"base": "2.0", "orphan": "1.0"}
    assert [problem.what for problem in found.not_analysed] == ["nowhere (a dependency)"]


def test_a_conflict_is_explained(house: Path, tmp_path: Path) -> None:
    message = error(tmp_path, "picky", "greedy")
    assert message.startswith("picky, greedy: cannot be installed together: ")
    assert "base" in message
    assert message.endswith("ask for versions that go together, or scan them separately")


def test_a_marker_that_is_false_is_told(house: Path, tmp_path: Path) -> None:
    found = scan(tmp_path, 'windows; sys_platform == "win32"', "base")
    (problem,) = found.not_analysed
    assert problem.reason == "its marker is false for CPython 3.11 on manylinux_2_28_x86_64"


def test_lines_of_a_file_for_other_platforms_are_no_news(house: Path, tmp_path: Path) -> None:
    (tmp_path / "needs.txt").write_text("base==2.0; sys_platform == 'linux'\nbase==1.0; sys_platform == 'win32'\n")
    found = scan(tmp_path, "needs.txt")
    assert versions(found) == {"base": "2.0"}
    assert found.not_analysed == ()


def test_a_wheel_file_brings_its_dependencies(house: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {}, name="own", tag=LINUX, requires=["native"])
    found = scan(tmp_path, str(wheel))
    assert versions(found) == {"base": "2.0", "native": "1.0", "own": "1.0"}
    assert {package.name: package.path for package in found.packages}["own"] == wheel


def test_wheels_are_analysed_even_where_their_dependencies_do_not_go_together(house: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {}, name="own", tag=LINUX, requires=["picky", "greedy"])
    found = scan(tmp_path, str(wheel))
    assert versions(found) == {"own": "1.0"}
    assert [problem.what for problem in found.not_analysed] == ["dependencies of own"]


def test_wheels_that_do_not_fit_or_are_broken(house: Path, tmp_path: Path) -> None:
    foreign = make_wheel(tmp_path, {}, name="foreign", tag="cp37-cp37m-manylinux1_x86_64")
    broken = tmp_path / f"broken-1.0-{ANY}.whl"
    broken.write_bytes(b"PK\x03\x04")
    empty = tmp_path / f"empty-1.0-{ANY}.whl"
    empty.write_bytes(b"PK\x05\x06" + bytes(18))
    found = scan(tmp_path, str(foreign), str(broken), str(empty), "base")
    assert versions(found) == {"base": "2.0"}
    reasons = [problem.reason for problem in found.not_analysed]
    assert "not a readable zip file" in reasons[0]
    assert "no METADATA in it" in reasons[1]
    assert "its wheels are for cp37-cp37m: choose another --python" in reasons[2]


def test_a_folder_gives_the_newest_wheel_of_each_project_that_fits(house: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    make_wheel(folder, {}, name="two", version="1.0", tag=ANY)
    make_wheel(folder, {}, name="two", version="2.0", tag=LINUX)
    make_wheel(folder, {}, name="two", version="2.0", tag="cp311-cp311-macosx_11_0_arm64")
    make_wheel(folder, {}, name="mac", version="2.0", tag="cp311-cp311-macosx_11_0_arm64")
    (folder / "odd.whl").write_text("")
    found = scan(tmp_path, "./folder")
    assert versions(found) == {"two": "2.0"}
    assert [problem.what for problem in found.not_analysed] == ["folder/odd.whl", "mac", f"two-1.0-{ANY}.whl"]


def test_two_files_of_one_project_are_refused(house: Path, tmp_path: Path) -> None:
    one, two = (make_wheel(tmp_path, {}, name="own", version=v, tag=ANY) for v in ("1", "2"))
    with pytest.raises(UsageError, match="both are own, and an environment holds one version"):
        scan(tmp_path, str(one), str(two))


def test_a_requirements_file_with_constraints(house: Path, tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("base<2\n")
    (tmp_path / "needs.txt").write_text("-c limits.txt\nnative\ngreedy==1.0\n-e .\n")
    found = scan(tmp_path, "needs.txt")
    assert versions(found) == {"base": "1.0", "native": "1.0"}
    assert [problem.what for problem in found.not_analysed] == ["greedy==1.0", "needs.txt:4"]
    assert "base>=2" in found.not_analysed[0].reason


def test_a_hash_that_the_requirements_do_not_allow(house: Path, tmp_path: Path) -> None:
    right = hashlib.sha256((house / f"base-1.0-{ANY}.whl").read_bytes()).hexdigest()
    (tmp_path / "needs.txt").write_text(f"base==1.0 --hash=sha256:{'0' * 64}\nnative --no-deps\n")
    found = scan(tmp_path, "needs.txt")
    assert versions(found) == {"native": "1.0"}
    assert found.not_analysed[0].reason.startswith("none of its files has a hash that the requirements allow")
    (tmp_path / "needs.txt").write_text(f"base==1.0 --hash=sha256:{right} --hash=sha256:{'0' * 64}\n")
    assert versions(scan(tmp_path, "needs.txt")) == {"base": "1.0"}


def test_a_lock_decides_what_requirements_beside_it_get(house: Path, tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "base"\nversion = "1.0"\n'
        f'wheels = [{{ path = "house/base-1.0-{ANY}.whl", hashes = {{ sha256 = "{"0" * 64}" }} }}]\n'
    )
    assert versions(scan(tmp_path, "pylock.toml", "native")) == {"base": "1.0", "native": "1.0"}


def test_a_poetry_lock_is_taken_as_it_is(house: Path, tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").write_text('[[package]]\nname = "native"\nversion = "1.0"\n')
    assert versions(scan(tmp_path, "poetry.lock")) == {"native": "1.0"}


def test_an_installed_environment_provides_dependencies(house: Path, tmp_path: Path) -> None:
    info = tmp_path / "venv/lib/python3.11/site-packages/base-0.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: base\nVersion: 0.5\n")
    (info / "RECORD").write_text("")
    (tmp_path / "venv/pyvenv.cfg").write_text("version = 3.11.2\n")
    targets = [environment_target("venv"), parse_target("native")]
    found = resolve(targets, None, "manylinux_2_28_x86_64", Options(tmp_path / "cache"))
    assert str(found.runtime.python) == "3.11.2"
    assert found.environment == Path("venv")
    assert versions(found) == {"native": "1.0"}


@pytest.mark.parametrize(("platform", "version"), [("manylinux_2_28_s390x", "1.0"), ("manylinux_2_34_s390x", "1.1")])
def test_platforms_that_uv_does_not_name_get_the_newest_that_fits(
    house: Path, tmp_path: Path, platform: str, version: str
) -> None:
    assert versions(scan(tmp_path, "rare", platform=platform)) == {"base": "2.0", "rare": version}


def test_an_answer_is_kept_and_can_be_had_anew(house: Path, tmp_path: Path) -> None:
    targets = [parse_target("base")]
    options = Options(tmp_path / "cache")
    assert versions(resolve(targets, "3.11", "x86_64", options)) == {"base": "2.0"}
    state = house.stat()
    make_wheel(house, {}, name="base", version="3.0", tag=ANY)
    os.utime(house, ns=(state.st_atime_ns, state.st_mtime_ns))  # as a remote index: nothing shows that it changed
    assert versions(resolve(targets, "3.11", "x86_64", options)) == {"base": "2.0"}
    fresh = Options(tmp_path / "cache", refresh=True)
    assert versions(resolve(targets, "3.11", "x86_64", fresh)) == {"base": "3.0"}


def test_a_changed_folder_of_wheels_is_noticed(house: Path, tmp_path: Path) -> None:
    assert versions(scan(tmp_path, "base")) == {"base": "2.0"}
    make_wheel(house, {}, name="base", version="3.0", tag=ANY)
    assert versions(scan(tmp_path, "base")) == {"base": "3.0"}


def test_a_kept_answer_that_is_damaged_is_made_anew(house: Path, tmp_path: Path) -> None:
    scan(tmp_path, "base")
    (kept,) = (tmp_path / "cache/resolutions").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    for damage in ("", "{", '{"packages": [{}], "not_analysed": []}'):
        kept.write_text(damage)
        assert versions(scan(tmp_path, "base")) == {"base": "2.0"}


def test_a_bare_object_needs_no_resolution(house: Path, tmp_path: Path) -> None:
    (tmp_path / "x.so").write_bytes(b"\x7fELF")
    found = scan(tmp_path, "x.so")
    assert found.objects == (tmp_path / "x.so",)
    assert found.not_analysed == ()


def test_an_unwritable_cache_does_not_stop_resolution(house: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert versions(scan(tmp_path, "base")) == {"base": "2.0"}


def test_nothing_that_applies(house: Path, tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("version = 1\n")
    assert error(tmp_path, "uv.lock").startswith("uv.lock: nothing in it is for CPython 3.11")


def test_problems_are_records(house: Path, tmp_path: Path) -> None:
    found = scan(tmp_path, "base", "nowhere")
    assert all(isinstance(problem, NotAnalysed) for problem in found.not_analysed)
    assert list(found.not_analysed) == sorted(found.not_analysed)
