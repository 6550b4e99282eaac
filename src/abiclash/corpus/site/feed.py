"""New conflicts as a JSON Feed (https://www.jsonfeed.org/version/1.1/)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.corpus.history import is_grave
from abiclash.corpus.site.layout import address
from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.corpus.history import Change
    from abiclash.corpus.snapshot import Snapshot

_LONGEST = 200


def feed(title: str, base: str, news: Sequence[tuple[Snapshot, Sequence[Change]]]) -> str:
    """Return the feed of new errors and warnings, the latest first. base: address of the site, '' for relative."""
    entries = []
    for run, changes in reversed(news):
        for change in changes:
            if change.change == "new" and is_grave(change.severity, change.audience):
                page = f"{base}packages/{address(change.packages[0])}.html#{change.id}"
                entries.append(
                    {
                        "id": f"{run.id}/{change.id}",
                        "url": page,
                        "title": f"{change.severity} {change.rule}: {', '.join(map(name, change.packages))}",
                        "content_text": f"{name(change.summary, 2000)} ({name(change.cause)})",
                        "date_published": f"{run.run['created']}T00:00:00Z",
                        "tags": [change.severity, change.rule],
                    }
                )
    content = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": title,
        "home_page_url": f"{base}index.html",
        "feed_url": f"{base}feed.json",
        "items": entries[:_LONGEST],
    }
    return json.dumps(content, indent=1) + "\n"
