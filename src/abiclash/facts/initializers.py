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
from abiclash.facts.code import Code, read_code, unaligned
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
_REACH = 1 << 31  # a displacement has 32 bits

_CALL, _JUMP = 0xE8, 0xE9
_ENDBR64 = 0xFA1E0FF3
_JUMP_SLOT = 0x25FF  # jmp *slot(%rip), little-endian
_CALL_SLOT = 0x15FF  # call *slot(%rip)


@dataclass(frozen=True, slots=True)
class _Slots:
    """Words that hold another symbol's address: addresses ascending, the row of `References` of each.

    own: the address of the function that this object defines under that name itself, else 0.
    """

    address: NDArray[np.int64]
    row: NDArray[np.int32]
    own: NDArray[np.int64]

    def find(self, targets: NDArray[np.int32], base: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return (which of the targets, counted from `base`, are slots, the index of each one's slot)."""
        low, span = int(self.address[0]) - base, int(self.address[-1] - self.address[0])
        near = np.flatnonzero((targets - np.int32(low)).view(np.uint32) <= span)
        wanted = targets[near].astype(np.int64) + base
        at = np.searchsorted(self.address, wanted)
        exact = self.address[at] == wanted
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
        if code is not None and max(load.vaddr + load.memsz for load in image.loads) < _REACH:
            references = _Walk(code, _slots(relocations, reading, symbols)).run(entries)
    return Initializers(
        has_init=dynamic.has(d.DT_INIT),
        has_fini=dynamic.has(d.DT_FINI),
        init_array=dynamic.get(d.DT_INIT_ARRAYSZ) // word,
        fini_array=dynamic.get(d.DT_FINI_ARRAYSZ) // word,
        references=references,
    )


def _entries(image: Image, dynamic: Dynamic, relocations: Relocations) -> NDArray[np.int64]:
    """Return the addresses of the initializers: DT_INIT, and DT_INIT_ARRAY as stored and as relocated."""
    found = [np.array([dynamic.get(d.DT_INIT)] if dynamic.get(d.DT_INIT) else [], dtype=np.int64)]
    start, size = dynamic.get(d.DT_INIT_ARRAY), dynamic.get(d.DT_INIT_ARRAYSZ)
    if size:
        found.append(image.words(start, size // 8, 8, "the initializers").astype(np.int64))
    for part, types in relocations.tables():
        if part.dtype.names == ("offset", "info", "addend"):
            inside = (part["offset"] - np.uint64(start) < size) & np.isin(types, KINDS[EM_X86_64].relative)
            found.append(part["addend"][inside].astype(np.int64))
    entries = np.unique(np.concatenate(found))
    return entries[entries > 0]


def _slots(relocations: Relocations, reading: Reading, symbols: Symbols) -> _Slots:
    """Return the words that ld.so fills with the address of a looked-up symbol."""
    used = np.flatnonzero(reading.row >= 0)
    offsets = np.concatenate([part["offset"].astype(np.int64) for part in relocations.parts])[used]
    order = np.argsort(offsets, kind="stable")
    row = reading.row[used][order]
    symbol = reading.references.symbol[row]
    own = (symbols.shndx[symbol] != 0) & (symbols.place[symbol] == Place.CODE)
    return _Slots(offsets[order], row, np.where(own, symbols.value[symbol].astype(np.int64), 0))


class _Walk:
    """A breadth-first walk through functions; each step handles all functions of one distance at once."""

    def __init__(self, code: Code, slots: _Slots) -> None:
        self.code = code
        self.slots = slots
        self.words = unaligned(code.raw)
        self.reached = np.zeros(len(slots.row), dtype=np.bool_)
        self.seen = np.empty(0, dtype=np.int64)
        self.left = CODE_BUDGET

    def run(self, entries: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the rows of `References` that are reached, ascending."""
        front = entries[self.code.known(entries)]
        while len(front) and self.left > 0:
            self.seen = np.union1d(self.seen, front)
            front = np.setdiff1d(self._follow(front), self.seen)
        return np.unique(self.slots.row[self.reached]).astype(np.uint32)

    def _follow(self, functions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Mark the slots that these functions use, and return the functions that they go on to."""
        length = np.maximum(self.code.ends(functions) - functions - 3, 0)
        total = np.cumsum(length)
        found = [np.empty(0, dtype=np.int64)]
        done = 0
        while done < len(functions) and self.left > 0:
            before = int(total[done - 1]) if done else 0
            stop = max(done + 1, int(np.searchsorted(total, before + _BLOCK, side="right")))
            at = _positions(functions[done:stop] - self.code.base, length[done:stop])
            self.left -= len(at)
            found += self._scan(at[at >= 2])
            done = stop
        return np.unique(np.concatenate(found))

    def _scan(self, at: NDArray[np.int32]) -> list[NDArray[np.int64]]:
        """Read each offset as a displacement; return the functions of this object that are gone to."""
        base, raw = self.code.base, self.code.raw
        # Targets count from `base`; one that wraps around 32 bits would lie outside of any object.
        targets = self.words[at] + at + np.int32(4)
        used, slot = self.slots.find(targets, base)
        self.reached[slot] = True
        opcode = raw[at[used] - 2] | raw[at[used] - 1].astype(np.int32) << 8
        own = self.slots.own[slot[(opcode == _JUMP_SLOT) | (opcode == _CALL_SLOT)]]
        opcodes = raw[at - 1]
        jumps = np.flatnonzero((opcodes == _CALL) | (opcodes == _JUMP))
        conditional = np.flatnonzero(opcodes & 0xF0 == 0x80)
        conditional = conditional[raw[at[conditional] - 2] == 0x0F]
        called = np.unique(targets[np.concatenate([jumps, conditional])]).astype(np.int64) + base
        return [called[self.code.known(called)], self._stubs(called), own[own > 0]]

    def _stubs(self, called: NDArray[np.int64]) -> NDArray[np.int64]:
        """Mark the slots of those call targets that are PLT stubs; return the object's own functions among them.

        A stub is jmp *slot(%rip), alone or behind endbr64 and with a bnd prefix (x86_64 psABI, .plt and .plt.sec).
        """
        at = called - self.code.base
        at = at[(at >= 0) & (at < len(self.words) - 16)]
        at = at + np.where(self.words[at] == np.array(_ENDBR64, dtype=np.uint32).astype(np.int32), 4, 0)
        at = at + (self.code.raw[at] == 0xF2)
        at = at[self.words[at] & 0xFFFF == _JUMP_SLOT] + 2
        _, slot = self.slots.find(at.astype(np.int32) + np.int32(4) + self.words[at], self.code.base)
        self.reached[slot] = True
        own = self.slots.own[slot]
        return own[own > 0]


def _positions(start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return all offsets of the ranges, one range after the other."""
    shift = (start - (np.cumsum(length) - length)).astype(np.int32)
    return np.arange(int(length.sum()), dtype=np.int32) + np.repeat(shift, length)
