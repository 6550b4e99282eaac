"""Which releases of a project lie next to one, as the package index has them for this Python and platform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from abiclash.errors import SourceError
from abiclash.sources.pylock import choose, parse
from abiclash.sources.uverrors import Cause, because, understand
from abiclash.sources.uvrun import Query, Uv, UvFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.sources.platform import Runtime
    from abiclash.sources.uvconfig import IndexSettings

_TRIES = 20  # releases to step over that turn out to have no wheel
_UNREACHABLE = {Cause.NETWORK, Cause.CERTIFICATE, Cause.CREDENTIALS, Cause.OTHER}


@dataclass(frozen=True)
class Releases:
    """Asks uv step by step for the next release in a direction: no list of releases is needed, only the index."""

    runtime: Runtime
    uv: Uv

    @classmethod
    def of(cls, runtime: Runtime, settings: IndexSettings, *, offline: bool = False) -> Releases:
        """Return what knows the releases that these settings lead to."""
        return cls(runtime, Uv(settings.environment(), settings.no_index, offline))

    def newer(self, name: str, version: str, count: int) -> tuple[str, ...]:
        """Return up to `count` releases above a version, the nearest first; SourceError without access to the index."""
        nearest = replace(self.uv, environ={**self.uv.environ, "UV_RESOLUTION": "lowest-direct"})
        return tuple(islice(self._walk(nearest, name, ">", version), count))

    def older(self, name: str, version: str, count: int) -> tuple[str, ...]:
        """Return up to `count` releases below a version, the nearest first; SourceError without access to the index."""
        return tuple(islice(self._walk(self.uv, name, "<", version), count))

    def _walk(self, uv: Uv, name: str, relation: str, version: str) -> Iterator[str]:
        misses = 0
        while misses < _TRIES:
            found = self._next(uv, f"{name}{relation}{Version(version).public}")
            if found is None:
                return
            version, fits = found
            misses += not fits
            if fits:
                yield version

    def _next(self, uv: Uv, requirement: str) -> tuple[str, bool] | None:
        """Return uv's choice for a requirement and whether it has a wheel to use; None where there is no release."""
        try:
            answer = uv.compile(Query((requirement,), self.runtime, dependencies=False))
        except UvFailure as error:
            failure = understand(str(error))
            if failure.cause in _UNREACHABLE:
                raise SourceError(f"{requirement}: the releases cannot be listed: {because(failure.text)}") from error
            return None
        lock = parse(answer, "uv's answer")
        packages, unfit = choose(lock, self.runtime, folder=Path.cwd(), requested=None)
        if packages:
            return packages[0].version, True
        return (unfit[0].version, False) if unfit else None
