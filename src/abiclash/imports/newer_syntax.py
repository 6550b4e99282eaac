"""Source of a newer Python, rewritten for the parser of an older one.

`ast` reads the grammar of the Python that runs abiclash; a scan for a newer one meets source that it refuses. What the
newer grammar added is rewritten into something that an older parser takes and that loads the same things: type
parameters and `type` statements (PEP 695, 3.12), `except A, B:` (PEP 758, 3.14) and template strings (PEP 750, 3.14).
Line numbers stay as they are. Quotes nested in f-strings (PEP 701, 3.12) stay unread.
"""

from __future__ import annotations

import itertools
import tokenize
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from tokenize import TokenInfo

_LAYOUT = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_TEMPLATES = {"t": "f", "rt": "rf", "tr": "fr"}


class _Edit(NamedTuple):
    """start, end: (line from 1, column from 0). text: what stands there instead."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def in_older_syntax(source: bytes) -> str | None:
    """Return the source without what newer grammars added; None where there is none of it, or no tokens at all."""
    try:
        tokens = list(tokenize.tokenize(BytesIO(source).readline))
        text = source.decode(tokens[0].string).removeprefix("\ufeff")
    except (tokenize.TokenError, SyntaxError, ValueError, LookupError):
        return None
    code = [token for token in tokens if token.type not in {tokenize.NL, tokenize.COMMENT}]
    closing = _closing(code)
    edits = {
        *_type_statements(code, closing),
        *_type_parameters(code, closing),
        *_bare_handlers(code, closing),
        *_templates(code),
    }
    return _edited(text, sorted(edits)) if edits else None


def _type_statements(code: Sequence[TokenInfo], closing: Mapping[int, int]) -> Iterator[_Edit]:
    """`type X[T] = value` becomes `X = lambda: value`: the value is not evaluated before it is asked for."""
    for place, token in enumerate(code[:-2]):
        if token.string != "type" or code[place + 1].type != tokenize.NAME or not _begins(code, place):
            continue
        name, after = code[place + 1], closing.get(place + 2, place + 1) + 1
        if after < len(code) and code[after].string == "=":
            lines = "\\\n" * (code[after].start[0] - token.start[0])
            yield _Edit(token.start, code[after].end, f"{name.string} {lines}= lambda:")


def _type_parameters(code: Sequence[TokenInfo], closing: Mapping[int, int]) -> Iterator[_Edit]:
    for place, token in enumerate(code[:-2]):
        if token.string in {"def", "class"} and code[place + 2].string == "[" and place + 2 in closing:
            first, last = code[place + 2], code[closing[place + 2]]
            yield _Edit(first.start, last.end, "\\\n" * (last.end[0] - first.start[0]))


def _bare_handlers(code: Sequence[TokenInfo], closing: Mapping[int, int]) -> Iterator[_Edit]:
    for place, token in enumerate(code[:-1]):
        if token.string != "except" or not _begins(code, place):
            continue
        first = last = place + 1 + (code[place + 1].string == "*")
        commas = 0
        while last < len(code) and code[last].string not in {":", ";"} and code[last].type != tokenize.NEWLINE:
            commas += code[last].string == ","
            last = closing.get(last, last) + 1
        if commas and last < len(code):
            yield _Edit(code[first].start, code[first].start, "(")
            yield _Edit(code[last].start, code[last].start, ")")


def _templates(code: Sequence[TokenInfo]) -> Iterator[_Edit]:
    for token, following in itertools.pairwise(code):
        if following.type == tokenize.STRING and token.end == following.start:
            prefix = _TEMPLATES.get(token.string.lower())
            if prefix is not None:
                yield _Edit(token.start, token.end, prefix)


def _begins(code: Sequence[TokenInfo], place: int) -> bool:
    """Tell whether a token begins a statement."""
    return place == 0 or code[place - 1].type in _LAYOUT or code[place - 1].string in {";", ":"}


def _closing(code: Sequence[TokenInfo]) -> dict[int, int]:
    """Return the place of the closing bracket by that of the opening one."""
    opened: list[int] = []
    found = {}
    for place, token in enumerate(code):
        if token.type == tokenize.OP and token.string in _OPENING:
            opened.append(place)
        elif token.type == tokenize.OP and token.string in _CLOSING and opened:
            found[opened.pop()] = place
    return found


def _edited(text: str, edits: Sequence[_Edit]) -> str:
    """Return the text with edits, in ascending order, carried out."""
    begins = [0, *itertools.accumulate(len(line) + 1 for line in text.split("\n"))]
    pieces, here = [], 0
    for (row, column), (last_row, last_column), new in edits:
        pieces += [text[here : begins[row - 1] + column], new]
        here = begins[last_row - 1] + last_column
    return "".join([*pieces, text[here:]])
