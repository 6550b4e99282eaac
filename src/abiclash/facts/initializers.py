"""What runs by itself at load, and which references it can reach.

x86_64 code is followed without disassembling it. Whatever uses another object's symbol does so by a 32-bit
displacement from the instruction pointer, to a GOT slot, to a PLT stub or to a function of the same object. So
each byte offset in a function is read as such a displacement; a target that is exactly a slot, a stub or a
function is no accident. Calls through pointers (virtual functions, callbacks) are not followed, and a branch that
is never taken counts as reached: the result is evidence, not proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts import dynamic as d
from abiclash.facts.code import REACH, Code, read_code, unaligned
from abiclash.facts.model import Initializers, Place
from abiclash.facts.relocations import EM_X86_64, KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.dynamic import Dynamic
    from abiclash.facts.image import Image
    from abiclash.facts.model import Symbols
    from abiclash.facts.relocations import Reading, Relocations

CODE_BUDGET = 8 << 20
"""Bytes of code that are followed per object, the functions nearest to the initializers first."""

_BLOCK = 1 << 18  # offsets looked at together: what fits into a processor's cache

_RELATIVE, _RELATIVE64 = KINDS[EM_X86_64].relative
_CALL = 0xE8  # call; 0xE9 is jmp
_TWO_BYTES, _CONDITIONAL = 0x0F, 0x80  # 0F 8x: jo, jno ... jg
_ENDBR64 = np.uint32(0xFA1E0FF3).astype(np.int32)
_BND = 0xF2
_JUMP_SLOT = 0x25FF  # jmp *slot(%rip), little-endian
_CALL_SLOT = 0x15FF  # call *slot(%rip)


@dataclass(frozen=True, slots=True)
class _Slots:
    """Words that hold another symbol's address: addresses ascending, the row of `References` of each.

    own: the address of the function that this object defines under that name itself, else 0.
    """

    address: NDArray[np.int32]
    row: NDArray[np.int32]
    own: NDArray[np.int32]

    def find(self, targets: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return (which of the targets are slots, the index of each one's slot)."""
        low = self.address[0]
        near = np.flatnonzero((targets - low).view(np.uint32) <= np.uint32(self.address[-1] - low))
        at = np.searchsorted(self.address, targets[near])
        exact = self.address[at] == targets[near]
        return near[exact], at[exact]


def read_initializers(
    image: Image, dynamic: Dynamic, relocations: Relocations, reading: Reading, symbols: Symbols
) -> Initializers:
    """Return the counts, and on x86_64 the references that the initializers reach."""
    word = image.header.word
    references = np.empty(0, dtype=np.uint32)
    if image.header.machine == EM_X86_64 and image.header.bits == 64 and len(reading.references.symbol):
        entries = _entries(image, dynamic, relocations)
        code = read_code(image) if len(entries) else None
        if code is not None:
            references = _reached(code, entries, relocations, reading, symbols)
    return Initializers(
        has_init=dynamic.has(d.DT_INIT),
        has_fini=dynamic.has(d.DT_FINI),
        init_array=dynamic.get(d.DT_INIT_ARRAYSZ) // word,
        fini_array=dynamic.get(d.DT_FINI_ARRAYSZ) // word,
        references=references,
    )


def _reached(
    code: Code, entries: NDArray[np.int32], relocations: Relocations, reading: Reading, symbols: Symbols
) -> NDArray[np.uint32]:
    """Return the rows of `References` that code reaches from the entries; crt's own entries are no functions."""
    first = code.find(entries)
    slots = _slots(relocations, reading, symbols) if len(first) else None
    return _Walk(code, slots).run(first) if slots and len(slots.row) else np.empty(0, dtype=np.uint32)


def _entries(image: Image, dynamic: Dynamic, relocations: Relocations) -> NDArray[np.int32]:
    """Return the addresses of the initializers: DT_INIT, and DT_INIT_ARRAY as stored and as relocated."""
    found = [np.array([dynamic.get(d.DT_INIT)], dtype=np.uint64)]
    start, size = dynamic.get(d.DT_INIT_ARRAY), dynamic.get(d.DT_INIT_ARRAYSZ)
    if size:
        found.append(image.words(start, size // 8, 8, "the initializers"))
    for part, types in relocations.tables() if size else ():
        if part.dtype.names == ("offset", "info", "addend"):
            inside = np.flatnonzero(part["offset"] - np.uint64(start) < size)
            inside = inside[(types[inside] == _RELATIVE) | (types[inside] == _RELATIVE64)]
            found.append(part["addend"][inside].astype(np.uint64))
    entries = np.concatenate(found)
    return entries[(entries > 0) & (entries < REACH)].astype(np.int32)


def _slots(relocations: Relocations, reading: Reading, symbols: Symbols) -> _Slots:
    """Return the words that ld.so fills with the address of a looked-up symbol."""
    offsets, rows = [], []
    start = 0
    for part in relocations.parts:
        row = reading.row[start : start + len(part)]
        start += len(part)
        used = np.flatnonzero((row >= 0) & (part["offset"] < REACH))
        offsets.append(part["offset"][used].astype(np.int32))
        rows.append(row[used])
    address, row = np.concatenate(offsets), np.concatenate(rows)
    order = np.argsort(address, kind="stable")
    row = row[order]
    symbol = reading.references.symbol[row]
    value = symbols.value[symbol]
    own = (symbols.shndx[symbol] != 0) & (symbols.place[symbol] == Place.CODE) & (value < REACH)
    return _Slots(address[order], row, np.where(own, value, 0).astype(np.int32))


class _Walk:
    """A breadth-first walk through functions; each step handles all functions of one distance at once."""

    def __init__(self, code: Code, slots: _Slots) -> None:
        self.code = code
        self.slots = slots
        self.words = unaligned(code.raw)
        self.reached = np.zeros(len(slots.row), dtype=np.bool_)
        self.seen = np.zeros(len(code.starts), dtype=np.bool_)
        self.left = CODE_BUDGET

    def run(self, first: NDArray[np.intp]) -> NDArray[np.uint32]:
        """Return the rows of `References` that are reached from these functions, ascending."""
        front = _distinct(first)
        while len(front) and self.left > 0:
            self.seen[front] = True
            following = np.zeros(len(self.seen), dtype=np.bool_)
            self._follow(front, following)
            front = np.flatnonzero(following & ~self.seen)
        return _distinct(self.slots.row[self.reached]).astype(np.uint32)

    def _follow(self, functions: NDArray[np.intp], following: NDArray[np.bool_]) -> None:
        """Mark the slots that these functions use, and the functions that they go on to."""
        start, length = self.code.extents(functions)
        length = np.maximum(length - 3, 0)
        total = np.cumsum(length)
        done = 0
        while done < len(functions) and self.left > 0:
            before = int(total[done - 1]) if done else 0
            stop = max(done + 1, int(np.searchsorted(total, before + _BLOCK, side="right")))
            at = _positions(start[done:stop], length[done:stop])
            self.left -= len(at)
            following[self.code.find(self._scan(at))] = True
            done = stop

    def _scan(self, at: NDArray[np.int64]) -> NDArray[np.int32]:
        """Read each offset as a displacement; return what is called or jumped to, stubs resolved."""
        raw = self.code.raw
        # A target that wraps around 32 bits would lie outside of any object.
        targets = self.words[at] + (at + (self.code.base + 4)).astype(np.int32)
        used, slot = self.slots.find(targets)
        self.reached[slot] = True
        before = at[used]
        opcode = raw[before - 2] | raw[before - 1].astype(np.int32) << 8
        own = self.slots.own[slot[(opcode == _JUMP_SLOT) | (opcode == _CALL_SLOT)]]
        opcodes = raw[at - 1]
        jumps = np.flatnonzero(opcodes & 0xFE == _CALL)
        conditional = np.flatnonzero(opcodes & 0xF0 == _CONDITIONAL)
        conditional = conditional[raw[at[conditional] - 2] == _TWO_BYTES]
        return np.concatenate([own, self._resolve(np.concatenate([targets[jumps], targets[conditional]]))])

    def _resolve(self, called: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return what is called in the end: of a PLT stub, whose slot is marked, the object's own function if any.

        A stub is jmp *slot(%rip), alone or behind endbr64 and with a bnd prefix (x86_64 psABI, .plt and .plt.sec).
        """
        at = called - np.int32(self.code.base)
        inside = (at >= 0) & (at < len(self.words) - 16)
        called, at = called[inside], at[inside]
        at = at + np.where(self.words[at] == _ENDBR64, np.int32(4), np.int32(0))
        at = at + (self.code.raw[at] == _BND)
        stub = self.words[at] & 0xFFFF == _JUMP_SLOT
        at = at[stub] + np.int32(2)
        _, slot = self.slots.find(self.words[at] + (at + np.int32(self.code.base + 4)))
        self.reached[slot] = True
        return np.concatenate([called[~stub], self.slots.own[slot]])


def _distinct(rows: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return small numbers sorted, each once; np.unique would import numpy.ma."""
    return np.flatnonzero(np.bincount(rows))


def _positions(start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all offsets of the ranges, one range after the other."""
    positions: NDArray[np.int64] = np.arange(int(length.sum())) + np.repeat(
        start - (np.cumsum(length) - length), length
    )
    return positions
