"""Loading a library changes the process beyond its own memory.

## What happens

A library asks never to be unloaded (NODELETE), is opened so that it prefers its own symbols (RTLD_DEEPBIND), or its
code installs handlers for signals, for fork, for uncaught exceptions or failed allocation.

## Why it breaks

Not by itself. Handlers exist once per process, and the last one that is installed wins; an allocator that is found by
one part of the process and not by a part that was opened with RTLD_DEEPBIND gives "free(): invalid pointer".

## How the loader decides

DF_1_NODELETE keeps an object in the process (glibc elf/dl-close.c). RTLD_DEEPBIND puts an object's own scope before
the global one (`_dl_map_object_deps` and dl_open_worker, glibc elf/dl-open.c). Handlers are calls into libc.

## Example

The fixture `handler_at_load` builds a library whose constructor calls `signal`.

## Fix on each side

Install handlers when the user asks for them, and call the previous one. Avoid RTLD_DEEPBIND.

## Incidents

Python's faulthandler, abseil's failure handler and language runtimes all want SIGSEGV; who comes last gets it.

## Limits

That a function is referenced from an initialiser is read off its code; a reference elsewhere means that the library
can call it, not that it does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abiclash.names import name_key
from abiclash.rules.carried import owned
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

RULE = Rule(
    id="load-side-effect",
    title="Loading a library changes the whole process",
    severity=Severity.NOTE,
    confidence=Confidence.POSSIBLE,
    audience=Audience.RESEARCHER,
    mechanism=Mechanism.INITIALISATION,
    since="0.1",
    references=("https://man7.org/linux/man-pages/man3/dlopen.3.html",),
)

DF_1_NODELETE, RTLD_DEEPBIND = 0x8, 0x8
HANDLERS: Mapping[str, tuple[str, ...]] = {
    "signal handlers": ("sigaction", "signal", "__sysv_signal", "sigaltstack"),
    "fork handlers": ("pthread_atfork", "__register_atfork"),
    "the handler of uncaught C++ exceptions": ("_ZSt13set_terminatePFvvE",),
    "the handler of failed allocations": ("_ZSt15set_new_handlerPFvvE",),
    "the locale": ("setlocale", "_ZNSt6locale6globalERKS_"),
    "floating point modes": ("fesetenv", "feenableexcept", "feupdateenv"),
    "limits of the process": ("setrlimit", "setrlimit64"),
}
_NAMES = {name_key(name): (what, name) for what, names in HANDLERS.items() for name in names}
_KEYS = np.sort(np.array(list(_NAMES), dtype=np.uint64))


@dataclass(slots=True)
class _Effects:
    """Of one package: effect -> paths. early: what an initialiser does; later: what the code could do."""

    early: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    later: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def check(case: Case) -> Iterable[Finding]:
    """Collect the effects of each package's loaded objects."""
    effects: dict[str, _Effects] = {}
    seen: set[int] = set()
    deep = {played.load.path for run in case.runs for played in run.played if played.load.flags & RTLD_DEEPBIND}
    for run in case.runs:
        for owner, link in owned(case, run):
            if link.file not in seen:
                seen.add(link.file)
                _collect(effects.setdefault(owner, _Effects()), case.path(link.file), link.facts)
                if case.world.paths[link.file] in deep:
                    effects[owner].early["opened with RTLD_DEEPBIND"].add(case.path(link.file))
    for owner, found in sorted(effects.items()):
        if found.early or found.later:
            yield _finding(case, owner, found)


def _collect(effects: _Effects, path: str, facts: ObjectFacts) -> None:
    if facts.flags_1 & DF_1_NODELETE:
        effects.early["never unloaded (NODELETE)"].add(path)
    symbols = facts.symbols
    if not len(symbols.key):
        return
    at = np.minimum(np.searchsorted(symbols.key, _KEYS), len(symbols.key) - 1)
    present = at[(symbols.key[at] == _KEYS) & (symbols.shndx[at] == 0)]
    if not len(present):
        return
    initial = set(symbols.key[facts.references.symbol[facts.init.references]].tolist())
    for key in symbols.key[present].tolist():
        what, _ = _NAMES[key]
        (effects.early if key in initial else effects.later)[f"sets {what}"].add(path)


def _finding(case: Case, owner: str, found: _Effects) -> Finding:
    early, later = (
        {what: sorted(paths) for what, paths in sorted(kind.items())} for kind in (found.early, found.later)
    )
    objects = sorted({path for paths in (*early.values(), *later.values()) for path in paths})
    return RULE.finding(
        packages=[case.packages[owner].id],
        confidence=Confidence.CERTAIN if early else Confidence.POSSIBLE,
        summary=f"loading {owner} "
        + (f"has effects on the process: {listed(early)}." if early else "")
        + (f"can change the process later: {listed(later)}." if not early else ""),
        explanation=(
            (f"While {owner} is loaded: {listed(early, 6)}. " if early else "")
            + (f"Its code can also do this: {listed(later, 6)}. " if later else "")
            + "These things exist once in a process and are shared with every other package."
        ),
        advice=[Advice(f"maintainer of {owner}", "Make such changes only when asked to, and undo them.")],
        key=["effects"],
        objects=objects[:50],
        evidence={"at_load": early, "possible": later},
    )
