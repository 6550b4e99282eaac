"""A corpus's runs as a folder that any web server can serve."""

from __future__ import annotations

import json
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.corpus.history import diff
from abiclash.corpus.site.feed import feed
from abiclash.corpus.site.layout import SEARCH, STYLE
from abiclash.corpus.site.pages import Site
from abiclash.errors import StoreError, UsageError
from abiclash.sources.published import CONTENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.corpus.history import Change
    from abiclash.corpus.snapshot import Snapshot
    from abiclash.facts.store import Store

_DATA = ("findings.parquet", "packages.parquet", "pairs.parquet")


def publish(
    title: str,
    runs: Sequence[Snapshot],
    target: Path,
    *,
    base: str = "",
    facts: Store | None = None,
    others: Sequence[Snapshot] = (),
) -> int:
    """Write the site of some runs, oldest first, into a folder; return the number of its files.

    base: the site's address, for the feed. facts: also publish the facts of the latest run's wheels, for
    `scan --facts`, and those of other runs (for other Pythons). The folder is replaced as a whole. Raises StoreError
    where it cannot be written.
    """
    if not runs:
        raise UsageError("corpus publish: there is no run of this corpus yet; make one with 'corpus scan'")
    news: list[tuple[Snapshot, list[Change]]] = [(runs[0], [])]
    news += [(new, diff(old, new)) for old, new in pairwise(runs)]
    site = Site(title, runs, news)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".site-", dir=target.parent) as scratch:
            fresh = Path(scratch, "site")
            _write(site, fresh, title, base)
            if facts is not None:
                _copy_facts(facts, (runs[-1], *others), fresh / "facts")
            if target.exists():
                target.rename(Path(scratch, "old"))
            fresh.chmod(0o755)
            fresh.rename(target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror}; choose another folder") from error
    return sum(1 for path in target.rglob("*") if path.is_file())


def _write(site: Site, folder: Path, title: str, base: str) -> None:
    for path, content in site.pages():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, "utf-8", "backslashreplace")
    (folder / "style.css").write_text(STYLE)
    (folder / "search.js").write_text(SEARCH)
    (folder / "search.json").write_text(json.dumps(site.entries()))
    (folder / "feed.json").write_text(feed(title, base, site.news))
    data = folder / "data"
    data.mkdir()
    for name in _DATA:
        (data / name).write_bytes(site.latest.file(name))
    (data / "run.json").write_text(json.dumps({"id": site.latest.id, **site.latest.run}, indent=1) + "\n")


def _copy_facts(store: Store, runs: Sequence[Snapshot], folder: Path) -> None:
    """Copy the facts of the runs' wheels, as the store has them, and say what there is."""
    contents = set()
    for sha256 in sorted({file["sha256"] for run in runs for file in run.lock["files"]}):
        for source in store.published(sha256):
            path = source.relative_to(store.root)
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
            contents.add((path.parent if path.parent.name == sha256 else path).as_posix())
    folder.mkdir(exist_ok=True)
    (folder / CONTENTS).write_text("\n".join(sorted(contents)) + "\n")
