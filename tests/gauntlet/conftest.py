"""What the gauntlet says at its end: recall, precision and every miss; or what was run for real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.gauntlet.cases import Judged


@dataclass
class Tally:
    """Lines about the cases that were judged. found, clean: ids. rows: of the table of programs that were run."""

    found: list[str] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)

    def add(self, judged: Judged) -> None:
        """Count a scanned case."""
        name = str(judged.case["id"])
        if judged.case["kind"] == "negative":
            (self.alarms if judged.errors else self.clean).append(name)
            self.alarms += [f"  {finding.rule}: {finding.summary}" for finding in judged.errors]
            self.warnings += [f"{name}: {finding.rule}: {finding.summary}" for finding in judged.warnings]
        elif judged.finding() is not None:
            self.found.append(name)
        else:
            self.missed.append(f"{name}: {judged.case['mechanism']}")

    def lines(self) -> Iterable[str]:
        """Yield the summary."""
        false = [line for line in self.alarms if not line.startswith(" ")]
        positives, negatives = len(self.found) + len(self.missed), len(self.clean) + len(false)
        if positives or negatives:
            yield f"recall: {len(self.found)} of {positives} positives found, with mechanism and failing order"
            yield f"clean: {len(self.clean)} of {negatives} negatives without an error"
            yield f"precision: {len(self.found)} of {len(self.found) + len(false)} accusations are right"
            for title, lines in (("missed", self.missed), ("false alarms", self.alarms)):
                yield f"{title}: {'none' if not lines else ''}"
                yield from (f"  {line}" for line in lines)
            yield f"warnings on negatives, to be true in their facts: {len(self.warnings)}"
            yield from (f"  {line}" for line in self.warnings)
        if self.rows:
            yield "| case | predicted | observed | date |"
            yield "|---|---|---|---|"
            yield from self.rows


_KEY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEY] = Tally()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash[_KEY]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = list(config.stash[_KEY].lines())
    if lines:
        terminalreporter.section("gauntlet")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what installs packages only where both of its marks are asked for: it takes hours and gigabytes."""
    asked = str(config.getoption("-m"))
    if "slow" in asked and "gauntlet" in asked:
        return
    both = [item for item in items if item.get_closest_marker("slow") and item.get_closest_marker("gauntlet")]
    config.hook.pytest_deselected(items=both)
    items[:] = [item for item in items if item not in both]
