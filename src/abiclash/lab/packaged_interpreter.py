"""The profile of a CPython that is at hand only as Debian's package for a newer C library.

What it defines stands in for the build of an ordinary host, as builds for another machine do (sources/stand_in.py):
what it takes from its own C library is left out.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import LabError
from abiclash.lab.debian_tree import download, unpack
from abiclash.lab.profile_parts import PREFIX, moved, read_python, rebased, stdlib_of, write_shipped
from abiclash.sources.live_files import LiveFiles
from abiclash.sources.profile_build import ProfileBuilder, interpreter_objects
from abiclash.sources.stand_in import definitions_only, triplet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.sources.profile_file import Loaded

_MACHINE = "x86_64"
_PACKAGES = ("python{}", "python{}-minimal", "libpython{}", "libpython{}-minimal", "libpython{}-stdlib")
_MAIN = """
int Py_BytesMain(int argc, char **argv);
int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }
"""
"""As CPython's Programs/python.c."""


def make_packaged(suite: str, version: str, folder: Path) -> Path:
    """Write the profile of Debian's python3.X: its executable (static), and its libpython with a small one (shared).

    Raises LabError where the packages cannot be had.
    """
    tree, beside = folder / "tree", folder / "shared"
    names = [name.format(version) for name in _PACKAGES]
    versions = unpack(download(suite, _MACHINE, names, folder), tree)
    package = next(line for line in versions if line.startswith(f"{names[0]} "))
    prefix = str(tree / "usr")
    static = read_python(tree / f"usr/bin/python{version}", _MACHINE)
    packed = tree / f"usr/lib/{triplet(_MACHINE, 'glibc')}/libpython{version}.so.1.0"
    libpython = Path(shutil.copy2(packed, tree / "usr/lib"))  # where a build of one's own has it
    shared = replace(static, executable=str(_link(libpython, beside)), libpython=str(libpython))
    files = LiveFiles()
    own = interpreter_objects(shared, files)
    extensions = {path: own.pop(path) for path in static.extensions.values()}
    builder = ProfileBuilder()
    document = f"stdlib-{version}"
    builder.add_document(document, stdlib_of(tree / f"usr/lib/python{version}", static))
    numbers = builder.add_group(_definitions(extensions, prefix))
    note = f"Debian's package {package}: what it defines, some modules of the library among it"
    linked = f"Debian's package lib{package}: what it defines, with an executable linked to it"
    code = {"static": interpreter_objects(replace(static, extensions={}), files), "shared": own}
    for variant, interpreter in (("static", static), ("shared", shared)):
        place = str(beside) if variant == "shared" else prefix
        there = rebased(rebased(interpreter, place, PREFIX), prefix, PREFIX)
        main = builder.add_group(_definitions(code[variant], place, prefix))
        builder.add_interpreter(
            replace(
                there,
                site_packages=f"{PREFIX}/lib/python{version}/site-packages",
                provenance=(note if variant == "static" else linked,),
            ),
            machine=_MACHINE,
            libc="glibc",
            variant=variant,
            files={**main, **numbers},
            cache={libpython.name: there.libpython} if there.libpython else {},
            stdlib=document,
        )
    return write_shipped(builder, f"cpython-{version}-{_MACHINE}")


def _definitions(objects: Mapping[str, Loaded], *prefixes: str) -> dict[str, Loaded]:
    """Return what objects define, under their paths below `PREFIX`."""
    change = definitions_only(_MACHINE, "glibc", str, static=False)
    kept = {}
    for path, (facts, names) in objects.items():
        there = path
        for prefix in prefixes:
            there = moved(there, prefix)
        kept[there] = (change(facts), names)
    return kept


def _link(libpython: Path, folder: Path) -> Path:
    """Link an executable as a shared build of CPython has it."""
    output = folder / "bin" / f"python{libpython.name.removeprefix('libpython').removesuffix('.so.1.0')}"
    output.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-x", "c", "-", "-x", "none", str(libpython), "-Wl,--allow-shlib-undefined", "-o", str(output)]
    done = subprocess.run(command, input=_MAIN, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"gcc: {done.stderr.strip()}; the executable of {libpython.name} could not be linked")
    return output
