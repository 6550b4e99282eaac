"""A hook of mkdocs: links that leave docs/ work in the repository; on the site only their text stays."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return a page's text; pages in folders of docs/ keep their links, which stay inside."""
    return markdown if "/" in page.file.src_uri else _OUTSIDE.sub(r"\1", markdown)
