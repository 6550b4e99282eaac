"""What is known of a wheel or of one object, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from abiclash.facts.arrow import BINDINGS, TYPES, VISIBILITIES
from abiclash.facts.model import Place, Reloc
from abiclash.reports.safe import inert, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.reports.paint import Paint

_MACHINES = {3: "i386", 21: "ppc64", 22: "s390", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv"}  # e_machine
_HIDDEN = 0x8000  # in .gnu.version


def wheel_text(wheel: WheelFacts, paint: Paint) -> str:
    """Return a wheel's facts: its metadata, then a line for each object."""
    rows = [
        ("wheel:", name(wheel.filename)),
        ("sha256:", wheel.sha256),
        ("tags:", ", ".join(map(name, wheel.tags))),
        ("requires:", "; ".join(map(name, wheel.requires)) or "nothing"),
        ("imports as:", ", ".join(map(name, wheel.modules)) or "nothing"),
        ("files:", f"{len(wheel.files):,}"),
    ]
    lines = [paint(f"{name(wheel.name)} {name(wheel.version)}", "bold"), *paint.columns(rows), ""]
    head = tuple(paint(title, "dim") for title in ("bytes", "defined", "undefined", "references", "needed", "object"))
    table = [head, *(_object_row(facts) for facts in wheel.objects)]
    lines += paint.columns(table) if wheel.objects else ["no shared objects"]
    if wheel.not_analysed:
        lines += ["", paint("Not analysed", "bold", "yellow")]
        lines += [f"  {name(entry.what)}: {name(entry.reason, 1000)}" for entry in wheel.not_analysed]
    return "\n".join(lines) + "\n"


def object_text(facts: ObjectFacts, symbols: Iterable[Mapping[str, Any]] | None, paint: Paint) -> str:
    """Return an object's facts, with its symbol table where `symbols` (see `symbol_rows`) is given."""
    lines = [paint(name(facts.path), "bold"), *paint.columns(_object_rows(facts))]
    if symbols is not None:
        head = ("value", "size", "type", "binding", "visibility", "place", "name")
        rows = [
            (
                f"{row['value']:x}",
                str(row["size"]),
                row["type"],
                row["binding"],
                row["visibility"],
                row["place"],
                name(row["name"]) + name(row["version"]),
            )
            for row in symbols
        ]
        lines += ["", *paint.columns([tuple(paint(title, "dim") for title in head), *rows])]
    return "\n".join(lines) + "\n"


def wheel_json(wheel: WheelFacts) -> str:
    """Return a wheel's facts, with its objects but without their symbol tables, as a JSON object."""
    document = {field.name: _plain(getattr(wheel, field.name)) for field in fields(wheel) if field.name != "objects"}
    return _dump({**document, "objects": [_described(facts) for facts in wheel.objects]})


def object_json(facts: ObjectFacts, symbols: Iterable[Mapping[str, Any]] | None) -> str:
    """Return an object's facts as a JSON object, with its symbol table where that is given."""
    return _dump({**_described(facts), **({} if symbols is None else {"symbols": list(symbols)})})


def _dump(document: Mapping[str, object]) -> str:
    return json.dumps(inert(document), indent=2) + "\n"


def symbol_rows(facts: ObjectFacts, names: Mapping[int, bytes]) -> Iterator[dict[str, Any]]:
    """Yield one object's symbols in the order of their names, as readelf would describe them.

    names: key -> name. A definition's version is written @VERSION (@@ where it is the default), a reference's too.
    """
    symbols = facts.symbols
    versions = {version.index: version for version in facts.versions}
    columns = (symbols.key, symbols.versym, symbols.info, symbols.other, symbols.value, symbols.size, symbols.place)
    shown = [
        (names.get(key, f"key {key:016x}".encode()).decode("utf-8", "surrogateescape"), row)
        for row, key in enumerate(symbols.key.tolist())
    ]
    values = list(zip(*(column.tolist() for column in columns), strict=True))
    for text, row in sorted(shown):
        _, versym, info, other, value, size, place = values[row]
        version = versions.get(versym & ~_HIDDEN)
        mark = "" if version is None else "@" if version.file or versym & _HIDDEN else "@@"
        yield {
            "name": text,
            "version": mark + version.name if version else "",
            "binding": BINDINGS.get(info >> 4, str(info >> 4)),
            "type": TYPES.get(info & 15, str(info & 15)),
            "visibility": VISIBILITIES[other & 3],
            "place": "UNDEFINED" if not symbols.shndx[row] else Place(place).name,
            "value": value,
            "size": size,
        }


def _described(facts: ObjectFacts) -> dict[str, Any]:
    """Everything that is no array, and the sizes of what is."""
    arrays = ("symbols", "references")
    document = {field.name: _plain(getattr(facts, field.name)) for field in fields(facts) if field.name not in arrays}
    document["init"] = {key: value for key, value in document["init"].items() if key != "references"}
    return {**document, "counts": _counts(facts)}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _counts(facts: ObjectFacts) -> dict[str, int]:
    defined = int((facts.symbols.shndx != 0).sum())
    return {
        "defined": defined,
        "undefined": len(facts.symbols.key) - defined,
        "references": int(facts.references.count.sum()),
    }


def _object_row(facts: ObjectFacts) -> tuple[str, ...]:
    counts = _counts(facts)
    numbers = [facts.size, *counts.values(), len(facts.needed)]
    return (*(f"{number:,}" for number in numbers), name(facts.path))


def _object_rows(facts: ObjectFacts) -> Iterator[tuple[str, str]]:
    machine = _MACHINES.get(facts.machine, f"machine {facts.machine}")
    counts = _counts(facts)
    yield "kind:", f"ELF{facts.bits}, {machine}, {'little' if facts.little else 'big'} endian, {facts.size:,} bytes"
    yield "soname:", name(facts.soname) if facts.soname is not None else "none"
    yield "needed:", ", ".join(map(name, facts.needed)) or "nothing"
    for title, path in (("rpath:", facts.rpath), ("runpath:", facts.runpath)):
        if path is not None:
            yield title, name(path)
    for library, versions in facts.needs:
        yield "versions:", f"{name(library)}: {', '.join(name(version.name) for version in versions)}"
    yield "symbols:", f"{counts['defined']:,} defined, {counts['undefined']:,} undefined"
    yield "references:", f"{counts['references']:,}{_kinds(facts)}"
    init = facts.init
    yield "initialisers:", f"{init.init_array + init.has_init:,}, finalisers: {init.fini_array + init.has_fini:,}"
    if facts.tls is not None:
        yield "TLS:", f"{facts.tls.size:,} bytes, aligned to {facts.tls.align}{', static' if facts.tls.static else ''}"
    stack = {True: "executable", False: "not executable", None: "unstated"}[facts.exec_stack]
    yield "stack:", stack
    for title, entries in (("producers:", facts.producers), ("contains:", facts.runtimes)):
        if entries:
            yield title, "; ".join(map(name, entries))
    if facts.build_id is not None:
        yield "build id:", name(facts.build_id)


def _kinds(facts: ObjectFacts) -> str:
    kinds = [(kind.name, int(facts.references.count[facts.references.kind == kind].sum())) for kind in Reloc]
    shown = ", ".join(f"{count:,} {kind}" for kind, count in kinds if count)
    return f" ({shown})" if shown else ""
