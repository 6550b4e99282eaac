"""Packages made of text, played by the model and by ld.so.

A `Site` builds libraries below a site-packages folder (first folder: the package) and beside it, as the system's. A
rule gets the case that the model makes of it; a child process does the same loads for real, and tells what a function
returned, how it ended, and what ld.so bound.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.facts.model import WheelFacts
from abiclash.imports.plan import Cause, Load
from abiclash.linker.bindings import collect
from abiclash.linker.link_map import Mode
from abiclash.linker.world import World
from abiclash.rules.case import CasePackage, Stage
from abiclash.rules.model import PackageId
from abiclash.simulate import Player, simulate
from abiclash.sources.live_host import live

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.rules.case import Case
    from abiclash.sources.host_profile import HostProfile
    from tests.support.builder import Builder, Language

_CHILD = """
import ctypes, json, sys
loads, calls = json.loads(sys.argv[1])
for path, mode in loads:
    ctypes.CDLL(path, mode=mode)
print(json.dumps([getattr(ctypes.CDLL(path), name)() for path, name in calls]))
"""
_BINDING = re.compile(r"binding file (\S+) \[0\] to (\S+) \[0\]: \w+ symbol `([^']+)'")
_LOCAL = Mode.NOW
GLOBAL = Mode.NOW | Mode.GLOBAL


@cache
def this_host() -> HostProfile:
    """Return this machine, without anything that the environment of the test run sets."""
    return live(environ={})


@dataclass(frozen=True)
class Lived:
    """How a child ended. exit: as of subprocess. values: of the functions called, in order; None where it died.

    bindings: (from, symbol, to) by file name, of what ld.so looked up.
    """

    exit: int
    values: list[int] | None
    bindings: frozenset[tuple[str, str, str]]


@dataclass
class Site:
    """Libraries in `folder`/site-packages and `folder`/system, and what importing each package loads."""

    builder: Builder
    folder: Path
    opened: dict[str, list[Load]] = field(default_factory=dict)
    later: dict[str, list[Load]] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)

    def library(
        self,
        path: str,
        source: str,
        *,
        needs: Sequence[str] = (),
        language: Language = "c",
        flags: Sequence[str] = (),
        versions: str | None = None,
        soname: str | None = None,
        system: bool = False,
        open_with: Mode | None = _LOCAL,
        later: bool = False,
    ) -> Path:
        """Build `package/name.so` (or the system's `name.so`) and have the package's import open it.

        needs: paths of other libraries, in order. open_with: flags of the dlopen; None for a library that comes in
        as a dependency. later: it is opened in use, not by the import.
        """
        target = self.folder / ("system" if system else "site-packages") / path
        libs = [self.paths[need] for need in needs]
        runpath = ":".join(dict.fromkeys(str(lib.parent) for lib in libs)) or None
        self.paths[path] = self.builder.library(
            target.name,
            source,
            libs=libs,
            flags=flags,
            language=language,
            versions=versions,
            soname=soname,
            runpath=runpath,
            into=target.parent,
        )
        package = path.partition("/")[0]
        if not system:
            self.opened.setdefault(package, [])
            if open_with is not None:
                loads = self.later.setdefault(package, []) if later else self.opened[package]
                loads.append(_load(str(target), open_with, package))
        return target

    # -- the model ------------------------------------------------------------------------------------------------

    def case(self, *requested: str, every: bool = True) -> Case:
        """Play packages (all of them unless told) alone and together, in every order."""
        site = str(self.folder / "site-packages")
        host = this_host()
        host = replace(host, interpreter=replace(host.interpreter, site_packages=site))
        world = World([host])
        owners = {}
        for name, path in self.paths.items():
            file = world.find(str(path))
            if file is not None and str(path).startswith(site):
                owners[file] = name.partition("/")[0]
        names = requested or tuple(self.opened)
        packages = {name: self._package(world, name) for name in names}
        rest = (name for name in self.opened if name not in names)
        packages |= {name: replace(self._package(world, name), requested=False) for name in rest}

        def lookup(keys: Sequence[int]) -> dict[int, str]:
            return {key: raw.decode() for key, raw in host.names(keys).items()}

        return simulate(Player(world, host, self), packages, owners, lookup, every=every)

    def imports(self, order: Iterable[str]) -> list[Load]:
        """Return the loads of imports in this order (of `Planner`)."""
        return [load for name in order for load in self.opened[name]]

    def rest(self, package: str, known: Iterable[str]) -> list[Load]:
        """Return what the package opens in use (of `Planner`)."""
        seen = set(known)
        return [load for load in self.later.get(package, []) if load.path not in seen]

    def _package(self, world: World, name: str) -> CasePackage:
        files = [world.find(str(path)) for at, path in self.paths.items() if at.startswith(f"{name}/")]
        facts = [world.facts[file] for file in files if file is not None]
        wheel = WheelFacts(
            name=name,
            version="1.0",
            filename=f"{name}-1.0-cp311-cp311-linux_x86_64.whl",
            sha256="0" * 64,
            tags=(),
            root_is_purelib=False,
            requires=(),
            requires_python=None,
            modules=(name,),
            files=(),
            objects=tuple(one for one in facts if one is not None),
            not_analysed=(),
        )
        return CasePackage(PackageId(name, "1.0"), wheel, requested=True)

    # -- the judge ------------------------------------------------------------------------------------------------

    def live(self, order: Sequence[str], *calls: tuple[str, str]) -> Lived:
        """Do the loads of importing packages in order in a child process, then call functions `(library, name)`."""
        loads = [(load.path, load.flags) for load in self.imports(order)]
        functions = [(str(self.paths[path]), name) for path, name in calls]
        log = self.folder / "ld-debug"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CHILD, json.dumps([loads, functions])],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(log), "LD_BIND_NOW": "1"},
        )
        bound: set[tuple[str, str, str]] = set()
        for written in self.folder.glob("ld-debug.*"):
            for match in _BINDING.finditer(written.read_text(errors="replace")):
                bound.add((Path(match[1]).resolve().name, match[3], Path(match[2]).resolve().name))
            written.unlink()
        values = json.loads(done.stdout) if done.returncode == 0 else None
        return Lived(done.returncode, values, frozenset(bound))

    def agrees(self, case: Case, order: Sequence[str]) -> bool:
        """Tell whether the model bound the site's libraries as ld.so does in that order."""
        run = next(run for run in case.together if run.order == tuple(order) and run.stage is Stage.IMPORT)
        ours = {path.name for path in self.paths.values()}
        found = collect(run.process)
        names = case.names(sorted(set(found.key.tolist())))
        rows = zip(found.source.tolist(), found.key.tolist(), found.target.tolist(), strict=True)
        model = {(case.basename(source), names[key], case.basename(target)) for source, key, target in rows}
        truth = self.live(order).bindings
        return {row for row in model if row[0] in ours} == {row for row in truth if row[0] in ours}


def _load(path: str, flags: Mode, package: str) -> Load:
    return Load(path, int(flags), Cause("observed", "", 0, "a test says so"), "certain", None, package)
