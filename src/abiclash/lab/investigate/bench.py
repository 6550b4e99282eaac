"""Running programs in an overlay, with one thing changed."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.lab.investigate.result import Outcome
from abiclash.lab.run import Limits, run_child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from abiclash.lab.investigate.overlay import Overlay
    from abiclash.lab.run import Run

_RAISED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?::|$)")
_NAMED = 160


class Bench:
    """Runs programs. seconds: wall time for everything, after which `spent` says so."""

    def __init__(
        self, overlay: Overlay, limits: Limits, seconds: float, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self.overlay = overlay
        self.limits = limits
        self.progress = progress
        self.runs = 0
        self._base = str(Path(overlay.python).resolve().parent.parent)
        self._end = time.monotonic() + seconds

    def spent(self) -> bool:
        return time.monotonic() > self._end

    def run(
        self,
        statements: Sequence[str],
        *,
        edits: Mapping[str, bytes] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run statements in a fresh process. edits: relative path -> content, undone afterwards."""
        return self._outcome(self._run(statements, edits or {}, environ))

    def printed(self, statements: Sequence[str]) -> str:
        """Run statements and return what they print (its last 16 KiB)."""
        return self._run(statements, {}, None).stdout

    def _run(self, statements: Sequence[str], edits: Mapping[str, bytes], environ: Mapping[str, str] | None) -> Run:
        self.runs += 1
        try:
            for file, data in edits.items():
                self.overlay.write(file, data)
            with tempfile.TemporaryDirectory(prefix="abiclash-") as name:
                command = [self.overlay.python, "-W", "ignore", "-c", "\n".join(statements)]
                return run_child(command, Path(name), environ=environ, limits=self.limits)
        finally:
            self.overlay.restore()

    def _outcome(self, run: Run) -> Outcome:
        last = (run.stderr.strip().splitlines() or [""])[-1].strip()
        detail = self.shown(last)[:_NAMED]
        if run.timed_out:
            return Outcome(run.exit, f"no end within {self.limits.seconds:.0f} s")
        if run.signal:
            return Outcome(run.exit, run.signal, detail)
        if run.exit == 0:
            return Outcome(0, "works")
        raised = _RAISED.match(last)
        kind = f" ({raised['kind']})" if raised and run.exit == 1 else ""
        return Outcome(run.exit, f"exit status {run.exit}{kind}", detail)

    def shown(self, text: str) -> str:
        """Take folders of this machine out of a text: of the copy, whose name changes, and of the interpreter."""
        for folder in (self.overlay.path, self.overlay.original):
            text = re.sub(re.escape(str(folder)) + r"/lib/python[\d.]+/site-packages/", "", text)
            text = text.replace(str(folder), "ENVIRONMENT")
        return text.replace(self._base, "PYTHON")
