"""The command line as a user meets it: start-up, help, errors, exit statuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from abiclash import __version__
from abiclash.cli import app, options, status, terminal
from abiclash.control.view import everything
from abiclash.errors import AbiclashError, SourceError, UsageError
from abiclash.progress import Silent
from tests.reports.sample import CLEAN, CONFLICT, NOTE

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.rules.model import ScanResult

HEAVY = (
    "numpy",
    "arro3",
    "httpx",
    "rich",
    "networkx",
    "elftools",
    "nanoarrow",
    "isal",
    "packaging",
    "asyncio",
    "subprocess",
)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_start_up_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from abiclash.cli.app import run; status = run(sys.argv[1:]);"
        f"print([name for name in {HEAVY} if name in sys.modules], status, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == f"[] {0 if arguments else 2}"


def test_help_costs_little_processor_time() -> None:
    """150 ms on a usual machine; on a slower one, no more than a few times what click alone takes."""

    def seconds(code: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    bare = min(seconds("import click") for _ in range(3))
    shown = min(seconds("from abiclash.cli.app import run; run(['--help'])") for _ in range(3))
    assert shown < max(0.15, 2.5 * bare)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["--version"]) == 0
    assert capsys.readouterr().out == f"abiclash {__version__}\n"


def test_every_command_has_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for name in app.COMMANDS:
        assert app.run([name, "--help"]) == 0, name
        assert f"Usage: abiclash {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["scam"], "abiclash: error: No such command 'scam'"),
        (["scan", "--pythn", "3.7"], "abiclash: error: No such option '--pythn'"),
        (["scan"], "abiclash: error: nothing to look at; name a TARGET, or use -r FILE or --env FOLDER"),
        (["rules", "no-such\x1b[31m"], "abiclash: error: rule 'no-such\\x1b[31m': there is no such rule"),
    ],
)
def test_usage_errors_are_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(line)
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "expected", "line"),
    [
        (
            SourceError("numpy==99: no such version; choose\nanother"),
            2,
            "abiclash: error: numpy==99: no such version; choose another\n",
        ),
        (KeyboardInterrupt(), 130, "abiclash: interrupted\n"),
    ],
)
def test_errors_become_an_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    expected: int,
    line: str,
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(options, "request", fail)
    assert app.run(["scan", "numpy"]) == expected
    assert capsys.readouterr().err.lstrip("\n") == line


@pytest.mark.parametrize(
    ("result", "fail_on", "expected"),
    [
        (CONFLICT, "error", 1),
        (CONFLICT, "never", 3),
        (CLEAN, "note", 0),
        ("note", "note", 1),
        ("note", "warning", 0),
        ("note", "never", 0),
    ],
)
def test_exit_status_of_a_scan(result: ScanResult | str, fail_on: str, expected: int) -> None:
    from dataclasses import replace  # noqa: PLC0415 - reads better here

    played = replace(CLEAN, findings=(NOTE,)) if isinstance(result, str) else result
    assert status.of_scan(played, everything(played.findings), fail_on) == expected


def test_request_carries_what_was_asked(tmp_path: Path) -> None:
    given = {
        "targets": ("numpy",),
        "requirements": (),
        "environment": None,
        "python": "3.7",
        "platform": "manylinux1_x86_64",
        "host": "debian-12",
        "cache": tmp_path,
        "offline": True,
        "refresh": False,
    }
    request = options.request(all_orders=False, **given)
    assert (request.targets, request.python, request.all_orders, request.cache) == (("numpy",), "3.7", False, tmp_path)


def test_output_file(tmp_path: Path) -> None:
    terminal.write("text\n", tmp_path / "report")
    assert (tmp_path / "report").read_text() == "text\n"
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        terminal.write("text\n", tmp_path / "absent" / "report")


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "from abiclash.cli import terminal; terminal.write('x' * 10_000_000, None); raise SystemExit(3)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert (child.stderr.read(), child.wait()) == (b"", 3)
    child.stderr.close()


def test_a_locale_without_the_characters_is_no_error() -> None:
    code = "from abiclash.cli import terminal; terminal.write('gr\u00f6\u00dfe\\n', None)"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert done.stdout == b"gr\\xf6\\xdfe\n"


@pytest.mark.parametrize(
    ("color", "environment", "expected"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"TERM": "dumb"}, False),
        ("never", {}, False),
        ("always", {"NO_COLOR": "1"}, True),
    ],
)
def test_colour(monkeypatch: pytest.MonkeyPatch, color: str, environment: dict[str, str], *, expected: bool) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert terminal.paint(color, None).colour is expected


def test_a_file_gets_no_colour_and_a_fixed_width(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "47")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert terminal.paint("auto", tmp_path / "x").colour is False
    assert terminal.paint("auto", tmp_path / "x").width == terminal.PIPED_WIDTH
    assert terminal.paint("auto", None).width == 47


def test_progress_is_silent_without_a_terminal() -> None:
    assert isinstance(terminal.progress(quiet=False), Silent)


def test_bars_leave_the_terminal_as_it_was() -> None:
    """On a pseudo terminal: bars appear, and the last thing written erases them."""
    master, slave = os.openpty()
    code = (
        "from abiclash.cli import terminal\n"
        "bars = terminal.progress(quiet=False)\n"
        "with bars.task('fetch evil\\x1b[31m', 10, 'bytes') as one, bars.task('index', None) as two:\n"
        "    one.advance(4); two.advance()\n"
    )
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    child = subprocess.Popen([sys.executable, "-c", code], stderr=slave, env=environment)
    os.close(slave)
    assert child.wait() == 0
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert "fetch evil\\x1b[31m" in shown
    assert "evil\x1b[31m" not in shown
    assert shown.replace("\x1b[?25h", "").rstrip("\r").endswith("\x1b[2K")


def test_interrupt_of_the_process_is_one_line(tmp_path: Path) -> None:
    """A real SIGINT while a command waits: here for a FIFO that nobody writes to."""
    fifo = tmp_path / "requirements.txt"
    os.mkfifo(fifo)
    code = (
        "import signal, sys, time; from abiclash.cli import options, main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        "def wait(**_):\n    print('ready', flush=True); time.sleep(60)\n"
        "options.request = wait; sys.argv = ['abiclash', 'scan', 'numpy']; main()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=30)
    assert (child.returncode, errors.strip()) == (130, "abiclash: interrupted")


def test_only_our_own_errors_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug must look like a bug, not like bad input."""

    def bug(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(options, "request", bug)
    assert not issubclass(ZeroDivisionError, AbiclashError)
    with pytest.raises(ZeroDivisionError):
        app.run(["scan", "numpy"])
