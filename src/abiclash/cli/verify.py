"""abiclash verify: run the imports for real, and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import FOUND, PARTIAL
from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    "verify",
    epilog="""\b
Exit status: 0 everything worked and was predicted, 1 something failed or was predicted otherwise,
2 could not be done, 3 part of it could not be compared.""",
)
@click.argument("targets", nargs=-1, metavar="[REQUIREMENT]...")
@click.option("--env", "environment", type=options.FILE, help="An installed environment, instead of a throw-away one.")
@options.IMPORT
@click.option("--python", metavar="VERSION", help="Version or path of the interpreter (default: this one's version).")
@click.option("--order", type=click.Choice(["all", "given"]), default="all", show_default=True)
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds for each run.")
@options.MEMORY
@options.CACHE
@options.output("text", "json")
@options.QUIET
def command(
    *,
    targets: tuple[str, ...],
    environment: Path | None,
    imports: str | None,
    python: str | None,
    order: str,
    timeout: float,
    memory: int | None,
    cache: Path | None,
    form: str,
    output: Path | None,
    color: str,
    quiet: bool,
) -> int:
    """RUN THE PACKAGES' OWN CODE: import them in each order and compare what happens with the prediction.

    The packages are installed into a throw-away environment in the cache folder, and imported in child processes
    with limits of time and memory, a home of their own and, where the system allows, no network. They can still read
    and write what you can: use it for code that you trust.
    """
    if bool(targets) == (environment is not None):
        raise UsageError("verify: give either requirements to install, or --env with --import")
    if environment is not None and not imports:
        raise UsageError("verify --env: say what to import, as in --import numpy,scipy")
    from abiclash.lab.run import Limits  # noqa: PLC0415 - heavy
    from abiclash.lab.verify import WARNING, orders, verify  # noqa: PLC0415
    from abiclash.reports import verification as report  # noqa: PLC0415

    if not quiet:
        click.echo(f"abiclash: {WARNING}", err=True)
    program, modules = _prepared(targets, environment, options.names(imports), python, cache)
    statements = [f"import {module}" for module in modules]
    result = verify(
        program,
        statements,
        programs=orders(statements) if order == "all" else [tuple(statements)],
        limits=Limits(timeout, memory),
        progress=lambda line: None if quiet else click.echo(f"abiclash: running {line}", err=True),
    )
    shown = report.as_json(result) if form == "json" else report.as_text(result, terminal.paint(color, output))
    terminal.write(shown, output)
    wrong = any(not trial.works or (trial.comparison and not trial.comparison.exact) for trial in result.trials)
    return FOUND if wrong else PARTIAL if result.not_analysed else 0


def _prepared(
    targets: Sequence[str], environment: Path | None, modules: tuple[str, ...], python: str | None, cache: Path | None
) -> tuple[str, tuple[str, ...]]:
    """Return the interpreter of the environment to run in, and the modules to import."""
    if environment is not None:
        return str(environment / "bin" / "python"), modules
    import sys  # noqa: PLC0415 - only here

    from abiclash.facts.store import default_root  # noqa: PLC0415 - heavy
    from abiclash.lab.environments import find_python, make_environment  # noqa: PLC0415

    wanted = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    made = make_environment(targets, find_python(wanted), (cache or default_root()) / "environments")
    return made.python, modules or tuple(module_of(target, made.path) for target in targets)


def module_of(target: str, environment: Path) -> str:
    """Return what importing a package means: its module of the same name, else its only or first public one."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - heavy
    from packaging.utils import canonicalize_name  # noqa: PLC0415

    from abiclash.facts.installed import importable  # noqa: PLC0415
    from abiclash.sources.environment import distributions, open_environment  # noqa: PLC0415

    try:
        wanted = canonicalize_name(Requirement(target).name)
    except InvalidRequirement:
        wanted = canonicalize_name(Path(target).name.partition("-")[0])
    found, _ = distributions(open_environment(environment))
    installed = next((item for item in found if item.name == wanted), None)
    paths = [file.path for file in installed.files] if installed else []
    modules = importable(paths, (installed.top_level if installed else None) or "")
    own = [module for module in modules if canonicalize_name(module) == wanted]
    public = [module for module in modules if not module.startswith("_")]
    if not (own or public):
        raise UsageError(f"verify {target}: which module to import does not show; say it with --import")
    return (own or public)[0]
