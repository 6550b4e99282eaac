"""This machine as a profile, against what its interpreter and ld.so say of themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.errors import SourceError
from abiclash.names import name_key
from abiclash.sources.live_files import LiveFiles
from abiclash.sources.live_host import live

if TYPE_CHECKING:
    from abiclash.sources.host_profile import HostProfile

_TELL = """
import sys, sysconfig, json, importlib.machinery, os
print(json.dumps({
    "builtins": sorted(sys.builtin_module_names),
    "suffixes": importlib.machinery.EXTENSION_SUFFIXES,
    "release": sys.version.split()[0].rstrip("+"),
    "stdlib": os.path.realpath(sysconfig.get_path("stdlib")),
    "purelib": sysconfig.get_path("purelib"),
    "maps": sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line and "/" in line}),
}))
"""


def pythons() -> list[Path]:
    """Return the CPythons of this machine: the running one, the system's, and those of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [Path(sys.executable), Path("/usr/bin/python3"), *sorted(root.glob("3.*/bin/python3"))]
    return [path for path in found if path.exists()]


def ask(python: Path) -> Any:
    done = subprocess.run([python, "-I", "-S", "-c", _TELL], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_the_interpreter_is_understood_without_running_it(python: Path) -> None:
    told, interpreter = ask(python), live(python).interpreter
    assert told["release"] == interpreter.release
    assert told["builtins"] == sorted(interpreter.builtins)
    assert told["suffixes"] == list(interpreter.suffixes)
    assert told["stdlib"] == os.path.realpath(interpreter.stdlib_path)
    libpython = {os.path.realpath(path) for path in told["maps"] if "/libpython" in path}
    assert libpython == ({interpreter.libpython} if interpreter.libpython else set())
    dynload = Path(interpreter.stdlib_path, "lib-dynload")
    assert {path.name.partition(".")[0] for path in dynload.glob("*.so")} == set(interpreter.extensions)


def test_an_environment_keeps_its_own_site_packages(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True, with_pip=False)
    for named in (tmp_path / "env", tmp_path / "env/bin/python"):
        interpreter = live(named).interpreter
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        assert str(tmp_path / f"env/lib/{version}/site-packages") == interpreter.site_packages
        assert os.path.realpath(sys.executable) == interpreter.executable


def script(folder: Path) -> Path:
    path = folder / "python3"
    path.write_text("#!/bin/sh\nexec python3 $@\n")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "absent", "no interpreter there"),
        (lambda folder: folder, "no interpreter there"),
        (script, r"standard library .* was not found"),
    ],
)
def test_what_is_no_interpreter_is_said(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        live(make(tmp_path))


def test_a_script_beside_a_library_is_said(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib/python3.11").mkdir(parents=True)
    (tmp_path / "lib/python3.11/os.py").touch()
    with pytest.raises(SourceError, match=r"not an ELF executable|names no dynamic linker"):
        live(script(tmp_path / "bin"))


@pytest.fixture(scope="module")
def host() -> HostProfile:
    return live()


def test_libraries_are_where_ld_so_finds_them(host: HostProfile) -> None:
    """`ld.so --list` of the interpreter names the same files as the profile's cache and directories."""
    facts = host.object(host.interpreter.executable)
    assert facts is not None
    assert facts.interp is not None
    done = subprocess.run(
        [facts.interp, "--list", host.interpreter.executable], capture_output=True, text=True, check=True
    )
    listed = [line.split() for line in done.stdout.splitlines() if " => /" in line]
    assert listed
    for name, _, path, *_ in listed:
        if not name.startswith("libpython"):
            places = [*host.cache.get(name, ()), *(f"{folder}/{name}" for folder in host.default_dirs)]
            assert os.path.realpath(path) == next(real for place in places if (real := host.realpath(place)))


def test_environment_variables_are_settings() -> None:
    environment = {
        "LD_LIBRARY_PATH": "/a:/b;;/c",
        "LD_PRELOAD": "libx.so:/y/liby.so libz.so",
        "LD_DYNAMIC_WEAK": "",
        "GLIBC_TUNABLES": "glibc.rtld.nns=5",
    }
    host = live(environ=environment)
    assert host.library_path == ("/a", "/b", "", "/c")
    assert host.preload == ("libx.so", "/y/liby.so", "libz.so")
    assert host.dynamic_weak
    assert host.tunables["rtld.nns"] == 5
    assert not live(environ={}).dynamic_weak


def test_names_of_objects_that_were_read(host: HostProfile) -> None:
    libc = host.realpath(host.cache["libc.so.6"][0])
    assert libc is not None
    assert host.object(libc) is host.object(libc)
    keys = [name_key("malloc"), name_key("free"), name_key("no such symbol")]
    assert host.names(keys) == {keys[0]: b"malloc", keys[1]: b"free"}


def test_files_that_are_no_elf_are_none(tmp_path: Path) -> None:
    files = LiveFiles()
    for name, content in {"empty": b"", "text": b"#!/bin/sh\n"}.items():
        (tmp_path / name).write_bytes(content)
        assert files.object(str(tmp_path / name)) is None
    assert files.object(str(tmp_path / "absent")) is None
    (tmp_path / "cut").write_bytes(Path(sys.executable).read_bytes()[:200])
    assert files.object(str(tmp_path / "cut")) is None
    reasons = [(one.what, one.reason) for one in files.not_analysed]
    assert [what for what, _ in reasons] == [str(tmp_path / "absent"), str(tmp_path / "cut")]
    assert all(reason.startswith("this host's file could not be read: ") for _, reason in reasons)
