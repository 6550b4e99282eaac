"""An observation as JSON lines, and back."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isal import igzip

from abiclash.errors import LabError
from abiclash.lab.bindlog import Binding, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from abiclash.lab.run import Run

RTLD_LAZY = 1
_NEXT = ("load", "init", "open")  # relocation of one dlopen's objects is over by then

Record = dict[str, Any]
"""One line: see `Observation.records`."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one run did.

    exit: exit status, negative for a signal. events, bindings, lookups, garbled: as in `bindlog.Log`.
    run: None when it was read back from a file.
    """

    exit: int
    events: tuple[Event, ...]
    bindings: tuple[Binding, ...]
    lookups: tuple[Binding, ...] = ()
    garbled: int = 0
    run: Run | None = None

    @property
    def loads(self) -> tuple[Event, ...]:
        """Each dlopen that had to search for a file, in order."""
        return tuple(event for event in self.events if event.kind == "load")

    def records(self) -> Iterator[Record]:
        """The JSON lines of the run, in order.

        {"exit": N} first; then {"load": PATH, "caller": PATH, "as"?: NAME, "mode"?: 1 (RTLD_LAZY)},
        {"needed": NAME, "by": PATH}, {"relocate": PATH, "lazy"?: true}, {"global": PATH}, {"init": PATH},
        {"open": PATH, "count": N}, {"fini": PATH}, {"unload": PATH}, {"nodelete": PATH},
        {"error": TEXT, "object": PATH}, {"absent": TEXT, "object": PATH} with
        {"from": PATH, "symbol": S, "version": V, "to": PATH} between them; after all of them the look-ups as
        {"lookup": S, "version": V, "by": PATH, "to": PATH}.
        """
        yield {"exit": self.exit}
        done = 0
        for place, event in enumerate(self.events):
            yield from map(_from_binding, self.bindings[done : event.at])
            done = event.at
            record = _from_event(event)
            if event.kind == "load" and self._is_lazy(place):
                record["mode"] = RTLD_LAZY
            yield record
        yield from map(_from_binding, self.bindings[done:])
        for row in self.lookups:
            yield {"lookup": row.symbol, "version": row.version, "by": row.source, "to": row.target}

    def _is_lazy(self, place: int) -> bool:
        """Whether the objects that the load at `place` brings are bound lazily, as far as their own flags allow."""
        following = itertools.islice(self.events, place + 1, None)
        own = itertools.takewhile(lambda event: event.kind not in _NEXT, following)
        return any(event.text == "lazy" for event in own if event.kind == "relocate")


def from_records(records: Iterable[Record]) -> Observation:
    """The observation whose `records` these are. Lines of an unknown kind raise LabError."""
    status = 0
    events: list[Event] = []
    bindings: list[Binding] = []
    lookups: list[Binding] = []
    for record in records:
        if "from" in record:
            bindings.append(Binding(record["from"], record["symbol"], record["version"], record["to"]))
        elif "lookup" in record:
            lookups.append(Binding(record["by"], record["lookup"], record["version"], record["to"]))
        elif "exit" in record:
            status = record["exit"]
        else:
            events.append(_to_event(record, len(bindings)))
    return Observation(status, tuple(events), tuple(bindings), tuple(lookups))


def write_records(records: Iterable[Record], path: Path) -> None:
    """Write JSON lines, gzip-compressed, to `path` in one move."""
    draft = path.with_name(path.name + ".part")
    with igzip.open(draft, "wt", compresslevel=1, encoding="utf-8") as out:  # type: ignore[no-untyped-call] # its gap
        out.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
    draft.replace(path)


def read_records(path: Path) -> Observation:
    """The observation that `write_records` stored. Raises LabError when the file is not one."""
    try:
        with igzip.open(path, "rt", encoding="utf-8") as lines:  # type: ignore[no-untyped-call] # its gap
            return from_records(map(json.loads, lines))
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise LabError(f"{path}: not a readable observation ({error}); delete it and record it again") from error


def _from_binding(row: Binding) -> Record:
    return {"from": row.source, "symbol": row.symbol, "version": row.version, "to": row.target}


_ASKED_BY = {"load": "caller", "needed": "by"}
_MESSAGES = ("error", "absent")


def _from_event(event: Event) -> Record:
    if event.kind in _MESSAGES:
        return {event.kind: event.text, "object": event.path}
    record: Record = {event.kind: event.path}
    if event.by:
        record[_ASKED_BY[event.kind]] = event.by
    if event.kind == "open":
        record["count"] = int(event.text)
    elif event.kind == "relocate" and event.text:
        record["lazy"] = True
    elif event.text:
        record["as"] = event.text
    return record


_KINDS = ("load", "needed", "relocate", "global", "init", "open", "fini", "unload", "nodelete", *_MESSAGES)


def _to_event(record: Record, at: int) -> Event:
    kind = next((kind for kind in _KINDS if kind in record), None)
    if kind is None:
        raise LabError(f"{json.dumps(record)}: no line of an observation; record it again")
    if kind in _MESSAGES:
        return Event(kind, record["object"], "", record[kind], at)
    text = str(record["count"]) if kind == "open" else "lazy" if "lazy" in record else record.get("as", "")
    return Event(kind, record[kind], record.get(_ASKED_BY.get(kind, ""), ""), text, at)
