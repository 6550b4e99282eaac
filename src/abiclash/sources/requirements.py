"""Requirements files, in pip's format (pip's documentation, "Requirements File Format").

The file is taken apart into single requirements, so that one that cannot be met does not lose the others, and a
problem can be said of the line that causes it. What a requirement means is left to `packaging` and to uv.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from abiclash.errors import NotAnalysed, SourceError, UsageError
from abiclash.readfile import read_text
from abiclash.sources.target import RequirementTarget, WheelTarget, local_path, parse_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_OPTIONS = re.compile(r"\s--?[A-Za-z]")
_SHORT = {"-r": "--requirement", "-c": "--constraint", "-i": "--index-url", "-f": "--find-links", "-e": "--editable"}
_SETTINGS = {"--index-url", "--extra-index-url", "--find-links", "--trusted-host", "--no-index", "--pre"}


@dataclass
class Requirements:
    """What a requirements file asks for, with the files that it names.

    settings: options of the index that it sets, by their long name without dashes ("" for a flag).
    files: every file read. constraints: lines, as uv reads them.
    """

    targets: list[RequirementTarget | WheelTarget] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    not_analysed: list[NotAnalysed] = field(default_factory=list)

    def read(self, path: Path, *, constraint: bool = False) -> None:
        """Add the requirements (or constraints) of a file and of those that it includes.

        Raises SourceError where a file cannot be read; a line that names no wheel is not analysed.
        """
        if path.resolve() in self.files:
            return
        self.files.append(path.resolve())
        for number, line in _lines(path):
            try:
                self._line(path, line, constraint=constraint)
            except UsageError as error:
                self.not_analysed.append(NotAnalysed(f"{path}:{number}", str(error)))

    def _line(self, path: Path, line: str, *, constraint: bool) -> None:
        if line.startswith("-"):
            option, value = _split(line)
            self._option(path, option, value, constraint=constraint)
        elif constraint:
            self.constraints.append(_OPTIONS.split(line, maxsplit=1)[0])
        else:
            self.targets.append(_requirement(line, path.parent))

    def _option(self, path: Path, option: str, value: str, *, constraint: bool) -> None:
        if option in {"--requirement", "--constraint"}:
            self.read(_beside(path.parent, value), constraint=constraint or option == "--constraint")
        elif option == "--editable":
            raise UsageError(f"-e {value}: a source tree; abiclash analyses wheels and builds nothing")
        elif option in _SETTINGS:
            if option == "--find-links" and "://" not in value:
                value = str(_beside(path.parent, value))
            self.settings.append((option.removeprefix("--"), value))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) with continuations joined, comments dropped and ${VARIABLES} filled in."""
    try:
        text = read_text(path, "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text"
        raise SourceError(f"{path}: cannot be read: {reason}; check the path and its encoding") from error
    joined, first = "", 1
    for number, raw in enumerate([*text.splitlines(), ""], start=1):
        first = first if joined else number
        comment = raw.lstrip().startswith("#")
        if raw.endswith("\\") and not comment:
            joined += raw[:-1] + " "
            continue
        line = _COMMENT.sub("", joined + ("" if comment else raw)).strip()
        joined = ""
        if line:
            yield first, _VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), line)


def _split(line: str) -> tuple[str, str]:
    """Return the long name and the value of an option: `-r x`, `-rx`, `--requirement x` or `--requirement=x`."""
    if line.startswith("--"):
        option, _, value = line.replace("=", " ", 1).partition(" ")
    else:
        option, value = line[:2], line[2:].removeprefix("=")
    return _SHORT.get(option, option), value.strip().strip("'\"")


def _requirement(line: str, folder: Path) -> RequirementTarget | WheelTarget:
    """Return the target of one requirement line, `--hash` options and all."""
    options = _OPTIONS.search(line)
    text = (line[: options.start()] if options else line).strip()
    if text.endswith(".whl") and not local_path(text).exists() and "://" not in text:
        text = str(_beside(folder, text))
    target = parse_target(text)
    if not isinstance(target, RequirementTarget | WheelTarget):
        raise UsageError(f"{text}: not a requirement")
    hashes = frozenset(_hashes(line[options.start() :])) if options else frozenset()
    if hashes and isinstance(target, RequirementTarget):
        return RequirementTarget(target.text, target.name, target.line, hashes)
    return target


def _hashes(options: str) -> Iterator[str]:
    """Yield the sha256 digests of `--hash=sha256:...`; other algorithms cannot be compared with an index's."""
    try:
        words = shlex.split(options.replace("--hash ", "--hash="))
    except ValueError as error:
        raise UsageError(f"{options.strip()}: not the options of a requirement: {error}") from error
    for word in words:
        if word.startswith("--hash=sha256:"):
            yield word.removeprefix("--hash=sha256:").lower()


def _beside(folder: Path, name: str) -> Path:
    """Return a path relative to the file that names it."""
    return folder / local_path(name)
