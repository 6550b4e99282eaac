"""Where files come from: wheels as if installed, shipped profiles of the standard library, observed plans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError, WheelError
from abiclash.facts.model import WheelFacts, WheelFile
from abiclash.imports.documents import Digests
from abiclash.imports.files import WheelFiles
from abiclash.imports.observed import ObservedLoad, ObservedPlan, Places, Records, find, keep
from abiclash.imports.plan import Cause, plan
from abiclash.imports.world import World, glob
from tests.imports.site import EXT, PYTHON, lay_out, names, world_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROOT = "/venv/lib/python3.11/site-packages"


def wheel(name: str, files: tuple[str, ...]) -> WheelFacts:
    listed = tuple(WheelFile(path, None, "") for path in files)
    return WheelFacts(
        name=name, version="1.0", filename=f"{name}-1.0-py3-none-any.whl", sha256=f"{name:0<64}", tags=(),
        root_is_purelib=True, requires=(), requires_python=None, modules=(), files=listed, objects=(), not_analysed=(),
    )  # fmt: skip


class Memory:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}

    def get_document(self, kind: str, key: str) -> bytes | None:
        return self.kept.get((kind, key))

    def put_document(self, kind: str, key: str, data: bytes) -> None:
        self.kept[kind, key] = data


def wheels_of(contents: Mapping[str, Mapping[str, bytes]], opened: list[str]) -> WheelFiles:
    def read(facts: WheelFacts, path: str) -> bytes:
        opened.append(f"{facts.name}:{path}")
        if contents[facts.name][path] == b"broken":
            raise WheelError("the member's checksum is wrong")
        return contents[facts.name][path]

    return WheelFiles(ROOT, tuple(wheel(name, tuple(files)) for name, files in contents.items()), read)


WHEELS = {
    "first": {"ns/a/__init__.py": b"import ns.b\nfrom . import _a", f"ns/a/_a{EXT}": b""},
    "second": {"ns/b.py": b"import _second", f"_second{EXT}": b""},
}


def test_wheels_merge_into_one_site_packages_and_are_opened_once() -> None:
    opened: list[str] = []
    memory = Memory()
    for _ in range(2):
        world = World(PYTHON, (wheels_of(WHEELS, opened),), [ROOT], Digests(memory))
        found = plan(["ns.a"], world)
        assert [(f"{ROOT}/_second{EXT}", "second"), (f"{ROOT}/ns/a/_a{EXT}", "first")] == [
            (load.path, load.package) for load in found.loads
        ]
    assert sorted({*opened}) == sorted(opened)  # the second plan reads digests only


def test_broken_member_is_not_analysed() -> None:
    contents = {"first": {"a.py": b"import b, _x", "b.py": b"broken", f"_x{EXT}": b""}}
    world = World(PYTHON, (wheels_of(contents, []),), [ROOT])
    found = plan(["a"], world)
    assert names(found) == ["_x"]
    assert world.unread == {f"{ROOT}/b.py"}
    assert [(f"{ROOT}/b.py", "first-1.0-py3-none-any.whl!b.py: the member's checksum is wrong")] == [
        (entry.what, entry.reason) for entry in found.not_analysed
    ]


def test_file_of_no_wheel() -> None:
    with pytest.raises(SourceError, match="in none of the wheels"):
        wheels_of(WHEELS, []).read(f"{ROOT}/absent.py")


def test_profile_stands_for_the_standard_library() -> None:
    imports = {"socket": ("_socket", "selectors"), "selectors": ("select",)}
    python = replace(
        PYTHON,
        extensions={"_socket": "/lib-dynload/_socket.so", "select": "/lib-dynload/select.so"},
        stdlib_imports=imports.get,
    )
    contents = {"first": {"a.py": b"import socket\nsocket.socket()"}}
    found = plan(["a"], World(python, (wheels_of(contents, []),), [ROOT]))
    assert [load.path for load in found.loads] == ["/lib-dynload/_socket.so", "/lib-dynload/select.so"]
    assert found.not_analysed == ()


def test_facts_stand_for_an_extension_module_that_cannot_be_read() -> None:
    contents = {"first": {f"pkg/_x{EXT}": b"broken", "pkg/__init__.py": b"from . import _x", f"pkg/_y{EXT}": b""}}
    facts = {f"{ROOT}/pkg/_x{EXT}": ("pkg._y",)}
    world = World(PYTHON, (wheels_of(contents, []),), [ROOT], modules_of=facts.get)
    assert names(plan(["pkg"], world)) == ["pkg._x", "pkg._y"]


def test_glob_sees_only_the_world(tmp_path: Path) -> None:
    world = world_of(lay_out(tmp_path, {"p/a.so": b"", "p/d/b.so": b"", "p/d/c.txt": b""}))
    root = f"{tmp_path}/site-packages"
    assert [f"{root}/p/a.so"] == glob(world, f"{root}/p/*.so")
    assert [f"{root}/p/a.so", f"{root}/p/d/b.so"] == glob(world, f"{root}/p/**/*.so")
    assert glob(world, "/etc/*") == []


SEEN = (
    ObservedLoad("$site/pkg/_real.so", 0x102, "pkg._real", "pkg", "$site/pkg/__init__.py", 3),
    ObservedLoad("$stdlib/math", 2, "math", None),
    ObservedLoad("$stdlib/zlib", 2, "zlib", None),
    ObservedLoad("libm.so.6", 2, None, None),
)


def test_observed_plan_is_preferred_where_it_matches(tmp_path: Path) -> None:
    memory = Memory()
    wheels = ("a" * 64, "b" * 64)
    keep(memory, ObservedPlan(wheels, (3, 11), ("pkg",), SEEN))
    records = Records(memory, wheels, (3, 11), Places("/other/site", {"math": "/lib/math.so"}))  # zlib is built in
    world = world_of(lay_out(tmp_path, {"pkg.py": "import guess, nowhere", "guess+.so": b""}))
    followed = plan(["pkg"], world)
    found = records.preferred(followed, ["pkg"])
    assert (found.observed, found.not_analysed, found.endings) == (True, (), ())
    assert [load.path for load in found.loads] == ["/other/site/pkg/_real.so", "/lib/math.so", "libm.so.6"]
    assert {load.certainty for load in found.loads} == {"certain"}
    assert found.loads[0].flags == 0x102
    assert found.loads[0].cause == Cause("observed", "/other/site/pkg/__init__.py", 3, "seen when import pkg was run")
    assert [module.name for module in found.executed] == [module.name for module in followed.executed]
    assert not records.preferred(followed, ["guess"]).observed


def test_observed_plan_of_other_wheels_or_another_python_does_not_match() -> None:
    memory = Memory()
    keep(memory, ObservedPlan(("a" * 64,), (3, 11), ("pkg",), SEEN))
    assert find(memory, ["a" * 64], (3, 11), ["pkg"]) is not None
    assert find(memory, ["a" * 64], (3, 12), ["pkg"]) is None
    assert find(memory, ["c" * 64], (3, 11), ["pkg"]) is None
    assert find(memory, ["a" * 64], (3, 11), ["pkg", "b"]) is None
    memory.kept = dict.fromkeys(memory.kept, b'{"seen": [[1]]}')
    assert find(memory, ["a" * 64], (3, 11), ["pkg"]) is None
