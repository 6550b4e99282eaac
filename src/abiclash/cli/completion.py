"""abiclash completion: what a shell needs to complete commands and options."""

from __future__ import annotations

import click


@click.command(
    "completion",
    epilog="""\b
Examples:
  abiclash completion bash > ~/.local/share/bash-completion/completions/abiclash
  abiclash completion zsh > "${fpath[1]}/_abiclash"
  abiclash completion fish > ~/.config/fish/completions/abiclash.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> int:
    """Print the script that lets a shell complete commands and options of abiclash."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - start-up

    from abiclash.cli.app import app  # noqa: PLC0415 - it imports this module

    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"{shell}: click has no completion for it")
    click.echo(script(app, {}, "abiclash", "_ABICLASH_COMPLETE").source())
    return 0
