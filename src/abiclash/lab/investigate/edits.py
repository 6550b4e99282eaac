"""Small edits of a shared object's bytes, each of one kind; they keep the file's size and layout.

Hiding sets a symbol's st_other to STV_HIDDEN. glibc then skips it for everyone else (glibc 2.36 elf/dl-lookup.c
do_lookup_x, `dl_symbol_visibility_binds_local_p (sym)`) and binds the object's own references to it without a look-up
(elf/dl-reloc.c RESOLVE_MAP). So it takes a definition away from others, and leaves it to its owner. Withdrawing makes
the entry undefined: then the owner too takes whatever the process offers.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from abiclash.errors import LabError
from abiclash.facts.tables import symbol_dtype

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

STV_HIDDEN = 2
_STT_OBJECT, _STT_TLS = 1, 6
_STB_LOCAL, _STB_GLOBAL, _STB_GNU_UNIQUE = 0, 1, 10


class Symbols:
    """The dynamic symbols of an object's bytes, to be changed in place; `data` is the object with the changes."""

    def __init__(self, data: bytes, path: str) -> None:
        """Raise LabError where there is no symbol table to edit. path: for messages."""
        self.data = bytearray(data)
        try:
            elf = ELFFile(io.BytesIO(data))
            table, texts = elf.get_section_by_name(".dynsym"), elf.get_section_by_name(".dynstr")
        except ELFError as error:
            raise LabError(f"{path}: not a readable ELF object ({error}); it cannot be edited") from error
        if table is None or texts is None:
            raise LabError(f"{path}: it has no section headers for its dynamic symbols; it cannot be edited")
        kind = symbol_dtype(elf.elfclass, "<" if elf.little_endian else ">")
        view = np.frombuffer(self.data, dtype=np.uint8)
        begin = table["sh_offset"]
        self._rows = view[begin : begin + table["sh_size"] // kind.itemsize * kind.itemsize].view(kind)
        self._texts = data[texts["sh_offset"] : texts["sh_offset"] + texts["sh_size"]]

    def _named(self, names: Collection[str]) -> NDArray[np.bool_]:
        """Which rows have one of the names. A linker may keep a name as the end of a longer one."""
        places: list[int] = []
        for name in names:
            raw = name.encode("utf-8", "surrogateescape") + b"\0"
            at = self._texts.find(raw)
            while at >= 0:
                places.append(at)
                at = self._texts.find(raw, at + 1)
        found: NDArray[np.bool_] = np.isin(self._rows["name"], np.array(places, dtype=np.uint32))
        return found

    @property
    def _exported(self) -> NDArray[np.bool_]:
        hidden = (self._rows["other"] & 3 == STV_HIDDEN) | (self._rows["other"] & 3 == 1)
        found: NDArray[np.bool_] = (self._rows["shndx"] != 0) & (self._rows["info"] >> 4 != _STB_LOCAL) & ~hidden
        return found

    def exported(self) -> list[str]:
        """Names of all definitions that others can get, sorted."""
        starts = self._rows["name"][self._exported].tolist()
        return sorted(
            {self._texts[at : self._texts.index(b"\0", at)].decode("utf-8", "surrogateescape") for at in starts}
        )

    def exports(self, names: Collection[str]) -> set[str]:
        """Those of `names` that the object defines for others."""
        return {name for name in names if bool((self._named([name]) & self._exported).any())}

    def is_pointer(self, name: str) -> bool:
        """Whether the object defines a variable of this name that is as large as an address."""
        return self.data_size(name) == (8 if self._rows.dtype.itemsize == 24 else 4)

    def data_size(self, name: str) -> int | None:
        """Bytes of the variable of this name that the object defines for others, None where there is none."""
        rows = self._rows[self._named([name]) & self._exported]
        data = rows[((rows["info"] & 15 == _STT_OBJECT) | (rows["info"] & 15 == _STT_TLS)) & (rows["size"] > 0)]
        return int(data["size"][0]) if len(data) else None

    def hide(self, names: Collection[str]) -> int:
        """Hide the definitions of these names; return how many there were."""
        return self._hide(self._named(names) & self._exported)

    def hide_all_but(self, names: Collection[str], kept_prefix: bytes = b"PyInit_") -> int:
        """Hide every definition but those of these names and Python's own entry points; return how many."""
        entry = [at for at in self._rows["name"].tolist() if self._texts.startswith(kept_prefix, at)]
        kept = self._named(names) | np.isin(self._rows["name"], np.array(entry, dtype=np.uint32))
        return self._hide(self._exported & ~kept)

    def _hide(self, rows: NDArray[np.bool_]) -> int:
        self._rows["other"][rows] = self._rows["other"][rows] & 0xFC | STV_HIDDEN
        return int(rows.sum())

    def withdraw(self, names: Collection[str]) -> int:
        """Turn the definitions of these names into references; return how many there were.

        The object then looks for them like everyone else. glibc takes no undefined entry for a definition (do_lookup_x:
        value 0, and for PLT and TLS relocations SHN_UNDEF).
        """
        rows = self._named(names) & self._exported
        self._rows["shndx"][rows] = 0
        self._rows["value"][rows] = 0
        return int(rows.sum())

    def make_global(self) -> int:
        """Turn STB_GNU_UNIQUE definitions into STB_GLOBAL ones, for which no table of the process is asked."""
        rows = self._rows["info"] >> 4 == _STB_GNU_UNIQUE
        self._rows["info"][rows] = self._rows["info"][rows] & 0x0F | _STB_GLOBAL << 4
        return int(rows.sum())


def rename_library(data: bytes, old: str, new: str) -> bytes:
    """Return the object with the name of a library replaced wherever the dynamic section may name it.

    The names have equal length; only whole strings of .dynstr are replaced. Raises LabError as `Symbols`.
    """
    symbols = Symbols(data, old)
    whole = b"\0" + old.encode() + b"\0"
    begin = data.find(symbols._texts)  # noqa: SLF001 - one module
    changed = symbols._texts.replace(whole, b"\0" + new.encode() + b"\0")  # noqa: SLF001
    return data[:begin] + changed + data[begin + len(changed) :]
