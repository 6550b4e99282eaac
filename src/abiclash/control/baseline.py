"""Findings that an earlier scan had: known ones do not fail a run, new ones do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.errors import UsageError
from abiclash.parsing import read_json
from abiclash.readfile import read_text
from abiclash.rules.model import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Baseline:
    """source: the file, to be told. ids: fingerprints of its findings, whatever was suppressed then."""

    source: str
    ids: frozenset[str]


def read_baseline(path: Path) -> Baseline:
    """Return the findings of a scan's JSON. Raises UsageError where the file is something else."""
    try:
        content = read_json(read_text(path))
    except OSError as error:
        raise UsageError(f"--baseline {path}: cannot be read: {error.strerror}; name the JSON of a scan") from error
    except ValueError as error:
        raise UsageError(f"--baseline {path}: no JSON ({error}); make it with 'abiclash scan --format json'") from error
    found = content.get("schema") if isinstance(content, dict) else None
    if found != SCHEMA:
        raise UsageError(f"--baseline {path}: not the JSON of a scan (schema {found!r}, not {SCHEMA!r}); make it anew")
    try:
        return Baseline(str(path), frozenset(str(finding["id"]) for finding in content["findings"]))
    except (KeyError, TypeError) as error:
        raise UsageError(f"--baseline {path}: its findings have no ids; make it anew") from error
