"""Observing a set of wheels: install exactly these into a throw-away environment, import, keep what was loaded."""

from __future__ import annotations

import os
import platform
import re
from contextlib import contextmanager
from itertools import permutations
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from abiclash.errors import LabError, NotAnalysed, UsageError
from abiclash.imports.observed import keep
from abiclash.lab.environments import find_python, make_environment
from abiclash.lab.observed_plan import observe_plan
from abiclash.orders import ALL_ORDERS_UP_TO
from abiclash.sources.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from abiclash.imports.observed import Records
    from abiclash.lab.run import Limits
    from abiclash.sources.host_profile import HostProfile
    from abiclash.sources.wheelset import WheelSet

WARNING = "--observe runs the packages' own code on this machine, in child processes; only do it with code you trust"


def orders(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the orders whose loads a scan asks for: each name alone, the beginnings of every order of a few names,
    and the given order.
    """
    whole = list(permutations(names)) if len(names) <= ALL_ORDERS_UP_TO else [tuple(names)]
    parts = [order[:length] for order in whole for length in range(1, len(order) + 1)]
    alone = [(name,) for name in names]
    return sorted(dict.fromkeys([*alone, *parts, tuple(names)]), key=len)


def observe_orders(
    python: str | Path,
    wanted: Sequence[tuple[str, ...]],
    records: Records,
    *,
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[NotAnalysed]:
    """Import modules in each of the orders, keep what was loaded, and return what failed."""
    failed = []
    for modules in wanted:
        named = f"import {', '.join(modules)}"
        progress(named)
        try:
            keep(records.cache, observe_plan(python, modules, records.wheels, limits=limits))
        except LabError as error:
            failed.append(NotAnalysed(named, f"not observed: {error}"))
    return failed


@contextmanager
def interpreter_with(wheels: WheelSet, host: HostProfile, cache: Path, *, offline: bool) -> Iterator[str]:
    """Yield an interpreter in an environment of exactly these wheels, or the installed environment's own.

    A made environment is removed in the end. Raises LabError where this machine cannot run such wheels, UsageError for
    wheels beside an installed environment.
    """
    if wheels.environment is not None:
        if wheels.wheels:
            raise UsageError("--observe: an environment is run as it is; install the other packages there first")
        yield str(wheels.environment.path / "bin" / "python")
        return
    _check_machine(host)
    with Fetcher(cache, offline=offline) as fetcher:
        files = [str(fetcher.fetch(wheels.packages[wheel.sha256])) for wheel in wheels.wheels]
    made = make_environment(files, find_python(host.interpreter.version), cache / "environments")
    try:
        expected = {wheel.name for wheel in wheels.wheels}
        found = {str(canonicalize_name(re.split("==| @", pin)[0])) for pin in made.pins}
        if found != expected:
            raise LabError(f"the environment holds other packages than the plan: {', '.join(sorted(found ^ expected))}")
        yield made.python
    finally:
        made.remove()


def _check_machine(host: HostProfile) -> None:
    here = (platform.machine(), "glibc" if os.confstr_names.get("CS_GNU_LIBC_VERSION") else "musl")
    if (host.machine, host.libc) != here:
        wanted = f"{host.machine} with {host.libc}"
        raise LabError(
            f"--observe: the packages are for {wanted}, this machine is {' with '.join(here)}; observe there"
        )
