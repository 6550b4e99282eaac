"""Lines for a terminal of some width: colour, wrapping, indentation, aligned columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.reports.safe import prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_ESCAPE = re.compile("\x1b\\[[0-9;]*m")
_NARROWEST = 40


@dataclass(frozen=True, slots=True)
class Paint:
    """How text is laid out. width: columns. colour: whether to use escape sequences at all."""

    width: int = 100
    colour: bool = False

    def __call__(self, text: str, *styles: str) -> str:
        """Return the text in these styles (bold, dim, red, green, yellow, cyan)."""
        if not self.colour or not styles:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def wrap(self, text: str, indent: int, hang: int = 0) -> Iterator[str]:
        """Yield the lines of a text, paragraphs apart by an empty line; later lines are indented `hang` more.

        A word longer than a line (a path, a symbol) is never cut: it can be copied.
        """
        for number, paragraph in enumerate(re.split(r"\n\s*\n", prose(text.strip()))):
            if number:
                yield ""
            yield from self.fold(paragraph, indent, hang)

    def fold(self, text: str, indent: int = 0, hang: int = 0) -> Iterator[str]:
        """Yield the lines of one paragraph that is fit to be shown already and may be styled; otherwise as `wrap`."""
        width = max(self.width, _NARROWEST)
        line, used = "", 0
        for word in text.split():
            if line and used + 1 + _shown(word) > width:
                yield line
                indent, hang, line = indent + hang, 0, ""
            line, used = (
                (f"{line} {word}", used + 1 + _shown(word)) if line else (" " * indent + word, indent + _shown(word))
            )
        if line:
            yield line

    def fit(self, text: str, indent: int = 0, hang: int = 2) -> Iterator[str]:
        """Yield one line as it is where it fits, else folded."""
        if indent + _shown(text) <= max(self.width, _NARROWEST):
            yield " " * indent + text
        else:
            yield from self.fold(text, indent, hang)

    def columns(
        self, rows: Iterable[Sequence[str]], indent: int = 0, gap: int = 2, *, stack: bool = False
    ) -> Iterator[str]:
        """Yield rows with aligned columns; the last column is as long as it is.

        stack: in a row that is too long for a line, cells stand below each other from where the width ends.
        """
        rows = list(rows)
        if not rows:
            return
        widths = [max(_shown(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
        for row in rows:
            cells = [cell + " " * (width - _shown(cell)) for cell, width in zip(row, widths, strict=False)]
            whole = " " * indent + (" " * gap).join([*cells, row[-1]])
            if not stack or _shown(whole.rstrip()) <= max(self.width, _NARROWEST):
                yield whole.rstrip()
            else:
                yield from self._stacked(row, indent, gap)

    def _stacked(self, row: Sequence[str], indent: int, gap: int) -> Iterator[str]:
        line = " " * indent + row[0]
        for cell in row[1:]:
            if _shown(line) + gap + _shown(cell) > max(self.width, _NARROWEST):
                yield line.rstrip()
                line = " " * (indent + gap) + cell
            else:
                line += " " * gap + cell
        yield line.rstrip()


def _shown(text: str) -> int:
    return len(_ESCAPE.sub("", text))
