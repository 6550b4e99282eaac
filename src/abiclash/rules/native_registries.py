"""Registries inside C++ libraries: what objects enter into the copy that the dynamic linker gives them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.lookup import NOT_FOUND
from abiclash.names import name_key
from abiclash.rules.carried import links, strings
from abiclash.rules.case import defined_writable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run


@dataclass(frozen=True, slots=True)
class NativeRegistry:
    """A registry inside a C++ library. functions: what initialisers call to enter something, mangled.

    message: what the library prints when a name comes twice, before it ends the process.
    """

    name: str
    functions: tuple[str, ...]
    message: str


PROTOBUF = NativeRegistry(
    "protobuf's generated descriptor pool",
    (
        "_ZN6google8protobuf8internal20AddDescriptorsRunnerC1EPKNS1_15DescriptorTableE",
        "_ZN6google8protobuf8internal14AddDescriptorsEPKNS1_15DescriptorTableE",
        "_ZN6google8protobuf8internal14AddDescriptorsEPNS1_15DescriptorTableE",
        "_ZN6google8protobuf14DescriptorPool24InternalAddGeneratedFileEPKvi",
    ),
    "File already exists in database",
)
GFLAGS = NativeRegistry(
    "gflags' table of flags",
    tuple(
        f"_ZN{space}14FlagRegistererC1{rest}"
        for space in ("6google", "6gflags")
        for rest in (
            "EPKcS2_S2_S2_PvS3_",
            *(f"I{kind}EEPKcS3_S3_PT_S5_" for kind in "bijlmd"),
            "ISsEEPKcS3_S3_PT_S5_",
            "INSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEEEPKcS9_S9_PT_SB_",
        )
    ),
    "was defined more than once",
)
LLVM = NativeRegistry(
    "LLVM's table of command line options",
    ("_ZN4llvm2cl6Option11addArgumentEv",),
    "registered more than once!",
)


@dataclass(frozen=True, slots=True)
class NativeClash:
    """Entries that two packages' libraries (files) make in the registry of `provider`, a file. names: what is twice."""

    registry: NativeRegistry
    provider: int
    files: tuple[int, int]
    names: tuple[str, ...]


def native_clashes(case: Case, run: Run) -> dict[tuple[str, str, str], NativeClash]:
    """Return, by (package, package, registry), what two packages enter into one C++ registry under one name.

    Each copy of the library has its own registry, so this asks what the registering function is bound to.
    """
    found: dict[tuple[str, str, str], NativeClash] = {}
    for registry in (PROTOBUF, GFLAGS, LLVM):
        keys = np.sort(np.array([name_key(name) for name in registry.functions], dtype=np.uint64))
        users: dict[int, list[LinkMap]] = defaultdict(list)
        for link in links(run):
            for provider in _bound_to(case, link, keys):
                users[provider].append(link)
        for provider, clients in sorted(users.items()):
            for one, other in combinations(clients, 2):
                owners = case.owner(one.file), case.owner(other.file)
                if owners[0] is None or owners[1] is None or owners[0] == owners[1]:
                    continue
                names = _twice(case, registry, one, other)
                if names:
                    pair = sorted((owners[0], owners[1]))
                    clash = NativeClash(registry, provider, (one.file, other.file), names)
                    found.setdefault((pair[0], pair[1], registry.name), clash)
    return found


def _bound_to(case: Case, link: LinkMap, keys: NDArray[np.uint64]) -> list[int]:
    """Return the files to which an object's references to one of the functions are bound; runs share their arrays."""
    return case.once(("bound to", keys.tobytes()), [link.targets], lambda: _found_bound(link, keys))


def _found_bound(link: LinkMap, keys: NDArray[np.uint64]) -> list[int]:
    if link.targets is None:
        return []
    at = np.searchsorted(link.facts.symbols.key, keys)
    if not (link.facts.symbols.key[np.minimum(at, len(link.facts.symbols.key) - 1)] == keys).any():
        return []
    rows = np.flatnonzero(np.isin(link.facts.symbols.key[link.facts.references.symbol], keys))
    targets = link.targets[rows]
    return [int(file) for file in np.unique(targets[targets != NOT_FOUND])]


def _twice(case: Case, registry: NativeRegistry, one: LinkMap, other: LinkMap) -> tuple[str, ...]:
    """Return the names that both objects enter."""
    if registry is PROTOBUF:
        tables, others = _tables(one), _tables(other)
        return tuple(sorted(file for file in tables.keys() & others.keys() if tables[file] != others[file]))
    if registry is LLVM:
        # Options have no symbols; two whole copies of LLVM have the same ones.
        copies = all("llvm" in link.facts.runtimes for link in (one, other))
        return ("every option of LLVM",) if copies else ()
    mine, theirs = (link.facts.symbols.key[defined_writable(link.facts)] for link in (one, other))
    names = case.names(np.intersect1d(mine, theirs).tolist()).values()
    return tuple(sorted(name for name in names if "FLAGS_" in name and "FLAGS_no" not in name))


def _tables(link: LinkMap) -> dict[str, int]:
    """Return the .proto files that an object enters -> file id of the object whose descriptor table is entered.

    Generated code enters a table once, and passes it (or the function that enters it) by a symbol. Where that is bound
    to another object, it is the other's table, which has been entered already. An object that shows some tables has
    those only: what else it tells of is text. One that shows none may hide them.
    """
    symbols, references = link.facts.symbols, link.facts.references
    bound = np.full(len(symbols.key), link.file, dtype=np.int32)
    if link.targets is not None:
        found = link.targets != NOT_FOUND
        bound[references.symbol[found]] = link.targets[found]
    files = sorted({*strings(link.facts, "proto-file")})
    tables: dict[str, int] = {}
    for spelling in _TABLES:
        keys = np.array([name_key(spelling(file)) for file in files], dtype=np.uint64)
        at = np.minimum(np.searchsorted(symbols.key, keys), len(symbols.key) - 1)
        shown = np.flatnonzero(symbols.key[at] == keys)
        tables |= {files[i]: int(bound[at[i]]) for i in shown.tolist()}
    return tables or dict.fromkeys(files, link.file)


def _escaped(file: str) -> str:
    """Return a file's name as protoc makes identifiers of it: "a/b.proto" -> "a_2fb_2eproto"."""
    return "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):02x}" for c in file)


def _adding(file: str) -> str:
    space = f"protobuf_{_escaped(file)}"
    return f"_ZN{len(space)}{space}14AddDescriptorsEv"


_TABLES = (_adding, lambda file: f"descriptor_table_{_escaped(file)}")
"""The symbols of a .proto file: of protobuf 3.4 to 3.7, and since 3.8 (compiler/cpp/file.cc and helpers.cc)."""
