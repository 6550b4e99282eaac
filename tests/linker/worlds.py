"""Small link worlds at random: objects, their symbols, versions, names, places and needs, and the order of loads."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from abiclash.linker.link_map import Mode
from tests.linker.assembly import Assembler, Definition, Object, Reference
from tests.linker.judge import Close

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.linker.assembly import Machine, Sort, Use
    from tests.linker.judge import Judge, Trial

FOLDERS = ("d0", "d1", "d2")
LIBRARIES = ("lib0.so", "lib1.so", "lib2.so", "lib3.so", "lib4.so")
VERSIONS = ("V1", "V2", "V3")
BASE = "libbase.so"
_NAMES: dict[Sort, tuple[str, ...]] = {
    "function": ("f0", "f1", "f2"),
    "data": ("d0", "d1"),
    "tls": ("t0", "t1"),
    "unique": ("u0", "u1"),
    "ifunc": ("f0", "i0"),
}
_USES: dict[Sort, tuple[Use, ...]] = {
    "function": ("call", "word", "got"),
    "data": ("got", "word"),
    "tls": ("gd", "ie", "desc"),
    "unique": ("got", "word"),
    "ifunc": ("call", "got"),
}


_MUSL_USES: dict[Sort, tuple[Use, ...]] = {
    "function": ("call", "got"),
    "data": ("got",),
    "tls": ("gd",),
    "unique": ("got",),
}


@dataclass(frozen=True)
class LinkWorld:
    """What is built and loaded. links: (new path, old path, symbolic). steps: names as given to dlopen (paths below
    the world's folder where they have a slash), with flags, and what is closed. library_path: folders. preload: paths.
    """

    objects: tuple[Object, ...]
    links: tuple[tuple[str, str, bool], ...]
    steps: tuple[tuple[str, Mode] | Close, ...]
    library_path: tuple[str, ...]
    preload: tuple[str, ...]
    dynamic_weak: bool
    bind_now: bool


@st.composite
def definitions(draw: st.DrawFn, versions: Sequence[str], *, ifunc: bool) -> tuple[Definition, ...]:
    """Symbols of one object: each (name, version) once, and at most one default or base version of a name."""
    sorts: list[Sort] = ["function", "function", "data", "tls", "unique", *(["ifunc"] if ifunc else [])]  # type: ignore[list-item]
    chosen: dict[tuple[str, str | None], Definition] = {}
    for _ in range(draw(st.sampled_from([6, 3, 1, 0]))):
        sort = draw(st.sampled_from(sorts))
        name = draw(st.sampled_from(_NAMES[sort]))
        version = draw(st.sampled_from([None, *versions])) if versions else None
        default = version is not None and (sort == "unique" or draw(st.booleans()))
        taken = [d for (other, _), d in chosen.items() if other == name]
        if (name, version) in chosen or (
            (version is None or default) and any(d.version is None or d.default for d in taken)
        ):
            continue
        if taken and sort != taken[0].sort:
            continue
        unique = sort == "unique"
        chosen[name, version] = Definition(
            name,
            sort,
            "global" if unique else draw(st.sampled_from(["global", "weak"])),
            "default" if unique else draw(st.sampled_from(["default"] * 5 + ["protected", "hidden"])),
            version,
            default,
            draw(st.sampled_from([8, 8, 24, 200])) if sort == "tls" else 8,
        )
    return tuple(chosen.values())


@st.composite
def references(
    draw: st.DrawFn, libraries: Sequence[str], uses: Mapping[Sort, Sequence[Use]], *, ifunc: bool
) -> tuple[Reference, ...]:
    """Uses of symbols; one way of using each TLS variable, for the linker merges them.

    libraries: those that a version can be asked of.
    """
    sorts: list[Sort] = ["function", "function", "data", "tls", "unique", *(["ifunc"] if ifunc else [])]  # type: ignore[list-item]
    chosen: dict[tuple[str, str | None, str], Reference] = {}
    for _ in range(draw(st.sampled_from([8, 5, 2, 0]))):
        sort = draw(st.sampled_from(sorts))
        name, use = draw(st.sampled_from(_NAMES[sort])), draw(st.sampled_from(uses[sort]))
        version = draw(st.sampled_from([None, *VERSIONS])) if libraries else None
        library = None if version is None else draw(st.sampled_from([*libraries, *[libraries[-1]] * 4]))
        if any(r.name == name and r.version == version and r.library != library for r in chosen.values()):
            continue
        if sort == "tls" and any(r.name == name and r.use != use for r in chosen.values()):
            continue  # the name may be the object's own, whatever version is asked for
        key = name, version, "tls" if sort == "tls" else use
        weak = draw(st.booleans()) and not (sort == "tls" and uses is _MUSL_USES)  # musl crashes where one is missing
        chosen.setdefault(key, Reference(name, use, version, weak, library))
    return tuple(chosen.values())


@st.composite
def objects(
    draw: st.DrawFn,
    folder: str,
    name: str,
    present: Sequence[str],
    *,
    safe: bool,
    ifunc: bool,
    uses: Mapping[Sort, Sequence[Use]],
) -> Object:
    """One library. present: names to be found. safe: it needs the base library last, which defines everything."""
    versions = tuple(draw(st.sampled_from([(), (), VERSIONS[:2], VERSIONS, VERSIONS])))
    known = draw(st.sampled_from([present] * 9 + [LIBRARIES]))
    needed = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
    soname = draw(st.sampled_from([name, name, name, name, None, *LIBRARIES[:2]]))
    paths = st.sampled_from([None, None, "$ORIGIN", "$ORIGIN/../d1", "${ORIGIN}/../d2:$ORIGIN/../d0"])
    rpath, runpath = draw(paths), draw(paths)
    options = draw(
        st.lists(
            st.sampled_from(_OPTIONS),
            max_size=2,
            unique=True,
        )
    )
    needed += [BASE] if safe else []
    return Object(
        f"{folder}/{name}",
        soname,
        tuple(needed),
        draw(definitions(versions, ifunc=ifunc)),
        draw(references(needed, uses, ifunc=ifunc)),
        versions,
        None if runpath else rpath,
        runpath,
        tuple(options),
    )


def base(versions: Sequence[str | None]) -> Object:
    """A library that defines every name in every version; None for none."""
    sorts: dict[str, Sort] = dict.fromkeys((*_NAMES["function"], "i0"), "function")
    sorts |= dict.fromkeys([*_NAMES["data"], *_NAMES["unique"]], "data")
    sorts |= dict.fromkeys(_NAMES["tls"], "tls")
    symbols = [
        Definition(name, sort, version=version, default=version in (None, "V1"))
        for name, sort in sorts.items()
        for version in versions
    ]
    return Object(f"base/{BASE}", BASE, (), tuple(symbols), versions=tuple(v for v in versions if v is not None))


_OPTIONS = (
    *("-Bsymbolic", "-znow", "--hash-style=sysv", "--hash-style=gnu", "-znodefaultlib", "-znodelete"),
    *("-znodlopen", "-zinterpose", "-zinitfirst"),
)
_LINKS = ("d0/link.so", "d1/lib4.so", "d2/lib0.so")
_FLAGS = st.sampled_from(
    [
        Mode.NOW,
        Mode.NOW,
        Mode.NOW | Mode.GLOBAL,
        Mode.NOW | Mode.GLOBAL,
        Mode.LAZY,
        Mode.LAZY | Mode.GLOBAL,
        Mode.NOW | Mode.DEEPBIND,
        Mode.NOW | Mode.GLOBAL | Mode.DEEPBIND,
        Mode.NOW | Mode.NOLOAD,
        Mode.NOW | Mode.NOLOAD | Mode.GLOBAL,
        Mode.NOW | Mode.NODELETE,
    ]
)


@st.composite
def sequences(draw: st.DrawFn, names: Sequence[str]) -> tuple[tuple[str, Mode] | Close, ...]:
    """Loads, and in every other world closings of some of them in between; each at most once."""
    if draw(st.booleans()):
        return tuple(draw(st.lists(st.tuples(st.sampled_from(names), _FLAGS), min_size=2, max_size=6)))
    steps: list[tuple[str, Mode] | Close] = []
    opened: list[int] = []
    for closing in draw(st.lists(st.sampled_from([False, False, True]), min_size=3, max_size=9)):
        if closing and opened:
            steps.append(Close(opened.pop(draw(st.integers(0, len(opened) - 1)))))
        else:
            opened.append(len(steps))
            steps.append((draw(st.sampled_from(names)), draw(_FLAGS)))
    return tuple(steps)


@st.composite
def link_worlds(draw: st.DrawFn, *, ifunc: bool = True, musl: bool = False) -> LinkWorld:
    """A whole world. Three of four can resolve every symbol; in the others loads fail.

    musl: leave out what musl refuses (initial-exec TLS, indirect functions) or decides by the type of relocation.
    """
    uses = _MUSL_USES if musl else _USES
    ifunc = ifunc and not musl
    safe = draw(st.sampled_from([True, True, True, False]))
    places = draw(
        st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(LIBRARIES)), min_size=3, max_size=6, unique=True)
    )
    present = sorted({name for _, name in places})
    things = [draw(objects(folder, name, present, safe=safe, ifunc=ifunc, uses=uses)) for folder, name in places]
    if filtee := draw(
        st.sampled_from([None] * 4 + ["--auxiliary", "--filter"])
    ):  # with two, ld.so can recurse to death
        target = draw(st.sampled_from([name for name in LIBRARIES if name != things[0].soname]))
        things[0] = replace(things[0], options=(*things[0].options, filtee, target))
    if musl:  # a GOT that RTLD_LAZY leaves over is protected, and musl crashes when it writes there later
        things = [replace(thing, options=(*thing.options, "--hash-style=gnu", "-znorelro")) for thing in things]
    files = [thing.file for thing in things]
    links = draw(
        st.lists(
            st.tuples(st.sampled_from(_LINKS), st.sampled_from(files), st.booleans()),
            max_size=2,
            unique_by=lambda link: link[0],
        )
    )
    links = [link for link in links if link[0] not in files]
    names = [*files, *files, *present, *(link[0] for link in links)]
    steps = draw(sequences(names))
    path = draw(st.sampled_from([FOLDERS] * 5 + [FOLDERS[::-1]] * 3 + [("d1",), ("nowhere", "d2"), ()]))
    return LinkWorld(
        (*things, base(draw(st.sampled_from([VERSIONS] * 5 + [(None,)])))),
        tuple(links),
        steps,
        (*path, "base"),
        () if musl else tuple(draw(st.sampled_from([[]] * 4 + [files[-1:], [*files[:2], "nowhere.so"]]))),
        draw(st.sampled_from([False] * 5 + [True])),
        draw(st.sampled_from([True, True, False])),
    )


def build(world: LinkWorld, folder: Path, machine: Machine) -> None:
    """Assemble and link everything, and make the links."""
    assembler = Assembler(folder, machine)
    for thing in world.objects:
        assembler.build(thing)
    for new, old, symbolic in world.links:
        (folder / new).parent.mkdir(exist_ok=True)
        if symbolic:
            (folder / new).symlink_to(os.path.relpath(folder / old, (folder / new).parent))
        else:
            (folder / new).hardlink_to(folder / old)


def play(world: LinkWorld, judge: Judge, machine: Machine) -> Trial:
    """Build a world in a folder of its own, and let ld.so and the model load it."""
    with tempfile.TemporaryDirectory(dir=judge.folder) as name:
        folder = Path(name)
        build(world, folder, machine)
        environ = {"LD_LIBRARY_PATH": ":".join(str(folder / part) for part in world.library_path)}
        if world.dynamic_weak:
            environ["LD_DYNAMIC_WEAK"] = "1"
        if world.preload:
            environ["LD_PRELOAD"] = ":".join(str(folder / path) for path in world.preload)
        steps = [step if isinstance(step, Close) else placed(folder, *step) for step in world.steps]
        return replace(judge, folder=folder).ask(*steps, environ=environ, bind_now=world.bind_now)


def placed(folder: Path, name: str, mode: Mode) -> tuple[str, Mode]:
    """Return a step with the path of what lies below the world's folder."""
    return (str(folder / name) if "/" in name else name), mode
