"""Facts of installed distributions, and of objects by themselves: what `facts.index` is for wheel files."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import ElfError, NotAnalysed
from abiclash.facts.elf import read_object
from abiclash.facts.installed import importable
from abiclash.facts.model import WheelFacts, WheelFile
from abiclash.facts.ranges import Ranges
from abiclash.facts.stored_names import compact
from abiclash.progress import Silent
from abiclash.sources.environment import Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.store import Store
    from abiclash.facts.stored_names import Names
    from abiclash.progress import Progress

_ELF = b"\x7fELF"
_TEXT = (
    *(".py", ".pyc", ".pyi", ".pyx", ".pxd", ".txt", ".md", ".rst", ".json", ".toml", ".yaml", ".yml", ".cfg", ".ini"),
    *(
        ".csv",
        ".xml",
        ".html",
        ".css",
        ".js",
        ".ts",
        ".map",
        ".svg",
        ".png",
        ".typed",
        ".proto",
        ".pth",
        ".npy",
        ".npz",
    ),
    *(".h", ".hh", ".hpp", ".inc", ".c", ".cc", ".cpp", ".cu", ".cmake", ".pc", ".gz", ".zip", ".ttf", ".a"),
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A file that may be ELF. path: as if installed. state: what changes when the file does."""

    path: str
    real: str
    state: tuple[int, int, int, int]


def read_distributions(
    items: Sequence[Distribution], store: Store, workers: int | None = None, progress: Progress | None = None
) -> list[WheelFacts]:
    """Return facts of distributions in their order, from the store or read and stored now.

    In the facts, `sha256` is a fingerprint of the distribution's files on this machine (device, inode, size and time
    of each that can be an object, the time of Python source), `filename` says where it is installed, `members` gives
    the real path of each object.
    """
    with (progress or Silent()).task("reading", len(items)) as task:

        def read(item: Distribution) -> WheelFacts:
            facts = _read(item, store)
            task.advance()
            return facts

        with ThreadPoolExecutor(workers or len(os.sched_getaffinity(0)), thread_name_prefix="installed") as pool:
            return list(pool.map(read, items))


def read_objects(paths: Iterable[Path], store: Store) -> list[WheelFacts]:
    """Return facts of ELF files by themselves, each as if it were a distribution of one file."""
    items = []
    for path in sorted(set(paths)):
        file = WheelFile(path.name, path.stat().st_size if path.is_file() else None, "")
        items.append(Distribution(path.name, "", path.parent, (file,)))
    return read_distributions(items, store)


def _read(item: Distribution, store: Store) -> WheelFacts:
    places = _places(item)
    candidates = list(_candidates(places))
    key = _fingerprint(item, candidates, places)
    known = store.get(key)
    if known is not None:
        return known
    objects: list[ObjectFacts] = []
    names: list[tuple[str, list[Names]]] = []
    problems: list[NotAnalysed] = []
    members: dict[str, str] = {}
    for candidate in candidates:
        try:
            read = _object(candidate)
        except (OSError, ElfError) as error:
            reason = str(error.strerror if isinstance(error, OSError) else error)
            problems.append(NotAnalysed(candidate.real, reason))
            continue
        if read is not None:
            objects.append(read[0])
            names.append((candidate.path, read[1]))
            members[candidate.path] = candidate.real
    facts = _facts(item, key, objects, problems, members)
    store.put(facts, [part for _, parts in sorted(names, key=itemgetter(0)) for part in parts])
    return facts


def _facts(
    item: Distribution, key: str, objects: list[ObjectFacts], problems: list[NotAnalysed], members: dict[str, str]
) -> WheelFacts:
    files = {file.path: file for file in item.files}
    for path, _ in item.elsewhere:
        files.setdefault(path, WheelFile(path, None, ""))
    return WheelFacts(
        name=item.name,
        version=item.version,
        filename=str(item.site),
        sha256=key,
        tags=(),
        root_is_purelib=not objects,
        requires=item.requires,
        requires_python=item.requires_python,
        modules=importable(files, item.top_level or ""),
        files=tuple(files[path] for path in sorted(files)),
        objects=tuple(sorted(objects, key=lambda facts: facts.path)),
        not_analysed=tuple(sorted(problems)),
        members=dict(sorted(members.items())),
    )


def _places(item: Distribution) -> dict[str, str]:
    """Return where each file is; those of an editable installation replace what RECORD says."""
    places = {file.path: os.path.join(item.site, file.path) for file in item.files}  # noqa: PTH118 - many files
    places |= {path: str(real) for path, real in item.elsewhere}
    return dict(sorted(places.items()))


def _candidates(places: Mapping[str, str]) -> Iterable[_Candidate]:
    """Yield the files that may be objects."""
    for path, place in places.items():
        if path.endswith(_TEXT):
            continue
        try:
            status = os.stat(place)  # noqa: PTH116 - many files
        except OSError:
            continue  # RECORD may list what was removed since
        if stat.S_ISREG(status.st_mode) and status.st_size >= len(_ELF):
            state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            yield _Candidate(path, os.path.realpath(place), state)


def _fingerprint(item: Distribution, candidates: Iterable[_Candidate], places: Mapping[str, str]) -> str:
    digest = hashlib.sha256(repr((item.name, item.version, str(item.site), item.requires, item.top_level)).encode())
    for file in item.files:
        digest.update(f"{file.path}\0{file.size}\0{file.hash}\n".encode("utf-8", "surrogateescape"))
    for candidate in candidates:
        digest.update(repr((candidate.path, candidate.real, candidate.state)).encode("utf-8", "surrogateescape"))
    for path, place in places.items():
        if path.endswith(".py"):  # load plans are kept under this fingerprint, and they follow from the source
            digest.update(f"{path}\0{_changed(place)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _changed(place: str) -> int:
    """Return when a file was changed last, in nanoseconds; 0 where there is none."""
    try:
        return os.stat(place).st_mtime_ns  # noqa: PTH116 - many files
    except OSError:
        return 0


def _object(candidate: _Candidate) -> tuple[ObjectFacts, list[Names]] | None:
    """Return the facts and names of a file, or None where it is not ELF. Raises OSError, ElfError."""
    with Path(candidate.real).open("rb") as file:
        if file.read(len(_ELF)) != _ELF:
            return None
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    facts, table = read_object(Ranges.whole(mapped), candidate.path)
    return facts, compact(table)
