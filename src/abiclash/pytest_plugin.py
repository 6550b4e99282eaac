"""A plugin of pytest: a test session fails when its environment has error findings.

    pytest --abiclash                 # or `abiclash = true` in pytest's configuration

The scan runs in a process of its own beside the tests, so nothing of abiclash is loaded into the process under test.
What was accepted in `[tool.abiclash]` of pyproject.toml stays accepted.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_FOUND = 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --abiclash and its relatives."""
    group = parser.getgroup("abiclash", "ABI conflicts between installed packages")
    group.addoption("--abiclash", action="store_true", help="Fail when this environment has ABI conflicts.")
    group.addoption("--abiclash-env", metavar="FOLDER", help="The environment to look at (default: the running one).")
    group.addoption(
        "--abiclash-fail-on",
        choices=["error", "warning", "note"],
        default="error",
        help="The least severity that fails the session (default: error).",
    )
    parser.addini("abiclash", "Fail when the environment has ABI conflicts.", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Begin, once per session: workers of pytest-xdist leave it to their controller."""
    wanted = config.getoption("abiclash") or config.getini("abiclash")
    if wanted and not hasattr(config, "workerinput") and not config.option.collectonly:
        folder = config.getoption("abiclash_env") or sys.prefix
        config.pluginmanager.register(
            _Session(folder, config.getoption("abiclash_fail_on"), config), "abiclash-session"
        )


class _Session:
    def __init__(self, folder: str, fail_on: str, config: pytest.Config) -> None:
        command = [sys.executable, "-m", "abiclash", "env", folder, "--fail-on", fail_on, "--color", "never"]
        self._process = subprocess.Popen(
            command,
            cwd=config.rootpath,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        self._report = ""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Wait for the verdict; findings, and a scan that could not be done, fail a session that passed."""
        out, err = self._process.communicate()
        status = self._process.returncode
        passed = session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
        if status in {_FOUND, 2}:
            self._report = out or err
            if passed:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show what was found."""
        if self._report:
            terminalreporter.section("abiclash: ABI conflicts in this environment")
            terminalreporter.write_line(self._report.rstrip())

    def pytest_unconfigure(self) -> None:
        """Do not leave the scan behind when the session was interrupted."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
