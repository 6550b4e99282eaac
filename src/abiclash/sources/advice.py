"""Say in one sentence why something could not be resolved, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from abiclash.sources.platform import Python, Runtime
from abiclash.sources.pylock import misfit, parse, wheels_in_words
from abiclash.sources.uverrors import Cause, Failure, because, transport_detail, understand
from abiclash.sources.uvrun import Query, Uv, UvFailure

if TYPE_CHECKING:
    from collections.abc import Sequence

_INDEX = "the index is the one that uv or pip is configured with"
_WHAT_TO_DO = {
    Cause.MISSING: f"no such project in the package index; check the spelling ({_INDEX})",
    Cause.NO_VERSION: "the package index has no such version; ask for one that exists",
    Cause.UNCACHED: "not in uv's cache, and the network is off; scan once without --offline",
    Cause.NETWORK: "the package index cannot be reached; check the network and the proxy, or name local wheels",
    Cause.CERTIFICATE: "the package index's certificate is not trusted; name your certificates in SSL_CERT_FILE",
    Cause.CREDENTIALS: "the package index refuses access; give credentials in the index URL, in ~/.netrc or keyring",
}
_TRANSFER = {Cause.NETWORK, Cause.CERTIFICATE, Cause.CREDENTIALS}


@dataclass(frozen=True)
class Advisor:
    """Words for the failures of one query."""

    uv: Uv
    query: Query
    runtime: Runtime

    def reason(self, failure: Failure, requirement: str) -> str:
        """Return why one project is left out. requirement: it, as a requirement."""
        if failure.cause in {Cause.NO_WHEEL, Cause.PYTHON}:
            return self._no_wheel(failure, requirement or failure.name)
        if failure.cause is Cause.UNREADABLE:
            detail = transport_detail(failure.text) or because(failure.text)
            return f"cannot be had or read: {detail}; check the file or address"
        return _in_words(failure) or because(failure.text)

    def error(self, failure: Failure, asked: Sequence[str]) -> str:
        """Return the message of an error that concerns all that was asked for."""
        what = ", ".join(asked) if len(asked) <= 4 else f"{asked[0]} and {len(asked) - 1} others"
        if failure.cause is Cause.CONFLICT:
            return (
                f"{what}: cannot be installed together: {because(failure.text)}; ask for versions that go together, or"
                " scan them separately"
            )
        if failure.cause is Cause.OTHER:
            return f"{what}: uv could not resolve it: {because(failure.text)}"
        return f"{what}: {_in_words(failure)}"

    def _no_wheel(self, failure: Failure, requirement: str) -> str:
        """Look what wheels there are at all: uv only says that none is usable."""
        line = _without_marker(requirement)
        query = replace(self.query, lines=(line,), dependencies=False, universal=True)
        query = replace(query, dropped=frozenset(), constraints=())
        found = failure
        for python in (Python.parse("3.6"), self.runtime.python):  # the oldest sees the wheels of every Python
            try:
                answer = self.uv.compile(replace(query, runtime=Runtime(python, self.runtime.platform)))
            except UvFailure as error:
                found = understand(str(error))
                if found.cause is Cause.PYTHON:
                    continue
                break
            named = [package for package in parse(answer, "uv's answer").packages if package.name == failure.name]
            names = [wheel.filename for package in named for wheel in package.wheels or ()]
            return f"no wheel for {self.runtime}; {wheels_in_words(names, self.runtime)}"
        if found.cause is Cause.NO_WHEEL:
            return misfit([], self.runtime)
        if found.cause is Cause.PYTHON:
            needs = found.text.partition("does not satisfy ")[2].partition(" and ")[0]
            return f"no wheel for {self.runtime}: it needs {needs}; choose another --python or version"
        return f"no wheel for {self.runtime}: {because(failure.text)}"


def _in_words(failure: Failure) -> str:
    """Return what happened and what to do, with the server that is to blame."""
    words = _WHAT_TO_DO.get(failure.cause, "")
    detail = transport_detail(failure.text) if failure.cause in _TRANSFER else ""
    problem, separator, advice = words.partition("; ")
    return f"{problem} ({detail}){separator}{advice}" if detail else words


def _without_marker(requirement: str) -> str:
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return requirement
    parsed.marker = None
    return str(parsed)
