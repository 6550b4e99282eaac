"""Makes the shipped profiles: hosts from Debian's packages, interpreters from CPython builds.

usage: python -m abiclash.lab.shipped_hosts all FOLDER PYTHON...
       python -m abiclash.lab.shipped_hosts host SUITE NAME MACHINE FOLDER
       python -m abiclash.lab.shipped_hosts musl SUITE NAME MACHINE FOLDER
       python -m abiclash.lab.shipped_hosts interpreter PYTHON FOLDER
       python -m abiclash.lab.shipped_hosts packaged SUITE VERSION FOLDER

FOLDER is for downloads and links; the profiles are written into the package. PYTHON is a CPython of an
--enable-shared build with its libpythonX.Y.a: the static variant is linked from that and from python.o. Versions newer
than those at hand are taken from Debian's packages (`packaged`).
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import AbiclashError, LabError
from abiclash.lab.debian_tree import ARCHITECTURES, download, unpack
from abiclash.lab.packaged_interpreter import make_packaged
from abiclash.lab.profile_parts import (
    PREFIX,
    moved,
    moved_object,
    read_python,
    rebased,
    stdlib_of,
    write_shipped,
)
from abiclash.sources.interpreter import Installation, locate
from abiclash.sources.live_files import LiveFiles
from abiclash.sources.loader import read_loader
from abiclash.sources.profile_build import (
    COMMON_LIBRARIES,
    Libraries,
    ProfileBuilder,
    collect_libraries,
    interpreter_objects,
)
from abiclash.sources.stand_in import musl_names, triplet

if TYPE_CHECKING:
    from abiclash.sources.host_profile import Interpreter
    from abiclash.sources.profile_file import Loaded

_DEBIAN = [
    (suite, name, machine)
    for suite, name in (("bookworm", "debian-12"), ("trixie", "debian-13"))
    for machine in ARCHITECTURES
    if (suite, machine) != ("bookworm", "riscv64")  # Debian released it with trixie first
]
_PACKAGED = [("sid", "3.14"), ("sid", "3.15")]
_ARGUMENTS = {"host": 4, "musl": 4, "interpreter": 2, "packaged": 3}
_MUSL = [("trixie" if machine == "riscv64" else "bookworm", "musl-1.2", machine) for machine in ARCHITECTURES]
_PACKAGES = (
    *("libc6", "libstdc++6", "libgcc-s1", "libgomp1", "libatomic1", "zlib1g", "libffi8", "libexpat1"),
    *("libsqlite3-0", "libbz2-1.0", "liblzma5", "libncursesw6", "libtinfo6", "libuuid1", "libcrypt1", "libnsl2"),
    *(
        "libgl1",
        "libglx0",
        "libglvnd0",
        "libx11-6",
        "libxext6",
        "libxrender1",
        "libice6",
        "libsm6",
        "libxcb1",
        "libxau6",
    ),
    *("libxdmcp6", "libbsd0", "libmd0", "libpcre2-8-0", "libkeyutils1", "libcom-err2", "libk5crypto3", "libkrb5-3"),
    *("libgssapi-krb5-2", "libkrb5support0", "libzstd1"),
)
_OF_SUITE = {
    "bookworm": ("3.11", ("libssl3", "libreadline8", "libdb5.3", "libgdbm6", "libglib2.0-0", "libtirpc3")),
    "trixie": (
        "3.13",
        ("libssl3t64", "libreadline8t64", "libdb5.3t64", "libgdbm6t64", "libglib2.0-0t64", "libtirpc3t64"),
    ),
}
_GDBM = {"bookworm": "libgdbm-compat4", "trixie": "libgdbm-compat4t64"}
_INTERPRETER_LIBRARIES = (
    *("libssl.so.3", "libcrypto.so.3", "libffi.so.8", "libsqlite3.so.0", "libbz2.so.1.0", "liblzma.so.5"),
    *("libncursesw.so.6", "libtinfo.so.6", "libpanelw.so.6", "libreadline.so.8", "libdb-5.3.so", "libgdbm.so.6"),
    *("libgdbm_compat.so.4", "libnsl.so.2", "libtirpc.so.3", "libzstd.so.1"),
)


def make_host(suite: str, name: str, machine: str, folder: Path) -> Path:
    """Write the profile of a Debian release, and that of its own Python, the "system" interpreter, beside it."""
    version, special = _OF_SUITE[suite]
    python = [f"python{version}-minimal", f"libpython{version}-minimal", f"libpython{version}-stdlib"]
    packages = [*_PACKAGES, *special, _GDBM[suite], *python]
    tree = folder / "tree"
    provenance = unpack(download(suite, machine, packages, folder), tree)
    files = LiveFiles(tree)
    directory = f"/usr/lib/{triplet(machine, 'glibc')}"
    libc = files.content(f"{directory}/libc.so.6")
    interpreter = rebased(read_python(tree / f"usr/bin/python{version}", machine), str(tree), "")
    interpreter = replace(
        interpreter,
        site_packages=f"/usr/local/lib/python{version}/dist-packages",
        provenance=tuple(line for line in provenance if "python" in line),
    )
    own = interpreter_objects(interpreter, files)
    ld_so = own[interpreter.executable][0].interp or ""
    loader = read_loader(files.content(files.realpath(ld_so) or ld_so), libc, ld_so)
    found = collect_libraries(
        files,
        sorted(
            {*COMMON_LIBRARIES, *_INTERPRETER_LIBRARIES, *(name for facts, _ in own.values() for name in facts.needed)}
        ),
        lambda soname: [f"{place}/{soname}" for place in loader.system_dirs],
        [ld_so],
    )
    _say_missing(found)
    builder = ProfileBuilder()
    builder.set_host(name, machine, loader, found, [line for line in provenance if "python" not in line])
    system = ProfileBuilder()
    _add(system, interpreter, own, machine, "system", stdlib_of(tree / f"usr/lib/python{version}", interpreter))
    write_shipped(system, f"system-{name}-{machine}")
    return write_shipped(builder, f"{name}-{machine}")


def make_musl(suite: str, name: str, machine: str, folder: Path) -> Path:
    """Write the profile of a system with musl: its libc alone, in the places where Alpine has it."""
    tree = folder / "tree"
    provenance = unpack(download(suite, machine, ["musl"], folder), tree)
    files = LiveFiles(tree)
    libc = f"/usr/lib/{triplet(machine, 'musl')}/libc.so"
    loaded = files.read(libc)
    if loaded is None:
        raise LabError(f"{tree}{libc}: not a readable libc; use a Debian release whose musl package has it")
    loader = read_loader(b"", files.content(libc), libc)
    own, c_library = musl_names(machine)
    links = {f"/lib/{c_library}": own, "/usr/lib/libc.so": own}
    builder = ProfileBuilder()
    note = "laid out as on Alpine"
    builder.set_host(name, machine, loader, Libraries({}, links, {own: loaded}, ()), [*provenance, note])
    return write_shipped(builder, f"{name}-{machine}")


def make_interpreter(python: Path, folder: Path) -> Path:
    """Write the profile of one CPython build, shared and static, as if it were installed in /usr/local."""
    installed = locate(python)
    machine = "x86_64"
    shared = read_python(python, machine)
    if shared.libpython is None:
        raise LabError(f"{python}: has no shared libpython; name a CPython of an --enable-shared build")
    source = f"CPython {shared.release}, built from source with --enable-shared"
    linked = f"libpython and python.o of CPython {shared.release}, linked with -export-dynamic"
    static = replace(shared, executable=str(_link_static(installed, folder)), libpython=None, provenance=(linked,))
    builder = ProfileBuilder()
    files = LiveFiles()
    prefix = str(installed.base)
    own = interpreter_objects(shared, files)
    code = {path: own.pop(path) for path in (shared.executable, shared.libpython)}
    linked_path = f"{prefix}/bin/{Path(static.executable).name}"
    code[linked_path] = interpreter_objects(replace(static, extensions={}), files)[static.executable]
    numbers = builder.add_group({moved(path, prefix): moved_object(loaded, prefix) for path, loaded in code.items()})
    extensions = builder.add_group({moved(path, prefix): moved_object(loaded, prefix) for path, loaded in own.items()})
    stdlib = stdlib_of(Path(shared.stdlib_path), shared)
    document = f"stdlib-{shared.version}"
    builder.add_document(document, stdlib)
    shared = rebased(replace(shared, provenance=(source,)), prefix, PREFIX)
    executable, libpython = shared.executable, shared.libpython or ""
    variants = {
        "static": (
            replace(shared, libpython=None, provenance=(linked,)),
            {executable: numbers[moved(linked_path, prefix)]},
            {},
        ),
        "shared": (
            shared,
            {executable: numbers[executable], libpython: numbers[libpython]},
            {Path(libpython).name: libpython},
        ),
    }
    for variant, (interpreter, main, cache) in variants.items():
        builder.add_interpreter(
            interpreter,
            machine=machine,
            libc="glibc",
            variant=variant,
            files={**main, **extensions},
            cache=cache,
            stdlib=document,
        )
    return write_shipped(builder, f"cpython-{shared.version}-{machine}")


def _link_static(installed: Installation, folder: Path) -> Path:
    """Link the executable of a static build out of an installation's libpython.a and python.o."""
    folder.mkdir(parents=True, exist_ok=True)
    config = next(installed.base.glob(f"lib/python{installed.version}/config-*"), None)
    archive = next(config.glob("libpython*.a"), None) if config else None
    if config is None or archive is None:
        raise LabError(f"{installed.base}: has no libpython{installed.version}.a; build that CPython from source")
    makefile = (config / "Makefile").read_text(encoding="utf-8", errors="replace")
    line = next(line for line in makefile.splitlines() if line.startswith("LIBS="))
    libraries = [word for word in line.partition("=")[2].split() if word.startswith("-l")]
    # From 3.12 on the executable is linked from the objects themselves, so all of them are in it.
    whole = int(installed.version.partition(".")[2]) >= 12
    objects = ["-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive"] if whole else [str(archive)]
    output = folder / f"static-python{installed.version}"
    command = ["gcc", "-Wl,--as-needed", "-Wl,-export-dynamic", "-o", str(output), str(config / "python.o"), *objects]
    command += [*libraries, "-lpthread", "-ldl", "-lutil", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"gcc: {done.stderr.strip()}; the static interpreter could not be linked")
    return output


def _add(
    builder: ProfileBuilder,
    interpreter: Interpreter,
    own: dict[str, Loaded],
    machine: str,
    variant: str,
    stdlib: dict[str, list[str]],
) -> None:
    document = f"stdlib-{interpreter.version}"
    builder.add_document(document, stdlib)
    numbers = builder.add_group(own)
    builder.add_interpreter(
        interpreter, machine=machine, libc="glibc", variant=variant, files=numbers, cache={}, stdlib=document
    )


def _say_missing(found: Libraries) -> None:
    if found.missing:
        sys.stderr.write(f"not in these packages: {', '.join(found.missing)}\n")


def main(arguments: list[str]) -> int:
    """Run one of the commands; returns the exit status."""
    match arguments:
        case ["all", folder, *pythons]:
            steps = [["host", *host, f"{folder}/{'-'.join(host)}"] for host in _DEBIAN]
            steps += [["musl", *host, f"{folder}/{'-'.join(host)}"] for host in _MUSL]
            steps += [["interpreter", python, folder] for python in pythons]
            steps += [["packaged", *one, f"{folder}/{'-'.join(one)}"] for one in _PACKAGED]
            return max(map(main, steps))
        case ["host" | "musl" | "interpreter" | "packaged" as kind, *rest] if len(rest) == _ARGUMENTS[kind]:
            pass
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    try:
        path = _made(kind, rest[:-1], Path(rest[-1]))
    except AbiclashError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")
    return 0


def _made(kind: str, given: list[str], folder: Path) -> Path:
    if kind == "interpreter":
        return make_interpreter(Path(given[0]), folder)
    if kind == "packaged":
        return make_packaged(given[0], given[1], folder)
    return (make_host if kind == "host" else make_musl)(given[0], given[1], given[2], folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
