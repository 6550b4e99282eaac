"""Large buffers that are used again and again, within a bound on memory.

Fresh memory costs more than inflating into it: the kernel finds and clears each page when it is first touched. Memory
that is only reserved costs nothing, so a buffer has room from the start for the largest object that is yet to come.
"""

from __future__ import annotations

import mmap
from contextlib import contextmanager
from threading import Condition
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_SMALLEST = 16 << 20


class Arena:
    """Lends buffers to the threads that read objects.

    spare: bytes that all buffers together may take beyond the largest one that was ever asked for. Who would exceed
    that waits until another thread is done; so one member at a time is always possible, however large.
    """

    def __init__(self, spare: int = 176 << 20) -> None:
        self._spare = spare
        self._largest = 0
        self._expected = 0
        self._total = 0
        self._free: list[NDArray[np.uint8]] = []
        self._changed = Condition()

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], NDArray[np.uint8]]]:
        """Yield a function that returns a buffer of a size, once; it goes back at the end, whatever still views it."""
        taken: list[NDArray[np.uint8]] = []

        def allocate(size: int) -> NDArray[np.uint8]:
            taken.append(self._take(max(size, _SMALLEST)))
            return taken[0][:size]

        try:
            yield allocate
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()

    def fits(self, size: int) -> bool:
        """Tell whether a buffer of that size could be had without waiting."""
        with self._changed:
            room = self._largest + self._spare - self._total + sum(map(len, self._free))
            return size <= room or any(len(buffer) >= size for buffer in self._free)

    def expect(self, size: int) -> None:
        """Say what the largest buffer is that will still be asked for; give back what is much larger than that."""
        most = max(2 * size, 4 * _SMALLEST)
        with self._changed:
            self._largest = max(self._largest, size)
            self._expected = size
            self._total -= sum(len(buffer) for buffer in self._free if len(buffer) > most)
            self._free = [buffer for buffer in self._free if len(buffer) <= most]

    def _take(self, size: int) -> NDArray[np.uint8]:
        with self._changed:
            self._largest = max(self._largest, size)
            while True:
                fitting = [at for at, buffer in enumerate(self._free) if len(buffer) >= size]
                if fitting:
                    return self._free.pop(min(fitting, key=lambda at: len(self._free[at])))
                room = self._largest + self._spare - self._total
                if size <= room:
                    length = max(size, min(self._expected, room))
                    self._total += length
                    return _reserved(length)
                if self._free:
                    self._total -= len(self._free.pop())
                else:
                    self._changed.wait()


def _reserved(size: int) -> NDArray[np.uint8]:
    """Return memory in small pages.

    numpy asks for huge ones, for each of which the kernel compacts memory first where that is full of cached files:
    the first touch of a gigabyte then takes 2 to 3 s instead of 0.6 s.
    """
    return np.frombuffer(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), dtype=np.uint8)
