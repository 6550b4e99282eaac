"""What was read into the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.reports.safe import inert, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.errors import NotAnalysed
    from abiclash.facts.model import WheelFacts
    from abiclash.reports.paint import Paint


def as_text(wheels: Sequence[WheelFacts], failures: Iterable[NotAnalysed], paint: Paint) -> str:
    """Return a line for each wheel, then what could not be read."""
    head = tuple(paint(title, "dim") for title in ("package", "objects", "symbols", "references", "wheel"))
    rows = [(f"{name(w.name)} {name(w.version)}", *(f"{n:,}" for n in _counts(w)), name(w.filename)) for w in wheels]
    lines = list(paint.columns([head, *rows])) if rows else []
    failed = list(failures)
    if failed:
        lines += ["", paint(f"Not analysed ({len(failed)})", "bold", "yellow")] if lines else []
        for entry in failed:
            lines += paint.wrap(f"- {name(entry.what)}: {entry.reason}", 2, hang=2)
    return "".join(f"{line}\n" for line in lines)


def as_json(wheels: Sequence[WheelFacts], failures: Iterable[NotAnalysed]) -> str:
    """Return the same as a JSON object."""
    listed = [
        {
            "name": wheel.name,
            "version": wheel.version,
            "wheel": wheel.filename,
            "sha256": wheel.sha256,
            **dict(zip(("objects", "symbols", "references"), _counts(wheel), strict=True)),
        }
        for wheel in wheels
    ]
    failed = [{"what": entry.what, "reason": entry.reason} for entry in failures]
    return json.dumps(inert({"wheels": listed, "not_analysed": failed}), indent=2) + "\n"


def _counts(wheel: WheelFacts) -> tuple[int, int, int]:
    """Objects, symbols, and relocations against a symbol."""
    symbols = sum(len(facts.symbols.key) for facts in wheel.objects)
    return len(wheel.objects), symbols, sum(int(facts.references.count.sum()) for facts in wheel.objects)
