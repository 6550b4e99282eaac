"""abiclash investigate: find out why a program crashes, by experiment."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import CANNOT, FOUND, PARTIAL
from abiclash.errors import AbiclashError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from abiclash.lab.environments import Environment
    from abiclash.lab.investigate.investigation import Setup
    from abiclash.rules.model import Finding, ScannedPackage


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, by their names; what they mean is said where they are declared."""

    targets: tuple[str, ...]
    environment: Path | None
    imports: tuple[str, ...]
    fails: str | None
    passes: tuple[str, ...]
    versions: tuple[str, ...]
    python: str | None
    timeout: float
    memory: int | None
    seconds: float
    rules: bool
    cache: Path | None
    quiet: bool


@click.command(
    "investigate",
    epilog="""\b
Examples:
  abiclash investigate tensorflow==1.13.1 pyarrow==0.13.0 --python 3.7 -o report
  abiclash investigate a==1.0 b==2.0 --fails 'import a; import b.core' --passes 'import b.core'

\b
Exit status: 0 nothing fails, 1 a cause was proven or supported, 2 it could not be done,
3 something fails and its cause stays open.""",
)
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--env", "environment", type=options.FILE, help="An installed environment, instead of a throw-away one.")
@click.option(
    "--import", "imports", multiple=True, metavar="CODE", help="A module or statement; give it once for each."
)
@click.option("--fails", metavar="CODE", help="The program that fails, instead of imports in each order.")
@click.option("--passes", multiple=True, metavar="CODE", help="A program that works, to compare it with.")
@click.option("--try", "versions", multiple=True, metavar="NAME==VERSION", help="Try another version as a remedy.")
@click.option("--python", metavar="VERSION", help="Version or path of the interpreter (default: this one's version).")
@click.option("--timeout", type=float, default=180.0, show_default=True, help="Seconds for each run.")
@options.MEMORY
@click.option("--seconds", type=float, default=600.0, show_default=True, help="Seconds for all experiments.")
@click.option("--rules/--no-rules", default=True, help="Ask the rules for suspects first.")
@options.CACHE
@click.option("-o", "--output", type=options.FILE, help="Write report.md, report.html and figures to this folder.")
@options.QUIET
def command(*, output: Path | None, **given: Any) -> int:
    """RUN THE PACKAGES' OWN CODE, many times, and find out by experiment why it fails.

    The packages are installed into a throw-away environment in the cache folder, and run in a copy of it, in child
    processes with limits of time and memory, a home of their own and, where the system allows, no network. They can
    still read and write what you can: use it for code that you trust.

    The failing program is compared with one that works; what differs is changed, one thing at a time, in the copy:
    what ends the failure, and alone brings it into the working program, is its cause.
    """
    asked = Asked(**given)
    if bool(asked.targets) == (asked.environment is not None):
        raise UsageError("investigate: give either packages to install, or --env with --import or --fails")
    if asked.fails is None and not asked.imports and asked.environment is not None:
        raise UsageError("investigate --env: say what to run, as in --import numpy --import scipy, or --fails CODE")
    from abiclash.lab.investigate import investigation  # noqa: PLC0415 - heavy
    from abiclash.reports import investigation as report  # noqa: PLC0415

    if not asked.quiet:
        click.echo(f"abiclash: {investigation.WARNING}", err=True)
    found = investigation.investigate(_setup(asked))
    said = _command(asked)
    if output is None:
        terminal.write(report.markdown(found, said), None)
    else:
        _write(report.files(found, said), output)
    if found.failing is None:
        return CANNOT if not found.programs else 0
    return FOUND if found.cause is not None else PARTIAL


def _setup(asked: Asked) -> Setup:
    import sys  # noqa: PLC0415 - only here

    from abiclash.cli.verify import module_of  # noqa: PLC0415 - shares its heavy imports
    from abiclash.facts.store import default_root  # noqa: PLC0415
    from abiclash.lab.environments import find_python  # noqa: PLC0415
    from abiclash.lab.investigate import programs  # noqa: PLC0415
    from abiclash.lab.investigate.investigation import Setup  # noqa: PLC0415
    from abiclash.lab.run import Limits  # noqa: PLC0415

    folder = asked.cache or default_root()
    base = find_python(asked.python or f"{sys.version_info.major}.{sys.version_info.minor}")
    made = _environment(asked.targets, asked.environment, base, folder / "environments")
    if asked.fails is not None:
        wanted = [programs.statements(text) for text in (asked.fails, *asked.passes)]
    else:
        modules = asked.imports or tuple(module_of(target, made.path) for target in asked.targets)
        wanted = programs.imports(modules)
    findings, packages = _scanned(asked.targets, asked.environment, made, asked.cache) if asked.rules else ((), ())
    return Setup(
        environment=made,
        targets=asked.targets or made.pins,
        programs=wanted,
        base=base,
        cache=folder / "environments",
        findings=findings,
        packages=packages,
        versions=asked.versions,
        limits=Limits(asked.timeout, asked.memory),
        seconds=asked.seconds,
        progress=lambda line: None if asked.quiet else click.echo(f"abiclash: {line}", err=True),
    )


def _environment(targets: Sequence[str], environment: Path | None, base: str, cache: Path) -> Environment:
    from abiclash.lab.environments import Environment, make_environment  # noqa: PLC0415 - heavy
    from abiclash.sources.environment import distributions, open_environment  # noqa: PLC0415

    if environment is None:
        return make_environment(targets, base, cache)
    found, _ = distributions(open_environment(environment))
    path = environment.resolve()
    return Environment(
        path, str(path / "bin" / "python"), tuple(sorted(f"{each.name}=={each.version}" for each in found))
    )


def _scanned(
    targets: tuple[str, ...], environment: Path | None, made: Environment, cache: Path | None
) -> tuple[tuple[Finding, ...], tuple[ScannedPackage, ...]]:
    """Return what a scan finds, and the packages that it read; nothing where it cannot be done.

    The rules only say where to look first: an investigation goes on without them.
    """
    from abiclash.scanning import ScanRequest, scan  # noqa: PLC0415 - heavy
    from abiclash.sources.environment import python_of  # noqa: PLC0415

    request = (
        ScanRequest((), environment=environment, cache=cache)
        if environment is not None
        else ScanRequest(targets, python=python_of(made.path).short, cache=cache)
    )
    try:
        result = scan(request)
    except AbiclashError as error:
        click.echo(f"abiclash: the rules were not asked: {error}", err=True)
        return (), ()
    return result.findings, result.packages


def _command(asked: Asked) -> str:
    """Return the command line that does the same again."""
    parts = ["abiclash", "investigate", *asked.targets]
    parts += ["--env", asked.environment.name] if asked.environment is not None else []
    parts += ["--python", asked.python] if asked.python else []
    parts += [word for each in asked.imports for word in ("--import", each)]
    parts += ["--fails", asked.fails] if asked.fails is not None else []
    parts += [word for each in asked.passes for word in ("--passes", each)]
    parts += [word for each in asked.versions for word in ("--try", each)]
    return shlex.join(parts)


def _write(files: dict[str, str], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; choose another -o FOLDER") from error
    click.echo(f"abiclash: wrote {folder / 'report.md'}, {folder / 'report.html'} and figures", err=True)
