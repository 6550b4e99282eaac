"""Plots as SVG, drawn by hand: a few lines over runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.corpus.site.layout import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 800, 240, 60, 30, 20
_COLOURS = ("#c22", "#b70", "#678", "#27a", "#285")


def lines(title: str, labels: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Return a plot of several series over the same labels, from 0 upwards."""
    if not labels:
        return ""
    highest = max((value for values in series.values() for value in values), default=0) or 1
    step = (_WIDTH - _LEFT - 120) / max(len(labels) - 1, 1)

    def place(at: int, value: float) -> tuple[float, float]:
        return _LEFT + at * step, _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / highest)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><title>{text(title)}</title>']
    parts += [_text(_LEFT - 8, _TOP + 4, f"{highest:g}", "end"), _text(_LEFT - 8, _HEIGHT - _BOTTOM, "0", "end")]
    base = _HEIGHT - _BOTTOM
    parts.append(f'<path d="M{_LEFT} {_TOP}V{base}H{_WIDTH - 120}" fill="none" stroke="currentColor" opacity=".4"/>')
    for (label, values), colour in zip(series.items(), _COLOURS * len(series), strict=False):
        points = [place(at, value) for at, value in enumerate(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(_text(_WIDTH - 110, points[-1][1] + 4, label, "start", colour))
    parts.append(_text(_LEFT, _HEIGHT - 8, labels[0], "start"))
    if len(labels) > 1:
        parts.append(_text(_WIDTH - 120, _HEIGHT - 8, labels[-1], "end"))
    return "".join(parts) + "</svg>"


def _text(x: float, y: float, label: str, anchor: str, colour: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="{colour}">{text(label)}</text>'
