"""Keep credentials out of everything that is shown."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/@\s'\"]*@", re.IGNORECASE)


def redacted(text: str) -> str:
    """Return `text` without the user names and passwords of the URLs in it."""
    return _USERINFO.sub(r"\g<scheme>", text)
