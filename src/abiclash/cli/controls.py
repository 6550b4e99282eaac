"""Options that decide which findings are shown and which count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from abiclash.cli.options import FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abiclash.control.baseline import Baseline
    from abiclash.control.filters import Filters
    from abiclash.control.suppressions import Suppression
    from abiclash.control.view import View
    from abiclash.rules.model import Finding

_NAMES = ("severity", "confidence", "audience", "rules", "config", "baseline")
_OPTIONS = (
    click.option(
        "--severity", type=click.Choice(["error", "warning", "note"]), help="Show nothing below this severity."
    ),
    click.option(
        "--confidence",
        type=click.Choice(["certain", "likely", "possible"]),
        help="Show and count nothing less sure (errors always).",
    ),
    click.option(
        "--audience",
        type=click.Choice(["user", "maintainer", "researcher"]),
        help="Who reads; each sees what those before see (default: user in text and for --fail-on, all in JSON).",
    ),
    click.option("--rule", "rules", multiple=True, metavar="NAME", help="Show only findings of this rule; repeatable."),
    click.option(
        "--config", type=FILE, help="File with suppressions (default: the nearest pyproject.toml or abiclash.toml)."
    ),
    click.option("--baseline", type=FILE, help="JSON of an earlier scan: only findings that it lacks count."),
)


def controls(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets them as keywords, for `Control.take`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Control:
    """What the options ask for, read before anything is scanned. explicit: the filters without their defaults."""

    shown: Filters
    counted: Filters
    explicit: Filters
    suppressions: tuple[Suppression, ...]
    baseline: Baseline | None

    @classmethod
    def take(cls, given: dict[str, Any]) -> Control:
        """Take the options out of a command's keywords. Raises UsageError for files and names that make no sense."""
        from abiclash.control.baseline import read_baseline  # noqa: PLC0415 - start-up
        from abiclash.control.filters import Filters  # noqa: PLC0415
        from abiclash.control.suppressions import find_config, read_suppressions  # noqa: PLC0415
        from abiclash.rules.model import Audience, Confidence, Severity  # noqa: PLC0415
        from abiclash.rules.registry import rule, rules  # noqa: PLC0415

        values = {name: given.pop(name) for name in _NAMES}
        named = frozenset(rule(name).rule.id for name in values["rules"])
        severity = Severity(values["severity"] or "note")
        confidence = Confidence(values["confidence"] or "possible")
        audience = Audience(values["audience"] or "user")
        everyone = Audience(values["audience"] or "researcher")
        config = values["config"] or find_config(Path.cwd())
        known = frozenset(entry.rule.id for entry in rules())
        return cls(
            shown=Filters(severity, confidence, audience, named),
            counted=Filters(confidence=confidence, audience=audience),
            explicit=Filters(severity, confidence, everyone, named),
            suppressions=read_suppressions(config, known) if config is not None else (),
            baseline=read_baseline(values["baseline"]) if values["baseline"] is not None else None,
        )

    def view(self, findings: Sequence[Finding], *, everything: bool) -> View:
        """Return what to show and to count. everything: filter only as far as the user asked for it."""
        import datetime as dt  # noqa: PLC0415 - start-up

        from abiclash.control.view import view  # noqa: PLC0415

        shown = self.explicit if everything else self.shown
        today = dt.datetime.now(tz=dt.UTC).date()
        return view(findings, shown, self.counted, self.suppressions, self.baseline, today)
