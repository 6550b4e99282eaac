"""Hold the facts of two readers against each other."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.names_table import NameTable

DERIVED = {"runtimes", "modules", "strings"}
"""Read off code and read-only strings: the reference reader leaves them empty."""

Read = tuple["ObjectFacts", "NameTable"]


def differences(fast: Read, slow: Read) -> list[str]:
    """Return what differs, one line each; names are compared too."""
    found = []
    for field in fields(fast[0]):
        one, two = getattr(fast[0], field.name), getattr(slow[0], field.name)
        if field.name in ("symbols", "references"):
            found += _columns(field.name, one, two)
        elif field.name == "init":
            found += [
                n for n in ("has_init", "has_fini", "init_array", "fini_array") if getattr(one, n) != getattr(two, n)
            ]
        elif field.name not in DERIVED and one != two:
            found.append(f"{field.name}: {one!r} and {two!r}")
    if not found and names(fast[1]) != names(slow[1]):
        found.append("names")
    return found


def _columns(what: str, one: object, two: object) -> list[str]:
    """Compare arrays: type, length, values."""
    found = []
    for column in fields(one):  # type: ignore[arg-type]
        left, right = getattr(one, column.name), getattr(two, column.name)
        if left.dtype != right.dtype or left.tolist() != right.tolist():
            found.append(f"{what}.{column.name}: {left[:5]} and {right[:5]} of {len(left)} and {len(right)}")
    return found


def names(table: NameTable) -> list[bytes]:
    """Return all names."""
    return [table.name(row) for row in range(len(table))]
