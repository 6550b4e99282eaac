"""Facts without their columns <-> JSON: what the store keeps beside Parquet."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from abiclash.errors import NotAnalysed
from abiclash.facts.model import Initializers, ObjectFacts, Tls, Version, WheelFacts, WheelFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from abiclash.facts.model import References, Symbols

_IRREGULAR = frozenset({"versions", "needs", "tls", "init", "symbols", "references"})
_PLAIN = tuple(field.name for field in fields(ObjectFacts) if field.name not in _IRREGULAR)
_TUPLES = frozenset({"needed", "auxiliary", "filter", "producers", "runtimes", "dlopen_notes", "modules"})
_WHEEL = ("name", "version", "filename", "sha256", "root_is_purelib", "requires_python", "members")
_WHEEL_TUPLES = ("tags", "requires", "modules")


def object_document(facts: ObjectFacts) -> dict[str, Any]:
    """Return everything of an object but its columns, with their lengths, as JSON."""
    init = facts.init
    return {
        **{name: getattr(facts, name) for name in _PLAIN},
        "versions": _version_rows(facts.versions),
        "needs": [(file, _version_rows(versions)) for file, versions in facts.needs],
        "tls": facts.tls and (facts.tls.size, facts.tls.align, facts.tls.static),
        "init": (init.has_init, init.has_fini, init.init_array, init.fini_array),
        "rows": (len(facts.symbols.key), len(facts.references.symbol)),
    }


def read_object_document(
    document: dict[str, Any], symbols: Symbols, references: References, initial: NDArray[np.uint32]
) -> ObjectFacts:
    """Undo `object_document`. initial: rows of `references` that initializers use."""
    plain: dict[str, Any] = {name: tuple(document[name]) if name in _TUPLES else document[name] for name in _PLAIN}
    plain["strings"] = tuple((kind, text) for kind, text in document["strings"])
    has_init, has_fini, init_array, fini_array = document["init"]
    return ObjectFacts(
        **plain,
        versions=_versions(document["versions"]),
        needs=tuple((file, _versions(versions)) for file, versions in document["needs"]),
        tls=Tls(*document["tls"]) if document["tls"] else None,
        init=Initializers(has_init, has_fini, init_array, fini_array, initial),
        symbols=symbols,
        references=references,
    )


def wheel_document(facts: WheelFacts) -> dict[str, Any]:
    """Return everything of a wheel but its objects as JSON; files as three columns, because there are thousands."""
    return {
        **{name: getattr(facts, name) for name in (*_WHEEL, *_WHEEL_TUPLES)},
        "files": {
            "path": [file.path for file in facts.files],
            "size": [file.size for file in facts.files],
            "hash": [file.hash for file in facts.files],
        },
        "not_analysed": [(one.what, one.reason) for one in facts.not_analysed],
    }


def read_wheel_document(document: dict[str, Any], objects: tuple[ObjectFacts, ...]) -> WheelFacts:
    """Undo `wheel_document`."""
    files = document["files"]
    plain: dict[str, Any] = {name: document[name] for name in _WHEEL}
    plain |= {name: tuple(document[name]) for name in _WHEEL_TUPLES}
    return WheelFacts(
        **plain,
        files=tuple(map(WheelFile, files["path"], files["size"], files["hash"])),
        objects=objects,
        not_analysed=tuple(NotAnalysed(*one) for one in document["not_analysed"]),
    )


def _version_rows(versions: tuple[Version, ...]) -> list[tuple[int, str, int, str | None, bool, bool]]:
    return [(v.index, v.name, v.hash, v.file, v.hidden, v.weak) for v in versions]


def _versions(rows: list[list[Any]]) -> tuple[Version, ...]:
    return tuple(Version(*row) for row in rows)
