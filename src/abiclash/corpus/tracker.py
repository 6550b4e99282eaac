"""One issue for each error finding of a corpus, on GitHub: opened when it is new, updated when it changes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import httpx

from abiclash import __version__
from abiclash.errors import SourceError, UsageError
from abiclash.reports.safe import name, prose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from abiclash.corpus.snapshot import Snapshot

LABEL = "abiclash"
_API = "https://api.github.com"
_PER_PAGE = 100
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue that is there. number: its own. open: nobody closed it."""

    number: int
    title: str
    body: str
    open: bool


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done about one finding. number: of the issue to update, 0 for a new one."""

    kind: Literal["open", "update"]
    finding: str
    number: int
    title: str
    body: str


class Tracker(Protocol):
    """Where issues are."""

    def issues(self) -> Sequence[Issue]: ...
    def carry_out(self, action: Action) -> None: ...


def planned(run: Snapshot, known: Sequence[Issue]) -> list[Action]:
    """Return what a run's errors ask for, and the closing word for errors that are gone.

    An issue belongs to the finding whose mark is in its text. One that somebody closed stays as it is.
    """
    by_mark = {issue.body.partition("\n")[0].strip(): issue for issue in known}
    actions = []
    errors = {finding["id"]: finding for finding in run.findings if finding["severity"] == "error"}
    for finding in errors.values():
        title, body = _title(finding), _body(finding, run)
        issue = by_mark.get(_mark(finding["id"]))
        if issue is None:
            actions.append(Action("open", finding["id"], 0, title, body))
        elif issue.open and (issue.title, issue.body.strip()) != (title, body.strip()):
            actions.append(Action("update", finding["id"], issue.number, title, body))
    for mark, issue in by_mark.items():
        gone = mark.removeprefix(_MARK).removesuffix(" -->")
        over = gone not in errors and not run.unknown  # else it may be among what was not looked at
        if issue.open and mark.startswith(_MARK) and over and _GONE not in issue.body:
            body = f"{issue.body.rstrip()}\n\n{_GONE} {run.id}.\n"
            actions.append(Action("update", gone, issue.number, issue.title, body))
    return actions


_MARK = "<!-- abiclash-finding: "
_GONE = "It is no longer found since run"


def _mark(finding: str) -> str:
    return f"{_MARK}{finding} -->"


def _title(finding: Mapping[str, Any]) -> str:
    return f"{finding['rule']}: {' and '.join(name(package['name'], 80) for package in finding['packages'])}"


def _body(finding: Mapping[str, Any], run: Snapshot) -> str:
    """Return the text of an issue. Names from wheels stand in code blocks, where Markdown means nothing."""
    versions = ", ".join(f"{name(p['name'], 80)} {name(p['version'], 80)}" for p in finding["packages"])
    told = "\n".join([finding["summary"], "", finding["explanation"], "", "Objects:", *finding["objects"][:_SHOWN]])
    advice = "\n".join(f"{entry['who']}: {entry['text']}" for entry in finding["advice"])
    fence = "`" * 12
    variant = run.run["variant"]
    fails, works = (", ".join(finding[order] or ()) for order in ("failing_order", "safe_order"))
    return (
        f"{_mark(finding['id'])}\n"
        f"Finding `{finding['id']}` ({finding['confidence']}) with {versions}, on CPython {variant['python']}, "
        f"{variant['platform']}.\n\n"
        f"Fails: {fails or 'always'}; works: {works or '-'}.\n\n"
        f"{fence}text\n{prose(told)}\n\nWhat helps:\n{prose(advice)}\n{fence}\n"
    )


class GitHub:
    """Issues of a repository, `owner/name`, with the token in GITHUB_TOKEN."""

    def __init__(self, repository: str) -> None:
        token = os.environ.get("GITHUB_TOKEN", "")
        if repository.count("/") != 1:
            raise UsageError(f"--repository {repository}: it looks like owner/name")
        headers = {"Accept": "application/vnd.github+json", "User-Agent": f"abiclash/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        base = os.environ.get("GITHUB_API_URL", _API)
        self._client = httpx.Client(base_url=f"{base}/repos/{repository}/", headers=headers, timeout=60)

    def issues(self) -> list[Issue]:
        return list(self._issues())

    def _issues(self) -> Iterator[Issue]:
        page = 1
        while True:
            query = {"labels": LABEL, "state": "all", "per_page": _PER_PAGE, "page": page}
            found = self._ask("GET", "issues", params=query)
            for entry in found:
                yield Issue(entry["number"], entry["title"], entry["body"] or "", entry["state"] == "open")
            if len(found) < _PER_PAGE:
                return
            page += 1

    def carry_out(self, action: Action) -> None:
        content = {"title": action.title, "body": action.body}
        if action.kind == "open":
            self._ask("POST", "issues", json={**content, "labels": [LABEL]})
        else:
            self._ask("PATCH", f"issues/{action.number}", json=content)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self._client.request(method, path, **more)
            answer.raise_for_status()
            return answer.json()
        except httpx.HTTPError as error:
            raise SourceError(f"issues: {error}; check GITHUB_TOKEN, its permissions and --repository") from error
