"""What a wheel's .dist-info folder says: METADATA, WHEEL, RECORD, top_level.txt."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from email.parser import BytesParser
from typing import TYPE_CHECKING

from packaging.tags import parse_tag
from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from abiclash.errors import WheelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from email.message import Message


@dataclass(frozen=True, slots=True)
class Metadata:
    """Names and claims of a wheel, in the form of `model.WheelFacts`."""

    name: str
    version: str
    requires: tuple[str, ...]
    requires_python: str | None
    tags: tuple[str, ...]
    root_is_purelib: bool


def dist_info(names: Iterable[str], filename: str) -> str | None:
    """Return the folder `<name>-<version>.dist-info` among member names; by the file name where there are several."""
    folders = sorted({name.partition("/")[0] for name in names if ".dist-info/" in name})
    folders = [folder for folder in folders if folder.endswith(".dist-info")]
    if len(folders) < 2:
        return folders[0] if folders else None
    own = canonicalize_name(filename.partition("-")[0])
    return next((folder for folder in folders if canonicalize_name(folder.partition("-")[0]) == own), None)


def read_metadata(filename: str, metadata: bytes | None, wheel: bytes | None) -> Metadata:
    """Combine METADATA and WHEEL (None where absent) with what the file name says.

    The files win, because a wheel may have been renamed; the file name fills gaps. Raises WheelError when neither tells
    the name and version of the package.
    """
    core = _headers(metadata)
    build = _headers(wheel)
    try:
        name, version, _, file_tags = parse_wheel_filename(filename)
        named, file_version, tags = str(name), str(version), {str(tag) for tag in file_tags}
    except (InvalidWheelFilename, InvalidVersion, InvalidName):
        named, file_version, tags = "", "", set()
    name_stated, version_stated = _one(core, "Name"), _one(core, "Version")
    stated = {str(tag) for line in build.get_all("Tag", []) for tag in _tags(str(line))}
    if not (name_stated or named) or not (version_stated or file_version):
        raise WheelError(
            f"{filename}: neither METADATA nor the file name tells the package and its version; is it a wheel?"
        )
    return Metadata(
        name=canonicalize_name(name_stated or named),
        version=_normal(version_stated or file_version),
        requires=tuple(_text(line) for line in core.get_all("Requires-Dist", [])),
        requires_python=_one(core, "Requires-Python"),
        tags=tuple(sorted(stated or tags)),
        root_is_purelib=(_one(build, "Root-Is-Purelib") or "false").lower() == "true",
    )


def read_record(record: bytes) -> dict[str, tuple[int | None, str]]:
    """Return RECORD as path in the wheel -> (size or None, hash or ''). Raises WheelError when it is no such table."""
    lines: dict[str, tuple[int | None, str]] = {}
    try:
        for row in csv.reader(record.decode("utf-8").splitlines()):
            if not row:
                continue
            path, digest, size = row if len(row) == 3 else (*row, "", "")[:3]
            lines[path] = (int(size) if size else None, digest)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise WheelError(f"it is not a table of paths, hashes and sizes ({error})") from error
    return lines


def record_exempt(folder: str) -> set[str]:
    """Return what RECORD need not list: itself and signatures (binary distribution format, "Signed wheel files")."""
    return {f"{folder}/RECORD", f"{folder}/RECORD.jws", f"{folder}/RECORD.p7s"}


def record_faults(record: Mapping[str, tuple[int | None, str]], sizes: Mapping[str, int], folder: str) -> list[str]:
    """Tell, one sentence each, where RECORD disagrees with the wheel's members (name -> size)."""
    exempt = record_exempt(folder)
    absent = sorted(path for path in record if path not in sizes and path not in exempt and not path.endswith("/"))
    unlisted = sorted(path for path in sizes if path not in record and path not in exempt)
    wrong = sorted(path for path, (size, _) in record.items() if size is not None and sizes.get(path, size) != size)
    return [
        f"it {what}: {len(paths)} files, the first is {paths[0]}"
        for what, paths in (
            ("lists files that the wheel does not contain", absent),
            ("does not list files that the wheel contains", unlisted),
            ("states other sizes than the files have", wrong),
        )
        if paths
    ]


def _headers(raw: bytes | None) -> Message:
    return BytesParser().parsebytes(raw or b"", headersonly=True)


def _one(message: Message, header: str) -> str | None:
    value = message.get(header)
    return _text(value).strip() or None if value is not None else None


def _text(value: object) -> str:
    """Undo the surrogates that the email parser makes of non-ASCII bytes; metadata is UTF-8."""
    return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _tags(line: str) -> list[object]:
    try:
        return list(parse_tag(line.strip()))
    except ValueError:
        return []


def _normal(version: str) -> str:
    try:
        return str(Version(version))
    except InvalidVersion:
        return version
