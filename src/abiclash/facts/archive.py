"""A wheel as a zip file: its members as they can be trusted, read without unpacking anything to disk."""

from __future__ import annotations

import os
import re
import struct
import zipfile
from collections import Counter
from dataclasses import dataclass
from stat import S_ISLNK
from typing import TYPE_CHECKING, Self

from abiclash.errors import NotAnalysed, WheelError
from abiclash.facts.inflate import DEFLATED, STORED, Packed, checked, inflate, peek
from abiclash.facts.installed import installed_path
from abiclash.facts.limits import Limits, over

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from abiclash.facts.inflate import Allocate, Select
    from abiclash.facts.ranges import Ranges

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 4.3.7
_END_RECORD = struct.Struct("<4s4H2IH")  # 4.3.16
_END64_LOCATOR = struct.Struct("<4sIQI")  # 4.3.15
_END64_RECORD = struct.Struct("<4sQ2H2I4Q")  # 4.3.14
_UNFIT = re.compile(r"[\x00-\x1f\\]|^/|^.:|(?:^|/)\.\.(?:/|$)")
_ENCRYPTED = 0x41  # general purpose bits 0 and 6 (strong encryption)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a wheel. name: in the zip. size, packed: bytes inflated and in the file. crc: of the inflated bytes.

    method: of compression. header: offset of its local header. bound: where the next member, or the directory, begins.
    """

    name: str
    size: int
    packed: int
    crc: int
    method: int
    header: int
    bound: int


class Archive:
    """A wheel file, open for reading. Safe to use from several threads.

    members: files that can be read, in the order of the zip directory. rejected: those that no installer should accept
    and that are not read, with the reason. Raises WheelError when there is no readable directory.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path = path
        self.limits = limits or Limits.load()
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise WheelError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
        try:
            self.size = os.fstat(self._file).st_size
            self.members, self.rejected = _sift(path.name, self._directory(), self.limits)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._file)

    def _directory(self) -> list[tuple[zipfile.ZipInfo, int]]:
        """Return the directory's entries, each with the offset at which its bytes must have ended."""
        self._bound_directory()
        try:
            with open(self._file, "rb", closefd=False) as stream, zipfile.ZipFile(stream) as zipped:
                entries, end = zipped.infolist(), zipped.start_dir
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            raise WheelError(f"{self.path}: not a readable zip file ({error}); fetch it again") from error
        if len(entries) > self.limits.members:
            raise WheelError(f"{self.path}: {len(entries)} members, {over('members', self.limits.members)}")
        total = sum(entry.file_size for entry in entries)
        if total > self.limits.total:
            raise WheelError(f"{self.path}: its members have {total} bytes, {over('total', self.limits.total)}")
        entries.sort(key=lambda entry: entry.header_offset)
        bounds = [entry.header_offset for entry in entries[1:]] + ([end] if entries else [])
        return list(zip(entries, bounds, strict=True))

    def _bound_directory(self) -> None:
        """Refuse a directory that would take a lot of memory before zipfile reads it."""
        tail_at = max(0, self.size - (1 << 16) - _END_RECORD.size)
        tail = os.pread(self._file, self.size - tail_at, tail_at)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + _END_RECORD.size:
            raise WheelError(f"{self.path}: not a readable zip file (no end of directory record); fetch it again")
        size = _END_RECORD.unpack_from(tail, at)[5]
        locator_at = at - _END64_LOCATOR.size
        if locator_at >= 0 and tail[locator_at : locator_at + 4] == b"PK\x06\x07":
            record = os.pread(self._file, _END64_RECORD.size, _END64_LOCATOR.unpack_from(tail, locator_at)[2])
            size = _END64_RECORD.unpack(record)[8] if len(record) == _END64_RECORD.size else 0
        if size > self.limits.directory:
            raise WheelError(
                f"{self.path}: its zip directory has {size} bytes, {over('directory', self.limits.directory)}"
            )

    def _packed(self, member: Member) -> Packed:
        """Locate a member's data through its local header, which must agree with the directory."""
        header = os.pread(self._file, _LOCAL_HEADER.size, member.header)
        if len(header) < _LOCAL_HEADER.size:
            raise WheelError("its local header is cut off")
        magic, _, flags, method, *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        name = os.pread(self._file, name_length, member.header + _LOCAL_HEADER.size)
        if magic != b"PK\x03\x04":
            raise WheelError("there is no local header where the zip directory says")
        if name.decode("utf-8" if flags & 0x800 else "cp437", "replace") != member.name or method != member.method:
            raise WheelError("its local header names another file or another compression than the zip directory")
        start = member.header + _LOCAL_HEADER.size + name_length + extra_length
        if start + member.packed > member.bound:
            raise WheelError("its data overlaps another member")
        return Packed(start, member.packed, member.size, member.crc, member.method)

    def inflate(self, member: Member, select: Select, allocate: Allocate | None = None) -> Ranges:
        """Inflate and verify a member, keeping what `select` asks for (see `inflate.inflate`)."""
        packed = self._packed(member)
        if allocate is None:
            return inflate(self._file, packed, select, self.limits)
        return inflate(self._file, packed, select, self.limits, allocate)

    def read(self, member: Member) -> bytes:
        """Return the verified bytes of a member of at most `limits.text` bytes. Raises WheelError."""
        if member.size > self.limits.text:
            raise WheelError(f"it has {member.size} bytes of text, {over('text', self.limits.text)}")
        return b"".join(self.stream(member))

    def stream(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of a member, verified when the last one has come. Raises WheelError."""
        return checked(self._file, self._packed(member), self.limits)

    def head(self, member: Member, length: int) -> bytes:
        """Return the first bytes of a member, at most `length`, unverified. Raises WheelError."""
        return peek(self._file, self._packed(member), length)


class SourceArchive:
    """Text members of a wheel by the path at which they are installed; used to read Python source on demand."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self._archive = Archive(path, limits)
        self._members = {installed_path(member.name): member for member in self._archive.members}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._archive.close()

    def files(self) -> list[str]:
        """Return the installed paths, relative to site-packages, sorted."""
        return sorted(self._members)

    def read(self, path: str) -> bytes:
        """Return the verified bytes of the file installed as `path`. Raises WheelError (absent, broken, too big)."""
        member = self._members.get(path)
        if member is None:
            raise WheelError(f"{self._archive.path.name}!{path}: the wheel has no such file")
        try:
            return self._archive.read(member)
        except WheelError as error:
            raise WheelError(f"{self._archive.path.name}!{member.name}: {error}") from error


def _sift(
    wheel: str, entries: list[tuple[zipfile.ZipInfo, int]], limits: Limits
) -> tuple[list[Member], list[NotAnalysed]]:
    """Split directory entries (by offset) into members that can be read and those that cannot, with the reason."""
    ambiguous = _ambiguous([entry for entry, _ in entries])
    members: dict[str, Member] = {}
    rejected = set()
    reached = 0
    for entry, bound in entries:
        name, packed, header = entry.filename, entry.compress_size, entry.header_offset
        end = header + _LOCAL_HEADER.size + packed
        overlaps = header < reached or end > bound
        reached = max(reached, end)
        if name.endswith("/"):
            continue
        reason = _fault(entry, limits)
        if name in ambiguous:
            reason = "its name occurs more than once, with different contents"
        elif overlaps:
            reason = "its data overlaps another member"
        if reason:
            rejected.add(NotAnalysed(f"{wheel}!{name[: limits.name]}", reason))
        else:
            members[name] = Member(name, entry.file_size, packed, entry.CRC, entry.compress_type, header, bound)
    return list(members.values()), sorted(rejected)


def _ambiguous(entries: list[zipfile.ZipInfo]) -> set[str]:
    """Return the names that several entries have whose contents differ."""
    names = {entry.filename for entry in entries}
    if len(names) == len(entries):
        return set()
    contents = {(entry.filename, entry.CRC, entry.file_size) for entry in entries}
    return {name for name, count in Counter(name for name, _, _ in contents).items() if count > 1}


def _fault(entry: zipfile.ZipInfo, limits: Limits) -> str | None:
    """Why one directory entry, taken by itself, must not be read."""
    name = entry.filename
    if len(name) > limits.name:
        return f"its name has {len(name)} characters, {over('name', limits.name)}"
    if entry.orig_filename != name or _UNFIT.search(name):
        return "its name contains a backslash or a control character, or points outside of the wheel"
    if S_ISLNK(entry.external_attr >> 16):
        return "it is a symbolic link, which a wheel cannot contain"
    if entry.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if entry.compress_type not in (STORED, DEFLATED):
        return f"its compression method {entry.compress_type} is not supported"
    if entry.compress_type == STORED and entry.compress_size != entry.file_size:
        return "it is stored, yet its two sizes differ"
    return None
