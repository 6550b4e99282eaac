"""abiclash facts: what is known of a wheel or a shared object."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL
from abiclash.errors import AbiclashError, ElfError, NotAnalysed, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.facts.store import Store
    from abiclash.sources.target import Target

_SHA256 = re.compile(r"[0-9a-f]{64}")


@click.command(
    "facts",
    epilog="""\b
THING is one of
  a requirement                     numpy, or 'numpy<2': the wheel that pip would install
  a wheel file                      numpy-2.0.0-cp311-cp311-manylinux_2_17_x86_64.whl
  an object in a wheel              'numpy-2.0.0-....whl!numpy/_core/_multiarray_umath....so', or 'numpy!numpy/...'
  a shared object or executable     /usr/lib/x86_64-linux-gnu/libstdc++.so.6
  the sha256 of an indexed wheel""",
)
@click.argument("thing")
@click.option("--symbols", is_flag=True, help="The symbol table too (of an object).")
@options.PYTHON
@options.PLATFORM
@options.CACHE
@options.OFFLINE
@options.output("text", "json")
def command(
    *, thing: str, symbols: bool, cache: Path | None, form: str, output: Path | None, color: str, **where: Any
) -> int:
    """Show what is known of a wheel or a shared object."""
    from abiclash.facts.store import Store  # noqa: PLC0415 - heavy
    from abiclash.reports import facts as report  # noqa: PLC0415

    path, member = _parts(thing)
    store = Store(cache)
    paint = terminal.paint(color, output)
    requirement = None if _SHA256.fullmatch(path) or Path(path).exists() else _requirement(path)
    if not member and requirement is None and not _SHA256.fullmatch(path) and _is_elf(Path(path)):
        facts, names = _object(Path(path))
    else:
        wheel = _wheel(path, store) if requirement is None else _resolved(requirement, store, **where)
        if not member:
            terminal.write(report.wheel_json(wheel) if form == "json" else report.wheel_text(wheel, paint), output)
            return PARTIAL if wheel.not_analysed else 0
        facts = _member(wheel, member)
        names = store.names(wheel.sha256, facts.symbols.key) if symbols else {}
    rows = list(report.symbol_rows(facts, names)) if symbols else None
    shown = report.object_json(facts, rows) if form == "json" else report.object_text(facts, rows, paint)
    terminal.write(shown, output)
    return 0


def _parts(thing: str) -> tuple[str, str]:
    """Split a wheel from its member at the first `!` that is not the `!=` of a requirement."""
    path, *member = re.split(r"!(?!=)", thing, maxsplit=1)
    return path, member[0] if member else ""


def _requirement(text: str) -> Target | None:
    """Return a requirement; None for what looks like a file that is not there."""
    from abiclash.sources.target import RequirementTarget, parse_target  # noqa: PLC0415 - heavy

    try:
        target = parse_target(text)
    except AbiclashError:
        return None
    return target if isinstance(target, RequirementTarget) else None


def _resolved(target: Target, store: Store, *, python: str | None, platform: str | None, offline: bool) -> WheelFacts:
    """Return the facts of the wheel that pip would install for a requirement, without its dependencies."""
    from abiclash.sources.resolve import Options, resolve  # noqa: PLC0415 - heavy
    from abiclash.sources.wheelset import gather  # noqa: PLC0415

    how = Options(store.root, dependencies=False, offline=offline)
    found = resolve([target], python, platform, how)
    return gather(found, store, progress=terminal.progress(quiet=False), offline=offline).wheels[0]


def _is_elf(path: Path) -> bool:
    """Tell an ELF file from anything else that exists."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"{path}: cannot be read: {reason}; name a wheel, a shared object or a sha256") from error


def _object(path: Path) -> tuple[ObjectFacts, Mapping[int, bytes]]:
    from abiclash.facts.elf import read_object  # noqa: PLC0415 - heavy
    from abiclash.facts.ranges import Ranges  # noqa: PLC0415

    try:
        facts, table = read_object(Ranges.mapped(path), str(path))
    except ElfError as error:
        raise ElfError(f"{path}: not a readable ELF file: {error}; get the file anew") from error
    return facts, {key: table.name(row) for row, key in enumerate(table.key.tolist())}


def _wheel(text: str, store: Store) -> WheelFacts:
    """Return a wheel's facts, from the store or read now."""
    if _SHA256.fullmatch(text):
        known = store.get(text)
        if known is None:
            raise SourceError(f"{text}: no such wheel in {store.root}; index it first with 'abiclash index'")
        return known
    from abiclash.facts.index import index_wheels  # noqa: PLC0415 - heavy

    [facts] = index_wheels([Path(text)], store, progress=terminal.progress(quiet=False))
    if isinstance(facts, NotAnalysed):
        raise SourceError(f"{facts.what}: {facts.reason}" if facts.what not in facts.reason else facts.reason)
    return facts


def _member(wheel: WheelFacts, member: str) -> ObjectFacts:
    names = {path: facts for facts in wheel.objects for path in (facts.path, wheel.members.get(facts.path, facts.path))}
    if member in names:
        return names[member]
    failed = next((entry for entry in wheel.not_analysed if entry.what.endswith(f"!{member}")), None)
    if failed is not None:
        raise ElfError(f"{failed.what}: {failed.reason}; get the wheel anew")
    raise SourceError(f"{wheel.filename}!{member}: no such object; 'abiclash facts' of the wheel lists them")
