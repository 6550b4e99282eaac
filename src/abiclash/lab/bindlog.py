"""Reading what ld.so says under LD_DEBUG=bindings,files,scopes,reloc.

The log tells the bindings of relocations from all other look-ups by its structure, without any list of names.
glibc's `_dl_relocate_object` (elf/dl-reloc.c) announces each object, and every line that is neither a binding
nor a remark on one (elf/dl-lookup.c: `marking X as NODELETE due to ...`, `... (relocation dependency)`) ends that
object's relocation: after the last object of a dlopen come its scopes (elf/dl-open.c update_scopes), after the last
one at start the initializers. dlopen, dlsym and relocation all hold `_dl_load_lock`, so no other thread's look-up
can fall in between. A binding line is therefore a relocation's exactly when

1. an object is being relocated, and
2. the line's `from` is that object, in the base namespace (glibc >= 2.41 looks up its own malloc, in the executable's
   name, after ld.so's own relocations), and
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
_OWN_LOOKUPS = [b"calloc", b"free", b"malloc", b"realloc"]

_HEAD = re.compile(rb"binding file (.+) \[\d+\] to (.+) \[\d+\]: \w+")
_TAIL = re.compile(rb"(?: \[(.+)\])?\n")
_STEP = re.compile(
    rb"relocation processing: (?P<relocate>.+?)(?P<lazy> \(lazy\))?$"
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

_KINDS = {
    "lazy": "relocate",
    "loader": "load",
    "needer": "needed",
    "count": "open",
    "message": "error",
}  # last group -> step
_BY = {"load": "loader", "needed": "needer"}


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
    text: the name as ld.so has it where it is not `path` (`load`); `lazy` (`relocate`); the number of opens (`open`);
    ld.so's message (`error`, `absent`).
    at: number of bindings before it.
    """

    kind: str
    path: str
    by: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Log:
    """What one process did. garbled: lines that could not be read.

    bindings: of relocations, in order; distinct within one life of an object (a library that is closed and opened
    again is bound again). lookups: all others, distinct.
    """

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
    binding = prefix + b"binding file "
    for line in lines:
        if line.startswith(binding):
            reader.binding(line)
        elif line.startswith(prefix) and len(line) > _PREFIX + 1:
            reader.step(line[_PREFIX:-1])
    reader.close()
    return Log(tuple(reader.events), tuple(reader.bindings), tuple(reader.lookups), reader.garbled)


@dataclass(slots=True)
class _Reader:
    program: bytes
    events: list[Event] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    lookups: dict[Binding, None] = field(default_factory=dict)
    block: list[bytes] = field(default_factory=list)  # lines about `current` since it was announced
    current: bytes | None = None  # the object being relocated, as ld.so prints it
    start: bytes = b"\n"  # how the rest of its lines begins
    running: bool = False  # the first initializer ran: start-up is over
    garbled: int = 0
    real: dict[bytes, str] = field(default_factory=dict)
    heads: dict[bytes, tuple[str, str]] = field(default_factory=dict)  # line up to the symbol -> source, target
    versions: dict[bytes, str | None] = field(default_factory=dict)  # rest of the line -> version

    def where(self, raw: bytes) -> str:
        if (path := self.real.get(raw)) is None:
            text = os.fsdecode(raw)
            path = self.real[raw] = os.path.realpath(text) if "/" in text else text
        return path

    def binding(self, line: bytes) -> None:
        if line.startswith(self.start, _PREFIX):
            self.block.append(line)
        else:
            self.lookups.update(self.rows((line,)))

    def rows(self, lines: Iterable[bytes]) -> dict[Binding, None]:
        rows: dict[Binding, None] = {}
        for line in dict.fromkeys(lines):
            head, _, tail = line.partition(b" symbol `")
            symbol, _, tail = tail.partition(b"'")
            try:
                source, target = self.heads.get(head) or self.head(head)
                version = self.versions[tail] if tail in self.versions else self.version(tail)
            except ValueError:
                self.garbled += 1
                continue
            rows[Binding(source, symbol.decode("utf-8", "surrogateescape"), version, target)] = None
        return rows

    def head(self, head: bytes) -> tuple[str, str]:
        if (match := _HEAD.fullmatch(head, _PREFIX)) is None:
            raise ValueError(head)
        pair = self.heads[head] = (self.where(match[1]), self.where(match[2]))
        return pair

    def version(self, tail: bytes) -> str | None:
        if (match := _TAIL.fullmatch(tail)) is None:
            raise ValueError(tail)
        version = self.versions[tail] = None if match[1] is None else os.fsdecode(match[1])
        return version

    def step(self, body: bytes) -> None:
        if body.endswith(b" (relocation dependency)"):  # a remark of add_dependency
            return
        match = _STEP.match(body)
        kind = match.lastgroup if match else None
        if match is None or kind is None:
            self.close()
            return
        kind = _KINDS.get(kind, kind)
        raw = match[kind]
        if kind == "nodelete":  # may be a remark, too
            self.add(kind, raw)
            return
        relocating = self.current
        self.close(second_start=kind == "relocate" and not self.running and relocating == self.program)
        if kind == "relocate":
            self.current, self.start = raw, b"binding file " + raw + b" [0] to "
        elif kind == "error":
            occasion, message = os.fsdecode(match["occasion"]), os.fsdecode(match["message"])
            absent = relocating is None and occasion == "symbol lookup error"
            self.add("absent" if absent else "error", raw, text=f"{occasion}: {message}")
            return
        self.running |= kind == "init"
        text = {"load": raw, "open": match["count"], "relocate": match["lazy"] and b"lazy"}.get(kind)
        self.add(kind, raw, match[_BY[kind]] if kind in _BY else b"", os.fsdecode(text or b""))

    def add(self, kind: str, raw: bytes, by: bytes = b"", text: str = "") -> None:
        path = self.where(raw or self.program)
        self.events.append(Event(kind, path, self.where(by), "" if text == path else text, len(self.bindings)))

    def close(self, *, second_start: bool = False) -> None:
        """End the relocation of `current`. second_start: the next is ld.so itself, after the executable (rule 3)."""
        last = self.block[-len(_OWN_LOOKUPS) :] if second_start else []
        if [line.partition(b" symbol `")[2].partition(b"'")[0] for line in last] == _OWN_LOOKUPS:
            self.lookups.update(self.rows(last))
            del self.block[-len(_OWN_LOOKUPS) :]
        if self.block:
            self.bindings.extend(self.rows(self.block))
            self.block.clear()
        self.current, self.start = None, b"\n"
