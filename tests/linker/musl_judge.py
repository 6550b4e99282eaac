"""musl's own dynamic linker as judge: it has no LD_DEBUG, so a program looks at what its relocations ended at."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import Reloc
from abiclash.linker import start
from abiclash.linker.bindings import events
from abiclash.linker.lookup import NOT_FOUND
from abiclash.linker.world import World
from abiclash.sources.loader import Processor, read_loader
from tests.linker.judge import NOW, Elsewhere, Fixtures, aliases
from tests.support.require import missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from abiclash.linker.link_map import Mode
    from abiclash.linker.process import Process
    from abiclash.sources.host_profile import HostProfile
    from tests.linker.judge import Step
    from tests.support.builder import Builder

LOADER = Path("/lib/ld-musl-x86_64.so.1")
SEEN = (Reloc.DATA, Reloc.PLT, Reloc.TLS_GD)
"""Kinds of relocation whose result tells the object that it is in."""

Row = tuple[str, str, str]
"""Symbol, file that refers, file that defines."""


@dataclass(frozen=True)
class MuslTrial:
    """One sequence of loads as musl and the model saw it."""

    said: tuple[str, ...]
    predicted_said: tuple[str, ...]
    bindings: frozenset[Row]
    predicted: frozenset[Row]
    process: Process

    def agree(self) -> MuslTrial:
        """Demand that the model did what musl did."""
        assert self.predicted_said == self.said, f"predicted {self.predicted_said}, said {self.said}"
        extra, missing = self.predicted - self.bindings, self.bindings - self.predicted
        assert not extra | missing, f"extra {sorted(extra)}, missing {sorted(missing)}"
        return self

    def bound(self, source: str, symbol: str) -> str | None:
        """Return the name of the file that a fixture's reference ended at."""
        found = {Path(row[2]).name for row in self.bindings if row[0] == symbol and Path(row[1]).name == source}
        assert len(found) <= 1, found
        return next(iter(found), None)


@dataclass(frozen=True)
class MuslJudge:
    """Runs sequences of loads under musl."""

    host: HostProfile = field(repr=False)
    driver: Path
    folder: Path

    @classmethod
    def at(cls, folder: Path, builder: Builder, host: HostProfile) -> MuslJudge:
        """Return a judge over loads from `folder`; the test skips without musl (Debian: musl-tools)."""
        if shutil.which("musl-gcc") is None or not LOADER.exists():
            missing("musl", "needs musl-gcc and musl's dynamic linker (Debian's musl-tools)")
        source = Path(__file__).with_name("musl_driver.c").read_text(encoding="utf-8")
        driver = builder.program("driver", source, compiler="musl-gcc", into=folder / "bin")
        content = LOADER.read_bytes()
        loader = read_loader(content, content, str(LOADER))
        musl = replace(
            host,
            name="musl",
            libc="musl",
            libc_version=loader.version,
            processor=Processor("", (), ()),
            cache={},
            default_dirs=_system_path(loader.system_dirs),
        )
        return cls(musl, driver, folder)

    def ask(self, *steps: str | Path | Step, environ: Mapping[str, str] | None = None) -> MuslTrial:
        """Let both do `steps`: names, opened with RTLD_NOW, or (name, flags)."""
        sequence = [(str(step[0]), step[1]) if isinstance(step, tuple) else (str(step), NOW) for step in steps]
        words = [word for name, mode in sequence for word in (str(int(mode)), name)]
        done = subprocess.run(
            [str(self.driver), *words], env=dict(environ or {}), capture_output=True, text=True, timeout=60, check=False
        )
        lines = done.stdout.splitlines()
        if done.returncode:
            lines += [*done.stderr.splitlines(), f"ended with status {done.returncode}"]
        rows = [line[2:].split("\t") for line in lines if line.startswith("= ")]
        bindings = frozenset((symbol, self._real(source), self._real(target)) for symbol, source, target in rows)
        process, said, predicted = self._predict(sequence, dict(environ or {}))
        shown = tuple(line for line in lines if not line.startswith("= "))
        return MuslTrial(shown, said, self._own(bindings), self._own(predicted), process)

    def _predict(
        self, steps: list[tuple[str, Mode]], environ: dict[str, str]
    ) -> tuple[Process, tuple[str, ...], frozenset[Row]]:
        fixtures = Fixtures([self.folder])
        path = environ.get("LD_LIBRARY_PATH")
        host = replace(self.host, library_path=tuple(path.split(":")) if path else ())
        world = World([fixtures, Elsewhere(host, fixtures)])
        process = start(world, host, str(self.driver), environ.get("LD_PRELOAD", "").split())
        for name, mode in steps:
            process.dlopen(name, mode)

        def names(keys: NDArray[np.uint64]) -> list[str]:
            wanted = keys.tolist()
            known = {**host.names(wanted), **fixtures.names(wanted)}
            return [known[key].decode() for key in wanted]

        messages = iter([event["message"] for event in events(process, names) if "error" in event])
        said = tuple("opened" if event.file is not None else next(messages) for event in process.events[1:])
        rows: set[Row] = set()
        for link in process.maps.values():
            assert link.targets is not None
            seen = np.isin(link.facts.references.kind, SEEN) & (link.targets != NOT_FOUND)
            keys = names(world.table(link.file).queries.key[seen])
            rows |= {
                (symbol, world.paths[link.file], world.paths[target])
                for symbol, target in zip(keys, link.targets[seen].tolist(), strict=True)
            }
        return process, said, frozenset(rows)

    def _real(self, name: str) -> str:
        return os.path.realpath(name)

    def _own(self, rows: frozenset[Row]) -> frozenset[Row]:
        """Leave out what the C library binds to itself, and the driver to it."""
        root = os.path.realpath(self.folder) + "/"
        names = aliases(self.folder)
        return frozenset(
            (symbol, names.get(source, source), names.get(target, target))
            for symbol, source, target in rows
            if source.startswith(root) and not source.startswith(f"{root}bin/")
        )


def _system_path(default: tuple[str, ...]) -> tuple[str, ...]:
    """Return what /etc/ld-musl-ARCH.path names, or the built-in path."""
    try:
        return tuple(
            part for part in Path("/etc/ld-musl-x86_64.path").read_text().replace("\n", ":").split(":") if part
        )
    except FileNotFoundError:
        return default
