"""A load plan: what is opened, in order, why, and how sure that is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.reports.flags import unusual
from abiclash.reports.safe import inert, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.errors import NotAnalysed
    from abiclash.imports.plan import Cause, Load
    from abiclash.reports.paint import Paint

_TEXT = 100


def as_text(loads: Iterable[Load], failures: Iterable[NotAnalysed], shorten: str, paint: Paint) -> str:
    """Return a line for each load and one for its cause. shorten: folder that is left out of paths (site-packages)."""
    lines: list[str] = []
    for number, load in enumerate(loads, 1):
        flags = f"  {paint(special, 'yellow')}" if (special := unusual(load.flags)) else ""
        lines.append(f"{number:4} {paint(f'{load.certainty:8}', 'dim')} {_short(load.path, shorten)}{flags}")
        lines.append(paint(f"{'':14}{_cause(load.cause, shorten)}", "dim"))
    failed = list(failures)
    if failed:
        lines += ["", paint(f"Not analysed ({len(failed)})", "bold", "yellow")]
        for entry in failed:
            lines += paint.wrap(f"- {name(entry.what)}: {entry.reason}", 2, hang=2)
    return "".join(f"{line}\n" for line in lines)


def json_lines(loads: Iterable[Load], failures: Iterable[NotAnalysed]) -> Iterator[str]:
    """Yield a JSON object per line: loads as `abiclash bindings --plan` reads them, then what is not known."""
    for load in loads:
        cause = {"kind": load.cause.kind, "file": load.cause.file, "line": load.cause.line, "text": load.cause.text}
        record = {
            "load": load.path,
            "mode": load.flags,
            "module": load.module,
            "package": load.package,
            "certainty": load.certainty,
            "cause": cause,
        }
        yield json.dumps(inert(record)) + "\n"
    for entry in failures:
        yield json.dumps(inert({"not_analysed": entry.what, "reason": entry.reason})) + "\n"


def _cause(cause: Cause, shorten: str) -> str:
    where = f"{_short(cause.file, shorten)}:{cause.line}" if cause.line else _short(cause.file, shorten)
    text = name(" ".join(cause.text.split()), _TEXT)
    return ": ".join(part for part in (cause.kind, where, text) if part)


def _short(path: str, folder: str) -> str:
    return name(path.removeprefix(folder.rstrip("/") + "/")) if folder else name(path)
