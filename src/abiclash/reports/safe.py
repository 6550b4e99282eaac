"""Names of wheels, files and symbols come from strangers: make them fit to be shown, in every format.

On a terminal an escape sequence or a bidi control could rewrite what the reader sees, and a name may have a
megabyte. Whatever is not printable is shown as an escape; whatever is too long loses its middle.
"""

from __future__ import annotations

NAME = 240
"""Characters of a name on a terminal."""
PROSE = 20_000
"""Characters of a paragraph."""
EXACT = 16_384
"""Characters of a string in a machine-readable format: names of real symbols are shorter."""


def name(text: str, limit: int = NAME) -> str:
    r"""Return the name on one line: not printable characters as \xNN, \uNNNN, its middle cut out beyond `limit`."""
    return _escape(shorten(text, limit))


def prose(text: str, limit: int = PROSE) -> str:
    """Return text that may have several lines, otherwise as `name`."""
    return "\n".join(_escape(line) for line in shorten(text, limit).split("\n"))


def exact(text: str, limit: int = EXACT) -> str:
    """Return text for a format that has escapes of its own: only what is no Unicode is replaced."""
    text = shorten(text, limit)
    return "".join(_code(ord(char)) if "\ud800" <= char <= "\udfff" else char for char in text)


def inert(value: object) -> object:
    """Return JSON values with every string as `exact` makes it, keys included, and tuples as lists."""
    if isinstance(value, str):
        return exact(value)
    if isinstance(value, dict):
        return {exact(str(key)): inert(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [inert(item) for item in value]
    return value


def shorten(text: str, limit: int) -> str:
    """Return the text, or its two ends with the number of characters that were left out between them."""
    if len(text) <= limit:
        return text
    left_out = len(text) - limit
    return f"{text[: limit * 2 // 3]}[... {left_out:,} characters ...]{text[len(text) - limit // 3 :]}"


def _escape(text: str) -> str:
    """Replace all that Unicode calls Other (controls, formats, surrogates, unassigned) or Separator but the space."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _code(ord(char)) for char in text)


def _code(point: int) -> str:
    if 0xDC80 <= point <= 0xDCFF:  # a byte that was not UTF-8 (surrogateescape)
        return f"\\x{point - 0xDC00:02x}"
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
