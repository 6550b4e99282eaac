"""Host profiles in files: the shipped ones and captured ones, and which one a scan uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abiclash.errors import SourceError
from abiclash.sources.host_profile import HostProfile, Interpreter
from abiclash.sources.ldconfig import LdCache
from abiclash.sources.loader import Processor, generic_processor
from abiclash.sources.profile_file import ProfileFile
from abiclash.sources.profile_files import Part, ProfileFiles
from abiclash.sources.stand_in import definitions_only, renamed, without_libpython
from abiclash.sources.tunables import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from abiclash.sources.profile_files import Change

SHIPPED = Path(__file__).parent / "hosts"
_X86_LEVELS = ("x86-64-v3", "x86-64-v2")
_VARIANTS = ("static", "shared", "system")
_BY_LIBC = {"glibc": [((2, 36), "debian-12"), ((2, 41), "debian-13")], "musl": [((1, 2), "musl-1.2")]}


@dataclass(frozen=True, slots=True)
class Summary:
    """One profile, as a list shows it. interpreters: (version, variant) pairs. size: of its file, in bytes."""

    name: str
    machine: str
    libc: str
    libc_version: tuple[int, int]
    interpreters: tuple[tuple[str, str], ...]
    objects: int
    size: int
    path: Path
    provenance: tuple[str, ...]


def default_profile(libc: str, version: tuple[int, int]) -> str:
    """Return the shipped profile for a platform: the oldest whose C library is at least that new, else the newest.

    A manylinux tag names a least host, not a host, and PEP 600 tells which libraries exist there but not what they
    define; so a scan for a tag uses a real distribution, and says which.
    """
    rising = _BY_LIBC[libc]
    return next((name for newest, name in rising if version <= newest), rising[-1][1])


def summaries(folder: Path = SHIPPED) -> list[Summary]:
    """Return what `abiclash host list` shows: the shipped hosts, by name and machine."""
    files = map(ProfileFile, sorted(folder.glob("*.profile")))
    return [_summary(file, file.header["host"]) for file in files if file.header.get("host")]


def summary(name_or_path: str | Path, machine: str) -> Summary:
    """Return the description of one profile. Raises SourceError when there is none."""
    file = _host_file(name_or_path, machine)
    return _summary(file, _host(file))


def _summary(file: ProfileFile, host: dict[str, Any]) -> Summary:
    with file.reading():
        return Summary(
            name=host["name"],
            machine=host["machine"],
            libc=host["libc"],
            libc_version=_pair(host["libc_version"]),
            interpreters=_offered(file, host["machine"]),
            objects=len(host["files"]),
            size=file.path.stat().st_size,
            path=file.path,
            provenance=tuple(host["provenance"]),
        )


def load_profile(
    name_or_path: str | Path,
    python: str,
    *,
    machine: str = "x86_64",
    variant: str | None = None,
    hwcaps: tuple[str, ...] | None = None,
) -> HostProfile:
    """Return a shipped host ("debian-12") or a captured one (a path), with an interpreter.

    python: "3.11". variant: "static" (the executable exports the C API; the default), "shared" (it needs
    libpython) or "system" (the distribution's own); a captured file has one. hwcaps: active glibc-hwcaps
    subdirectories, best first; without them those of the captured machine, or of an ordinary processor.
    Raises SourceError for an unknown name, an unreadable file or an interpreter that is not there.
    """
    file = _host_file(name_or_path, machine)
    with file.reading():
        host = _host(file)
        entry, source = _choose(file, host, python, variant)
        with source.reading():
            interpreter, part = _interpreter(entry, source, host)
        return HostProfile(
            name=host["name"],
            libc=host["libc"],
            libc_version=_pair(host["libc_version"]),
            machine=host["machine"],
            lib=host["lib"],
            processor=_processor(host, hwcaps),
            cache=LdCache({**host["cache"], **entry["cache"]}),
            default_dirs=tuple(host["default_dirs"]),
            tunables=DEFAULTS,
            files=ProfileFiles([Part(file, host["files"], host["links"]), part]),
            interpreter=interpreter,
            provenance=tuple(host["provenance"]),
        )


def _processor(host: dict[str, Any], hwcaps: tuple[str, ...] | None) -> Processor:
    """The captured processor, or an ordinary one."""
    if "processor" in host:
        platform, active, legacy = host["processor"]
        return Processor(platform, tuple(active) if hwcaps is None else hwcaps, tuple(legacy))
    usual = _X86_LEVELS if host["machine"] == "x86_64" else ()
    return generic_processor(host["machine"], _pair(host["libc_version"]), usual if hwcaps is None else hwcaps)


def _host_file(name_or_path: str | Path, machine: str) -> ProfileFile:
    shipped = SHIPPED / f"{name_or_path}-{machine}.profile"
    if isinstance(name_or_path, str) and "/" not in name_or_path and shipped.is_file():
        return ProfileFile(shipped)
    if isinstance(name_or_path, Path) or "/" in name_or_path or Path(name_or_path).is_file():
        return ProfileFile(Path(name_or_path))
    names = (path.stem for path in SHIPPED.glob("*.profile"))
    known = ", ".join(sorted(name for name in names if not name.startswith(("cpython-", "system-"))))
    raise SourceError(
        f"host {name_or_path} for {machine}: no such profile; shipped are {known}; "
        "capture a machine with `abiclash host capture`, or use the live one"
    )


def _host(file: ProfileFile) -> dict[str, Any]:
    with file.reading():
        host = file.header["host"]
        if host is None:
            raise SourceError(f"{file.path}: keeps an interpreter but no host; see `abiclash host list`")
        return dict(host)


def _interpreters(file: ProfileFile, machine: str, python: str = "*") -> Iterator[tuple[dict[str, Any], ProfileFile]]:
    """All interpreters for a host: those in its own file, the shipped ones of its machine, then stand-ins."""
    for entry in file.header["interpreters"]:
        yield entry, file
    if file.path.parent != SHIPPED:
        return
    kinds = dict.fromkeys([machine, "x86_64"])
    paths = [path for kind in kinds for path in SHIPPED.glob(f"cpython-{python}-{kind}.profile")]
    own = SHIPPED / f"system-{file.path.name}"
    for path in [*paths, own] if own.is_file() else paths:
        source = ProfileFile(path)
        for entry in source.header["interpreters"]:
            yield entry, source


def _choose(
    file: ProfileFile, host: dict[str, Any], python: str, variant: str | None
) -> tuple[dict[str, Any], ProfileFile]:
    offered = list(_interpreters(file, host["machine"], python))
    for kind in [variant] if variant else _VARIANTS:
        for entry, source in offered:
            if entry["version"] == python and entry["variant"] == kind:
                return entry, source
    known = _offered(file, host["machine"])
    wanted = f"{python} ({variant})" if variant else python
    raise SourceError(
        f"host {host['name']}: no facts of CPython {wanted}; there are "
        f"{', '.join(f'{version} ({kind})' for version, kind in known) or 'none'}; "
        "use --python with one of these, or --host live where that Python is installed"
    )


def _offered(file: ProfileFile, machine: str) -> tuple[tuple[str, str], ...]:
    """(version, variant) of every interpreter for a host, oldest first."""
    pairs = {(str(entry["version"]), str(entry["variant"])) for entry, _ in _interpreters(file, machine)}
    return tuple(sorted(pairs, key=lambda pair: ([int(part) for part in pair[0].split(".")], _VARIANTS.index(pair[1]))))


def _interpreter(entry: dict[str, Any], source: ProfileFile, host: dict[str, Any]) -> tuple[Interpreter, Part]:
    machine, libc = entry["machine"], entry["libc"]
    provenance = list(entry["provenance"])
    rename: Callable[[str], str] = str
    change: Change | None = without_libpython if entry["variant"] == "static" else None
    extensions = dict(entry["extensions"])
    if libc == host["libc"]:
        extensions = {name: path for name, path in extensions.items() if not _lacking(path, entry, source, host)}
        if left_out := sorted(set(entry["extensions"]) - set(extensions)):
            provenance.append(f"without {', '.join(left_out)}: the host lacks libraries needed there")
    if (machine, libc) != (host["machine"], host["libc"]):
        provenance.append(f"its definitions stand in for a {host['machine']} {host['libc']} build, not at hand")
        rename = renamed(machine, libc, host["machine"], host["libc"])
        change = definitions_only(host["machine"], host["libc"], rename, static=entry["variant"] == "static")
    part = Part(source, {rename(path): number for path, number in entry["files"].items()}, entry["links"], change)
    imports = source.document(entry["stdlib"])
    interpreter = Interpreter(
        version=entry["version"],
        release=entry["release"],
        executable=entry["executable"],
        libpython=entry["libpython"],
        suffixes=tuple(rename(suffix) for suffix in entry["suffixes"]),
        stdlib_path=entry["stdlib_path"],
        site_packages=entry["site_packages"],
        extensions={name: rename(path) for name, path in extensions.items()},
        builtins=frozenset(entry["builtins"]),
        stdlib_imports=lambda module: None if module not in imports else tuple(imports[module]),
        provenance=tuple(provenance),
    )
    return interpreter, part


def _lacking(path: str, entry: dict[str, Any], source: ProfileFile, host: dict[str, Any]) -> bool:
    """Tell whether an extension module needs a library that the host does not have, so that it cannot be imported."""
    needed = source.needed(entry["files"][path])
    return any(name not in host["cache"] and not name.startswith(("libpython", "ld-")) for name in needed)


def _pair(version: list[int]) -> tuple[int, int]:
    return int(version[0]), int(version[1])
