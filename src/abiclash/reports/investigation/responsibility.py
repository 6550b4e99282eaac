"""Whose responsibility it is, and what each side can do, with what came of trying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.lab.investigate.result import TAKERS_HIDE, Role
from abiclash.reports.investigation.blocks import Block, Heading, Items, Table, Text, code
from abiclash.reports.investigation.experiments import public
from abiclash.reports.investigation.story import matching, reordered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.lab.investigate.result import Cause, Investigation

_PEP = (
    'PEP 600 asks of a manylinux wheel that it "plays well with others": installing it must not cause conflicts with '
    "the other packages that one may have."
)


def sides(found: Investigation) -> Iterator[Block]:
    """Responsibility under PEP 600, then the remedies."""
    if found.cause is not None:
        yield Heading(2, "Whose responsibility")
        yield Text(f"{_PEP} {_judgement(found.cause)}")
        finding = matching(found)
        if finding is not None:
            yield Items(tuple(f"{advice.who}: {advice.text}".replace("`", "'") for advice in finding.advice))
    rows = [(f"run {code(str(program))}", program.outcome.text) for program in reordered(found)]
    if found.cause is not None and found.cause.suspect.kind == "static-tls":
        rows += [(each.what, each.outcome.text) for each in found.cause.attempts if each.role is Role.REMOVAL]
    rows += [(each.what, each.outcome.text) for each in found.remedies]
    if rows:
        yield Heading(2, "Remedies that were tried")
        yield Table(("remedy", "how it ended"), tuple(rows))


def _judgement(cause: Cause) -> str:
    suspect = cause.suspect
    if suspect.kind == "static-tls":
        return "The memory is the C library's; each package that uses initial-exec thread-local storage takes from it."
    if suspect.kind == "library":
        return (
            f"{suspect.package or 'The later package'} brings a library under a name that is not its own alone. "
            "Names of libraries hold for the whole process; auditwheel gives each grafted library a name with a hash "
            "for this reason."
        )
    if suspect.kind == "registry":
        return (
            "Neither file breaks a rule of ELF or of manylinux: the two names meet in a registry that exists once in "
            "the process. Whoever gives its entries names that are its own (or keeps them local to the module) is safe."
        )
    if public(cause):
        taker_side = any(
            each.good and each.role is Role.REMOVAL and each.what == TAKERS_HIDE for each in cause.attempts
        )
        return (
            f"{suspect.package} puts {code(suspect.object)} into the global scope, where every library that is loaded "
            "later finds its definitions before its own."
            + (
                " Both sides can end it: the other one by not exporting the names, which binds it to its own."
                if taker_side
                else ""
            )
        )
    return (
        f"{suspect.package} is the side that changes what others get: {code(suspect.object)} exports definitions that "
        "are not its interface. The other side does nothing unusual, and cannot defend itself by being built "
        "differently, because the binding that goes wrong is not one of its own."
    )
