"""What a crash text says: messages, native and Python stack frames, and the packages that were at work.

Understood are messages of dynamic linkers and libraries (`messages`), Python tracebacks, faulthandler's dumps (CPython
Lib/test/test_faulthandler.py has their forms) and backtraces of gdb, of older glibc and of glog.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.triage.gdb import gdb_frame
from abiclash.triage.messages import MESSAGES, Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_TEXT = 4 << 20
"""Characters beyond which only the end is read: that is where a program dies."""
_LINE = 10_000

_PYTHON = re.compile(r'^\s*File "(?P<path>[^"]{1,4096})", line (?P<line>\d{1,9}),? in (?P<function>\S{1,200})')
_C_FRAME = re.compile(r'^\s*Binary file "(?P<object>[^"]{1,4096})"(?:, at (?P<function>[^\s+]{1,1000}))?')
_EXTENSIONS = re.compile(r"^Extension modules: (?P<names>.*?)(?: \(total: \d+\))?$")
_LIBC_FRAME = re.compile(
    r"^(?P<object>/[^\s(\[]{1,4096})\((?P<function>[^+)\s]{0,1000})(?:\+0x[0-9a-f]+)?\) ?\[0x[0-9a-f]+\]"
)
_GLOG_FRAME = re.compile(r"^\s+@\s+0x[0-9a-f]{1,16}\s+(?P<function>\S.{0,1000})$")
_FATAL = re.compile(
    r"Fatal Python error: (?P<what>[^\n]{1,200})|(?:received|terminated with|terminated by|interrupted by) signal"
    r" (?:\d+: )?(?P<signal>SIG\w+)|^(?:\S{1,400}: line \d+: +\d+ )?(?P<shell>Segmentation fault|Aborted|Bus error|"
    r"Illegal instruction|Floating point exception)\b(?= +\(core dumped\)|$)"
)
_SITE = re.compile(r"/(?:site|dist)-packages/(?P<top>[^/\s]+)")
_BUNDLED = re.compile(r"[.]libs$|[.]dist-info$|[.]data$")
_MODULE = re.compile(r"(?:[.]cpython-\w+(?:-[\w-]+)?|[.]abi3)?[.](?:so|py)$")


@dataclass(frozen=True, slots=True)
class Clue:
    """A message that was recognised. line: its number in the text, from 1. told: what its named groups hold."""

    message: Message
    line: int
    text: str
    told: tuple[tuple[str, str], ...]

    @property
    def meaning(self) -> str:
        """The message's meaning, with what it told."""
        return self.message.meaning.format_map(defaultdict(lambda: "a library", self.told))

    @property
    def advice(self) -> str:
        """The message's advice, with what it told."""
        return self.message.advice.format_map(defaultdict(lambda: "that library", self.told))


@dataclass(frozen=True, slots=True)
class Frame:
    """A stack frame. object: the ELF file, '' where unknown or of Python code."""

    function: str
    object: str = ""


@dataclass(frozen=True, slots=True)
class Crash:
    """What was understood. fatal: "Segmentation fault", "SIGABRT" or ''. native: innermost first.

    importing: the packages whose import was under way, the innermost first. packages: all that the text names,
    those of `importing` first. loaded: packages whose extension modules were in the process.
    """

    clues: tuple[Clue, ...]
    fatal: str
    native: tuple[Frame, ...]
    importing: tuple[str, ...]
    packages: tuple[str, ...]
    loaded: tuple[str, ...]

    @property
    def understood(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.clues or self.fatal or self.native)


def read(text: str) -> Crash:
    """Return what a crash text says. Text may be anything; of very much of it the end counts."""
    lines = [line[:_LINE] for line in text[-MAX_TEXT:].splitlines()]
    native = list(_native(_whole_frames(lines)))
    python = [match for line in lines if (match := _PYTHON.match(line))]
    faulted = any("(most recent call first)" in line for line in lines)
    importing = [owner for m in python if m["function"].endswith("module>") and (owner := package(m["path"]))]
    loaded = [package_of_module(name) for line in lines for name in _extensions(line)]
    clues = tuple(_clues(lines))
    objects = [value for clue in clues for key, value in clue.told if key in {"object", "wanted"}]
    paths = [*(frame.object for frame in native), *objects, *(m["path"] for m in python)]
    ordered = tuple(dict.fromkeys(importing if faulted else reversed(importing)))
    named = dict.fromkeys([*ordered, *(owner for path in paths if (owner := package(path)))])
    fatal = next((m["what"] or m["signal"] or m["shell"] for line in lines if (m := _FATAL.search(line))), "")
    return Crash(clues, fatal, tuple(native), ordered, tuple(named), tuple(dict.fromkeys(loaded)))


def package(path: str) -> str | None:
    """Return the top-level name under which a file is installed, None outside of site-packages.

    Folders of bundled libraries (NAME.libs) belong to the package of that name.
    """
    places = list(_SITE.finditer(path))
    if not places:
        return None
    return _BUNDLED.sub("", _MODULE.sub("", places[-1]["top"])) or None


def package_of_module(name: str) -> str:
    """Return the top-level package of a dotted module name."""
    return name.split(".", 1)[0]


def _clues(lines: Iterable[str]) -> Iterator[Clue]:
    """Yield each kind of message once, where it stands first; a dynamic linker repeats itself in tracebacks."""
    seen = set()
    for number, line in enumerate(lines, start=1):
        for message in MESSAGES:
            match = message.pattern.search(line)
            if match is None:
                continue
            told = tuple((key, value) for key, value in match.groupdict().items() if value)
            if (message.meaning, told) not in seen:
                seen.add((message.meaning, told))
                yield Clue(message, number, line.strip(), told)
            break


def _whole_frames(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines; of gdb's frames, which it breaks at the width of its terminal, each as one line."""
    held = ""
    for line in lines:
        if held and line.startswith("   ") and len(held) < _LINE:
            held = f"{held} {line.strip()}"
            continue
        if held:
            yield held
        held = line if line.startswith("#") else ""
        if not held:
            yield line
    if held:
        yield held


def _native(lines: Iterable[str]) -> Iterator[Frame]:
    for line in lines:
        if frame := gdb_frame(line):
            yield Frame(frame.function, frame.object)
        elif match := _C_FRAME.match(line) or _LIBC_FRAME.match(line):  # faulthandler's of CPython 3.14; glibc < 2.26
            yield Frame(match["function"] or "", match["object"])
        elif match := _GLOG_FRAME.match(line):
            yield Frame(match["function"])


def _extensions(line: str) -> list[str]:
    match = _EXTENSIONS.match(line)
    return [name.strip() for name in match["names"].split(",") if name.strip()] if match else []
