"""Wheels full of traps: whatever looks at them, nothing of theirs runs and nothing is left behind."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from abiclash.corpus.lock import Lock, Root, render
from abiclash.sources.resolution import Package
from tests.corpus.small import VARIANT
from tests.support import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Builder

pytestmark = pytest.mark.compiler

SUFFIX = "cpython-311-x86_64-linux-gnu.so"
SHARED = "int state = {0}; int *get(void) {{ return &state; }} int only_{1}(void) {{ return {0}; }}"
CONSTRUCTOR = """
#include <fcntl.h>
__attribute__((constructor)) static void trap(void) {{ creat("{mark}/constructor", 0644); }}
void *PyInit__{name}(void) {{ creat("{mark}/init", 0644); return 0; }}
extern int *get(void); extern int only_{name}(void);
int use(void) {{ return *get() + only_{name}(); }}
"""
FORMATS = ("text", "json", "sarif", "html", "markdown", "junit", "cyclonedx")


class Bomb:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}/pickle",)


class House(NamedTuple):
    """The folder of a test. marks: where traps leave their traces. cache: the one place that may change."""

    folder: Path
    marks: Path
    cache: Path
    wheels: list[str]


@pytest.fixture
def house(tmp_path: Path, builder: Builder) -> House:
    folder = tmp_path / "house"
    marks, wheels = folder / "marks", folder / "wheels"
    for place in (marks, wheels, folder / "cache", folder / "home", folder / "tmp", folder / "here"):
        place.mkdir(parents=True)
    made = [_wheel(builder, wheels, marks, name, number) for number, name in enumerate(("alpha", "beta"), start=1)]
    return House(folder, marks, folder / "cache", [str(path) for path in made])


def _wheel(builder: Builder, folder: Path, marks: Path, name: str, number: int) -> Path:
    """Return a wheel that tries to get something run or written, in every way that installers and tools know."""
    touch = f"import os; open({str(marks / name)!r} + '-' + __name__, 'w').close(); os.system('touch {marks}/system')\n"
    work = builder.folder / name
    library = builder.library("libshared.so.1", SHARED.format(number, name), into=work)
    module = builder.library(
        f"_{name}.{SUFFIX}", CONSTRUCTOR.format(mark=marks, name=name), libs=[library], runpath="$ORIGIN", into=work
    )
    info = f"{name}-1.0.dist-info"
    files: dict[str, str | bytes | Path] = {
        f"{name}/__init__.py": f"from {name} import _{name}\nimport pickle, ctypes\n{touch}"
        f"pickle.load(open(__file__[:-11] + 'data.pkl', 'rb'))\nexec({touch!r})\n",
        f"{name}/{module.name}": module,
        f"{name}/libshared.so.1": library,
        f"{name}/libstdc++.so.6": module,
        f"{name}/data.pkl": pickle.dumps(Bomb(str(marks))),
        f"{name}/__pycache__/__init__.cpython-311.pyc": b"\xa7\r\r\n" + bytes(12) + b"junk",
        **dict.fromkeys(("sitecustomize.py", "usercustomize.py", "setup.py", "conftest.py", "uv.py"), touch),
        f"{name}.pth": touch,
        f"{name}-nspkg.pth": f"import sys; {touch}",
        f"{name}-1.0.data/scripts/{name}": f"#!/bin/sh\ntouch {marks}/script\n",
        f"{name}-1.0.data/data/bin/uv": f"#!/bin/sh\ntouch {marks}/uv\n",
        f"{info}/entry_points.txt": f"[console_scripts]\nuv = {name}:main\n[pytest11]\n{name} = {name}\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "setup"\nbackend-path = ["."]\n',
        f"../../../{name}-escaped": "x",
        f"{marks}/absolute": "x",
        f"{name}/../../../../marks/dots": "x",
    }
    path = make_wheel(folder, files, name=name)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo(f"{name}/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(marks))
    return path


def _commands(house: House) -> list[list[str]]:
    out, wheels = house.folder / "out", house.wheels
    offline = ["--offline", "--python", "3.11"]
    commands = [["scan", *wheels, *offline, "--format", form, "-o", str(out / form)] for form in FORMATS]
    commands += [[name, *wheels, *offline] for name in ("index", "bindings", "plan", "graph", "suggest")]
    commands += [["graph", *wheels, *offline, "--format", form] for form in ("json", "graphml", "gexf", "dot")]
    commands += [["facts", wheel, "--offline", "--format", form] for wheel in wheels for form in ("text", "json")]
    commands += [["explain", "soname-collision", "--report", str(out / "json"), "--format", "text"]]
    commands += [["check", *wheels, "--offline"]]
    lock = ["--lock", str(_lock(house)), "--workers", "0", "--offline"]
    commands += [["corpus", "scan", str(house.folder / "wheels/mine.toml"), *lock]]
    return commands


def _lock(house: House) -> Path:
    """Write a corpus of the wheels, and its lock; return that."""
    text = f"name = 'mine'\ntitle = 'm'\nsource = 'm'\npython = ['3.11']\nplatforms = ['{VARIANT.platform}']\n"
    (house.folder / "wheels/mine.toml").write_text(text + f"hosts = ['{VARIANT.host}']\npackages = ['alpha', 'beta']\n")
    files = {}
    for path in map(Path, house.wheels):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        name = path.name.partition("-")[0]
        files[sha256] = Package(name, "1.0", path.name, sha256, None, path, requested=False, size=path.stat().st_size)
    roots = tuple(Root(file.name, file.name, (sha256,)) for sha256, file in files.items())
    lock = house.folder / "wheels/mine.lock.json"
    lock.write_text(render(Lock("mine", "2026-01-01", VARIANT, "all", roots, dict(sorted(files.items())))))
    return lock


def _files(house: House) -> dict[str, bytes | None]:
    """Return everything in the house but the cache."""
    paths = [path for path in house.folder.rglob("*") if house.cache not in (path, *path.parents)]
    return {str(path.relative_to(house.folder)): path.read_bytes() if path.is_file() else None for path in paths}


def _run(house: House, commands: list[list[str]]) -> dict[str, Any]:
    report = house.folder.parent / "report.json"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(house.folder / "home"),
        "TMPDIR": str(house.folder / "tmp"),
        "ABICLASH_CACHE": str(house.cache),
        "UV_CACHE_DIR": str(house.cache / "uv"),
    }
    script = Path(__file__).with_name("watched.py")
    done = subprocess.run(
        [sys.executable, "-B", str(script), str(report), json.dumps(commands)],
        env=environment,
        cwd=house.folder / "here",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(report.read_text())
    return told


def test_nothing_of_a_wheel_runs_and_nothing_is_left(house: House) -> None:
    (house.folder / "out").mkdir()
    commands = _commands(house)
    before = _files(house)
    told = _run(house, commands)
    for command, (status, said) in zip(commands, told["ends"], strict=True):
        assert status in (0, 1, 3), (command, said)
        assert "Traceback (most recent" not in said
    after = _files(house)
    assert {path for path in after if path.startswith("out/")} == {f"out/{form}" for form in FORMATS}
    assert {path: content for path, content in after.items() if not path.startswith("out/")} == before
    _check_events(house, told["seen"])
    assert json.loads((house.folder / "out/json").read_text())["findings"], "the wheels were really looked at"


def test_a_wheel_that_the_resolver_refuses_leaves_nothing_either(house: House) -> None:
    """A file below a symbolic link: uv does not take such a wheel, and says so."""
    with zipfile.ZipFile(house.wheels[0], "a") as archive:
        archive.writestr(zipfile.ZipInfo("alpha/link/followed"), b"x")
    before = _files(house)
    told = _run(house, [["scan", *house.wheels, "--offline", "--python", "3.11"]])
    ((status, said),) = told["ends"]
    assert status == 3
    assert "alpha-1.0" in said
    assert "failed to create directory" in said
    assert _files(house) == before
    _check_events(house, told["seen"])


def _check_events(house: House, seen: list[list[str]]) -> None:
    started = [event for event in seen if event[0] in {"subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"}]
    assert not [event for event in started if not _known(*event[1:])]
    assert not [event for event in seen if event[0] in {"socket.connect", "os.system"}]
    unpickled = {event[1].partition(".")[0] for event in seen if event[0] == "pickle.find_class"}
    assert unpickled <= {"abiclash", "pathlib", "collections", "builtins"}, "check's answer from its own process"
    own = str(house.folder)
    assert not [event for event in seen if event[0] in {"exec", "import", "ctypes.dlopen"} and own in "".join(event)]
    changed = [event for event in seen if event[0] == "write" or event[0].startswith("os.")]
    outside = [
        event
        for event in changed
        if event[1].startswith(own) and not event[1].startswith((str(house.cache), f"{own}/out/", f"{own}/tmp/"))
    ]
    assert not outside


def _known(program: str, arguments: str = "") -> bool:
    """Tell whether a program is one that a scan may start: uv, ourselves, the machine's own dynamic linker."""
    if "/house/" in program:
        return False
    ours = program == sys.executable and ("'-m', 'abiclash." in arguments or "from abiclash." in arguments)
    return ours or program.endswith("/uv") or "--list-diagnostics" in arguments
