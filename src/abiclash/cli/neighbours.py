"""Whom a wheel is to stand beside: what --against and the configuration name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from abiclash.corpus import manifest
from abiclash.errors import UsageError
from abiclash.readfile import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def neighbours(given: Iterable[str]) -> tuple[str, ...]:
    """Return requirements, each once. given: requirements and names of corpora (with commas), or files.

    A .toml file is a corpus; any other file has a requirement on each line. Raises UsageError, or SourceError for a
    file that is no corpus.
    """
    found = [text for part in given for text in _expanded(part)]
    for text in found:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise UsageError(f"--against {text}: neither a requirement, a corpus ({_corpora()}) nor a file") from error
    return tuple(dict.fromkeys(found))


def _expanded(text: str) -> Iterator[str]:
    path = Path(text)
    if path.suffix == ".toml":
        yield from manifest.load(text).packages
    elif path.is_file():
        lines = (line.partition("#")[0].strip() for line in _text(path).splitlines())
        yield from (line for line in lines if line and not line.startswith("-"))
    else:
        for part in filter(None, map(str.strip, text.split(","))):
            yield from manifest.load(part).packages if part in manifest.names() else [part]


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text"
        raise UsageError(f"--against {path}: cannot be read: {reason}; name a file with a name on each line") from error


def _corpora() -> str:
    return ", ".join(manifest.names())
