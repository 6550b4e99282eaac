"""abiclash host: the systems that wheels are played on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abiclash.cli import options, terminal

if TYPE_CHECKING:
    from pathlib import Path

_MACHINE = click.option("--machine", default="x86_64", show_default=True, help="Of a shipped profile.")


@click.group("host", options_metavar="")
def command() -> None:
    """List, show and capture host profiles.

    A host profile is what a wheel does not bring: the interpreter, libc, libstdc++.so.6 and the other libraries of a
    system, with the dynamic linker's settings. "live" is this machine.
    """


@command.command("list")
@options.output("text", "json")
def list_profiles(*, form: str, output: Path | None, color: str) -> None:
    """List the profiles that come with abiclash."""
    from abiclash.reports import hosts as report  # noqa: PLC0415
    from abiclash.sources import profiles  # noqa: PLC0415 - heavy

    found = profiles.summaries()
    shown = report.as_json(found) if form == "json" else report.listing(found, terminal.paint(color, output))
    terminal.write(shown, output)


@command.command("show")
@click.argument("name")
@_MACHINE
@options.output("text", "json")
def show(*, name: str, machine: str, form: str, output: Path | None, color: str) -> None:
    """Show one profile: a name from the list, "live", or a captured file."""
    from abiclash.reports import hosts as report  # noqa: PLC0415

    if name == "live":
        from abiclash.sources.live_host import live  # noqa: PLC0415 - heavy

        found = report.of_live(live())
    else:
        from abiclash.sources import profiles  # noqa: PLC0415

        found = report.of_summary(profiles.summary(name, machine))
    shown = report.one_as_json(found) if form == "json" else report.one(found, terminal.paint(color, output))
    terminal.write(shown, output)


@command.command("capture")
@click.argument("file", type=options.FILE)
@click.option("--name", default="", help="How the profile calls itself (default: from /etc/os-release).")
@click.option("--python", type=options.FILE, help="Executable or virtual environment of the interpreter to keep.")
@click.option("--library", "libraries", multiple=True, metavar="SONAME", help="A further library to keep; repeatable.")
def capture_machine(*, file: Path, name: str, python: Path | None, libraries: tuple[str, ...]) -> None:
    """Record this machine as a profile FILE, for scans elsewhere: --host FILE."""
    from abiclash.lab.host_capture import capture  # noqa: PLC0415 - heavy
    from abiclash.reports import hosts as report  # noqa: PLC0415

    found = capture(file, python=python, name=name, libraries=libraries)
    terminal.write(report.one(report.of_summary(found), terminal.paint("auto", None)), None)
