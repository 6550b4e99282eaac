"""Room for imports that nest deeply, and for the many small objects that playing them makes."""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STACK = 512 << 20
_RECURSION = 60_000


def with_deep_stack(work: Callable[[], None]) -> None:
    """Run `work` in a thread with a deep stack: a big package nests hundreds of modules.

    The collector is off meanwhile: it would walk the reduced forms again and again, and they are all kept anyway.
    """
    failure: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            failure.append(error)

    limit, stack, collecting = sys.getrecursionlimit(), threading.stack_size(_STACK), gc.isenabled()
    try:
        sys.setrecursionlimit(max(limit, _RECURSION))
        gc.disable()
        thread = threading.Thread(target=run, name="load plan", daemon=True)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(stack)
        if collecting:
            gc.enable()
    if failure:
        raise failure[0]
