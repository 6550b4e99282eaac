"""How a rule is declared, found and documented.

A rule is a module of this package with two names: `RULE`, its metadata, and `check`, a function from what was
played to findings. Its docstring is its page: a first line, then the sections of `HEADINGS` in that order, each as
a Markdown heading `## What happens`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from abiclash.errors import UsageError
from abiclash.rules.model import Advice, Audience, Confidence, Finding, PackageId, Severity, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HEADINGS = (
    "What happens",
    "Why it breaks",
    "How the loader decides",
    "Example",
    "Fix on each side",
    "Incidents",
    "Limits",
)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


class Mechanism(StrEnum):
    """The step at which things go wrong; findings are grouped by it."""

    INSTALL = "installation"
    IMPORT = "Python import"
    FILE = "which file a library name means"
    VERSION = "version check at load"
    SCOPE = "search scope"
    LOOKUP = "symbol look-up"
    UNIQUE = "process-wide unique symbols"
    TLS = "thread-local storage"
    STACK = "executable stack"
    INITIALISATION = "initialisers"
    REGISTRY = "process-wide registry"


@dataclass(frozen=True, slots=True)
class Rule:
    """Metadata of a rule. since: the abiclash version that brought it. references: URLs of specifications."""

    id: str
    title: str
    severity: Severity
    confidence: Confidence
    audience: Audience
    mechanism: Mechanism
    since: str
    references: tuple[str, ...] = ()

    def finding(
        self,
        *,
        packages: Iterable[PackageId],
        summary: str,
        explanation: str,
        advice: Iterable[Advice],
        key: Iterable[str],
        severity: Severity | None = None,
        confidence: Confidence | None = None,
        audience: Audience | None = None,
        failing_order: Sequence[str] | None = None,
        safe_order: Sequence[str] | None = None,
        objects: Iterable[str] = (),
        symbols: Iterable[str] = (),
        evidence: Mapping[str, object] | None = None,
        silent: bool = False,
    ) -> Finding:
        """Return a finding of this rule; severity, confidence and audience are the rule's unless told otherwise.

        key: what makes the cause itself (`model.fingerprint`); empty where the rule has one finding for the packages.
        """
        packages, objects, symbols = tuple(sorted(set(packages))), tuple(objects), tuple(symbols)
        names = [package.name for package in packages]
        return Finding(
            id=fingerprint(self.id, names, key),
            rule=self.id,
            severity=severity or self.severity,
            confidence=confidence or self.confidence,
            audience=audience or self.audience,
            packages=packages,
            summary=summary,
            explanation=explanation,
            advice=tuple(advice),
            failing_order=None if failing_order is None else tuple(failing_order),
            safe_order=None if safe_order is None else tuple(safe_order),
            objects=objects,
            symbols=symbols,
            evidence=evidence or {},
            silent=silent,
        )


@dataclass(frozen=True, slots=True)
class Registered:
    """A rule with its check and its page. check: what `scan` plays -> findings. doc: the module's docstring."""

    rule: Rule
    check: Callable[..., Iterable[Finding]]
    doc: str


def rules() -> tuple[Registered, ...]:
    """Return all rules, sorted by id: the modules of this package that have a `RULE`."""
    return _rules_in(*importlib.import_module("abiclash.rules").__path__)


@cache
def _rules_in(*folders: str) -> tuple[Registered, ...]:
    names = sorted(found.name for found in pkgutil.iter_modules(folders))
    modules = [importlib.import_module(f"abiclash.rules.{name}") for name in names]
    found = [
        Registered(module.RULE, module.check, inspect.cleandoc(module.__doc__ or ""))
        for module in modules
        if isinstance(getattr(module, "RULE", None), Rule)
    ]
    return tuple(sorted(found, key=lambda entry: entry.rule.id))


def rule(name: str) -> Registered:
    """Return the rule with that id; UsageError names those that there are."""
    known = {entry.rule.id: entry for entry in rules()}
    if name not in known:
        have = ", ".join(known) or "none yet"
        raise UsageError(f"rule {name!r}: there is no such rule; there are: {have}")
    return known[name]


def sections(doc: str) -> dict[str, str]:
    """Return a page's sections by heading, in order; what stands before the first heading is under ''."""
    pieces = _HEADING.split(doc)
    return {"": pieces[0].strip()} | {
        heading.strip(): body.strip() for heading, body in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def page(entry: Registered) -> str:
    """Return the rule's documentation page as Markdown."""
    about = entry.rule
    table = [
        ("Severity", about.severity.value),
        ("Confidence", about.confidence.value),
        ("For", about.audience.value),
        ("Mechanism", about.mechanism.value),
        ("Since", about.since),
    ]
    lines = [f"# {about.id}", "", f"**{about.title}**", ""]
    lines += [f"| {' | '.join(names)} |" for names in zip(*table, strict=True)]
    lines.insert(-1, "|---" * len(table) + "|")
    lines += ["", entry.doc, ""]
    if about.references:
        lines += ["## References", "", *(f"- <{url}>" for url in about.references), ""]
    return "\n".join(lines)
