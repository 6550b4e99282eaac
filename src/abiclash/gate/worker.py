"""The process in which wheels are judged: what it takes is bounded, and it can be killed.

Started by `bounded.Scanner`; requests and answers are pickled.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from abiclash.errors import AbiclashError
from abiclash.scanning import scan

if TYPE_CHECKING:
    from abiclash.rules.model import ScanResult
    from abiclash.scanning import ScanRequest


@dataclass(frozen=True, slots=True)
class Refused:
    """A scan that did not come to an end. reason: one sentence."""

    reason: str


OUT_OF_MEMORY = Refused("it takes more memory than --memory-limit allows; raise it")


def serve(connection: Connection) -> None:
    """Answer requests until the other side goes away."""
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(_answer(request))


def _answer(request: ScanRequest) -> ScanResult | Refused:
    try:
        return scan(request)
    except AbiclashError as error:
        return Refused(str(error))
    except MemoryError:
        return OUT_OF_MEMORY


def main(descriptor: int, limit: int) -> None:
    """Serve a socket. limit: bytes of data that this process may have (RLIMIT_DATA)."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    serve(Connection(descriptor))
