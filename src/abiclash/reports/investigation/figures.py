"""Drawings as SVG: text and boxes, no scripts, no fonts of their own."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.lab.investigate.result import Bound, Load, Scope

_ROW = 22
_WIDTH = 940
_COLUMN = 470
_LONGEST = 52
_FILL = {"bad": "#ffd9d4", "good": "#d8f0dc", "plain": "#eef1f5", "host": "#e3e9fb"}


def _svg(height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="12">\n<title>{escape(title)}</title>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _text(x: int, y: int, text: str, *, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#1b1f24"{weight}>{escape(name(text, 90))}</text>'


def _box(x: int, y: int, width: int, text: str, kind: str) -> str:
    box = f'<rect x="{x}" y="{y}" width="{width}" height="{_ROW - 4}" rx="3" fill="{_FILL[kind]}" stroke="#8a939e"/>'
    return box + _text(x + 6, y + 13, _short(text))


def _short(path: str) -> str:
    """The end of a path, as much of it as a box holds."""
    return path if len(path) <= _LONGEST else "…" + path[-_LONGEST + 1 :]


def scopes(failing: Scope | None, passing: Scope | None, titles: tuple[str, str]) -> str:
    """Where one object's look-ups go, in the failing run (left) and in the working one (right)."""
    parts: list[str] = []
    height = 0
    for at, (scope, title) in enumerate(zip((failing, passing), titles, strict=True)):
        x = 10 + at * _COLUMN
        parts.append(_text(x, 16, title, bold=True))
        rows = scope.asked if scope else ()
        for row, path in enumerate(rows):
            last = row == len(rows) - 1
            kind = ("bad" if at == 0 else "good") if last else "plain"
            y = 28 + row * _ROW
            parts.append(_box(x, y, _COLUMN - 30, f"{row + 1}. {path}" + (" ← taken" if last else ""), kind))
        after = scope.after if scope else 0
        y = 28 + len(rows) * _ROW
        if after:
            parts.append(_text(x, y + 13, f"{after} more, not asked"))
        height = max(height, y + _ROW)
    return _svg(height + 6, parts, "Where the dynamic linker looks for a symbol, in both runs")


def bindings(failing: Sequence[Bound], passing: Sequence[Bound], titles: tuple[str, str], suspect: str) -> str:
    """Who gets which definition, the failing run beside the working one."""
    parts: list[str] = []
    height = 0
    for at, (rows, title) in enumerate(zip((failing, passing), titles, strict=True)):
        x = 10 + at * _COLUMN
        parts.append(_text(x, 16, title, bold=True))
        targets = list(dict.fromkeys(row.target for row in rows))
        y = 28
        for target in targets:
            parts.append(_box(x, y, _COLUMN - 30, target, "bad" if target == suspect else "good"))
            y += _ROW
            for source in dict.fromkeys(row.source for row in rows if row.target == target):
                own = " (itself)" if source == target else ""
                parts.append(_text(x + 16, y + 13, f"↖ {_short(source)}{own}"))
                y += _ROW - 4
            y += 8
        height = max(height, y)
    return _svg(height + 6, parts, "Who gets which definition, in both runs")


def timeline(failing: Sequence[Load], passing: Sequence[Load], titles: tuple[str, str], marked: dict[str, str]) -> str:
    """What was loaded when: one tick for each object, those in `marked` (path -> kind) named."""
    parts: list[str] = []
    most = max(len(failing), len(passing), 1)
    y = 0
    for loads, title in zip((failing, passing), titles, strict=True):
        parts.append(_text(10, y + 16, f"{title}: {len(loads)} objects", bold=True))
        step = (_WIDTH - 40) / most
        for at, load in enumerate(loads):
            kind = marked.get(load.path, "plain" if load.package else "host")
            x = 10 + at * step
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 24}" width="{max(step - 1, 1):.1f}" height="20" fill="{_FILL[kind]}" '
                f'stroke="#8a939e" stroke-width="0.5"><title>{escape(name(load.path))}</title></rect>'
            )
        row = y + 60
        for at, load in enumerate(loads):
            if load.path in marked:
                x = 10 + (at + 0.5) * step
                parts.append(f'<path d="M{x:.1f} {y + 44} V{row - 10}" stroke="#8a939e" fill="none"/>')
                anchor = "start" if x < _WIDTH / 2 else "end"
                parts.append(_text(int(x), row, f"{at + 1}. {_short(load.path)}", anchor=anchor))
                row += 16
        y = row + 8
    return _svg(y, parts, "What was loaded when, in both runs")
