"""A finding as a script of at most ten lines that shows it for real: pinned versions, the failing and the safe order.

What becomes part of a script is checked to be no more than a name, a version or a module: anything else is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from abiclash.errors import UsageError
from abiclash.rules.model import failing_orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.rules.model import Finding, ScannedPackage, ScanResult

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_TRY = """try() { "$dir/env/bin/python" -c "$2" >"$dir/log" 2>&1; got=$?; \
echo "exit $got: $2 ($1) $(tail -n 1 "$dir/log")"; return $got; }"""
_PYTHON = re.compile(r"\d+\.\d+(\.\d+)?", re.ASCII)


def script(finding: Finding, result: ScanResult) -> str:
    """Return a bash script. It exits with 0 where what the model says comes true, 1 where not, 2 where it cannot tell.

    Raises UsageError where a name or version in the report is none, or where no package can be installed for it.
    """
    known = {package.name: package for package in result.packages}
    failing, passing = _orders(finding, result)
    wanted = [known[name] for name in dict.fromkeys(failing) if name in known]
    if not wanted:
        raise UsageError(f"{finding.id}: names no package that could be installed; scan requirements, not files")
    pins = " ".join(_pin(package) for package in sorted(known.values()) if package.version)
    about = " ".join(_pin(package) for package in wanted)
    late = " (fails in use: an import alone may pass)" if finding.evidence.get("stage") == "use" else ""
    lines = [
        "#!/usr/bin/env bash",
        f"# abiclash {finding.rule}: {about}, CPython {_python(result)}{late}",
        "dir=$(mktemp -d) && trap 'rm -rf \"$dir\"' EXIT && bad=0",
        f'uv venv -q --python {_python(result)} "$dir/env" && printf \'%s\\n\' {pins} >"$dir/pins" || exit 2',
        f'uv pip install -q --only-binary :all: --python "$dir/env" -c "$dir/pins" {about} || exit 2',
        _TRY,
        f'try "should fail" "{_import(failing, known)}" && bad=1',
        *(f'try "should pass" "{_import(order, known)}" || bad=1' for order in passing[:2]),
        "exit $bad",
    ]
    return "\n".join(lines) + "\n"


def _orders(finding: Finding, result: ScanResult) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return the failing order, cut down to the packages that the finding names, and orders that pass.

    Where no order of all of them passes, each package by itself is what works.
    """
    named = {package.name for package in finding.packages}
    given = finding.failing_order or (result.orders[0].order if result.orders else ())
    failing = [name for name in given if name in named] or list(finding.failing_order or sorted(named))
    if len(failing) == 1 and len(given) > 1 and finding.failing_order:  # the other side is a dependency, or brings one
        failing = list(finding.failing_order)
    bad = failing_orders(finding)
    others = [verdict.order for verdict in result.orders if bad and verdict.order not in bad]
    for order in [finding.safe_order or (), *others]:  # one that another finding spoils still lacks this one
        passing = [name for name in order if name in failing]
        if sorted(passing) == sorted(failing) and passing != failing:
            return failing, [passing]
    return failing, [[name] for name in failing] if len(failing) > 1 else []


def _pin(package: ScannedPackage) -> str:
    if not _NAME.fullmatch(package.name):
        raise UsageError(f"package {package.name[:80]!r}: no name of a package; no script is made of it")
    try:
        public = Version(package.version).public
    except InvalidVersion as error:
        raise UsageError(
            f"{package.name}: version {package.version[:80]!r} is none; no script is made of it"
        ) from error
    return f"{package.name}=={public}"


def _python(result: ScanResult) -> str:
    if not _PYTHON.fullmatch(result.host.python):
        raise UsageError(f"Python {result.host.python[:80]!r}: no version; no script is made of it")
    return ".".join(result.host.python.split(".")[:2])


def _import(order: Iterable[str], known: dict[str, ScannedPackage]) -> str:
    """Return Python source that imports packages in order."""
    modules: list[str] = []
    for name in order:
        package = known.get(name)
        modules += package.modules if package is not None and package.modules else [name.replace("-", "_")]
    for module in modules:
        if not module.isidentifier() or not module.isascii():
            raise UsageError(f"module {module[:80]!r}: no name of a module; no script is made of it")
    return f"import {', '.join(modules)}"
