"""The loads that an import really makes, with flags and causes: an observed plan, as the imports room keeps it.

ld.so's log has every load in order, but not its flags; the interpreter's own view (`recorder`) has flags and the
line that asked, but not what C code opens. Both are taken from one run and joined by path.
"""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import tempfile
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from abiclash.errors import LabError
from abiclash.imports.observed import SITE, STDLIB, ObservedLoad, ObservedPlan
from abiclash.lab.observe import observe
from abiclash.lab.run import Limits, interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abiclash.lab.bindlog import Event

RTLD_NOW, RTLD_GLOBAL = 0x2, 0x100


@dataclass(frozen=True, slots=True)
class Seen:
    """One dlopen. path: real path, or the bare name where it was not found. name: as dlopen got it.

    flags: RTLD bits; where C code called dlopen they are RTLD_NOW with RTLD_GLOBAL if it became global. module:
    dotted name of the extension module. caller: object that called dlopen, '' for a second open. by, file, line: the
    Python code that asked; '' and 0 for C code. found: the load succeeded. again: the object was loaded before.
    """

    path: str
    name: str
    flags: int
    module: str | None
    caller: str
    by: str
    file: str
    line: int
    found: bool
    again: bool


_Note = tuple[str, int, "str | None", str, str, int]


def observe_loads(python: str | Path, code: str, *, limits: Limits | None = None) -> tuple[Seen, ...]:
    """Run `code` and say what it loads, in order. Raises LabError when it fails: its loads would be incomplete."""
    with tempfile.TemporaryDirectory(prefix="abiclash-") as folder:
        notes = Path(folder, "notes")
        recorder = Path(__file__).with_name("recorder.py")
        prelude = "\n".join(
            [
                "space = {}",
                f"exec(compile(open({str(recorder)!r}).read(), {str(recorder)!r}, 'exec'), space)",
                f"space.pop('record')({str(notes)!r})",
                "del space",
            ]
        )
        # eager binding would refuse what RTLD_LAZY accepts, and bindings do not matter here
        observation = observe(python, f"{prelude}\n{code}", bind_now=False, bindings=False, limits=limits)
        run = observation.run
        if run is None or run.exit or run.timed_out:
            last = (run.stderr.strip().splitlines() or ["no message"])[-1] if run else ""
            raise LabError(f"{code}: it ended with {observation.exit} ({last}); a failing import has no whole plan")
        written = notes.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return tuple(_joined(observation.events, [ast.literal_eval(line) for line in written]))


def observe_plan(
    python: str | Path, modules: Sequence[str], wheels: Sequence[str], *, limits: Limits | None = None
) -> ObservedPlan:
    """The observed plan of importing `modules` in order in the environment of `python`.

    wheels: sha256 of every wheel in it. Loads that failed are left out: they may work on another host, and there
    they are not known to be made. Raises LabError when an import fails.
    """
    program = interpreter(python)
    layout = _layout(program)
    owners = _owners(Path(layout.site))
    seen = observe_loads(program, "\n".join(f"import {name}" for name in modules), limits=limits)
    loads = tuple(
        ObservedLoad(layout.word(load), load.flags, load.module, owners.get(load.path), *layout.asker(load))
        for load in seen
        if load.found
    )
    return ObservedPlan(tuple(sorted(wheels)), layout.version, tuple(modules), loads)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Of an interpreter. site, dynload: real directories of packages and of the library's extension modules."""

    site: str
    dynload: str
    version: tuple[int, int]

    def word(self, load: Seen) -> str:
        """A load's path as it reads in every environment of equal wheels."""
        if load.module and load.path.startswith(f"{self.dynload}/"):
            return STDLIB + load.module
        return self._below(load.path) if "/" in load.name else load.name

    def asker(self, load: Seen) -> tuple[str, int]:
        """The Python code that asked: file and line; the program itself has no file."""
        return (self._below(os.path.realpath(load.file)), load.line) if "/" in load.file else ("", 0)

    def _below(self, path: str) -> str:
        return SITE + path.removeprefix(f"{self.site}/") if path.startswith(f"{self.site}/") else path


def _joined(events: Sequence[Event], notes: Sequence[_Note]) -> Iterator[Seen]:
    """Match ld.so's loads with the interpreter's, by real path or bare name, first come first served.

    Only calls from the interpreter (what is there at start) and from `_ctypes` can be ones that it has noted.
    """
    waiting: dict[str, deque[_Note]] = defaultdict(deque)
    for note in notes:
        waiting[os.path.realpath(note[0]) if "/" in note[0] else note[0]].append(note)
    public = {event.path for event in events if event.kind == "global"}
    start = itertools.takewhile(lambda event: event.kind != "init", events)
    interpreter_code = {event.path for event in start if event.kind == "relocate"}
    interpreter_code |= {os.path.realpath(note[0]) for note in notes if note[2] == "_ctypes"}
    for opened in _opens(events):
        queue = waiting[opened.asked] or waiting[opened.path]
        if queue and (opened.again or opened.caller in interpreter_code):
            name, flags, module, by, file, line = queue.popleft()
            yield Seen(opened.path, name, flags, module, opened.caller, by, file, line, opened.found, opened.again)
        elif not opened.again:
            flags = RTLD_NOW | (RTLD_GLOBAL if opened.path in public else 0)
            name = opened.asked
            yield Seen(opened.path, name, flags, None, opened.caller, "", "", 0, opened.found, again=False)


@dataclass(slots=True)
class _Open:
    asked: str
    path: str
    caller: str
    found: bool
    again: bool


def _opens(events: Sequence[Event]) -> list[_Open]:
    """Each dlopen, in the order in which they began.

    Each that succeeds ends with an `open` line; calls nest, as initializers may call dlopen. So an `open` answers the
    latest unanswered `load` of its path, else of a bare name; one that answers none is of an object that was there.
    """
    order: list[_Open] = []
    pending: list[_Open] = []
    for event in events:
        if event.kind == "load":
            pending.append(_Open(event.path, event.path, event.by, found=False, again=False))
            order.append(pending[-1])
        elif event.kind == "open":
            bare = (load for load in reversed(pending) if "/" not in load.asked)
            answered = next((load for load in reversed(pending) if load.path == event.path), None) or next(bare, None)
            if answered is None:
                order.append(_Open(event.path, event.path, "", found=True, again=True))
                continue
            answered.path, answered.found = event.path, True
            del pending[pending.index(answered) :]  # loads inside it that were not answered have failed
    return order


def _layout(program: str) -> _Layout:
    code = (
        "import sys, sysconfig; print(sysconfig.get_path('platlib')); "
        "print(sysconfig.get_config_var('DESTSHARED') or ''); print(*sys.version_info[:2])"
    )
    answer = subprocess.run([program, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    lines = answer.stdout.splitlines()
    if answer.returncode or len(lines) != 3:
        raise LabError(f"{program}: it does not say where its packages are: {answer.stderr.strip()}")
    major, minor = map(int, lines[2].split())
    return _Layout(os.path.realpath(lines[0]), os.path.realpath(lines[1]), (major, minor))


def _owners(site: Path) -> dict[str, str]:
    """Installed file -> normalised name of the package whose RECORD lists it."""
    owners = {}
    for record in sorted(site.glob("*.dist-info/RECORD")):
        name = canonicalize_name(record.parent.name.removesuffix(".dist-info").rsplit("-", 1)[0])
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            path = line.rsplit(",", 2)[0].strip('"')
            owners[os.path.normpath(site / path)] = str(name)
    return owners
