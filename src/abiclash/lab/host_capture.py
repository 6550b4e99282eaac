"""Writing this machine down as a host profile (`abiclash host capture`)."""

from __future__ import annotations

import re
import subprocess
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import SourceError
from abiclash.sources.live_files import LiveFiles
from abiclash.sources.live_host import live
from abiclash.sources.loader import Loader
from abiclash.sources.profile_build import (
    COMMON_LIBRARIES,
    ProfileBuilder,
    collect_libraries,
    interpreter_objects,
    stdlib_document,
)
from abiclash.sources.profiles import Summary, summary
from abiclash.sources.stdlib_imports import StdlibSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.sources.host_profile import HostProfile


def capture(output: Path, *, python: Path | None = None, name: str = "", libraries: Sequence[str] = ()) -> Summary:
    """Write this machine's C library, run-time libraries and one interpreter to a profile file.

    libraries: sonames to keep besides those that wheels commonly take from a host and those that the interpreter
    needs. Environment variables (LD_LIBRARY_PATH ...) are not kept. Raises SourceError naming what is wrong.
    """
    host = live(python, environ={})
    files = host.files
    interpreter = host.interpreter
    stdlib = interpreter.stdlib_imports
    if not isinstance(files, LiveFiles) or not isinstance(stdlib, StdlibSource):
        raise SourceError("host capture: only this machine itself can be captured")
    own = interpreter_objects(interpreter, files)
    needed = {name for facts, _ in own.values() for name in facts.needed}
    loader_path = own[interpreter.executable][0].interp
    found = collect_libraries(
        files,
        sorted({*COMMON_LIBRARIES, *libraries, *needed}),
        lambda soname: _places(host, soname),
        [loader_path] if loader_path else [],
    )
    if absent := sorted(set(libraries) & set(found.missing)):
        raise SourceError(f"{', '.join(absent)}: not in ld.so.cache or the default directories of this machine")
    builder = ProfileBuilder()
    loader = Loader(host.libc, host.libc_version, host.default_dirs, host.lib)
    provenance = sorted(_packages(found.objects))
    title = name or _system_name()
    builder.set_host(title, host.machine, loader, found, provenance, processor=astuple(host.processor))
    code = [path for path in (interpreter.executable, interpreter.libpython) if path]
    numbers = builder.add_group({path: own[path] for path in code})
    numbers |= builder.add_group({path: loaded for path, loaded in own.items() if path not in code})
    document = f"stdlib-{interpreter.version}"
    builder.add_document(document, stdlib_document(stdlib))
    builder.add_interpreter(
        interpreter,
        machine=host.machine,
        libc=host.libc,
        variant=interpreter.variant,
        files=numbers,
        cache={},
        stdlib=document,
    )
    builder.write(output)
    return summary(output, host.machine)


def _places(host: HostProfile, soname: str) -> Iterator[str]:
    yield from host.cache.get(soname, ())
    for directory in host.default_dirs:
        yield f"{directory}/{soname}"


def _system_name() -> str:
    """ID and VERSION_ID of os-release, such as debian-12."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "captured"
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    parts = (pairs.get(key, "").strip("\"'") for key in ("ID", "VERSION_ID"))
    return re.sub(r"[^\w.-]", "-", "-".join(filter(None, parts))) or "captured"


def _packages(paths: Iterable[str]) -> set[str]:
    """`name version` of the Debian packages that own the files; empty elsewhere."""
    # dpkg knows a file by the path that its package states, from before /lib became a link to /usr/lib.
    command = ["dpkg-query", "--search", *sorted({*paths, *(path.removeprefix("/usr") for path in paths)})]
    try:
        owners = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60).stdout
        names = sorted({name for line in owners.splitlines() for name in line.rsplit(": ", 1)[0].split(", ")})
        form = "--showformat=${Package} ${Version}\\n"
        shown = subprocess.run(
            ["dpkg-query", "--show", form, *names], capture_output=True, check=False, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return set(shown.stdout.split("\n")) - {""}
