"""Which definitions belong together: members of one C++ class, or C functions with one first word.

Read off the mangled name (Itanium C++ ABI, 5.1 "External Names"), without demangling: what is wanted is the scope,
and names can be hostile. Every step moves forward, so a name costs no more than its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 4096
_DEEPEST = 64
"""Nested template arguments that are followed; real names have less than 20."""
_STANDARD = {
    "t": "std",
    "a": "std::allocator",
    "b": "std::basic_string",
    "s": "std::string",
    "i": "std::istream",
    "o": "std::ostream",
    "d": "std::iostream",
}
_NUMBER = re.compile(r"\d+")
_UNSCOPED = re.compile(r"^_Z(?:St)?L?\d+")
"""What stands before a name in no class: `_ZSt15future_categoryv`, `_Z4initv`."""
_WORD = re.compile(r"_*(?:[a-z]{2,}|[A-Z][A-Z0-9]+(?=_|$|[a-z])|[A-Z][a-z]+)")


class Member(IntEnum):
    """What a name is within its family."""

    FUNCTION = 0
    MAKER = 1  # constructor, destructor, assignment, or another thing that every user has a copy of
    TABLE = 2  # vtable, typeinfo, guard variable and the like


@dataclass(frozen=True, slots=True)
class Family:
    """What a symbol belongs to.

    scope: the class or namespace as raw mangled text, or a C prefix; '' for none. shown: for people.
    name: the member's own name. member: its role. typed: the scope is surely or probably a class.
    """

    scope: str
    shown: str
    name: str
    member: Member
    typed: bool


class _UnreadableError(ValueError):
    """Not a name that this reader follows."""


def family(name: str) -> Family | None:
    """Return what a function's name tells of its family; None where it tells nothing."""
    if name.startswith("_Z"):
        return _mangled(name) if len(name) <= LONGEST else None
    word = _WORD.match(name)
    if word is None or len(word[0].strip("_")) < 2 or not name.isidentifier():
        return None
    return Family(word[0], f"{word[0]}*", name, Member.FUNCTION, typed=False)


@lru_cache(maxsize=65536)
def _mangled(name: str) -> Family | None:
    if name[2:4] in ("TV", "TT", "TI", "TS"):
        return Family("", "", name, Member.TABLE, typed=True)
    if not name.startswith("_ZN"):
        return None
    reader = _Reader(name, 3)
    try:
        parts, constant, maker = reader.nested()
    except (ValueError, IndexError):
        return None
    if len(parts) < 2:
        return None
    scope = name[3 + len(_qualifiers(name)) : parts[-1][0]]
    shown = "::".join(text for _, text in parts[:-1])
    own = parts[-1][1]
    maker = maker or own in ("what", "operator=", "swap")
    typed = constant or maker or len(parts) > 2 or scope.startswith("St")
    return Family(scope, shown, own, Member.MAKER if maker else Member.FUNCTION, typed=typed)


def related(one: str, other: str) -> bool:
    """Tell whether two names are members of one class or namespace, or of one inside the other's.

    Names outside of classes are related where their first word is the same: `std::__once_call`, `__once_proxy`.
    """
    if one.startswith("_ZN") and other.startswith("_ZN"):
        scopes = [found.scope if (found := family(name)) else "" for name in (one, other)]
        return all(scopes) and (scopes[0].startswith(scopes[1]) or scopes[1].startswith(scopes[0]))
    words = [_WORD.match(_UNSCOPED.sub("", name)) for name in (one, other) if not name.startswith("_ZN")]
    return len(words) == 2 and words[0] is not None and words[1] is not None and words[0][0] == words[1][0]


def _qualifiers(name: str) -> str:
    at = 3
    while name[at : at + 1] and name[at] in "rVKRO":
        at += 1
    return name[3:at]


def readable(name: str) -> str:
    """Return a short form for running text: scope and name without parameters; the raw name where that fails."""
    found = family(name) if name.startswith("_ZN") else None
    return f"{found.shown}::{found.name}" if found else name


def examples(names: Iterable[str]) -> list[str]:
    """Return short forms for running text, those that people can read before the others."""
    short = {name: readable(name) for name in names}
    clear = [text for name, text in short.items() if text != name or not name.startswith("_Z")]
    return clear or list(short.values())


class _Reader:
    """Walks a nested name."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def nested(self) -> tuple[list[tuple[int, str]], bool, bool]:
        """Return the parts with where they start, whether the member is const, and whether it is a maker."""
        constant = maker = False
        while self.text[self.at] in "rVKRO":
            constant |= self.text[self.at] == "K"
            self.at += 1
        parts: list[tuple[int, str]] = []
        while self.text[self.at] != "E":
            start, char = self.at, self.text[self.at]
            if char == "I":
                self._arguments(0)
            elif char == "B":
                self.at += 1
                self._source()
            elif char == "S":
                if not parts or self.text[self.at + 1] != "t":
                    parts.append((start, self._substitution()))
            elif char in "CD" and self.text[self.at + 1] in "0123456I":
                parts.append((start, f"{'~' if char == 'D' else ''}{parts[-1][1]}"))
                maker = True
                self.at += 2
            elif char.isdigit() or char == "L":
                self.at += char == "L"
                parts.append((start, self._source()))
            elif char.islower():
                text = self.text[self.at : self.at + 2]
                self.at += 2
                if text == "cv":
                    self._type(0)
                parts.append((start, {"aS": "operator="}.get(text, f"operator {text}")))
            else:
                raise _UnreadableError
        return parts, constant, maker

    def _source(self) -> str:
        number = _NUMBER.match(self.text, self.at)
        if number is None:
            raise _UnreadableError
        start, length = number.end(), int(number[0])
        if length == 0 or start + length > len(self.text):
            raise _UnreadableError
        self.at = start + length
        return self.text[start : self.at]

    def _substitution(self) -> str:
        char = self.text[self.at + 1]
        if char in _STANDARD:
            self.at += 2
            return _STANDARD[char]
        start, self.at = self.at, self.text.index("_", self.at) + 1
        return self.text[start : self.at]

    def _arguments(self, depth: int) -> None:
        """Skip `I ... E`, `J ... E`, or any other bracket that the current letter opens."""
        if depth > _DEEPEST:
            raise _UnreadableError
        self.at += 1
        while self.text[self.at] != "E":
            self._type(depth + 1)
        self.at += 1

    def _type(self, depth: int) -> None:
        """Skip one piece of a type or template argument."""
        char = self.text[self.at]
        if char in "IJNXF":
            self._arguments(depth)
        elif char == "L":
            self._literal(depth)
        elif char == "S":
            self._substitution()
        elif (char == "A" and self.text[self.at + 1].isdigit()) or char == "T":
            self.at = self.text.index("_", self.at) + 1
        elif char in "CD" and self.text[self.at + 1] in "tT":
            self.at += 2
            while self.text[self.at] != "E":
                self._type(depth)
            self.at += 1
        elif char.isdigit():
            self._source()
        else:
            self.at += 1

    def _literal(self, depth: int) -> None:
        """Skip `L <type> <value> E` or `L _Z <name> E`."""
        self.at += 1
        if self.text.startswith("_Z", self.at):
            self.at += 2
            while self.text[self.at] != "E":
                self._type(depth + 1)
        elif self.text[self.at] in "NS" or self.text[self.at].isdigit():
            self._type(depth + 1)
            self.at = self.text.index("E", self.at)
        else:
            self.at = self.text.index("E", self.at)
        self.at += 1
