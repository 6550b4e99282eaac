"""Frames of gdb's backtraces, as its text has them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRAME = re.compile(r"#(?P<number>\d{1,6})\s+(?:0x(?P<address>[0-9a-f]{1,16}) in )?(?P<rest>.*)")
_SOURCE = re.compile(r"\S+:\d+")


@dataclass(frozen=True, slots=True)
class GdbFrame:
    """One frame. address: of the program counter, None where gdb leaves it out. call: the function as gdb writes it,
    with its arguments. object: the ELF file, '' where gdb names none. source: `file:line`, '' where unknown.
    """

    number: int
    address: int | None
    call: str
    object: str = ""
    source: str = ""

    @property
    def function(self) -> str:
        """The function without its arguments."""
        return self.call.rsplit(" (", 1)[0]


def gdb_frame(line: str) -> GdbFrame | None:
    """Return the frame that a line of a backtrace shows (gdb's `print_frame`: `... from OBJECT` or `... at FILE:LINE`).

    None for other lines.
    """
    match = _FRAME.match(line)
    if match is None:
        return None
    number, address = int(match["number"]), int(match["address"], 16) if match["address"] else None
    rest = match["rest"].strip()
    call, found, place = rest.rpartition(" from ")
    if found:
        return GdbFrame(number, address, call.strip(), object=place)
    call, found, place = rest.rpartition(" at ")
    if found and _SOURCE.fullmatch(place):
        return GdbFrame(number, address, call.strip(), source=place)
    return GdbFrame(number, address, rest)
