"""Reading what ld.so says under LD_DEBUG=bindings,files,scopes,reloc.

The log tells the bindings of relocations from all other look-ups by its structure, without any list of names.
glibc's `_dl_relocate_object` (elf/dl-reloc.c) announces each object, and every line that is neither a binding
nor a remark on one (`marking X as NODELETE due to reference from Y`, elf/dl-lookup.c add_dependency) ends that
object's relocation: after the last object of a dlopen come its scopes (elf/dl-open.c update_scopes), after the last
one at start the initializers. dlopen, dlsym and relocation all hold `_dl_load_lock`, so no other thread's look-up
can fall in between. A binding line is therefore a relocation's exactly when

1. an object is being relocated, and
2. the line's `from` is that object (glibc >= 2.41 looks up its own malloc while ld.so's block is open), and
3. it is not one of the four lines between the executable's relocations and ld.so's second relocation of itself:
   there glibc 2.32 to 2.40 looks up calloc, free, malloc and realloc for its own use, in the executable's name
   (elf/rtld.c dl_main, elf/dl-minimal.c __rtld_malloc_init_real).

Everything else is a look-up: dlsym (`PyInit_*`), dlvsym, linux-vdso, the linker's own. With lazy binding, PLT slots
that are bound by their first call are look-ups by this rule too: observe with LD_BIND_NOW to have them counted.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

CHANNELS = "bindings,files,scopes,reloc"
"""The LD_DEBUG channels that this reader understands."""

_PREFIX = 12  # `%10d:\t`, elf/dl-misc.c _dl_debug_vdprintf
_OWN_LOOKUPS = 4  # calloc, free, malloc, realloc

_BINDING = re.compile(
    rb"binding file (.+?) \[\d+\] to (.+?) \[\d+\]: \w+ symbol `([^'\n]*)'(?: \[([^\]\n]*)\])?$",
)
_STEP = re.compile(
    rb"relocation processing: (?P<relocate>.+?)(?: \(lazy\))?$"
    rb"|file=(?P<load>.+) \[\d+\];  dynamically loaded by (?P<loader>.+) \[\d+\]$"
    rb"|file=(?P<needed>.+) \[\d+\];  needed by (?P<needer>.+) \[\d+\]$"
    rb"|file=(?P<unload>.+) \[\d+\];  destroying link map$"
    rb"|add (?P<global>.+) \[\d+\] to global scope$"
    rb"|opening file=(?P<open>.+) \[\d+\]; direct_opencount=(?P<count>\d+)$"
    rb"|calling init: (?P<init>.+)$"
    rb"|calling fini: (?P<fini>.*) \[\d+\]$"
    rb"|(?:activating NODELETE for|marking) (?P<nodelete>.+?) \[\d+\](?: as NODELETE.*)?$"
    rb"|(?P<error>.*): error: (?P<occasion>[^:]+): (?P<message>.+) \((?:fatal|continued)\)$",
)


class Binding(NamedTuple):
    """One reference and the object whose definition it got: real paths, raw symbol name, version or None."""

    source: str
    symbol: str
    version: str | None
    target: str


class Event(NamedTuple):
    """One step of the dynamic linker other than a binding.

    kind: `load` (a dlopen that had to search for a file; it may have failed), `needed` (a dependency that was asked
    for), `relocate`, `global` (added to the global scope), `init`, `open` (a dlopen that succeeded, also of an object
    that was there), `fini`, `unload`, `nodelete`, `error` (a load failed), `absent` (dlsym found nothing).
    path: real path of the object, or the bare name that was asked for (`load`, `needed`).
    by: real path of the object that asked (`load`, `needed`), else ''.
    text: the name as ld.so has it, where it is not `path` (`load`); the number of opens (`open`); ld.so's message.
    at: number of bindings before it.
    """

    kind: str
    path: str
    by: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Log:
    """What one process did. bindings, lookups: distinct, in the order first seen; garbled: unreadable lines."""

    events: tuple[Event, ...]
    bindings: tuple[Binding, ...]
    lookups: tuple[Binding, ...]
    garbled: int


def read_log(lines: Iterable[bytes], pid: int, program: str) -> Log:
    """Read the log of process `pid`, which was started as `program` (its argv[0]).

    Lines of other processes (children that fork keep writing to the file of their parent) are left out.
    """
    reader = _Reader(os.fsencode(program))
    prefix = b"%10d:\t" % pid
    for line in lines:
        if not line.startswith(prefix):
            continue
        body = line[_PREFIX:].rstrip(b"\n")
        if body.startswith(b"binding file "):
            reader.binding(body)
        elif body:
            reader.step(body)
    reader.close()
    return Log(tuple(reader.events), tuple(reader.bindings), tuple(reader.lookups), reader.garbled)


@dataclass(slots=True)
class _Reader:
    program: bytes
    events: list[Event] = field(default_factory=list)
    bindings: dict[Binding, None] = field(default_factory=dict)
    lookups: dict[Binding, None] = field(default_factory=dict)
    block: list[Binding] = field(default_factory=list)  # lines since `current` was announced
    current: bytes | None = None  # the object being relocated, as ld.so prints it
    running: bool = False  # the first initializer ran: start-up is over
    garbled: int = 0
    real: dict[bytes, str] = field(default_factory=dict)
    texts: dict[bytes, str] = field(default_factory=dict)

    def where(self, raw: bytes) -> str:
        if (path := self.real.get(raw)) is None:
            text = os.fsdecode(raw)
            path = self.real[raw] = os.path.realpath(text) if "/" in text else text
        return path

    def text(self, raw: bytes) -> str:
        if (text := self.texts.get(raw)) is None:
            text = self.texts[raw] = os.fsdecode(raw)
        return text

    def binding(self, body: bytes) -> None:
        if (match := _BINDING.match(body)) is None:
            self.garbled += 1
            return
        source, target, symbol, version = match.groups()
        shown = None if version is None else self.text(version)
        row = Binding(self.where(source), self.text(symbol), shown, self.where(target))
        if source == self.current:
            self.block.append(row)
        else:
            self.lookups[row] = None

    def step(self, body: bytes) -> None:
        match = _STEP.match(body)
        kind = match.lastgroup if match else None
        if match is None or kind is None:
            self.close()
            return
        kind = {"loader": "load", "needer": "needed", "count": "open", "message": "error"}.get(kind, kind)
        raw = match[kind]
        if kind == "nodelete":
            self.add(kind, raw)
            return
        relocating = self.current
        self.close(second_start=kind == "relocate" and not self.running and relocating == self.program)
        if kind == "relocate":
            self.current = raw
        elif kind == "error":
            occasion, message = self.text(match["occasion"]), self.text(match["message"])
            absent = relocating is None and occasion == "symbol lookup error"
            self.add("absent" if absent else "error", raw, text=f"{occasion}: {message}")
            return
        self.running |= kind == "init"
        text = os.fsdecode(match["count"] if kind == "open" else raw)
        by = {"load": "loader", "needed": "needer"}.get(kind)
        self.add(kind, raw, match[by] if by else b"", text)

    def add(self, kind: str, raw: bytes, by: bytes = b"", text: str = "") -> None:
        path = self.where(raw or self.program)
        self.events.append(Event(kind, path, self.where(by), "" if text == path else text, len(self.bindings)))

    def close(self, *, second_start: bool = False) -> None:
        """End the relocation of `current`."""
        if second_start:
            own = self.block[-_OWN_LOOKUPS:]
            del self.block[-_OWN_LOOKUPS:]
            self.lookups.update(dict.fromkeys(own))
        self.bindings.update(dict.fromkeys(self.block))
        self.block.clear()
        self.current = None
