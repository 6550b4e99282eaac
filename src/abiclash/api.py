"""What Python programs may use: `abiclash.scan`, `abiclash.bindings`, `abiclash.read_facts` and `abiclash.to_json`.

These names, and the fields of what they return, follow semantic versioning (docs/api.md); everything else in the
package may change with any release. Nothing here installs or executes what it looks at.
"""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from abiclash.errors import UsageError
from abiclash.facts.arrow import Facts, tables
from abiclash.reports import json
from abiclash.reports.arrow import bindings_table
from abiclash.rules.model import ScanResult
from abiclash.scanning import ScanRequest, gathered, prepare
from abiclash.scanning import scan as _scan
from abiclash.simulate import Player

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    from arro3.core import Table

__all__ = ["Facts", "Options", "ScanResult", "bindings", "read_facts", "scan", "to_json"]


class Options(TypedDict, total=False):
    """Where to look, for all functions.

    requirements: files in requirements.txt format. environment: an installed environment to look at.
    python: CPython version such as "3.11"; default: the environment's, else the running one. platform: a tag such as
    "manylinux_2_28_x86_64"; default: this machine's. host: name or path of a host profile; default: by platform.
    cache: folder of wheels and facts; default: the user's, or $ABICLASH_CACHE. offline: use no network.
    facts: URL or folder of published facts, instead of downloading wheels. refresh: ask the index again.
    dependencies: of the targets too, as pip would install them (default: True).
    """

    requirements: Iterable[str | PathLike[str]]
    environment: str | PathLike[str] | None
    python: str | None
    platform: str | None
    host: str | None
    cache: str | PathLike[str] | None
    facts: str
    offline: bool
    refresh: bool
    dependencies: bool


def scan(*targets: str | PathLike[str], all_orders: bool = True, **options: Unpack[Options]) -> ScanResult:
    """Return what goes wrong when the targets are imported into one process, as `abiclash scan` does.

    targets: requirements, wheel files, folders of wheels, lock files. all_orders: play every import order that
    matters, not only the given one. Raises abiclash.errors.AbiclashError where nothing can be said at all; what
    could not be read is in `not_analysed`.

    >>> import abiclash
    >>> result = abiclash.scan("dist/", offline=True)
    >>> [finding.rule for finding in result.findings if finding.severity == "error"]
    ['split-state']
    >>> [(verdict.order, verdict.outcome.value) for verdict in result.orders]
    [(('first', 'second'), 'conflict'), (('second', 'first'), 'clean')]
    """
    return _scan(_request(targets, options, all_orders=all_orders))


def bindings(*targets: str | PathLike[str], order: Sequence[str] | None = None, **options: Unpack[Options]) -> Table:
    """Return which definition each symbol reference gets, as an Arrow table (see `reports.arrow.bindings_table`).

    order: packages in the order in which they are imported (default: as given). The table has `__arrow_c_stream__`:
    hand it to pyarrow.table, polars.DataFrame or DuckDB. Raises as `scan` does, and UsageError for an unknown package.

    >>> import abiclash, duckdb
    >>> joint = abiclash.bindings("dist/", order=["first", "second"], offline=True)
    >>> joint.column_names
    ['from', 'symbol', 'version', 'to', 'from_package', 'to_package']
    >>> duckdb.sql("SELECT DISTINCT from_package, to_package FROM joint WHERE symbol = 'state' ORDER BY 1").fetchall()
    [('first', 'first'), ('second', 'first')]
    """
    setting, _, planner = prepare(_request(targets, options))
    requested = tuple(name for name, package in setting.packages.items() if package.requested)
    names = requested if order is None else tuple(order)
    if unknown := sorted(set(names) - setting.packages.keys()):
        raise UsageError(f"{', '.join(unknown)}: no package of this set; there are {', '.join(setting.packages)}")
    process = Player(setting.world, setting.host, planner).imported(names).process
    return bindings_table(process, setting.names, setting.owners)


def read_facts(*targets: str | PathLike[str], **options: Unpack[Options]) -> Facts:
    """Return what is known of the targets' ELF files, as Arrow tables: see `Facts`.

    >>> import abiclash, duckdb
    >>> facts = abiclash.read_facts("dist/", offline=True)
    >>> objects, symbols = facts.objects, facts.symbols
    >>> duckdb.sql("SELECT path FROM objects JOIN symbols USING (object) WHERE name = 'leak' AND defined").fetchall()
    [('first/libleak.so',)]
    """
    store, wheels = gathered(_request(targets, options))
    each = (*wheels.wheels, *wheels.installed)
    return tables(
        each, lambda wheel, keys: store.name_column(wheel.sha256, keys), [*wheels.not_analysed, *store.not_kept]
    )


def to_json(result: ScanResult) -> str:
    """Return a scan's JSON, as `abiclash scan --format json` writes it: docs/json.md, and the schema that ships.

    >>> import abiclash, json
    >>> json.loads(abiclash.to_json(abiclash.scan("dist/", offline=True)))["schema"]
    'urn:abiclash:scan:1'
    """
    return json.render(result)


def _request(targets: Sequence[str | PathLike[str]], options: Options, *, all_orders: bool = True) -> ScanRequest:
    environment, cache = options.get("environment"), options.get("cache")
    requirements = tuple(Path(path) for path in options.get("requirements", ()))
    if not (targets or requirements or environment):
        raise UsageError("nothing to look at; name a target, requirements or an environment")
    return ScanRequest(
        targets=tuple(fspath(target) for target in targets),
        requirements=requirements,
        environment=Path(environment) if environment else None,
        python=options.get("python"),
        platform=options.get("platform"),
        host=options.get("host"),
        all_orders=all_orders,
        cache=Path(cache) if cache else None,
        offline=options.get("offline", False),
        refresh=options.get("refresh", False),
        facts=options.get("facts", ""),
        dependencies=options.get("dependencies", True),
    )
