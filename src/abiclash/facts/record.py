"""Whether the files of a wheel are what its RECORD says: every member is inflated and hashed.

That takes as long as indexing, so it is done when it is asked for, and once for each wheel.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from abiclash.errors import NotAnalysed, WheelError
from abiclash.facts.archive import Archive, Member
from abiclash.facts.metadata import dist_info, read_record, record_exempt
from abiclash.parsing import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.facts.store import Store

_KIND = "record-1"
_STATED = re.compile(r"(?P<kind>sha256|sha384|sha512)=(?P<digest>[\w-]{43,86})=*", re.ASCII)


def verify_record(path: Path, sha256: str, store: Store) -> list[NotAnalysed]:
    """Return the members whose content RECORD does not vouch for, with both hashes.

    sha256: of the wheel, under which the store keeps the answer. What RECORD says beside hashes is among the facts of
    the wheel (`metadata.record_faults`). Raises WheelError when the file is no readable wheel.
    """
    try:
        faults = [(str(member), str(reason)) for member, reason in read_json(store.get_document(_KIND, sha256) or b"")]
    except (ValueError, TypeError):  # not known, or published in another form
        faults = _faults(path)
        store.put_document(_KIND, sha256, json.dumps(faults).encode())
    return [NotAnalysed(f"{path.name}!{member}", reason) for member, reason in faults]


def _faults(path: Path) -> list[tuple[str, str]]:
    """Return (member, reason), sorted."""
    with Archive(path) as archive:
        members = {member.name: member for member in archive.members}
        folder = dist_info(members, path.name) or ""
        stated = _stated(archive, members.get(f"{folder}/RECORD"))
        listed = [members[name] for name in stated if name in members and name not in record_exempt(folder)]
        listed.sort(key=lambda member: (-member.size, member.name))
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            reasons = pool.map(lambda member: _fault(archive, member, stated[member.name]), listed)
            return sorted((member.name, reason) for member, reason in zip(listed, reasons, strict=True) if reason)


def _stated(archive: Archive, record: Member | None) -> dict[str, str]:
    """Return the hash that RECORD states by member; nothing where RECORD cannot be read, which the facts tell."""
    if record is None:
        return {}
    try:
        return {name: digest for name, (_, digest) in read_record(archive.read(record)).items()}
    except WheelError:
        return {}


def _fault(archive: Archive, member: Member, stated: str) -> str | None:
    """Return what is wrong with one member."""
    form = _STATED.fullmatch(stated)
    if form is None:
        return "RECORD states no sha256, sha384 or sha512 of it; build the wheel again"
    digest = hashlib.new(form["kind"])
    try:
        for piece in archive.stream(member):
            digest.update(piece)
    except WheelError as error:
        return str(error)
    found = urlsafe_b64encode(digest.digest()).decode().rstrip("=")
    if found == form["digest"]:
        return None
    return (
        f"its {form['kind']} is {found} where RECORD states {form['digest']}: it was changed after the wheel was built;"
        " fetch or build the wheel again"
    )
