"""The group of commands, and what becomes of their errors."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import click

from abiclash import __version__
from abiclash.cli.status import CANNOT, INTERRUPTED
from abiclash.errors import AbiclashError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "scan": "Find what breaks when these packages are imported together.",
    "env": "Find what breaks in an installed environment: why does it crash?",
    "check": "Check wheels before they are uploaded: hygiene, neighbours, what a release changes.",
    "suggest": "Find the smallest change that makes packages go together.",
    "index": "Read wheels into the store, so that later scans do not touch them.",
    "graph": "Draw what ties packages together; find a safe order and the fewest changes.",
    "explain": "Tell how a finding comes about, and make a script that shows it.",
    "facts": "Show what is known of a wheel or a shared object.",
    "bindings": "Predict which definition each symbol reference gets.",
    "plan": "Show what an import loads, in order, and how that is known.",
    "verify": "Run the imports for real and compare with the prediction.",
    "investigate": "Find out by experiment why imports crash; writes a report with proof.",
    "triage": "Tell the likely causes of a crash or a failed import from its text.",
    "corpus": "Scan named sets of packages pair by pair, compare runs, publish them.",
    "host": "List, show and capture host profiles.",
    "rules": "List the rules, or explain one.",
    "config": "Say which configuration applies here; print its schema.",
    "completion": "Print what bash, zsh or fish need to complete abiclash.",
}
"""Name -> one line of help; the module of the same name in this package holds it. Kept here so that --help imports
none of them."""


class LazyGroup(click.Group):
    """A group that imports a command's module when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"abiclash.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


EPILOG = """\b
Examples:
  abiclash scan tensorflow==1.13.1 pyarrow==0.13.0 --python 3.7
  abiclash scan -r requirements.txt
  abiclash env                                  # why does this environment crash?
  abiclash check dist/*.whl --against numpy,pandas
  abiclash triage < crash.txt
  abiclash rules split-state

Environment: ABICLASH_CACHE is the folder of wheels and facts; NO_COLOR turns colours off; the package index, proxies
and certificates are those of pip and uv. Shell completion: abiclash completion --help.

Exit status: 0 nothing found, 1 findings, 2 could not be done, 3 nothing found but something could not be read."""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=AMOUNT",
    help="Refuse wheels beyond this, such as member=2G; see docs/limits.md.",
)
@click.version_option(__version__, prog_name="abiclash", message="%(prog)s %(version)s")
def app(limits: tuple[str, ...]) -> None:
    """Find ABI conflicts between Python wheels before they crash.

    abiclash predicts which definition the dynamic linker gives to each symbol reference of the packages, in each
    import order, and says where that breaks them. Nothing is installed or executed.
    """
    if limits:
        from abiclash.facts.limits import set_limit  # noqa: PLC0415 - start-up

        for text in limits:
            set_limit(text)


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit status; errors become one line on stderr."""
    try:
        status = app.main(list(arguments), prog_name="abiclash", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return CANNOT
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "abiclash"
        return _fail(f"{error.format_message()} (try '{command} --help')")
    except click.ClickException as error:
        return _fail(error.format_message())
    except AbiclashError as error:
        return _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("abiclash: interrupted", err=True)
        return INTERRUPTED
    return status if isinstance(status, int) else 0


def _fail(message: str) -> int:
    from abiclash.reports.safe import name  # noqa: PLC0415 - only a failure needs it

    sys.stdout.flush()
    click.echo(f"abiclash: error: {name(' '.join(message.split()), 2000)}", err=True)
    return CANNOT
