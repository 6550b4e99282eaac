"""What uv's failure means: its explanation of a resolution taken down to one cause."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from packaging.utils import canonicalize_name

from abiclash.sources.redact import redacted


class Cause(Enum):
    """Kinds of failure."""

    MISSING = auto()  # the index does not know the name
    NO_VERSION = auto()  # it knows none that the requirement allows
    NO_WHEEL = auto()  # it has no wheel that fits, or only a source distribution
    PYTHON = auto()  # Requires-Python excludes this version
    UNREADABLE = auto()  # the file named by a URL or path cannot be had or read
    UNCACHED = auto()  # --offline, and nothing of it in uv's cache
    CONFLICT = auto()
    NETWORK = auto()
    CERTIFICATE = auto()
    CREDENTIALS = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """One cause. name: the project at fault, normalised, or "". requirement: as uv writes it. text: uv's words."""

    cause: Cause
    name: str
    requirement: str
    text: str

    @property
    def of_one_project(self) -> bool:
        """Whether the rest can be resolved without this project."""
        return bool(self.name) and self.cause in _ONE_PROJECT


_ONE_PROJECT = {
    *(Cause.MISSING, Cause.NO_VERSION, Cause.NO_WHEEL, Cause.PYTHON, Cause.UNREADABLE, Cause.UNCACHED),
    *(Cause.CREDENTIALS, Cause.CERTIFICATE),
}
"""Failures that, where they have a name, are one project's: the rest can do without it."""

_NAME = r"(?P<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)"
_REQUIREMENT = rf"(?P<requirement>{_NAME}(?:\[[^\]]*\])?(?:[<>=!~]=?=?[^\s,]+(?:,[<>=!~]=?[^\s,]+)*)?)"
_PATTERNS = (
    (Cause.MISSING, rf"{_REQUIREMENT} was not found in the (?:package registry|provided package locations)"),
    (Cause.UNCACHED, rf"{_REQUIREMENT} was not found in the cache"),
    (Cause.NO_VERSION, rf"there (?:is|are) no versions? of {_REQUIREMENT}"),
    (Cause.NO_WHEEL, rf"{_REQUIREMENT} ha(?:s|ve) no (?:`[^`]*`-compatible |usable )?wheels"),
    (Cause.PYTHON, rf"does not satisfy Python\S+ and {_REQUIREMENT} depends on Python"),
    (Cause.UNREADABLE, rf"Failed to (?:download|fetch|read|parse|build) (?:metadata for )?`{_REQUIREMENT}[ `]"),
)
_NETWORK = re.compile(
    r"error sending request|dns error|tcp connect|timed out|connection (?:closed|reset|refused)|network is unreachable"
    r"|proxy|5\d\d (?:internal|bad|service|gateway)",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(r"invalid peer certificate|UnknownIssuer|certificate (?:verify|has expired)", re.IGNORECASE)
_CREDENTIALS = re.compile(r"\b(?:401 U|403 F|407 P)|unauthorized|forbidden|missing credentials", re.IGNORECASE)
_TRANSPORT = ((Cause.CERTIFICATE, _CERTIFICATE), (Cause.CREDENTIALS, _CREDENTIALS), (Cause.NETWORK, _NETWORK))
_SERVER = re.compile(r"https?://[^/\s)`]+")
_PHRASES = (
    r"invalid peer certificate: \w+",
    r"\b[45]\d\d [A-Z][A-Za-z ]+",
    r"name or service not known|temporary failure in name resolution|dns error",
    r"connection refused|connection reset|network is unreachable|no route to host",
    r"timed out",
    r"proxy[\w ]*",
)
_CONCLUSION = r",? we can conclude that your requirements(?: and \S+)? are (?:unsatisfiable|incompatible)\.?"


def understand(message: str) -> Failure:
    """Return the cause in uv's message; the first project named as impossible, where there are several."""
    error, _, hints = message.partition("\nhint:")
    text = _plain(re.sub(r"^(?:warning: .*\n(?:  cause: .*\n)*)+", "", error + "\n"))
    unsolved = "No solution found" in text
    transport = None if unsolved else next((cause for cause, pattern in _TRANSPORT if pattern.search(text)), None)
    for cause, pattern in _PATTERNS:
        if match := re.search(pattern, text):
            found = cause
            if cause is Cause.MISSING and _CREDENTIALS.search(hints):
                # uv takes an index that refuses access for one that does not know the name.
                found, text = Cause.CREDENTIALS, _plain(hints)
            elif cause is Cause.UNREADABLE and transport in {Cause.CERTIFICATE, Cause.CREDENTIALS}:
                found = transport
            return Failure(found, canonicalize_name(match["name"]), match["requirement"], text)
    return Failure(transport or (Cause.CONFLICT if unsolved else Cause.OTHER), "", "", text)


def _plain(message: str) -> str:
    """Return a message on one line, without uv's labels and without credentials."""
    return redacted(" ".join(re.sub(r"\bcause:|^error:", "", message, flags=re.MULTILINE).split()))


def transport_detail(text: str) -> str:
    """Return server and reason of a failed transfer in a few words, or ""."""
    server = _SERVER.search(text)
    phrases = [match[0] for pattern in _PHRASES if (match := re.search(pattern, text, re.IGNORECASE))]
    return ": ".join([*([server[0]] if server else []), *phrases[:1]])


def because(text: str, limit: int = 300) -> str:
    """Return uv's explanation without its frame, cut to about `limit` characters at a word."""
    inner = re.sub(r"^.*?No solution found when resolving dependencies[^B]*", "", text)
    inner = re.sub(r"^Because ", "", inner)
    inner = re.sub(_CONCLUSION, "", inner)
    inner = re.sub(r" And because you require \S+(?: and you require \S+)*$", "", inner.rstrip(". ,"))
    inner = inner.strip(" .,")
    return inner if len(inner) <= limit else inner[:limit].rsplit(" ", 1)[0] + " ..."
