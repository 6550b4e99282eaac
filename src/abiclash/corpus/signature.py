"""The signature of a package: its contact surface as rows that can be joined, instead of simulating every pair.

A row says what the package decides or expects when it is imported alone: (kind, about, choice), all numbers that are
equal on every machine. Two packages can interfere only where rows of theirs meet (`DIFFER`, `MEET`); see `contact`
for why these kinds are all there are under RTLD_LOCAL, and docs/corpora.md for the proof on a sample.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from abiclash.corpus.keys import bytes_number, number
from abiclash.facts.parquet import from_parquet, to_parquet
from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.carried import runtimes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from abiclash.imports.plan import LoadPlan
    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process
    from abiclash.rules.case import Run
    from abiclash.setting import Setting
    from abiclash.sources.wheelset import WheelSet

VERSION = 1


class Kind(IntEnum):
    """What a row is about, and when two rows of different packages meet."""

    NAME = 0  # a name of a loaded object -> which file; 0 for one that was asked for in vain: differ
    OBJECT = 1  # a file that several may load -> how its references are bound: differ
    UNIQUE = 2  # a STB_GNU_UNIQUE name -> which file defines it: differ
    PROJECT = 3  # a project -> the version it comes with: differ
    TOP = 4  # a top-level name in site-packages -> the wheel that installs below it: differ, and files differ
    HAS = 5  # a top-level module that there is: meets WANTS
    WANTS = 6  # a top-level module that an import looks for in vain: meets HAS
    PUTS = 7  # a symbol that it puts into the global scope: meets REFERS
    REFERS = 8  # a symbol that its objects look up beyond what is there from the start: meets PUTS
    TLS = 9  # static thread-local storage, choice: bytes: more than there is, together
    ONCE = 10  # something that should exist once in a process -> who brings it: differ
    SETS = 11  # an environment variable that an import sets: meets READS
    READS = 12  # an environment variable that a loaded object reads: meets SETS


DIFFER = (Kind.NAME, Kind.OBJECT, Kind.UNIQUE, Kind.PROJECT, Kind.TOP, Kind.ONCE)
"""Kinds whose rows meet where two packages choose differently for one `about`."""
MEET = ((Kind.HAS, Kind.WANTS), (Kind.PUTS, Kind.REFERS), (Kind.SETS, Kind.READS))
"""Kinds that touch each other where they have one `about`."""

_REGISTRIES = ("pybind11-internals", "nanobind-internals")
_EXCLUSIVE = frozenset({"libomp", "libgomp", "openblas", "mkl", "blis", "llvm"})


class Rows:
    """Rows under construction; numpy columns in the end, sorted, each row once."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, NDArray[np.uint64], NDArray[np.uint64]]] = []
        self._single: dict[int, list[tuple[int, int]]] = {}

    def add(self, kind: Kind, about: int, choice: int) -> None:
        self._single.setdefault(kind, []).append((about, choice))

    def extend(self, kind: Kind, about: NDArray[np.uint64], choice: NDArray[np.uint64] | None = None) -> None:
        self._parts.append((kind, about, np.zeros_like(about) if choice is None else choice))

    def columns(self) -> dict[str, NDArray[np.uint64] | NDArray[np.uint8]]:
        """Return kind (uint8), about and choice (uint64)."""
        parts = list(self._parts)
        for kind, pairs in self._single.items():
            table = np.array(pairs, dtype=np.uint64).reshape(-1, 2)
            parts.append((kind, table[:, 0], table[:, 1]))
        kinds = [np.full(len(about), kind, dtype=np.uint64) for kind, about, _ in parts]
        abouts, choices = [about for _, about, _ in parts], [choice for _, _, choice in parts]
        table = np.stack([np.concatenate(column) for column in (kinds, abouts, choices)], axis=1)
        table = np.unique(table, axis=0)
        return {"kind": table[:, 0].astype(np.uint8), "about": table[:, 1].copy(), "choice": table[:, 2].copy()}


def to_bytes(rows: Rows) -> bytes:
    return to_parquet(rows.columns())


def from_bytes(content: bytes) -> dict[str, NDArray[np.uint64] | NDArray[np.uint8]]:
    """Return the columns kind, about, choice. Raises ValueError for damaged content."""
    return {name: column.view() for name, column in from_parquet(content).items()}


class Contents:
    """Numbers that say which file an object is: its wheel and path, or its path on the host."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._known: dict[int, int] = {}

    def __call__(self, file: int) -> int:
        if file not in self._known:
            owner = self._setting.owners.get(file)
            wheel = self._setting.packages[owner].wheel.sha256 if owner is not None else ""
            self._known[file] = number(wheel, self._setting.world.paths[file])
        return self._known[file]

    def array(self) -> NDArray[np.uint64]:
        """Return the numbers of all files of the world, by file id."""
        return np.array([self(file) for file in range(len(self._setting.world.paths))], dtype=np.uint64)


def signature(setting: Setting, wheels: WheelSet, run: Run, start: Process, plan: LoadPlan) -> Rows:
    """Return the rows of the package that `run` imports alone. start: the process before any import."""
    rows = Rows()
    contents = Contents(setting)
    numbers = contents.array()
    new = [link for link in run.process.maps.values() if link.file not in start.maps]
    _names(rows, setting, run, new, contents)
    for link in new:
        rows.add(Kind.OBJECT, contents(link.file), _bound(link, numbers))
        _carried(rows, link, contents(link.file))
    old = np.isin(run.process.unique.key, start.unique.key)
    rows.extend(Kind.UNIQUE, run.process.unique.key[~old], numbers[run.process.unique.file[~old]])
    _scope(rows, run.process, start, new)
    need = sum(taken.size for taken in run.process.tls.taken)
    if need:
        rows.add(Kind.TLS, 0, need)
    _python(rows, setting, wheels, plan)
    return rows


def _names(rows: Rows, setting: Setting, run: Run, new: Sequence[LinkMap], contents: Contents) -> None:
    """Names that loaded objects answer to, and those that were asked for in vain."""
    site = setting.host.interpreter.site_packages + "/"
    for link in new:
        for name in {*link.names, link.facts.soname} - {None}:
            if name is not None and not name.startswith(site):  # a path means the same file in every environment
                rows.add(Kind.NAME, number(name), contents(link.file))
    for played in run.played:
        event = played.event
        if event.failure is not None:
            rows.add(Kind.NAME, number(event.failure.object), 0)
            for link in event.discarded:
                rows.add(Kind.OBJECT, contents(link.file), 0)
        elif event.file is None:
            rows.add(Kind.NAME, number(event.name), 0)


def _bound(link: LinkMap, numbers: NDArray[np.uint64]) -> int:
    """Return a number for what an object's references are bound to."""
    if link.targets is None or link.target_rows is None:
        return 0
    to = np.where(link.targets == NOT_FOUND, np.uint64(0), numbers[link.targets])
    return bytes_number(to.tobytes(), link.target_rows.tobytes())


def _scope(rows: Rows, process: Process, start: Process, new: Sequence[LinkMap]) -> None:
    """Symbols put into the global scope, and symbols that new objects do not find in what was there at the start."""
    promoted = process.global_scope[len(start.global_scope) :]
    for file in promoted:
        rows.extend(Kind.PUTS, np.unique(process.world.table(file).definitions.key))
    wanted = []
    for link in [*new, *(gone for event in process.events for gone in event.discarded)]:
        if link.targets is not None:
            keys = process.world.table(link.file).queries.key
            wanted.append(keys[~np.isin(link.targets, start.global_scope)])
    if wanted:
        rows.extend(Kind.REFERS, np.unique(np.concatenate(wanted)))


def _carried(rows: Rows, link: LinkMap, content: int) -> None:
    """What should exist once in a process, whoever brings it: runtimes with threads, registries of types and names."""
    facts = link.facts
    for name in (runtimes(facts).keys() & _EXCLUSIVE) if facts.runtimes else ():
        rows.add(Kind.ONCE, number("runtime", "openmp" if name in ("libomp", "libgomp") else name), content)
    texts: dict[str, list[str]] = {}
    for kind, text in facts.strings:
        texts.setdefault(kind, []).append(text)
    for registry in _REGISTRIES:
        for at in texts.get(registry, ()):
            for name in texts.get("bound-type", ()):
                rows.add(Kind.ONCE, number("type", registry, at, name), content)
    for name in texts.get("proto-file", ()):
        rows.add(Kind.ONCE, number("proto-file", name), content)
    for name in texts.get("env", ()):
        rows.add(Kind.READS, number(name), 0)


def _python(rows: Rows, setting: Setting, wheels: WheelSet, plan: LoadPlan) -> None:
    """What the Python side of the packages shares: versions, files, modules, descriptors, the environment."""
    tops: set[str] = set()
    for wheel in wheels.wheels:
        rows.add(Kind.PROJECT, number(wheel.name), number(wheel.sha256))
        own = {file.path.partition("/")[0] for file in wheel.files if ".dist-info/" not in file.path}
        for name in own:
            rows.add(Kind.TOP, number(name), number(wheel.name))
        tops |= {name.partition(".")[0] for name in own}
        for name in {file.path.rpartition("/")[2] for file in wheel.files if file.path.endswith("_pb2.py")}:
            rows.add(Kind.ONCE, number("descriptor", name), number(wheel.name))
    for name in tops:
        rows.add(Kind.HAS, number(name), 0)
    for name in {*_asked(setting, plan)} - tops:
        rows.add(Kind.WANTS, number(name), 0)
    for module in plan.executed:
        for entry in module.source.registrations:
            for name in entry.names:
                rows.add(Kind.ONCE, number("descriptor-name", name), number(entry.file, entry.content))
        for write in module.source.environment:
            rows.add(Kind.SETS, number(write.name), 0)


def _asked(setting: Setting, plan: LoadPlan) -> Iterator[str]:
    """Yield top-level modules that an import looks for in vain, or would load if an extension's strings found them."""
    yield from setting.imports.missing()
    yield from setting.imports.mentioned()
    for module in plan.executed:
        yield from (demand.module.partition(".")[0] for demand in module.source.demands)
