"""Where a scan plays: wheels laid out on a host, for the linker and for Python's import system alike."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.errors import AbiclashError, WheelError
from abiclash.facts.limits import Limits, over
from abiclash.imports.absent import absent
from abiclash.imports.documents import Digests
from abiclash.imports.files import DirectoryFiles, Overlay, WheelFiles
from abiclash.imports.world import Python
from abiclash.imports.world import World as ImportWorld
from abiclash.linker.world import WheelTree, World
from abiclash.rules.case import CasePackage
from abiclash.rules.model import PackageId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.facts.archive import SourceArchive
    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.facts.store import Store
    from abiclash.imports.files import Files
    from abiclash.linker.world import Tables
    from abiclash.sources.fetch import Fetcher
    from abiclash.sources.host_profile import HostProfile
    from abiclash.sources.wheelset import WheelSet


@dataclass(frozen=True)
class Setting:
    """Everything that runs share. packages: by name, in the order in which they are to be imported.

    store: where facts come from; its `not_kept` may come up at any time.
    """

    host: HostProfile
    world: World
    imports: ImportWorld
    packages: Mapping[str, CasePackage]
    owners: Mapping[int, str]
    names: SymbolNames
    store: Store


class InstalledTree:
    """Objects of an installed environment, by their real paths."""

    def __init__(self, wheels: Iterable[WheelFacts]) -> None:
        self._objects: dict[str, ObjectFacts] = {}
        self.owner_of: dict[str, str] = {}
        for wheel in wheels:
            for facts in wheel.objects:
                real = os.path.realpath(wheel.members.get(facts.path, facts.path))
                self._objects[real] = facts
                self.owner_of[real] = wheel.name

    def realpath(self, path: str) -> str | None:
        if not self._objects:
            return None
        real = os.path.realpath(path)
        return real if real in self._objects else None

    def object(self, realpath: str) -> ObjectFacts | None:
        return self._objects.get(realpath)


class Owners(Mapping[int, str]):
    """File id -> package, for the files that packages install."""

    def __init__(self, world: World, owner_of: Mapping[str, str]) -> None:
        self._world = world
        self._owner_of = owner_of

    def __getitem__(self, file: int) -> str:
        return self._owner_of[self._world.paths[file]]

    def __iter__(self) -> Iterator[int]:
        return (file for file, path in enumerate(self._world.paths) if path in self._owner_of)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class SymbolNames:
    """Names of symbols by key, read only for what is shown."""

    def __init__(self, store: Store, wheels: Sequence[WheelFacts], host: HostProfile) -> None:
        self._store = store
        self._wheels = wheels
        self._host = host
        self._known: dict[int, str] = {}

    def __call__(self, keys: Sequence[int]) -> dict[int, str]:
        missing = sorted(set(keys) - self._known.keys())
        self._learn(self._host.names(missing))
        for wheel in self._wheels:
            left = [key for key in missing if key not in self._known]
            if not left:
                break
            self._learn(self._store.names(wheel.sha256, np.array(left, dtype=np.uint64)))
        return {key: self._known.get(key, f"symbol {key:016x}") for key in keys}

    def _learn(self, found: Mapping[int, bytes]) -> None:
        for key, name in found.items():
            self._known[key] = name.decode("utf-8", "surrogateescape")


def set_up(
    wheels: WheelSet,
    order: Sequence[str],
    host: HostProfile,
    store: Store,
    fetcher: Fetcher,
    tables: Tables | None = None,
    digests: Digests | None = None,
) -> Setting:
    """Lay wheels out under the host's site-packages, beside or over an installed environment.

    order: names of the packages to import, in the order the user gave; they come first in `packages`. tables,
    digests: symbol tables and digests of source that are shared with other settings.
    """
    site = host.interpreter.site_packages
    facts = [*wheels.wheels, *wheels.installed]
    tree = WheelTree(site, [o for wheel in wheels.wheels for o in wheel.objects])
    installed = InstalledTree(wheels.installed)
    world = World([tree, installed, host], tables)
    owner_of = {f"{site}/{o.path}": wheel.name for wheel in wheels.wheels for o in wheel.objects} | installed.owner_of
    ranked = sorted(
        facts, key=lambda wheel: (wheel.name not in order, order.index(wheel.name) if wheel.name in order else 0)
    )
    return Setting(
        host=host,
        world=world,
        imports=_import_world(wheels, host, Digests(store) if digests is None else digests, fetcher),
        packages={w.name: CasePackage(PackageId(w.name, w.version), w, requested=w.name in order) for w in ranked},
        owners=Owners(world, owner_of),
        names=SymbolNames(store, facts, host),
        store=store,
    )


def _import_world(wheels: WheelSet, host: HostProfile, digests: Digests, fetcher: Fetcher) -> ImportWorld:
    interpreter = host.interpreter
    archives = _Sources(wheels, fetcher)
    laid_out = WheelFiles(interpreter.site_packages, wheels.wheels, archives.read)
    trees: list[Files] = [laid_out]
    path = [interpreter.site_packages]
    stdlib = interpreter.stdlib_path if host.name == "live" else None
    for site in wheels.environment.site if wheels.environment is not None else ():
        folder = DirectoryFiles(str(site))
        if folder.root == laid_out.root:
            trees[0] = Overlay(laid_out, folder)
        else:
            trees.append(folder)
            path.append(folder.root)
    if stdlib is not None:
        trees.append(DirectoryFiles(stdlib, {}))
        path += [stdlib, f"{stdlib}/lib-dynload"]
    modules = {f"{interpreter.site_packages}/{o.path}": o.modules for w in wheels.wheels for o in w.objects}
    modules.update({w.members.get(o.path, o.path): o.modules for w in wheels.installed for o in w.objects})
    release = [int(part) for part in interpreter.release.split(".") if part.isdigit()]
    major, minor, micro = (*release, 0, 0, 0)[:3]
    python = Python(
        version=(major, minor, micro),
        suffixes=interpreter.suffixes,
        builtins=interpreter.builtins,
        machine=host.machine,
        stdlib=stdlib,
        dynload=None,
        executable=interpreter.executable,
        extensions=interpreter.extensions,
        stdlib_imports=interpreter.stdlib_imports,
    )
    # In an environment that somebody made, what is not there is really missing.
    resolved = [] if wheels.environment is not None else [line for wheel in wheels.wheels for line in wheel.requires]
    return ImportWorld(
        python,
        tuple(trees),
        path,
        digests,
        modules.get,
        absent(resolved, (wheel.name for wheel in wheels.wheels), python),
    )


class _Sources:
    """Python source out of wheels, fetched and opened when the first module of a wheel is wanted."""

    def __init__(self, wheels: WheelSet, fetcher: Fetcher) -> None:
        self._packages = wheels.packages
        self._fetcher = fetcher
        self._open: dict[str, SourceArchive] = {}
        self._failed: dict[str, AbiclashError] = {}

    def read(self, wheel: WheelFacts, path: str) -> bytes:
        """Return a member's content. What keeps a wheel from being opened is raised again for each member."""
        if wheel.sha256 in self._failed:
            raise self._failed[wheel.sha256]
        if wheel.sha256 not in self._open:
            _refuse_large(wheel, path)
            from abiclash.facts.archive import SourceArchive  # noqa: PLC0415 - not needed where all digests are stored

            try:
                self._open[wheel.sha256] = SourceArchive(self._fetcher.fetch(self._packages[wheel.sha256]))
            except AbiclashError as error:
                self._failed[wheel.sha256] = error
                raise
        return self._open[wheel.sha256].read(path)


def _refuse_large(wheel: WheelFacts, path: str) -> None:
    """Raise WheelError for a file that is too large to be read as a whole: its wheel would be fetched in vain."""
    limit = Limits.load().text
    size = max((file.size or 0 for file in wheel.files if file.path == path), default=0)
    if size > limit:
        raise WheelError(f"{wheel.filename}!{path}: it has {size} bytes of text, {over('text', limit)}")
