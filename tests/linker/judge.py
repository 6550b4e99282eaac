"""The judge of the linker's tests: a program that dlopens what it is told, under ld.so's own eyes.

`Judge.ask` runs it and lets the model do the same; `Trial.agree` demands that every binding, every message of
dlerror(), every addition to the global scope, the order of initialisers and that of unloading are equal, and the
relocation order where all loads worked.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abiclash.facts.model import Reloc
from abiclash.lab.bindlog import CHANNELS, Log, read_log
from abiclash.linker.bindings import collect, events
from abiclash.linker.link_map import LoadFailure, Mode
from abiclash.linker.process import Process
from abiclash.linker.world import World
from abiclash.sources.live_files import LiveFiles
from abiclash.sources.tunables import parse_tunables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts
    from abiclash.sources.host_profile import HostProfile

DRIVER = """
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words)
{
    setvbuf(stdout, 0, _IONBF, 0);
    void *handles[256] = {0};
    for (int i = 1; i + 1 < count; i += 2) {
        int flags = (int)strtol(words[i], 0, 10);
        if (flags == -1) {
            void *handle = handles[strtol(words[i + 1], 0, 10)];
            puts(!handle ? "nothing" : dlclose(handle) ? dlerror() : "closed");
            continue;
        }
        void *opened = handles[i / 2] = dlopen(words[i + 1], flags);
        const char *message = opened ? 0 : dlerror();
        puts(opened ? "opened" : message ? message : "nothing");
    }
    return 0;
}
"""
"""Arguments: dlopen flags and name, or -1 and the number of the step whose handle to close, in turn. Prints a line for
each."""

_REMARK = re.compile(
    r": Relink `.* for IFUNC symbol|\bwarning: |: no version information available "
    r"|^ERROR: ld.so: object .* cannot be preloaded "
)
"""What ld.so says to standard error and goes on."""

CRASHED = f"ended with status {-signal.SIGSEGV}"
NOW, LAZY, LOCAL = Mode.NOW, Mode.LAZY, Mode(0)
GLOBAL, DEEPBIND, NOLOAD = Mode.NOW | Mode.GLOBAL, Mode.NOW | Mode.DEEPBIND, Mode.NOW | Mode.NOLOAD

Row = tuple[str, str, str | None, str]
"""One binding: file that refers, symbol, version, file that defines."""
Step = tuple[str | Path, Mode]
_Steps = list["tuple[str, Mode] | Close"]


@dataclass(frozen=True)
class Close:
    """A step: dlclose of what step number `opened` returned. Nothing happens where that returned nothing."""

    opened: int


class Fixtures:
    """`FileSource` of the files that a test made; each run reads them anew."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._files = LiveFiles()
        self._folders = tuple(os.path.realpath(folder) + "/" for folder in folders)

    def realpath(self, path: str) -> str | None:
        try:
            real = os.path.realpath(path, strict=True)  # a folder that is not there is not passed through
        except OSError:
            return None
        return real if self.covers(real) and Path(real).is_file() else None

    def covers(self, path: str) -> bool:
        """Tell whether a path lies in the folders."""
        return path.startswith(self._folders)

    def object(self, realpath: str) -> ObjectFacts | None:
        return self._files.object(realpath)

    def head(self, realpath: str) -> bytes:
        with Path(realpath).open("rb") as file:
            return file.read(64)

    def identity(self, realpath: str) -> tuple[int, int]:
        status = Path(realpath).stat()
        return status.st_dev, status.st_ino

    def names(self, keys: Iterable[int]) -> dict[int, bytes]:
        return self._files.names(keys)


@dataclass(frozen=True)
class Elsewhere:
    """`FileSource` of a host without the folders of a test."""

    host: HostProfile
    fixtures: Fixtures

    def realpath(self, path: str) -> str | None:
        real = self.host.realpath(path)
        return None if real is not None and self.fixtures.covers(real) else real

    def object(self, realpath: str) -> ObjectFacts | None:
        return self.host.object(realpath)


@dataclass(frozen=True)
class Trial:
    """One sequence of loads as ld.so and the model saw it. said: what the driver printed, a line for each step.

    play: the same by the model.
    """

    log: Log
    said: tuple[str, ...]
    play: Play
    predicted: tuple[Mapping[str, Any], ...]
    folder: str
    bind_now: bool
    aliases: Mapping[str, str]

    @property
    def observed_bindings(self) -> set[Row]:
        return {(b.source, b.symbol, b.version, b.target) for b in self.log.bindings}

    @property
    def predicted_bindings(self) -> set[Row]:
        return {(e["from"], e["symbol"], e["version"], e["to"]) for e in self.predicted if "from" in e}

    @property
    def predicted_data(self) -> set[Row]:
        """Those that no call makes: data relocations are never lazy."""
        bindings, world = collect(self.process), self.process.world
        rows = [event for event in self.predicted if "from" in event]
        found = set()
        for event, source, symbol in zip(rows, bindings.source.tolist(), bindings.source_row.tolist(), strict=True):
            facts = world.facts[source]
            assert facts is not None
            kinds = facts.references.kind[facts.references.symbol == symbol]
            if (kinds != Reloc.PLT).any():
                found.add((event["from"], event["symbol"], event["version"], event["to"]))
        return found

    @property
    def process(self) -> Process:
        """The model's process in its last state."""
        return self.play.process

    @property
    def predicted_said(self) -> tuple[str, ...]:
        """What the driver should print; an inconsistency is printed by ld.so itself, as its last words."""
        messages = iter([event["message"] for event in self.predicted if "error" in event])
        return tuple(next(messages) if word == "failed" else word for word in self.play.outcomes)

    def bound(self, source: str, symbol: str) -> str | None:
        """Return the name of the file that ld.so bound a fixture's reference to, None for no binding."""
        found = {
            Path(row[3]).name for row in self.observed_bindings if Path(row[0]).name == source and row[1] == symbol
        }
        assert len(found) <= 1, found
        return next(iter(found), None)

    @property
    def unloaded(self) -> list[str]:
        """The file names of what ld.so destroyed, in order."""
        return [Path(event.path).name for event in self.log.events if event.kind == "unload"]

    def agree(self) -> Trial:
        """Demand that the model did what ld.so did."""
        if self.play.refused is not None:  # undefined symbols and missing versions have other introductions
            reason = self.play.refused.message
            assert len(self.said) == 1 or "version `" in reason, self.said
            assert reason in self.said[0], f"predicted {reason}, said {self.said}"
            return self
        if self.process.pinned.stale and self.said[-1] == CRASHED:  # ld.so's own bug, which the model knows of
            assert self.predicted_said[: len(self.said) - 1] == self.said[:-1]
            return self
        assert self.predicted_said == self.said, f"predicted {self.predicted_said}, said {self.said}"
        observed, predicted = self._in_folder(self.observed_bindings), self._in_folder(self.predicted_bindings)
        if self.bind_now:
            assert predicted == observed, f"extra {predicted - observed}, missing {observed - predicted}"
        else:  # PLT slots that were never called are not bound
            assert not observed - predicted
            assert not (self._in_folder(self.predicted_data) - observed)
        initialised = [file for event in self.process.events for file in event.initialised]
        orders = [(self.play.promoted, "global"), (self.play.destroyed, "unload"), (initialised, "init")]
        if self.process.host.libc_version < (2, 32):  # ld.so does not tell of objects without initialisers
            del orders[-1]
        for files, kind in orders:
            assert self._named(files) == self._own(kind), f"{kind}: predicted {self._named(files)}, {self._own(kind)}"
        if all(event.failure is None for event in self.process.events):
            assert self._predicted_order() == self._own("relocate")
        return self

    def _in_folder(self, rows: set[Row]) -> set[Row]:
        """Leave out what the driver's own libraries bind to each other; a file with two names has one."""
        return {
            (self.alias(row[0]), row[1], row[2], self.alias(row[3]))
            for row in rows
            if row[0].startswith(self.folder) or row[3].startswith(self.folder)
        }

    def alias(self, path: str) -> str:
        if "/" not in path and Path(path).is_file():  # found through an empty element of a path
            path = os.path.realpath(path)
        return self.aliases.get(path, path)

    def _own(self, kind: str) -> list[str]:
        paths = [self.alias(event.path) for event in self.log.events if event.kind == kind]
        return [path for path in paths if path.startswith(self.folder)]

    def _predicted_order(self) -> list[str]:
        return self._named([file for event in self.process.events for file in event.relocated])

    def _named(self, files: Iterable[int]) -> list[str]:
        paths = [self.process.world.paths[file] for file in files]
        return [self.alias(path) for path in paths if path.startswith(self.folder)]


@dataclass
class Play:
    """What the model did. refused: why the program cannot start. outcomes: a word for each step. promoted: additions
    to the global scope by dlopen. destroyed: in order.
    """

    process: Process
    refused: LoadFailure | None = None
    outcomes: list[str] = field(default_factory=list)
    promoted: list[int] = field(default_factory=list)
    destroyed: list[int] = field(default_factory=list)

    def run(self, steps: _Steps, *, bind_now: bool) -> None:
        """Do the steps until the process ends."""
        results: list[int | None] = []
        for step in steps:
            if self.process.ended:
                return
            if isinstance(step, Close):
                file = results[step.opened]
                results.append(None)
                self.destroyed += self.process.dlclose(file) if file is not None else ()
                self.outcomes.append("closed" if file is not None else "nothing")
            else:
                results.append(self._open(*step, bind_now=bind_now))

    def _open(self, name: str, mode: Mode, *, bind_now: bool) -> int | None:
        known = len(self.process.global_scope)
        event = self.process.dlopen(name, (mode & ~Mode.LAZY) | Mode.NOW if bind_now else mode)
        self.promoted += self.process.global_scope[known:]
        self.destroyed += event.destroyed
        word = "opened" if event.file is not None else "nothing"
        self.outcomes.append("failed" if event.failure is not None else word)
        return event.file


@dataclass(frozen=True)
class Judge:
    """Runs sequences of loads. driver: the program. folder: where a test keeps its files. emulator: runs programs."""

    host: HostProfile = field(repr=False)
    driver: Path
    folder: Path
    emulator: str | None = None

    def ask(
        self,
        *steps: str | Path | Step | Close,
        environ: Mapping[str, str] | None = None,
        bind_now: bool = True,
        program: Path | None = None,
    ) -> Trial:
        """Let both do `steps`: names, opened with RTLD_NOW, or (name, flags)."""
        program = program or self.driver
        sequence = [step if isinstance(step, Close) else opening(step) for step in steps]
        play, predicted = self._predict(program, sequence, dict(environ or {}), bind_now=bind_now)
        log, said = self._observe(program, sequence, dict(environ or {}), bind_now=bind_now)
        return Trial(log, said, play, predicted, os.path.realpath(self.folder), bind_now, aliases(self.folder))

    def _observe(
        self, program: Path, steps: _Steps, environ: dict[str, str], *, bind_now: bool
    ) -> tuple[Log, tuple[str, ...]]:
        output = self.folder / "ld.so-log"
        variables = {"LC_ALL": "C", "LD_DEBUG": CHANNELS.replace(",", ":"), "LD_DEBUG_OUTPUT": str(output)} | environ
        if bind_now:
            variables["LD_BIND_NOW"] = "1"
        pairs = [("-1", str(s.opened)) if isinstance(s, Close) else (str(int(s[1])), s[0]) for s in steps]
        words = [word for pair in pairs for word in pair]
        command = [str(program), *words]
        if self.emulator is not None:  # the variables are for the program, not for the emulator's own ld.so
            command = [
                self.emulator,
                *(word for item in variables.items() for word in ("-E", "=".join(item))),
                *command,
            ]
            variables = {}
        with subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            said, complaint = child.communicate(timeout=60)
        path = Path(f"{output}.{child.pid}")
        with path.open("rb") as lines:
            log = read_log(lines, child.pid, str(program))
        path.unlink()
        complaints = [line for line in complaint.splitlines() if not _REMARK.search(line)]
        if child.returncode and said.count("\n") < len(steps) and not complaints:
            complaints = [f"ended with status {child.returncode}"]
        return log, (*said.splitlines(), *complaints)

    def _predict(
        self, program: Path, steps: _Steps, environ: Mapping[str, str], *, bind_now: bool
    ) -> tuple[Play, tuple[Mapping[str, Any], ...]]:
        fixtures = Fixtures([self.folder, program.parent])
        path = environ.get("LD_LIBRARY_PATH")
        host = replace(
            self.host,
            library_path=tuple(path.replace(";", ":").split(":")) if path else (),
            dynamic_weak="LD_DYNAMIC_WEAK" in environ,
            tunables=parse_tunables(environ.get("GLIBC_TUNABLES", "")),
        )
        preload = environ.get("LD_PRELOAD", "").replace(":", " ").split()
        world = World([fixtures, Elsewhere(host, fixtures)])
        play = Play(Process(world, host))
        try:
            play.process = Process.start(world, host, str(program), preload, bind_now=bind_now)
        except LoadFailure as failure:
            return replace(play, refused=failure), ()
        play.run(steps, bind_now=bind_now)

        def names(keys: NDArray[np.uint64]) -> list[str]:
            wanted = keys.tolist()
            known = {**host.names(wanted), **fixtures.names(wanted)}
            return [known[key].decode() for key in wanted]

        return play, tuple(events(play.process, names))


def opening(step: str | Path | Step) -> tuple[str, Mode]:
    """Return name and flags of a step that opens something, by default with RTLD_NOW."""
    return (str(step[0]), step[1]) if isinstance(step, tuple) else (str(step), NOW)


def aliases(folder: Path) -> dict[str, str]:
    """Return one name for each file that has several (hard links)."""
    first: dict[tuple[int, int], str] = {}
    files = (path for path in sorted(folder.rglob("*.so*")) if path.is_file() and path.stat().st_nlink > 1)
    return {
        real: first.setdefault((path.stat().st_dev, path.stat().st_ino), real)
        for path in files
        for real in [os.path.realpath(path)]
    }
