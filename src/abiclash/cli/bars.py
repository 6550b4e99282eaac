"""Progress bars on stderr (rich), gone when the work is done."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from abiclash.reports.safe import name

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import RenderableType
    from rich.progress import Task as Row
    from rich.progress import TaskID

    from abiclash.progress import Unit


class _Amount(ProgressColumn):
    """How much of how much, in the task's own unit."""

    def __init__(self) -> None:
        super().__init__()
        self._columns = {"bytes": DownloadColumn(), "items": MofNCompleteColumn()}

    def render(self, task: Row) -> RenderableType:
        return self._columns[task.fields["unit"]].render(task)


class _Rate(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Row) -> RenderableType:
        if not task.speed:
            return Text()
        bytes_ = task.fields["unit"] == "bytes"
        return Text(f"{filesize.decimal(int(task.speed))}/s" if bytes_ else f"{task.speed:.2g}/s")


class Bars:
    """A `progress.Progress`: one bar for each task that is under way."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(24),
            _Amount(),
            _Rate(),
            TimeRemainingColumn(),
        )
        self._live = Progress(*columns, console=Console(stderr=True), transient=True)
        self._lock = threading.Lock()
        self._open = 0

    def task(self, title: str, total: int | None, unit: Unit = "items") -> Bar:
        with self._lock:
            if not self._open:
                self._live.start()
            self._open += 1
        return Bar(self, self._live, self._live.add_task(name(title, 60), total=total, unit=unit))

    def close(self) -> None:
        """End one task; with the last one the terminal is as it was."""
        with self._lock:
            self._open -= 1
            if not self._open:
                self._live.stop()


class Bar:
    """One task's bar."""

    def __init__(self, bars: Bars, live: Progress, row: TaskID) -> None:
        self._bars, self._live, self._row = bars, live, row

    def advance(self, amount: int = 1) -> None:
        self._live.advance(self._row, amount)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.remove_task(self._row)
        self._bars.close()
