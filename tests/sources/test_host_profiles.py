"""The shipped profiles: each is complete, small, and free of the machine that made it."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

import pytest

from abiclash import linker
from abiclash.errors import SourceError
from abiclash.lab.debian_tree import ARCHITECTURES
from abiclash.linker.world import World
from abiclash.names import name_key
from abiclash.sources.profile_file import ProfileFile
from abiclash.sources.profiles import SHIPPED, default_profile, load_profile, summaries
from abiclash.sources.stand_in import triplet

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.sources.host_profile import HostProfile

_SHIPPED = sorted(SHIPPED.glob("*.profile"))
_VERSIONS = [f"3.{minor}" for minor in range(6, 16)]
_HOSTS = [(one.name, one.machine) for one in summaries()]


def file_of(host: HostProfile, soname: str) -> str | None:
    places = [*host.cache.get(soname, ()), *(f"{folder}/{soname}" for folder in host.default_dirs)]
    return next((real for place in places if (real := host.realpath(place))), None)


def unresolved(host: HostProfile, start: list[str]) -> set[tuple[str, str]]:
    """(object, soname) of each needed library that the host does not have, from `start` on."""
    missing, seen, waiting = set(), set(), list(start)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        facts = host.object(path)
        assert facts is not None
        assert facts.path == path
        for soname in facts.needed:
            real = file_of(host, soname)
            if real is None:
                missing.add((path, soname))
            else:
                waiting.append(real)
    return missing


def test_the_promised_ones_are_there() -> None:
    wanted = {(name, machine) for name in ("debian-12", "debian-13", "musl-1.2") for machine in ARCHITECTURES}
    assert wanted - {("debian-12", "riscv64")} == set(_HOSTS)
    for one in summaries():
        assert {(version, variant) for version in _VERSIONS for variant in ("static", "shared")} <= set(
            one.interpreters
        )


@pytest.mark.parametrize(
    ("name", "machine", "python"),
    [(*host, python) for host in _HOSTS for python in (_VERSIONS if host[1] == "x86_64" else ["3.12"])],
)
def test_nothing_that_an_interpreter_needs_is_missing(name: str, machine: str, python: str) -> None:
    for variant in ("static", "shared"):
        host = load_profile(name, python, machine=machine, variant=variant)
        interpreter = host.interpreter
        assert interpreter.version == python
        assert interpreter.variant == variant
        assert interpreter.release.startswith(python + ".")
        starts = [interpreter.executable, *interpreter.extensions.values()]
        assert unresolved(host, starts) == set()
        assert interpreter.suffixes[0].endswith(f"{triplet(machine, host.libc)}.so")


@pytest.mark.parametrize("python", _VERSIONS)
def test_the_c_api_is_where_the_variant_has_it(python: str) -> None:
    """The executable exports the C API, or libpython does; builtin modules are there with it."""
    key = name_key("Py_Initialize")
    for variant in ("static", "shared"):
        host = load_profile("debian-12", python, variant=variant)
        interpreter = host.interpreter
        main = host.object(interpreter.executable)
        assert main is not None
        exported = set(main.symbols.key[main.symbols.shndx != 0].tolist())
        assert (key in exported) == (variant == "static")
        if interpreter.libpython is not None:
            library = host.object(interpreter.libpython)
            assert library is not None
            assert key in library.symbols.key
            assert file_of(host, str(library.soname)) == interpreter.libpython
        assert {"sys", "builtins", "_imp", "posix"} <= interpreter.builtins
        assert {"_ssl", "_ctypes"} <= set(interpreter.extensions)
        assert interpreter.startup_modules
        assert "json.decoder" in (interpreter.stdlib_imports("json") or ())


@pytest.mark.parametrize(
    ("version", "name", "python"), [((2, 36), "debian-12", "3.11"), ((2, 41), "debian-13", "3.13")]
)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_debian_is_debian(version: tuple[int, int], name: str, python: str, machine: str) -> None:
    host = load_profile(name, python, machine=machine, variant="system")
    directory = f"lib/{triplet(machine, 'glibc')}"
    assert version == host.libc_version
    assert directory == host.lib
    assert (f"/{directory}", f"/usr/{directory}", "/lib", "/usr/lib") == host.default_dirs
    assert f"/usr/{directory}/libc.so.6" == host.realpath("/lib/../" + directory + "/libc.so.6")
    assert host.interpreter.executable == f"/usr/bin/python{python}"
    assert unresolved(host, [host.interpreter.executable, *host.interpreter.extensions.values()]) == set()
    libc = host.object(f"/usr/{directory}/libc.so.6")
    assert libc is not None
    assert f"GLIBC_{version[0]}.{version[1]}" in {one.name for one in libc.versions}
    assert any(line.startswith("libc6 ") for line in host.provenance)


@pytest.mark.parametrize("path", _SHIPPED, ids=lambda path: path.stem)
def test_no_trace_of_the_machine_that_made_it(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            assert re.findall(rb"/(?:root|home|tmp|work|build|opt)/[\w./-]*", archive.read(name)) == []


def test_they_stay_small() -> None:
    sizes = {path.name: path.stat().st_size for path in _SHIPPED}
    assert max(sizes.values()) < 400_000
    assert sum(sizes.values()) < 8_000_000


def test_every_object_can_be_read() -> None:
    for path in _SHIPPED:
        stored = ProfileFile(path)
        assert all(stored.object(number)[0].has_dynamic for number in range(len(stored)))


@pytest.mark.parametrize(
    ("expected", "libc", "version"),
    [
        ("debian-12", "glibc", (2, 17)),
        ("debian-12", "glibc", (2, 36)),
        ("debian-13", "glibc", (2, 37)),
        ("debian-13", "glibc", (2, 99)),
        ("musl-1.2", "musl", (1, 1)),
        ("musl-1.2", "musl", (1, 2)),
    ],
)
def test_a_platform_has_a_profile(expected: str, libc: str, version: tuple[int, int]) -> None:
    assert expected == default_profile(libc, version)


def test_a_stand_in_says_so_and_needs_nothing_foreign() -> None:
    host = load_profile("musl-1.2", "3.11")
    assert "stand in" in host.interpreter.provenance[-1]
    main = host.object(host.interpreter.executable)
    assert main is not None
    assert main.needed == ("libc.musl-x86_64.so.1",)
    assert main.interp == "/lib/ld-musl-x86_64.so.1"
    assert file_of(host, main.needed[0]) == "/lib/ld-musl-x86_64.so.1"
    arm = load_profile("debian-12", "3.10", machine="aarch64")
    main = arm.object(arm.interpreter.executable)
    assert main is not None
    assert (main.machine, main.bits, main.little) == (183, 64, True)
    assert len(main.references.symbol) == 0
    assert "stand in" not in " ".join(load_profile("debian-12", "3.11").interpreter.provenance)


@pytest.mark.parametrize(("name", "machine"), _HOSTS)
def test_every_host_starts_its_interpreter(name: str, machine: str) -> None:
    """Stand-ins too: the executable of another machine or libc must be one that the target's ld.so takes."""
    host = load_profile(name, "3.12", machine=machine)
    process = linker.start(World([host]), host, host.interpreter.executable)
    assert host.realpath(host.interpreter.executable) is not None
    assert len(process.maps) > 1


@pytest.mark.parametrize("python", ["3.14", "3.15"])
@pytest.mark.parametrize("variant", ["static", "shared"])
def test_a_build_for_a_newer_c_library_stands_in_with_what_it_defines(python: str, variant: str) -> None:
    """Debian's packages of the newest CPythons need a newer glibc than the hosts have: only definitions are kept."""
    older, newer = (load_profile("debian-12", version, variant=variant) for version in ("3.13", python))
    interpreter = newer.interpreter
    assert (
        f"Debian's package {'lib' if variant == 'shared' else ''}python{python} {python}." in interpreter.provenance[0]
    )
    assert interpreter.site_packages == f"/usr/local/lib/python{python}/site-packages"

    def api(host: HostProfile) -> set[int]:
        facts = host.object(host.interpreter.libpython or host.interpreter.executable)
        assert facts is not None
        return set(facts.symbols.key[facts.symbols.shndx != 0].tolist())

    main = newer.object(interpreter.executable)
    assert main is not None
    assert not main.needs
    assert not len(main.references.symbol)
    stable = {name_key(name) for name in ("PyList_Append", "PyErr_SetString", "_Py_NoneStruct", "PyType_FromSpec")}
    assert stable <= api(older) & api(newer)
    assert name_key("PyImport_ImportModuleAttrString") in api(newer) - api(older)  # added in 3.14
    assert len(api(newer)) > 1500


def test_hwcaps_are_a_choice() -> None:
    assert load_profile("debian-12", "3.11").hwcaps == ("x86-64-v3", "x86-64-v2")
    assert load_profile("debian-12", "3.11", hwcaps=()).subdirectories[0] == "tls/x86_64/x86_64"
    assert load_profile("debian-13", "3.11", hwcaps=()).subdirectories == ()
    assert load_profile("debian-13", "3.11", machine="aarch64").hwcaps == ()


@pytest.mark.parametrize(
    ("name", "python", "machine", "message"),
    [
        ("debian-1", "3.11", "x86_64", "host debian-1 for x86_64: no such profile; shipped are debian-12-aarch64,"),
        ("debian-12", "3.11", "riscv64", "host debian-12 for riscv64: no such profile"),
        ("debian-12", "3.5", "x86_64", r"no facts of CPython 3\.5; there are 3\.6 \(static\), 3\.6 \(shared\), 3\.7"),
    ],
)
def test_what_is_not_shipped_is_said(name: str, python: str, machine: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        load_profile(name, python, machine=machine)
