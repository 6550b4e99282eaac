"""Objects that no wheel brings: read once for as long as the file does not change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.errors import ElfError
from abiclash.facts.content_hash import content_hash
from abiclash.facts.elf import read_object
from abiclash.facts.ranges import Ranges
from abiclash.facts.stored_names import compact

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.store import Store


def stored_object(path: Path, store: Store) -> tuple[str, ObjectFacts]:
    """Return (sha256, facts) of an ELF file on disk, with its absolute path; `store.names` takes that sha256.

    Raises FactsError where it cannot be read, and its subclass ElfError where it is not ELF or damaged.
    """
    sha256 = content_hash(path, store)
    name = str(path.absolute())
    known = store.get_object(sha256)
    if known is None:
        try:
            known, table = read_object(Ranges.mapped(path), name)
        except ElfError as error:
            raise ElfError(f"{path}: not an ELF file that can be read: {error}") from error
        store.put_object(sha256, known, compact(table))
    return sha256, known if known.path == name else replace(known, path=name)
