"""How long work tells how far it is, without knowing whether anyone looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

Unit = Literal["bytes", "items"]


class Task(Protocol):
    """One piece of work; leaving its `with` block ends it. Safe to advance from several threads."""

    def advance(self, amount: int = 1) -> None:
        """Say that so much more is done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Progress(Protocol):
    """Where work is reported."""

    def task(self, title: str, total: int | None, unit: Unit = "items") -> Task:
        """Begin a piece of work. total: how much there is in that unit, None where nobody knows."""


class Silent:
    """Progress (and its own Task) that nobody sees."""

    def task(self, title: str, total: int | None, unit: Unit = "items") -> Task:  # noqa: ARG002 - a Progress
        return self

    def advance(self, amount: int = 1) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
