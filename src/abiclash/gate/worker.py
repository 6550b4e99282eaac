"""The process in which wheels are judged: what it takes is bounded, and it can be killed.

Started by `bounded.Scanner`; tasks and answers are pickled.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from abiclash.company import beside
from abiclash.errors import AbiclashError
from abiclash.facts.store import Store
from abiclash.gate.difference import compare
from abiclash.scanning import scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from abiclash.gate.difference import Difference
    from abiclash.rules.model import ScanResult
    from abiclash.scanning import ScanRequest


@dataclass(frozen=True, slots=True)
class Refused:
    """A task that did not come to an end. reason: one sentence."""

    reason: str


OUT_OF_MEMORY = Refused("it takes more memory than --memory-limit allows; raise it")


@dataclass(frozen=True, slots=True)
class Task:
    """A scan; with others, of a package (name) beside each of them."""

    request: ScanRequest
    name: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two wheels of one project. cache: folder of the facts; None for the usual one."""

    old: Path
    new: Path
    cache: Path | None


def serve(connection: Connection) -> None:
    """Answer tasks until the other side goes away: each with one result, or with one for each other package.

    What cannot be done ends the answers to a task.
    """
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        for answer in _answers(task):
            connection.send(answer)


def _answers(task: Task | Comparison) -> Iterator[ScanResult | Difference | Refused]:
    try:
        if isinstance(task, Comparison):
            yield compare(task.old, task.new, Store(task.cache))
        elif task.others:
            yield from beside(task.request, task.name, task.others)
        else:
            yield scan(task.request)
    except AbiclashError as error:
        yield Refused(str(error))
    except MemoryError:
        yield OUT_OF_MEMORY


def main(descriptor: int, limit: int) -> None:
    """Serve a socket. limit: bytes of data that this process may have (RLIMIT_DATA)."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    serve(Connection(descriptor))
