"""The log reader on hand-written logs: each rule that tells a relocation's binding from another look-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from abiclash.lab.bindlog import Binding, Log, read_log

if TYPE_CHECKING:
    from collections.abc import Iterable

PID = 4711
PROGRAM = "/no/python"


def log(*bodies: str, pid: int = PID) -> list[bytes]:
    return [f"{pid:10d}:\t{body}\n".encode() for body in bodies]


def binds(source: str, target: str, symbol: str, version: str | None = None, *, space: int = 0) -> str:
    shown = f" [{version}]" if version else ""
    return f"binding file {source} [{space}] to {target} [{space}]: normal symbol `{symbol}'{shown}"


def relocates(path: str, *, lazy: bool = False) -> str:
    return f"relocation processing: {path}{' (lazy)' if lazy else ''}"


def read(lines: Iterable[bytes]) -> Log:
    return read_log(lines, PID, PROGRAM)


def symbols(bindings: Iterable[Binding]) -> list[str]:
    return [binding.symbol for binding in bindings]


def test_bindings_belong_to_the_object_being_relocated() -> None:
    found = read(
        log(
            relocates("/no/a.so"),
            binds("/no/a.so", "/no/libc.so.6", "puts", "GLIBC_2.2.5"),
            binds("/no/a.so", "/no/a.so", "own"),
            "",
            relocates("/no/b.so"),
            binds("/no/b.so", "/no/a.so", "own"),
        )
    )
    assert found.bindings == (
        Binding("/no/a.so", "puts", "GLIBC_2.2.5", "/no/libc.so.6"),
        Binding("/no/a.so", "own", None, "/no/a.so"),
        Binding("/no/b.so", "own", None, "/no/a.so"),
    )
    assert found.lookups == ()


def test_scopes_initializers_and_opens_end_a_relocation() -> None:
    for end in (
        "object=/no/a.so [0]",
        " scope 0: /no/a.so /no/libc.so.6",
        "calling init: /no/a.so",
        "opening file=/no/a.so [0]; direct_opencount=1",
        "file=libz.so.1 [0];  dynamically loaded by /no/a.so [0]",
        "a line of a later glibc",
    ):
        found = read(
            log(
                relocates("/no/a.so"),
                binds("/no/a.so", "/no/a.so", "f"),
                end,
                binds("/no/a.so", "/no/a.so", "PyInit_a"),
            )
        )
        assert symbols(found.bindings) == ["f"], end
        assert symbols(found.lookups) == ["PyInit_a"], end


def test_remarks_on_a_binding_do_not_end_a_relocation() -> None:
    found = read(
        log(
            relocates("/no/a.so"),
            binds("/no/a.so", "/no/b.so", "first"),
            "marking /no/b.so [0] as NODELETE due to unique symbol",
            binds("/no/a.so", "/no/b.so", "second"),
            "marking /no/b.so [0] as NODELETE due to reference from /no/a.so [0]",
            "",
            "file=/no/c.so [0];  needed by /no/a.so [0] (relocation dependency)",
            "",
            binds("/no/a.so", "/no/c.so", "third"),
        )
    )
    assert symbols(found.bindings) == ["first", "second", "third"]
    assert [event.kind for event in found.events] == ["relocate", "nodelete", "nodelete"]


def test_newer_linkers_look_up_their_own_afterwards() -> None:
    """Since glibc 2.41: the program's last bindings are its own."""
    names = ["dlclose", "dlopen", "setvbuf", "strtol"]
    lines = log(
        relocates(PROGRAM),
        *(binds(PROGRAM, "/no/libc.so.6", name, "GLIBC_2.34") for name in names),
        relocates("/no/ld.so"),
        binds(PROGRAM, "/no/libc.so.6", "malloc", "GLIBC_2.2.5"),
    )
    found = read(lines)
    assert symbols(found.bindings) == names
    assert symbols(found.lookups) == ["malloc"]


def test_the_linkers_own_four_lookups_come_before_its_second_relocation() -> None:
    own = ["calloc", "free", "malloc", "realloc"]
    lines = log(
        relocates(PROGRAM),
        binds(PROGRAM, "/no/libc.so.6", "malloc", "GLIBC_2.2.5"),
        *(binds(PROGRAM, "/no/libc.so.6", name, "GLIBC_2.2.5") for name in own),
        relocates("/no/ld.so"),
        binds("/no/ld.so", "/no/libc.so.6", "_dl_catch_error", "GLIBC_PRIVATE"),
    )
    found = read(lines)
    assert symbols(found.bindings) == ["malloc", "_dl_catch_error"]
    assert symbols(found.lookups) == own


def test_what_follows_the_executable_once_it_runs_is_no_second_start() -> None:
    lines = log(
        relocates(PROGRAM),
        *(binds(PROGRAM, "/no/libc.so.6", name) for name in "abcd"),
        "calling init: /no/libc.so.6",
        relocates("/no/a.so"),
        binds("/no/a.so", "/no/libc.so.6", "e"),
    )
    assert symbols(read(lines).bindings) == ["a", "b", "c", "d", "e"]


def test_newer_glibc_looks_up_its_malloc_after_its_own_relocation() -> None:
    lines = log(
        relocates(PROGRAM),
        binds(PROGRAM, "/no/libc.so.6", "main_needs"),
        relocates("/no/libc.so.6"),  # any object that is not ld.so's second relocation has no such look-ups
    )
    assert symbols(read(log(relocates("/no/ld.so"), binds(PROGRAM, "/no/libc.so.6", "malloc"))).lookups) == ["malloc"]
    assert len(read(lines).lookups) + len(read(lines).bindings) == 1


def test_another_namespace_is_not_the_base_one() -> None:
    found = read(log(relocates("/no/a.so"), binds("/no/a.so", "/no/libc.so.6", "f", space=1)))
    assert (symbols(found.bindings), symbols(found.lookups)) == ([], ["f"])


def test_lines_of_forked_children_are_left_out() -> None:
    lines = [
        *log(relocates("/no/a.so")),
        *log("calling init: /no/z.so", binds("/no/a.so", "/no/a.so", "child"), pid=PID + 1),
        *log(binds("/no/a.so", "/no/a.so", "parent")),
    ]
    assert symbols(read(lines).bindings) == ["parent"]


def test_a_torn_line_is_counted_and_not_guessed() -> None:
    torn = log(relocates("/no/a.so"), "binding file /no/a.so [0] to /no/a.so [0]: normal symbol `x' [GLI")
    found = read([*torn, *log(binds("/no/a.so", "/no/a.so", "y"))])
    assert (symbols(found.bindings), found.garbled) == (["y"], 1)


def test_a_failed_relocation_is_told_from_a_failed_dlsym() -> None:
    error = "/no/a.so: error: symbol lookup error: undefined symbol: gone, version V_1 (fatal)"
    found = read(log(relocates("/no/a.so"), binds("/no/a.so", "/no/a.so", "x"), error, error))
    assert [(event.kind, event.path, event.text, event.at) for event in found.events[1:]] == [
        ("error", "/no/a.so", "symbol lookup error: undefined symbol: gone, version V_1", 1),
        ("absent", "/no/a.so", "symbol lookup error: undefined symbol: gone, version V_1", 1),
    ]


def test_a_library_that_is_opened_again_is_bound_again() -> None:
    life = [relocates("/no/a.so"), binds("/no/a.so", "/no/b.so", "f"), "object=/no/a.so [0]"]
    found = read(log(*life, "file=/no/a.so [0];  destroying link map", *life))
    assert symbols(found.bindings) == ["f", "f"]
    assert [(event.kind, event.at) for event in found.events] == [("relocate", 0), ("unload", 1), ("relocate", 1)]


def test_events_carry_what_ld_so_says() -> None:
    found = read(
        log(
            "file=libz.so.1 [0];  dynamically loaded by /no/my libs/a.so [0]",
            "file=libc.so.6 [0];  needed by /no/libz.so.1 [0]",
            "add /no/libz.so.1 [0] to global scope",
            relocates("/no/libz.so.1", lazy=True),
            "opening file=/no/libz.so.1 [0]; direct_opencount=12",
            "calling fini:  [0]",
        )
    )
    assert [event[:4] for event in found.events] == [
        ("load", "libz.so.1", "/no/my libs/a.so", ""),
        ("needed", "libc.so.6", "/no/libz.so.1", ""),
        ("global", "/no/libz.so.1", "", ""),
        ("relocate", "/no/libz.so.1", "", "lazy"),
        ("open", "/no/libz.so.1", "", "12"),
        ("fini", PROGRAM, "", ""),
    ]


_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="'`\n\0 ", exclude_categories=["Cs"]), min_size=1, max_size=12
)
_FILES = st.sampled_from([f"/no/{letter}.so" for letter in "abcdef"])
_BLOCKS = st.tuples(_FILES, st.lists(st.tuples(_FILES, _NAMES, st.none() | _NAMES), max_size=5))


@given(st.lists(st.tuples(_BLOCKS, st.lists(st.tuples(_FILES, _NAMES), max_size=3)), max_size=5))
def test_any_sequence_of_relocations_and_lookups_is_split_as_it_was_written(
    blocks: list[tuple[tuple[str, list[tuple[str, str, str | None]]], list[tuple[str, str]]]],
) -> None:
    bodies: list[str] = []
    bound: list[Binding] = []
    looked_up: list[Binding] = []
    for (source, rows), lookups in blocks:
        own = dict.fromkeys(Binding(source, symbol, version, target) for target, symbol, version in rows)
        bound += own
        bodies += [relocates(source), *(binds(source, target, symbol, version) for target, symbol, version in rows)]
        bodies += ["object=/no/x.so [0]", *(binds(file, file, symbol) for file, symbol in lookups)]
        looked_up += [Binding(file, symbol, None, file) for file, symbol in lookups]
    found = read(log(*bodies))
    assert list(found.bindings) == bound
    assert list(found.lookups) == list(dict.fromkeys(looked_up))
    assert found.garbled == 0


@given(st.lists(st.binary(max_size=60)))
def test_no_line_makes_the_reader_fail(junk: list[bytes]) -> None:
    prefix = b"%10d:\t" % PID
    found = read([*(prefix + line + b"\n" for line in junk), *junk])
    assert found.bindings == ()
