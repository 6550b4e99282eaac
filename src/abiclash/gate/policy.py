"""What blocks a wheel: the `check` table of the configuration, or a policy file of its own.

[tool.abiclash.check]                  # abiclash.toml: [check]; a --policy FILE has the keys at its top
fail-on = "error"                      # the least severity that blocks: error, warning, note, never
block = ["platform-tag"]               # rules that block at any severity
allow = ["duplicate-openmp"]           # rules that never block
incomplete = "report"                  # or "block": what could not be analysed
block-changes = ["runtimes"]           # with --diff: kinds of changes that block where something is new
against = ["popular"]                  # neighbours, as --against names them
facts = "https://example.org/facts"    # published facts, as --facts names them
time-limit = 300                       # seconds for everything
memory-limit = 4096                    # megabytes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abiclash.errors import UsageError
from abiclash.gate.difference import MEANINGS
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.rules.model import Finding

KEYS = frozenset(
    {"fail-on", "block", "allow", "incomplete", "block-changes", "against", "facts", "time-limit", "memory-limit"}
)
_NEVER = "never"
_INCOMPLETE = ("report", "block")
_SECONDS, _MEGABYTES = 300, 4096


@dataclass(frozen=True, slots=True)
class Policy:
    """fail_on: None where severity alone never blocks. block, allow: ids of rules.

    block_changes: kinds of `difference.MEANINGS`.
    """

    fail_on: Severity | None = Severity.ERROR
    block: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    incomplete: bool = False
    block_changes: frozenset[str] = frozenset()
    against: tuple[str, ...] = ()
    facts: str = ""
    seconds: float = _SECONDS
    megabytes: int = _MEGABYTES

    def blocks(self, finding: Finding) -> bool:
        """Tell whether a finding keeps a wheel out."""
        if finding.rule in self.allow:
            return False
        grave = self.fail_on is not None and finding.severity.rank <= self.fail_on.rank
        return grave or finding.rule in self.block


def read_policy(table: Mapping[str, Any], source: str, rules: frozenset[str]) -> Policy:
    """Return the policy that a table states. rules: ids of those that there are; UsageError names what is wrong."""
    if unknown := sorted(table.keys() - KEYS):
        raise UsageError(f"{source}: unknown key {unknown[0]!r}; there are {', '.join(sorted(KEYS))}")
    fail_on = _choice(table, source, "fail-on", ("error", "warning", "note", _NEVER), "error")
    block, allow = (frozenset(_names(table, source, key)) for key in ("block", "allow"))
    if strange := sorted((block | allow) - rules):
        raise UsageError(f"{source}: {strange[0]!r}: there is no such rule; 'abiclash rules' lists them")
    if both := sorted(block & allow):
        raise UsageError(f"{source}: {both[0]!r} is in both 'block' and 'allow'; leave it in one")
    kinds = frozenset(_names(table, source, "block-changes"))
    if strange := sorted(kinds - MEANINGS.keys()):
        raise UsageError(f"{source}: {strange[0]!r}: no such kind of change; there are {', '.join(MEANINGS)}")
    return Policy(
        fail_on=None if fail_on == _NEVER else Severity(fail_on),
        block=block,
        allow=allow,
        incomplete=_choice(table, source, "incomplete", _INCOMPLETE, "report") == "block",
        block_changes=kinds,
        against=tuple(_names(table, source, "against")),
        facts=_text(table, source, "facts"),
        seconds=_number(table, source, "time-limit", _SECONDS),
        megabytes=_number(table, source, "memory-limit", _MEGABYTES),
    )


def _choice(table: Mapping[str, Any], source: str, key: str, choices: tuple[str, ...], default: str) -> str:
    value = table.get(key, default)
    if value not in choices:
        raise UsageError(f"{source}: {key!r} is one of {', '.join(choices)}")
    return str(value)


def _names(table: Mapping[str, Any], source: str, key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
        raise UsageError(f"{source}: {key!r} must be a list of names")
    return value


def _text(table: Mapping[str, Any], source: str, key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{source}: {key!r} must be a text in quotes")
    return value


def _number(table: Mapping[str, Any], source: str, key: str, default: int) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise UsageError(f"{source}: {key!r} must be a whole number above 0")
    return value
