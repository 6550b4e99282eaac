"""Findings that someone decided to live with: `suppress` entries of pyproject.toml or abiclash.toml.

    [[tool.abiclash.suppress]]
    rule = "global-scope"             # or id = "global-scope-1a2b3c4d"
    packages = ["tensorflow"]         # optional, with rule: those that the finding must name
    reason = "only used in its own process"
    expires = 2027-01-31

In abiclash.toml the table is `[[suppress]]`. Every entry has a reason and ends some day: a decision without them is
never looked at again.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from abiclash.errors import UsageError
from abiclash.parsing import read_toml
from abiclash.readfile import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from abiclash.rules.model import Finding

_TABLES = ("check", "suppress")
_KEYS = {"id", "rule", "packages", "reason", "expires"}
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{8}")
_OWN_FILE, _PROJECT_FILE = "abiclash.toml", "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry. id or rule is set; packages: normalised names, only with rule. source: file and entry, to be told."""

    source: str
    reason: str
    expires: dt.date
    id: str | None = None
    rule: str | None = None
    packages: frozenset[str] = frozenset()

    def matches(self, finding: Finding) -> bool:
        """Whether a finding is the one that was accepted; the date is not looked at."""
        if self.id is not None:
            return finding.id == self.id
        return finding.rule == self.rule and self.packages <= {package.name for package in finding.packages}


class State(StrEnum):
    """What became of an entry. expired: its day is over, so it hides nothing. stale: no finding is like it."""

    ACTIVE = "active"
    EXPIRED = "expired"
    STALE = "stale"


def state(suppression: Suppression, findings: Iterable[Finding], today: dt.date) -> State:
    """Return what an entry is good for; the day that it names is its last."""
    if not any(suppression.matches(finding) for finding in findings):
        return State.STALE
    return State.ACTIVE if today <= suppression.expires else State.EXPIRED


def find_config(folder: Path) -> Path | None:
    """Return the nearest file upwards that configures abiclash: abiclash.toml, or pyproject.toml with our table."""
    for place in (folder, *folder.parents):
        if (own := place / _OWN_FILE).is_file():
            return own
        if (project := place / _PROJECT_FILE).is_file() and _table(project) is not None:
            return project
    return None


def read_suppressions(path: Path, rules: frozenset[str]) -> tuple[Suppression, ...]:
    """Return the entries of a configuration file. rules: ids of those that there are.

    Raises UsageError naming the file, the entry and the key that is wrong.
    """
    table = _table(path) or {}
    if unknown := sorted(table.keys() - set(_TABLES)):
        raise UsageError(f"{path}: unknown key {unknown[0]!r}; abiclash knows {' and '.join(map(repr, _TABLES))}")
    entries = table.get("suppress", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{path}: 'suppress' is no array of tables; write [[{_heading(path)}]] above each entry")
    return tuple(
        _suppression(f"{path}, suppress entry {number}", entry, rules) for number, entry in enumerate(entries, start=1)
    )


def read_table(path: Path, key: str) -> dict[str, Any]:
    """Return a table of abiclash's part of a configuration file, empty where it is not there. Raises UsageError."""
    table = (_table(path) or {}).get(key, {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {key!r} is no table")
    return table


def _heading(path: Path) -> str:
    return "tool.abiclash.suppress" if path.name == _PROJECT_FILE else "suppress"


def read_file(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raises UsageError."""
    try:
        return read_toml(read_text(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; name another file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: no TOML: {error}; repair it") from error


def _table(path: Path) -> dict[str, Any] | None:
    """Return abiclash's part of a TOML file; None for a pyproject.toml that has none."""
    content = read_file(path)
    if path.name != _PROJECT_FILE:
        return content
    tools = content.get("tool", {})
    table = tools.get("abiclash") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{path}: 'tool.abiclash' is no table")
    return table


def _suppression(source: str, entry: Mapping[str, Any], rules: frozenset[str]) -> Suppression:
    if unknown := sorted(entry.keys() - _KEYS):
        raise UsageError(f"{source}: unknown key {unknown[0]!r}; there are {', '.join(sorted(_KEYS))}")
    identity, rule = _text(source, entry, "id"), _text(source, entry, "rule")
    if (identity is None) == (rule is None):
        raise UsageError(f"{source}: needs either 'id' or 'rule', to say what is accepted")
    if identity is not None and not _ID.fullmatch(identity):
        raise UsageError(f"{source}: id {identity!r} is no finding's id; copy it from a report")
    if rule is not None and rule not in rules:
        raise UsageError(f"{source}: rule {rule!r}: there is no such rule; 'abiclash rules' lists them")
    reason = _text(source, entry, "reason")
    if reason is None:
        raise UsageError(f"{source}: needs a 'reason' for whoever meets it later")
    return Suppression(source, reason, _date(source, entry), identity, rule, _packages(source, entry, rule))


def _text(source: str, entry: Mapping[str, Any], key: str) -> str | None:
    value = entry.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise UsageError(f"{source}: {key!r} must be a text that is not empty")
    return value


def _date(source: str, entry: Mapping[str, Any]) -> dt.date:
    value = entry.get("expires")
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise UsageError(f"{source}: needs an 'expires' date, such as expires = 2027-01-31 (without quotes)")
    return value


def _packages(source: str, entry: Mapping[str, Any], rule: str | None) -> frozenset[str]:
    value = entry.get("packages", [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise UsageError(f"{source}: 'packages' must be a list of names")
    if value and rule is None:
        raise UsageError(f"{source}: 'packages' goes with 'rule'; an 'id' says it all")
    return frozenset(canonicalize_name(name) for name in value)
