"""How much a text shows."""

from __future__ import annotations

from enum import IntEnum


class Detail(IntEnum):
    """BRIEF: verdicts and one line per finding. FULL: nothing is left out of lists."""

    BRIEF = 0
    NORMAL = 1
    FULL = 2
