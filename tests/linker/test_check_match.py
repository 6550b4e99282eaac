"""One case for each branch of check_match and of what do_lookup_x does with its answer (glibc elf/dl-lookup.c).

`user.so` needs `first.so` and `second.so` and refers to `x`; `second.so` defines `x` in every version, so a look-up
that passes over `first.so` ends there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import pytest

from tests.linker.assembly import Assembler, Definition, Object, Reference
from tests.linker.patching import hide_need, patch_symbol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.linker.conftest import Build
    from tests.linker.judge import Judge

pytestmark = pytest.mark.compiler
FIRST, SECOND, USER = "first.so", "second.so", "user.so"
ALL = ("V1", "V2", "V3")
LOCAL, GLOBAL, FUNC = 0, 1 << 4, 2


@dataclass(frozen=True)
class Case:
    """expected: where the reference ends. first: definitions of `x` there. change, change_user: done to the files."""

    expected: str
    first: tuple[Definition, ...]
    reference: Reference
    versions: tuple[str, ...] = ()
    change: Callable[[Path], None] | None = None
    change_user: Callable[[Path], None] | None = None


def x(version: str | None = None, **more: object) -> Definition:
    """Define `x`."""
    return Definition("x", version=version, **more)  # type: ignore[arg-type] # fields of Definition


def _show_both(path: Path) -> None:
    """Take the mark "hidden" from both versions, V2 and V3."""
    patch_symbol(path, "x", versym=3)
    patch_symbol(path, "x", at=1, versym=4)


PLAIN = Reference("x")
V1 = Reference("x", version="V1", library=SECOND)
V2 = Reference("x", version="V2", library=SECOND)

CASES = {
    # a version is asked for
    "an object without versions satisfies every version": Case(FIRST, (x(),), V1),
    "an equal version matches": Case(FIRST, (x("V1"),), V1, ALL),
    "an equal version matches though it is not the default": Case(FIRST, (x("V1", default=False),), V1, ALL),
    "another version does not match": Case(SECOND, (x("V2"),), V1, ALL),
    "the base version satisfies every version": Case(FIRST, (x(), Definition("y", version="V1")), V1, ALL),
    "a hidden base version satisfies none": Case(
        SECOND, (x(), Definition("y", version="V1")), V1, ALL, partial(patch_symbol, name="x", versym=0x8001)
    ),
    "index 0 counts as the base version": Case(
        FIRST, (x(), Definition("y", version="V1")), V1, ALL, partial(patch_symbol, name="x", versym=0)
    ),
    "a hidden need takes no base version": Case(SECOND, (x(), Definition("y", version="V1")), V1, ALL, None, hide_need),
    "a hidden need takes an equal version": Case(FIRST, (x("V1"),), V1, ALL, None, hide_need),
    "an object with needed versions only has a version table": Case(FIRST, (x(), Definition("y")), V1, (), None, None),
    # no version is asked for
    "without a version an object without versions matches": Case(FIRST, (x(),), PLAIN),
    "without a version the base version matches": Case(FIRST, (x(), Definition("y", version="V1")), PLAIN, ALL),
    "without a version index 2 matches": Case(FIRST, (x("V1"),), PLAIN, ALL),
    "without a version index 2 matches even hidden": Case(FIRST, (x("V1", default=False),), PLAIN, ALL),
    "without a version index 2 comes before a newer default": Case(
        FIRST, (x("V1", default=False), x("V2")), PLAIN, ALL
    ),
    "without a version a sole later version matches": Case(FIRST, (x("V3"),), PLAIN, ALL),
    "without a version a hidden later version does not match": Case(SECOND, (x("V3", default=False),), PLAIN, ALL),
    "without a version hidden ones do not spoil the sole visible": Case(
        FIRST, (x("V2", default=False), x("V3")), PLAIN, ALL
    ),
    "without a version two visible later versions are ambiguous": Case(
        SECOND,
        (x("V2", default=False), x("V3")),
        PLAIN,
        ALL,
        _show_both,
    ),
    # what a definition must be
    "weak counts as much as global": Case(FIRST, (x(bind="weak"),), PLAIN),
    "a protected definition serves others": Case(FIRST, (x(visibility="protected"),), PLAIN),
    "no value is no definition": Case(SECOND, (x(),), PLAIN, (), partial(patch_symbol, name="x", value=0)),
    "a type that is neither code nor data": Case(
        SECOND, (x(),), PLAIN, (), partial(patch_symbol, name="x", info=GLOBAL | 3)
    ),
    "a type without meaning": Case(SECOND, (x(),), PLAIN, (), partial(patch_symbol, name="x", info=GLOBAL | 9)),
    "no type at all": Case(FIRST, (x(),), PLAIN, (), partial(patch_symbol, name="x", info=GLOBAL)),
    "a common symbol": Case(FIRST, (x(),), PLAIN, (), partial(patch_symbol, name="x", info=GLOBAL | 5)),
    "an indirect function": Case(FIRST, (x(sort="ifunc"),), Reference("x", "got")),
    "a hidden definition is passed over": Case(SECOND, (x(),), PLAIN, (), partial(patch_symbol, name="x", other=2)),
    "an internal definition is passed over": Case(SECOND, (x(),), PLAIN, (), partial(patch_symbol, name="x", other=1)),
    "a local one is passed over": Case(SECOND, (x(),), PLAIN, (), partial(patch_symbol, name="x", info=LOCAL | FUNC)),
    "an unknown binding is passed over": Case(
        SECOND, (x(),), PLAIN, (), partial(patch_symbol, name="x", info=13 << 4 | FUNC)
    ),
    "a hidden match hides what else the object has": Case(
        SECOND, (x("V1", default=False), x("V2")), PLAIN, ALL, partial(patch_symbol, name="x", other=2)
    ),
    "the version that verneed puts elsewhere is taken here": Case(FIRST, (x("V2"),), V2, ALL),
}


@pytest.mark.parametrize("style", ["gnu", "sysv"])
@pytest.mark.parametrize("name", CASES)
def test_a_reference_ends_where_check_match_says(judge: Judge, name: str, style: str) -> None:
    """The same with both kinds of hash table."""
    case = CASES[name]
    build = Assembler(judge.folder).build
    hashing = (f"--hash-style={style}",)
    needs = (Reference("y", version="V1", library=SECOND),) if "needed versions only" in name else ()
    first = build(Object(FIRST, FIRST, (SECOND,) if needs else (), case.first, needs, case.versions, options=hashing))
    every = tuple(x(version, default=version == "V3") for version in ALL)
    build(Object(SECOND, SECOND, (), (*every, Definition("y", version="V1")), (), ALL))
    user = build(Object(USER, USER, (FIRST, SECOND), (), (case.reference,), runpath="$ORIGIN"))
    if case.change is not None:
        case.change(first)
    if case.change_user is not None:
        case.change_user(user)
    trial = judge.ask(user, environ={"LD_LIBRARY_PATH": str(judge.folder)}).agree()
    assert trial.bound(USER, "x") == case.expected


def test_the_library_that_verneed_names_must_have_versions(judge: Judge) -> None:
    """An unversioned copy under the soname of a versioned library ends the process (until glibc 2.41)."""
    build = Assembler(judge.folder).build
    build(Object(FIRST, FIRST, (), (x(),)))
    user = build(Object(USER, USER, (FIRST,), (), (Reference("x", version="V1", library=FIRST),), runpath="$ORIGIN"))
    trial = judge.ask(user)
    if judge.host.libc_version < (2, 41):
        assert trial.said[0].startswith("Inconsistency detected by ld.so: dl-lookup.c: ")
    assert trial.said == trial.predicted_said


@pytest.mark.parametrize("bind", ["weak", "global"])
def test_a_look_up_that_goes_on_behind_weak_definitions_meets_more(
    build: Build, judge: Judge, bind: Literal["weak", "global"]
) -> None:
    """Under LD_DYNAMIC_WEAK the library that verneed names may be met behind another one that has the symbol."""
    build(Object(FIRST, FIRST, (), (Definition("x", bind=bind),)))
    build(Object(SECOND, SECOND, (), (x(),)))
    wants = Reference("x", version="V1", library=SECOND)
    user = build(Object(USER, USER, (FIRST, SECOND), (), (wants,), runpath="$ORIGIN"))
    trial = judge.ask(user, environ={"LD_DYNAMIC_WEAK": "1"})
    assert trial.said == trial.predicted_said
    assert (trial.said == ("opened",)) == (bind == "global" or judge.host.libc_version >= (2, 41))


def test_the_whole_needed_version_must_exist_by_name_and_hash(judge: Judge) -> None:
    """Two names with one hash are two versions (match_symbol and check_match compare both)."""
    build = Assembler(judge.folder).build
    assert _elf_hash("VB1") == _elf_hash("VAA")
    build(Object(FIRST, FIRST, (), (x("VB1"),), (), ("VB1",)))
    build(Object(SECOND, SECOND, (), (x("VAA"),), (), ("VAA",)))
    wanted = Reference("x", version="VAA", library=SECOND)
    user = build(Object(USER, USER, (FIRST, SECOND), (), (wanted,), runpath="$ORIGIN"))
    assert judge.ask(user).agree().bound(USER, "x") == SECOND


def _elf_hash(name: str) -> int:
    value = 0
    for letter in name.encode():
        value = (value << 4) + letter
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value
