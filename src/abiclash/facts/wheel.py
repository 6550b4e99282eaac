"""One wheel while it is read: its directory, metadata and ELF members, and its facts in the end."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from abiclash.errors import ElfError, NotAnalysed, WheelError
from abiclash.facts.archive import Archive
from abiclash.facts.elf import read_object
from abiclash.facts.image import PF_X, PT_LOAD, parse_header, parse_segments
from abiclash.facts.inflate import HEAD
from abiclash.facts.installed import importable, installed_path
from abiclash.facts.layout import wanted
from abiclash.facts.metadata import dist_info, read_metadata, read_record, record_faults
from abiclash.facts.model import WheelFacts, WheelFile
from abiclash.facts.ranges import NotKeptError
from abiclash.facts.stored_names import compact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from abiclash.facts.archive import Member
    from abiclash.facts.arena import Arena
    from abiclash.facts.inflate import Select
    from abiclash.facts.limits import Limits
    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.stored_names import Names

_LARGE = 32 << 20
_FRONT, _BACK = 256 << 20, 16 << 20
_ELF = b"\x7fELF"
_TEXT = (
    *(".py", ".pyi", ".pyx", ".pxd", ".pxi", ".txt", ".md", ".rst", ".json", ".toml", ".yaml", ".yml", ".cfg", ".ini"),
    *(".csv", ".xml", ".html", ".css", ".js", ".ts", ".map", ".svg", ".png", ".qml", ".qmltypes", ".typed", ".proto"),
    *(".h", ".hh", ".hpp", ".hxx", ".cuh", ".inc", ".inl", ".c", ".cc", ".cpp", ".cu", ".cmake", ".pc"),
)
"""Suffixes of members that are not even looked into: half of the members of large wheels."""


def sparingly(head: bytes, size: int) -> list[tuple[int, int]]:
    """Choose ranges as `layout.wanted` does, but of huge read-only data only the parts where tables and texts lie.

    To hold the rest (GPU code, mostly) costs more than to inflate it. Should a table lie in it after all, the member is
    inflated a second time.
    """
    parts = wanted(head, size)
    if max((length for _, length in parts), default=0) <= _FRONT + _BACK:
        return parts
    header = parse_header(head)
    table = head[header.phoff : header.phoff + header.phnum * header.segment_size]
    for segment in parse_segments(header, table):
        if segment.type == PT_LOAD and not segment.flags & PF_X and segment.filesz > _FRONT + _BACK:
            parts = _without(parts, segment.offset + _FRONT, segment.offset + segment.filesz - _BACK)
    return parts


def _without(parts: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """Return ranges less what lies between two offsets."""
    before = [(offset, min(length, start - offset)) for offset, length in parts if offset < start]
    cut = [(max(offset, end), offset + length) for offset, length in parts if offset + length > end]
    return before + [(offset, stop - offset) for offset, stop in cut]


class Wheel:
    """A wheel, open for reading; close it in the end. Raises WheelError when it is none.

    objects: its ELF members, the largest first. Each can be read by another thread.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path = path
        self.archive = Archive(path, limits)
        try:
            self._notes = set(self.archive.rejected)
            self._members = {member.name: member for member in self.archive.members}
            self._info = dist_info(self._members, path.name)
            self._metadata = read_metadata(path.name, self._text("METADATA"), self._text("WHEEL"))
            self.objects = sorted(
                (member for member in self.archive.members if self._is_elf(member)),
                key=lambda member: (-member.size, member.name),
            )
        except BaseException:
            self.archive.close()
            raise

    def kept(self, member: Member) -> int:
        """Return how many bytes of an ELF member are kept while it is read; for small ones simply their size."""
        if member.size < _LARGE:
            return member.size
        try:
            ranges = sparingly(self.archive.head(member, HEAD), member.size)
        except (ElfError, WheelError):  # told when it is read
            return 0
        return sum(length for _, length in ranges)

    def close(self) -> None:
        self.archive.close()

    def read(self, member: Member, arena: Arena) -> tuple[ObjectFacts, list[Names]] | NotAnalysed:
        """Inflate one ELF member and return its facts and names; a broken one costs only itself."""
        try:
            try:
                return self._read(member, sparingly, arena)
            except NotKeptError:
                return self._read(member, wanted, arena)
        except (ElfError, WheelError) as error:
            return self._note(member.name, str(error))
        except Exception as error:  # noqa: BLE001 - a fault of the reader must not cost the other members
            reason = f"unexpected fault while reading it ({type(error).__name__}: {error}); please report this file"
            return self._note(member.name, " ".join(reason.split()))

    def _read(self, member: Member, select: Select, arena: Arena) -> tuple[ObjectFacts, list[Names]]:
        with arena.lease() as allocate:
            ranges = self.archive.inflate(member, select, allocate)
            facts, table = read_object(ranges, installed_path(member.name))
            return facts, compact(table)

    def facts(self, sha256: str, objects: Iterable[ObjectFacts], failures: Iterable[NotAnalysed]) -> WheelFacts:
        """Put the facts together, in an order that does not depend on who read what when."""
        files = self._files()
        self._collisions(files)
        own = self._metadata
        top_level = (self._text("top_level.txt", needed=False) or b"").decode("utf-8", "replace")
        return WheelFacts(
            name=own.name,
            version=own.version,
            filename=self.path.name,
            sha256=sha256,
            tags=own.tags,
            root_is_purelib=own.root_is_purelib,
            requires=own.requires,
            requires_python=own.requires_python,
            modules=importable([file.path for file in files], top_level),
            files=files,
            objects=tuple(sorted(objects, key=lambda facts: facts.path)),
            not_analysed=tuple(sorted({*self._notes, *failures})),
            members={installed_path(name): name for name in sorted(self._members) if installed_path(name) != name},
        )

    def _files(self) -> tuple[WheelFile, ...]:
        """Return what is installed: the members, with the hashes of RECORD; note where RECORD says something else."""
        raw = self._text("RECORD")
        record: dict[str, tuple[int | None, str]] = {}
        if raw is not None:
            try:
                record = read_record(raw)
            except WheelError as error:
                self._note(f"{self._info}/RECORD", str(error))
            else:
                sizes = {name: member.size for name, member in self._members.items()}
                for fault in record_faults(record, sizes, self._info or ""):
                    self._note(f"{self._info}/RECORD", fault)
        files = (
            WheelFile(installed_path(name), member.size, record.get(name, (None, ""))[1])
            for name, member in self._members.items()
        )
        return tuple(sorted(files, key=lambda file: file.path))

    def _collisions(self, files: tuple[WheelFile, ...]) -> None:
        for one, other in pairwise(files):
            if one.path == other.path:
                self._note(one.path, "two members of the wheel are installed at this path")

    def _text(self, file: str, *, needed: bool = True) -> bytes | None:
        """Return a file of the .dist-info folder, or None; note that a needed one is missing or broken."""
        name = f"{self._info}/{file}" if self._info else f"*.dist-info/{file}"
        member = self._members.get(name)
        if member is None:
            if needed:
                self._note(name, "the wheel has no such file")
            return None
        try:
            return self.archive.read(member)
        except WheelError as error:
            self._note(name, str(error))
            return None

    def _is_elf(self, member: Member) -> bool:
        if member.size < len(_ELF) or member.name.endswith(_TEXT):
            return False
        try:
            return self.archive.head(member, len(_ELF)) == _ELF
        except WheelError as error:
            self._note(member.name, str(error))
            return False

    def _note(self, member: str, reason: str) -> NotAnalysed:
        note = NotAnalysed(f"{self.path.name}!{member}", reason)
        self._notes.add(note)
        return note
