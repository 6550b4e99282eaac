"""Observed bindings against predicted ones, given the observed loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abiclash.errors import LabError
from abiclash.facts.model import Reloc
from abiclash.lab.bindlog import Binding
from abiclash.linker.bindings import collect
from abiclash.linker.replay import replay
from abiclash.linker.world import World
from abiclash.names import name_keys
from abiclash.sources.live_host import live

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from abiclash.lab.bindlog import Event
    from abiclash.lab.records import Observation
    from abiclash.linker.bindings import Bindings
    from abiclash.linker.process import Process
    from abiclash.sources.host_profile import HostProfile

_LOGGED = ("undefined-symbol", "missing-version")  # what `_dl_signal_cexception` reports; others leave no line
_UNKNOWN = 0xFFFFF  # file or version that the prediction has never met


@dataclass(frozen=True, slots=True)
class Prediction:
    """One simulated process. bindings: `collect` of it."""

    process: Process
    host: HostProfile
    bindings: Bindings

    @property
    def world(self) -> World:
        return self.process.world

    def failures(self) -> tuple[str, ...]:
        """ld.so's messages of the loads that fail in relocation or in the version check, as `file: message`."""
        shown = []
        for event in self.process.events:
            failure = event.failure
            if failure is None or failure.kind not in _LOGGED:
                continue
            reason = failure.reason
            if failure.key is not None:
                reason += f": {_decoded(self.host.names([failure.key]), failure.key)}"
                reason += f", version {failure.version}" if failure.version else ""
            shown.append(f"{Path(failure.object).name}: {reason}")
        return tuple(shown)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Distinct bindings on each side, of all objects: also those whose load failed later, or that were closed.

    missing: observed, not predicted. extra: predicted, not observed. failures: ld.so's messages of failed loads, as
    observed; failures_agree: they were predicted, word for word and in order.
    """

    observed: int
    agree: int
    missing: tuple[Binding, ...]
    extra: tuple[Binding, ...]
    failures: tuple[str, ...]
    failures_agree: bool

    @property
    def exact(self) -> bool:
        return not self.missing and not self.extra and self.failures_agree

    @property
    def percent(self) -> float:
        """Agreement among all bindings that either side has."""
        total = self.agree + len(self.missing) + len(self.extra)
        return 100.0 * self.agree / total if total else 100.0


def predict(python: str | Path, events: Iterable[Mapping[str, Any]], host: HostProfile | None = None) -> Prediction:
    """Let the linker's model play recorded loads (`Observation.records`) in a process of `python` on this machine.

    host: profile of this machine with that interpreter, to keep the facts that it has read.
    """
    host = host or live(Path(python), environ={})
    if host.interpreter is None:
        raise LabError(f"{python}: no interpreter is known for it; name one that exists")
    process = replay(World([host]), host, str(host.interpreter.executable), events)
    return Prediction(process, host, collect(process))


def compare(observation: Observation, prediction: Prediction) -> Comparison:
    """Match bindings by (source file, symbol, version, target file)."""
    seen = tuple(dict.fromkeys(observation.bindings))
    observed = _observed_rows(seen, prediction)
    predicted = _predicted_rows(prediction)
    rows = np.concatenate([observed, predicted], axis=1)
    order = np.lexsort((rows[1], rows[0]))
    pairs = np.flatnonzero((rows[:, order[1:]] == rows[:, order[:-1]]).all(axis=0))
    alone = np.ones(rows.shape[1], dtype=np.bool_)
    alone[order[pairs]] = alone[order[pairs + 1]] = False
    split = observed.shape[1]
    missing = tuple(seen[row] for row in np.flatnonzero(alone[:split]).tolist())
    extra = _shown(prediction, _bound(observation, prediction, np.flatnonzero(alone[split:])))
    failures = tuple(_failure(event) for event in observation.events if event.kind == "error")
    return Comparison(len(seen), len(pairs), missing, extra, failures, failures == prediction.failures())


def _bound(observation: Observation, prediction: Prediction, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Drop what lazy binding had not bound when the object was relocated: symbols that only PLT slots refer to.

    The model says what such a slot gets at its first call; ld.so's log of a lazy run says it only if it was called.
    """
    paths = {event.path for event in observation.events if event.kind == "relocate" and event.text == "lazy"}
    lazy = {file for path in paths if (file := prediction.world.find(path)) is not None}
    bindings, keep = prediction.bindings, np.ones(len(rows), dtype=np.bool_)
    for file in lazy & set(bindings.source[rows].tolist()):
        facts = prediction.world.facts[file]
        if facts is None:
            continue
        data = facts.references.symbol[facts.references.kind != Reloc.PLT]
        own = bindings.source[rows] == file
        keep[own] = np.isin(bindings.source_row[rows][own], data)
    return rows[keep]


def _failure(event: Event) -> str:
    return f"{Path(event.path).name}: {event.text.partition(': ')[2]}"


def _packed(
    source: NDArray[np.integer], version: NDArray[np.integer], target: NDArray[np.integer], key: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Two rows of uint64: the three numbers in one word, and the symbol's key."""
    word = source.astype(np.uint64) << np.uint64(40)
    word |= version.astype(np.uint64) << np.uint64(20)
    return np.stack([word | target.astype(np.uint64), key])


def _observed_rows(bindings: Sequence[Binding], prediction: Prediction) -> NDArray[np.uint64]:
    world = prediction.world
    paths = {path for row in bindings for path in (row.source, row.target)}
    ids = {path: _UNKNOWN if (file := world.find(path)) is None else file for path in paths}
    numbers = _first_ids(world)  # 0, of '', is "no version"
    names = [row.symbol.encode("utf-8", "surrogateescape") for row in bindings]
    length = np.fromiter(map(len, names), dtype=np.int64, count=len(names))
    count = len(bindings)
    return _packed(
        np.fromiter((ids[row.source] for row in bindings), dtype=np.int64, count=count),
        np.fromiter((numbers.get(row.version or "", _UNKNOWN) for row in bindings), dtype=np.int64, count=count),
        np.fromiter((ids[row.target] for row in bindings), dtype=np.int64, count=count),
        name_keys(b"".join(names), np.cumsum(length) - length, length),
    )


def _predicted_rows(prediction: Prediction) -> NDArray[np.uint64]:
    """Version ids tell equal names with unequal hashes apart; ld.so's log does not, so neither does this."""
    first = _first_ids(prediction.world)
    canonical = np.array([first[name] for name in prediction.world.versions.names], dtype=np.int64)
    rows = prediction.bindings
    return _packed(rows.source, canonical[rows.version], rows.target, rows.key)


def _first_ids(world: World) -> dict[str, int]:
    return {name: at for at, name in reversed(list(enumerate(world.versions.names)))}


def _shown(prediction: Prediction, rows: NDArray[np.integer]) -> tuple[Binding, ...]:
    bindings, world = prediction.bindings, prediction.world
    keys = bindings.key[rows].tolist()
    names = prediction.host.names(keys)
    return tuple(
        Binding(
            world.paths[source],
            _decoded(names, key),
            world.versions.names[version] or None,
            world.paths[target],
        )
        for source, key, version, target in zip(
            bindings.source[rows].tolist(),
            keys,
            bindings.version[rows].tolist(),
            bindings.target[rows].tolist(),
            strict=True,
        )
    )


def _decoded(names: Mapping[int, bytes], key: int) -> str:
    return names.get(key, b"%#x" % key).decode("utf-8", "surrogateescape")
