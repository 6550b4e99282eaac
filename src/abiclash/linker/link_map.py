"""The state of one loaded object, and the failures that a load can end with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntFlag
from typing import TYPE_CHECKING, NamedTuple

from abiclash.errors import AbiclashError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from abiclash.facts.model import ObjectFacts


class Mode(IntFlag):
    """dlopen flags (bits/dlfcn.h)."""

    LAZY = 0x1
    NOW = 0x2
    NOLOAD = 0x4
    DEEPBIND = 0x8
    GLOBAL = 0x100
    NODELETE = 0x1000


class MapType(Enum):
    """l_type of glibc's struct link_map."""

    EXECUTABLE = "executable"
    LIBRARY = "library"  # there from the start
    LOADED = "loaded"  # by dlopen


class LoadFailure(AbiclashError):  # noqa: N818 - it is a result as often as an error
    """A load that ld.so refuses.

    kind: `missing-library`, `missing-version`, `undefined-symbol`, `static-tls`, `executable-stack`, `bad-object`,
    `bad-mode`, `not-loaded` (musl) or `inconsistency` (ld.so gives up, and the process ends).
    object: the path (or bare name) that dlerror() names first; message: what dlerror() says.
    needed_by: file id of the object whose need failed. version: the version that is missing or was asked for.
    key: key of the symbol that the message names, None else; its name is added by whoever knows names (`said`).
    form, named: how the message is put together, without and with the symbol's name.
    """

    def __init__(
        self,
        kind: str,
        obj: str,
        reason: str,
        *,
        needed_by: int | None = None,
        version: str = "",
        key: int | None = None,
        form: str = "{object}: {reason}",
        named: str = "{object}: {reason}: {symbol}",
    ) -> None:
        super().__init__(form.format(object=obj, reason=reason))
        self.kind = kind
        self.object = obj
        self.reason = reason
        self.needed_by = needed_by
        self.version = version
        self.key = key
        self._form = form
        self._named = named

    @property
    def message(self) -> str:
        return self._form.format(object=self.object, reason=self.reason)

    def said(self, symbol: str | None) -> str:
        """Return what dlerror() says, given the name behind `key`."""
        if symbol is None:
            return self.message
        version = f", version {self.version}" if self.version else ""
        return self._named.format(object=self.object, reason=self.reason, symbol=symbol) + version


@dataclass(slots=True)
class LinkMap:
    """One object in one process, after glibc's struct link_map; other objects are named by file id.

    name: l_name, the path as ld.so formed it (links unresolved). names: l_libname, what it was asked for by.
    loader: the object whose DT_NEEDED brought it, None for what dlopen or the kernel named.
    search_list: l_searchlist, present once the object was itself opened. dependencies: l_initfini of a dependency
    (itself, then its direct dependencies), or the sorted closure of an opened object.
    targets: int32, file id that each row of the object's References is bound to, NOT_FOUND for none.
    target_rows: int32, row in the target's Symbols. global_seen: how many objects the global scope had then.
    opens: l_direct_opencount. held: l_reldeps, what its relocations were bound to and keep from being unloaded.
    """

    file: int
    facts: ObjectFacts
    name: str
    type: MapType
    loader: int | None
    names: set[str] = field(default_factory=set)
    search_list: tuple[int, ...] | None = None
    dependencies: tuple[int, ...] | None = None
    direct: tuple[int, ...] = ()
    scope: list[Scope] = field(default_factory=list)
    is_global: bool = False
    relocated: bool = False
    tls_offset: int | None = None
    targets: NDArray[np.int32] | None = None
    target_rows: NDArray[np.int32] | None = None
    global_seen: int = 0
    opens: int = 0
    held: tuple[int, ...] = ()


class Scope(NamedTuple):
    """One part of an object's l_scope. owner: None for the global scope, else the object whose list it is.

    alone: the list is the owner only (DT_SYMBOLIC).
    """

    owner: int | None
    alone: bool = False


GLOBAL_SCOPE = Scope(None)


@dataclass(frozen=True, slots=True)
class LoadEvent:
    """One dlopen as it was played. name: as asked for. file: what it opened, None where it failed.

    new: file ids that it brought, in load order. relocated, initialised: the same in the order in which they were
    relocated and in which ld.so calls their initialisers. failure: why it failed; discarded: the objects that ld.so had
    begun to bind by then, as far as it came. destroyed: file ids of all that it had brought, in the order in which they
    went.
    """

    name: str
    mode: Mode
    file: int | None
    new: tuple[int, ...] = ()
    relocated: tuple[int, ...] = ()
    initialised: tuple[int, ...] = ()
    failure: LoadFailure | None = None
    discarded: tuple[LinkMap, ...] = ()
    destroyed: tuple[int, ...] = ()
