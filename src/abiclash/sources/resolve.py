"""Targets to wheels: the one entry for whoever scans.

Answers are kept for ten minutes (uv itself keeps what the index says for that long), since uv takes 0.2 to 1.2 s
even when it knows everything, which is most of the time of a scan of known wheels.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abiclash.errors import NotAnalysed, SourceError
from abiclash.parsing import read_json
from abiclash.sources import environment, pipconfig, uvconfig
from abiclash.sources.platform import Platform, Python, Runtime
from abiclash.sources.request import Request
from abiclash.sources.resolution import Package, Resolution
from abiclash.sources.solve import Solver
from abiclash.sources.target import EnvironmentTarget
from abiclash.sources.uvrun import Uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.sources.target import Target

KEPT_SECONDS = 600
_FORMAT = 1
_VARIABLES = ("UV_", "PIP_", "SSL_CERT")


@dataclass(frozen=True, slots=True)
class Options:
    """How to resolve. cache: abiclash's cache folder. dependencies: of requirements and wheels, too.

    offline: use only what uv and abiclash have kept. refresh: ask the index again, whatever is kept.
    """

    cache: Path
    dependencies: bool = True
    offline: bool = False
    refresh: bool = False


def resolve(targets: Sequence[Target], python: str | None, platform: str | None, options: Options) -> Resolution:
    """Return the wheels of all targets together, dependencies included, as pip would install them.

    python: like `3.11`; None: the environment's, or that which runs abiclash. platform: as `Platform.parse` takes it;
    None: this machine. What cannot be had is left out and listed. Raises UsageError, or SourceError where nothing
    is left: each says what, why and what to do in one line.
    """
    runtime = Runtime(_python(targets, python), Platform.parse(platform) if platform else Platform.running())
    request = Request.of(targets, runtime)
    packages, not_analysed = _solve(request, options) if request.lines else ([], [])
    solved = {package.name for package in packages}
    packages += [package for package in request.given if package.name not in solved]
    problems = sorted({*request.not_analysed, *not_analysed})
    if not packages and not request.objects and request.environment is None:
        named = ", ".join(target.text for target in targets)
        raise SourceError(
            "; ".join(f"{item.what}: {item.reason}" for item in problems)
            or f"{named}: nothing in it is for {runtime}; check the file, --python and --platform"
        )
    return Resolution(runtime, tuple(sorted(packages)), request.environment, tuple(request.objects), tuple(problems))


def _python(targets: Iterable[Target], python: str | None) -> Python:
    if python is not None:
        return Python.parse(python)
    for target in targets:
        if isinstance(target, EnvironmentTarget):
            return environment.python_of(target.path)
    return Python.running()


def _solve(request: Request, options: Options) -> tuple[list[Package], list[NotAnalysed]]:
    settings = uvconfig.IndexSettings.load(request.settings)
    environ = settings.environment()
    uv = Uv(environ, settings.no_index, options.offline, options.refresh)
    kept = options.cache / "resolutions" / f"{_key(request, options, uv)}.json"
    if not options.refresh and (known := _read(kept, None if options.offline else KEPT_SECONDS)):
        return known
    dependencies = options.dependencies and not request.pinned
    solver = Solver(
        uv,
        request.runtime,
        list(request.lines),
        tuple(request.constraints),
        frozenset(request.provided),
        dependencies,
    )
    packages = solver.solve()
    if packages and solver.dependencies == dependencies:
        _write(kept, packages, solver.not_analysed)
    return packages, solver.not_analysed


def _key(request: Request, options: Options, uv: Uv) -> str:
    """Return a hash of everything that decides the answer, as far as this machine can see it."""
    files = [*pipconfig.config_files(), *uvconfig.config_files(), *(line.local for line in request.lines if line.local)]
    files.append(Path(uv.binary))
    links = [Path(link) for link in uv.environ.get("UV_FIND_LINKS", "").split(",") if link and "://" not in link]
    parts: list[Any] = [
        _FORMAT,
        str(request.runtime),
        [(line.line, sorted(line.hashes)) for line in request.lines],
        request.constraints,
        sorted(request.provided),
        options.dependencies,
        request.pinned,
        uv.no_index,
        sorted((name, value) for name, value in uv.environ.items() if name.startswith(_VARIABLES)),
        [_state(path) for path in [*files, *links]],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _state(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_size, status.st_mtime_ns


def _read(path: Path, seconds: float | None) -> tuple[list[Package], list[NotAnalysed]] | None:
    """Return a kept answer not older than `seconds`; anything unreadable counts as none."""
    try:
        if seconds is not None and time.time() - path.stat().st_mtime > seconds:
            return None
        content = read_json(path.read_text("utf-8"))
        packages = [Package(**(p | {"path": Path(p["path"]) if p["path"] else None})) for p in content["packages"]]
        problems = [NotAnalysed(**problem) for problem in content["not_analysed"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return packages, problems


def _write(path: Path, packages: list[Package], problems: list[NotAnalysed]) -> None:
    """Keep an answer. A cache that cannot be written is reported where wheels or facts must go there, not here."""
    content = {
        "packages": [asdict(replace(p, path=None)) | {"path": str(p.path) if p.path else None} for p in packages],
        "not_analysed": [asdict(problem) for problem in problems],
    }
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Addresses may carry credentials of a private index.
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123
            json.dump(content, stream)
        scratch.replace(path)
