"""Issues for errors: one each, opened once, updated when it changes, left alone when closed."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.cli import app
from abiclash.corpus.results import FolderResults
from abiclash.corpus.tracker import Issue, planned
from tests.corpus.test_history import finding, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from abiclash.corpus.snapshot import Snapshot

VARIANT = {"python": "3.11", "platform": "manylinux_2_36_x86_64", "host": "debian-12"}


def latest(folder: Path, *findings: dict[str, Any]) -> Snapshot:
    more = {"explanation": "why", "objects": ["a.so"], "advice": [{"who": "user", "text": "wait", "checked": False}]}
    made = run(FolderResults(folder), "2026-01-01", [{**one, **more} for one in findings])
    made.__dict__["run"] = {**made.run, "variant": VARIANT}
    return made


def test_one_issue_for_each_error(tmp_path: Path) -> None:
    found = latest(tmp_path, finding("one"), finding("two", severity="warning"))
    actions = planned(found, [])
    assert [(action.kind, action.finding) for action in actions] == [("open", "one")]
    known = Issue(7, actions[0].title, actions[0].body, open=True)
    assert planned(found, [known]) == []
    changed = Issue(7, "older", actions[0].body, open=True)
    assert [(action.kind, action.number) for action in planned(found, [changed])] == [("update", 7)]
    assert planned(found, [Issue(7, "older", actions[0].body, open=False)]) == []


def test_an_error_that_is_gone_gets_a_last_word_once(tmp_path: Path) -> None:
    issue = planned(latest(tmp_path / "old", finding("one")), [])[0]
    clean = latest(tmp_path / "new")
    last = planned(clean, [Issue(7, issue.title, issue.body, open=True)])
    assert "no longer found since run" in last[0].body
    assert planned(clean, [Issue(7, issue.title, last[0].body, open=True)]) == []
    assert planned(clean, [Issue(8, "somebody's own", "text", open=True)]) == []


def test_a_run_that_did_not_look_at_everything_says_of_no_error_that_it_is_gone(tmp_path: Path) -> None:
    issue = planned(latest(tmp_path / "old", finding("one")), [])[0]
    partial = run(FolderResults(tmp_path / "new"), "2026-01-02", [], unplayed=[("c", "d")])
    partial.__dict__["run"] = {**partial.run, "variant": VARIANT}
    assert planned(partial, [Issue(7, issue.title, issue.body, open=True)]) == []


def test_names_from_wheels_stay_in_their_block(tmp_path: Path) -> None:
    hostile = finding("one", ("a", "x@everyone\x1b"), summary="```\n# hello @everyone")
    body = planned(latest(tmp_path, hostile), [])[0].body
    assert body.count("`" * 12) == 2
    assert "\x1b" not in body


class _Hub(BaseHTTPRequestHandler):
    asked: list[tuple[str, Any]]

    def do_GET(self) -> None:
        self._answer([])

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, content))
        self._answer({"number": 1})

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Any]]]:
    asked: list[tuple[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Hub,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_command_is_dry_unless_told(
    hub: list[tuple[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = latest(tmp_path, finding("one"))
    monkeypatch.setattr("abiclash.corpus.snapshot.snapshots", lambda *_: [found])
    command = ["corpus", "issues", "popular-native", "--repository", "o/r", "--results", str(tmp_path)]
    assert app.run(command) == 0
    assert capsys.readouterr().out == "would open: split-state: a and b (one)\n"
    assert hub == []
    assert app.run([*command, "--send"]) == 0
    assert [(path, content["labels"]) for path, content in hub] == [("/repos/o/r/issues", ["abiclash"])]
    assert app.run([*command[:4], "nonsense", *command[5:]]) == 2
