"""The symbol and relocation tables of a large library: read as arrays, and iterated with pyelftools.

    python benchmarks/tables.py [--folder DIR] [--member NAME] [WHEEL]

By default libtensorflow_cc.so.2 of tensorflow 2.19.1. Everything is in memory before the clocks start. Target: the
tables at least 100 times faster than pyelftools.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection
from measured import table
from wheels import fetched

from abiclash.facts.dynamic import DT_SYMTAB, read_dynamic
from abiclash.facts.elf import read_object
from abiclash.facts.image import Image
from abiclash.facts.ranges import Ranges
from abiclash.facts.relocations import read_references, read_relocations
from abiclash.facts.tables import read_symbols, symbol_dtype
from abiclash.facts.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Callable


def arrays(content: bytes, count: int) -> tuple[int, int]:
    """Read every column of .dynsym and the dynamic relocations as arrays; return how many there are."""
    image = Image(Ranges.whole(content))
    dynamic = read_dynamic(image)
    assert dynamic is not None
    relocations = read_relocations(image, dynamic)
    dtype = symbol_dtype(image.header.bits, image.header.order)
    raw = image.records(dynamic.get(DT_SYMTAB), count, dtype, "the symbol table")
    columns = [raw[name].copy() for name in dtype.names or ()]
    return len(columns[0]), len(relocations.symbol)


def tables_with_keys(content: bytes) -> tuple[int, int]:
    """Read the tables as facts keep them: names found and hashed, sorted, places and references worked out."""
    image = Image(Ranges.whole(content))
    dynamic = read_dynamic(image)
    assert dynamic is not None
    relocations = read_relocations(image, dynamic)
    symbols = read_symbols(image, dynamic, relocations.highest)
    references = read_references(image, relocations, symbols)
    return len(symbols.symbols.key), len(references.references.symbol)


def whole(content: bytes) -> tuple[int, int]:
    """Read all facts of the object."""
    facts, _ = read_object(Ranges.whole(content), "object")
    return len(facts.symbols.key), len(facts.references.symbol)


def pyelftools(content: bytes) -> tuple[int, int]:
    """Iterate the same tables with pyelftools, looking at each name and each field once."""
    elf = ELFFile(io.BytesIO(content))
    symbols = relocations = 0
    for section in elf.iter_sections():
        if isinstance(section, SymbolTableSection) and section.name == ".dynsym":
            for symbol in section.iter_symbols():
                symbols += 1
                _ = symbol.name, symbol.entry
        elif isinstance(section, RelocationSection):
            for relocation in section.iter_relocations():
                relocations += 1
                _ = relocation.entry
    return symbols, relocations


def timed(work: Callable[[], tuple[int, int]], runs: int) -> tuple[float, tuple[int, int]]:
    """Return the least CPU time of some runs, and the result."""
    seconds = []
    for _ in range(runs):
        before = time.process_time()
        result = work()
        seconds.append(time.process_time() - before)
    return min(seconds), result


def compare(content: bytes) -> str:
    """Return the table."""
    slow, (symbols, relocations) = timed(lambda: pyelftools(content), 1)
    rows = [["pyelftools, iterated", f"{slow:.2f} s", "1"]]
    for title, work in (
        ("every column as an array", lambda: arrays(content, symbols)),
        ("symbols and references as stored (names hashed, sorted by key)", lambda: tables_with_keys(content)),
        (
            "all facts of the object (also versions, strings, initializers)",
            lambda: whole(content),
        ),
    ):
        seconds, _ = timed(work, 3)
        rows.append([title, f"{seconds:.3f} s", f"{slow / seconds:.0f}"])
    return f"{symbols:,} symbols, {relocations:,} relocations.\n\n" + table(["", "CPU", "times faster"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the wheel is looked for, and downloaded to")
    parser.add_argument("--member", default="tensorflow/libtensorflow_cc.so.2")
    parser.add_argument("wheel", nargs="?", type=Path)
    options = parser.parse_args()
    wheel = Wheel(options.wheel or fetched(("tensorflow==2.19.1",), options.folder)[0])
    (member,) = (member for member in wheel.objects if member.name == options.member)
    content = wheel.archive.inflate(member, lambda _head, size: [(0, size)]).read(0, member.size)
    print(compare(content.tobytes()))


if __name__ == "__main__":
    main()
