"""The pages of a site: overview, one for each package and rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from abiclash.corpus.history import is_grave
from abiclash.corpus.site.layout import address, items, link, page, table, text
from abiclash.corpus.site.plots import lines
from abiclash.rules.registry import rules, sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from abiclash.corpus.history import Change
    from abiclash.corpus.snapshot import Snapshot

_SHOWN = 60
_SEARCH = """
<p><input type="search" id="search" data-index="search.json" aria-label="Search packages, rules and findings"
placeholder="Search packages, rules, findings"></p><ul id="found"></ul>
"""
_GRADES = ("error", "warning", "note")


@dataclass(frozen=True)
class Site:
    """What the pages show. runs: all snapshots of one variant, oldest first. news: what each brought."""

    title: str
    runs: Sequence[Snapshot]
    news: Sequence[tuple[Snapshot, Sequence[Change]]]

    @property
    def latest(self) -> Snapshot:
        return self.runs[-1]

    @cached_property
    def by_package(self) -> dict[str, list[dict[str, Any]]]:
        """Findings of the latest run by the packages that they name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for finding in self.latest.findings:
            for package in dict.fromkeys(one["name"] for one in finding["packages"]):
                found.setdefault(package, []).append(finding)
        return found

    def pages(self) -> Iterator[tuple[str, str]]:
        """Yield (path, HTML) of all pages."""
        yield "index.html", self._overview()
        known = {one["name"]: one for one in self.latest.packages}
        for name in sorted(known.keys() | self.by_package.keys()):
            yield f"packages/{address(name)}.html", self._package(name, known.get(name))
        yield "rules/index.html", self._rules()
        for entry in rules():
            yield f"rules/{entry.rule.id}.html", self._rule(entry.rule.id, entry.rule.title, entry.doc)

    def entries(self) -> list[dict[str, str]]:
        """Return what the search looks through."""
        found = []
        for package in self.latest.packages:
            name = package["name"]
            findings = self.by_package.get(name, ())
            words = " ".join([name, package["version"], *(f"{one['rule']} {one['summary']}" for one in findings)])
            found.append({"title": name, "url": f"packages/{address(name)}.html", "text": words.lower()})
        for entry in rules():
            rule = entry.rule
            words = f"{rule.id} {rule.title}".lower()
            found.append({"title": rule.title, "url": f"rules/{rule.id}.html", "text": words})
        return found

    # -- pages ------------------------------------------------------------------------------------------------

    def _overview(self) -> str:
        run, totals = self.latest.run, self.latest.run["totals"]
        variant = run["variant"]
        facts = [
            ("packages", f"{totals['analysed']} of {totals['packages']}, {totals['wheels']} wheels"),
            ("candidate pairs", f"{totals['candidates']}, {totals['simulated']} of them played"),
            ("interfering pairs", totals["interfering"]),
            ("looked at as", f"CPython {variant['python']}, {variant['platform']}, host {variant['host']}"),
            ("run", f"{self.latest.id}, abiclash {run['tool']}"),
        ]
        worst = [finding for finding in self.latest.findings if _is_grave(finding)]
        body = [
            _SEARCH,
            table(("", ""), ((text(label), text(value)) for label, value in facts)),
            self._trends(),
            "<h2>Errors and warnings</h2>",
            table(
                ("severity", "rule", "packages", "what"),
                ((_grade(f), link(f"rules/{f['rule']}.html", f["rule"]), _names(f), text(f["summary"])) for f in worst),
            ),
            "<h2>New in this run</h2>",
            _changes(self.news[-1][1] if self.news else (), ""),
            "<h2>Packages</h2>",
            table(
                ("rank", "package", "version", "objects", "errors", "warnings", "notes"),
                (self._line(package) for package in self.latest.packages),
            ),
            f"<h2>Data</h2><p>Parquet files, also for queries over HTTP range requests: {_data()}.</p>",
        ]
        return page(self.title, "".join(body), script="search.js")

    def _trends(self) -> str:
        labels = [run.run["created"] for run in self.runs]
        grades = {g: [run.run["totals"]["severities"].get(g, 0) for run in self.runs] for g in _GRADES[:2]}
        pairs = {"interfering": [run.run["totals"]["interfering"] for run in self.runs]}
        return (
            f"<h2>Trends</h2>{lines('Errors and warnings over runs', labels, grades)}"
            f"{lines('Interfering pairs over runs', labels, pairs)}"
        )

    def _line(self, package: Mapping[str, Any]) -> Sequence[str]:
        own = self.by_package.get(package["name"], ())
        counts = [sum(1 for finding in own if finding["severity"] == grade) for grade in _GRADES]
        name = link(f"packages/{address(package['name'])}.html", package["name"])
        objects = package["counts"].get("objects", 0)
        return [text(package["rank"]), name, text(package["version"]), text(objects), *map(text, counts)]

    def _package(self, name: str, package: Mapping[str, Any] | None) -> str:
        own = self.by_package.get(name, [])
        rivals = sorted({o["name"] for f in own if _is_grave(f) for o in f["packages"]} - {name})
        body = []
        if package is not None:
            counts = package["counts"]
            rows = [
                ("wheel", package["wheel"]),
                ("sha256", package["sha256"]),
                ("needs", ", ".join(package["dependencies"]) or "nothing"),
                *((label, counts[label]) for label in ("objects", "symbols", "references") if label in counts),
                ("loads known from", ", ".join(f"{count} {kind}" for kind, count in package["loads"].items()) or "-"),
            ]
            body.append(table(("", ""), ((text(label), text(value)) for label, value in rows)))
        else:
            body.append("<p>A dependency of packages of this corpus.</p>")
        clashes = [f for f in own if _is_grave(f) and len(f["packages"]) > 1]
        leaks = [f for f in own if f not in clashes]
        with_whom = (link(f"{address(rival)}.html", rival) for rival in rivals)
        body += [
            f"<h2>Clashes with</h2>{items(with_whom) if rivals else '<p>Nobody.</p>'}",
            *map(_finding, clashes),
            "<h2>What it leaks, and other hazards</h2>",
            *(map(_finding, leaks) if leaks else ["<p>Nothing known.</p>"]),
            "<h2>History</h2>",
            _changes([c for _, changes in reversed(self.news) for c in changes if name in c.packages], "../"),
        ]
        if package is not None and package["not_analysed"]:
            unread = (f"{text(what)}: {text(reason)}" for what, reason in package["not_analysed"][:_SHOWN])
            body.append(f"<h2>Not analysed</h2>{items(unread)}")
        return page(f"{name} {package['version'] if package else ''}".strip(), "".join(body), "../")

    def _rules(self) -> str:
        counts: dict[str, int] = {}
        for finding in self.latest.findings:
            counts[finding["rule"]] = counts.get(finding["rule"], 0) + 1
        rows = (
            (link(f"{e.rule.id}.html", e.rule.id), text(e.rule.title), text(counts.get(e.rule.id, 0))) for e in rules()
        )
        return page("Rules", table(("rule", "what it finds", "findings"), rows), "../")

    def _rule(self, rule: str, title: str, doc: str) -> str:
        found = [finding for finding in self.latest.findings if finding["rule"] == rule]
        told = "".join(
            (f"<h2>{text(heading)}</h2>" if heading else "")
            + "".join(f"<p>{text(part, 4000)}</p>" for part in body.split("\n\n"))
            for heading, body in sections(doc).items()
        )
        rows = ((_grade(f), _names(f, "../"), text(f["summary"])) for f in found)
        listed = table(("severity", "packages", "what"), rows)
        return page(f"{rule}: {title}", f"{told}<h2>Findings</h2>{listed}", "../")


def _data() -> str:
    return ", ".join(link(f"data/{part}.parquet", part) for part in ("findings", "packages", "pairs"))


def _is_grave(finding: Mapping[str, Any]) -> bool:
    return is_grave(finding["severity"], finding["audience"])


def _grade(finding: Mapping[str, Any]) -> str:
    return f'<span class="{text(finding["severity"])}">{text(finding["severity"])}</span>'


def _names(finding: Mapping[str, Any], root: str = "") -> str:
    names = dict.fromkeys(package["name"] for package in finding["packages"])
    return ", ".join(link(f"{root}packages/{address(name)}.html", name) for name in names)


def _finding(finding: Mapping[str, Any]) -> str:
    parts = [f"<h3>{_grade(finding)} {link('../rules/' + finding['rule'] + '.html', finding['rule'])}</h3>"]
    parts.append(f"<p>{text(finding['summary'], 2000)}</p>")
    parts += [f"<p>{text(part, 4000)}</p>" for part in finding["explanation"].split("\n\n")]
    rows = [
        ("packages", _names(finding, "../")),
        ("fails", text(", ".join(finding["failing_order"] or ()) or "in any order")),
        ("works", text(", ".join(finding["safe_order"] or ()) or "-")),
        ("seen with", text("; ".join(" + ".join(pair) for pair in finding["pairs"][:_SHOWN]) or "alone", 2000)),
        ("objects", "<br>".join(f"<code>{text(path)}</code>" for path in finding["objects"][:_SHOWN]) or "-"),
        ("symbols", "<br>".join(f"<code>{text(symbol)}</code>" for symbol in finding["symbols"][:_SHOWN]) or "-"),
    ]
    parts.append(table(("", ""), rows))
    parts.append(items(f"{text(advice['who'])}: {text(advice['text'], 2000)}" for advice in finding["advice"]))
    return f'<article id="{text(finding["id"])}">{"".join(parts)}</article>'


def _changes(changes: Iterable[Change], root: str) -> str:
    return table(
        ("change", "severity", "rule", "what", "because"),
        (
            (
                text(c.change),
                f'<span class="{text(c.severity)}">{text(c.severity)}</span>',
                link(f"{root}rules/{c.rule}.html", c.rule),
                text(c.summary),
                text(c.cause),
            )
            for c in list(changes)[:_SHOWN]
        ),
    )
