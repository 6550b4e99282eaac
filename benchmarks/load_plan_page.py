"""The page of the load plan table: rows, totals, and the causes of what was missed and of what was too much."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RECALL, PRECISION = 0.95, 0.90
_MOST = 12
INTRODUCTION = f"""\
# Load plans

`python benchmarks/load_plans.py` regenerates this page. Each row is one `import`, run for real in the environment that
`benchmarks/load_plans.toml` pins, under `LD_DEBUG`. The plan of the same import is read from Python source and from
the strings of extension modules: nothing is executed, no observed plan is used, and no package is known by name.

What counts: every object that a `dlopen` of the import opened, the standard library's extension modules too; calls
that failed do not count, nor what is loaded only because another object needs it. *Planned* are the loads that the plan
holds as certain or likely. *Possible* ones, behind conditions that the reader cannot decide, are not predictions:
they count neither as found nor as too much; in brackets stands how many of them happened. *Recall* is the share of the
opened objects that were planned, *precision* the share of the planned that were opened. *Order* is the share of pairs,
among the objects in both, that the plan has in the order observed. *Seconds* are processor time of planning, with the
digests of the modules' source at hand. Targets: recall {RECALL}, precision {PRECISION} over all.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One import. opened, again: objects opened in two runs, in order. missed, extra: (cause, object)."""

    module: str
    opened: tuple[str, ...]
    again: tuple[str, ...]
    predicted: tuple[str, ...]
    possible: tuple[str, ...]
    missed: tuple[tuple[str, str], ...]
    extra: tuple[tuple[str, str], ...]
    modules: int
    seconds: float

    @property
    def hits(self) -> list[str]:
        known = frozenset(self.predicted)
        return [path for path in self.opened if path in known]

    @property
    def order(self) -> float | None:
        """Share of the pairs of hits that the plan has in the observed order (1 for all; None without a pair)."""
        place = {path: index for index, path in enumerate(self.predicted)}
        ranks = [place[path] for path in self.hits]
        pairs = len(ranks) * (len(ranks) - 1) // 2
        agree = sum(ranks[i] < ranks[j] for i in range(len(ranks)) for j in range(i + 1, len(ranks)))
        return agree / pairs if pairs else None


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over all rows. repeated: objects that two runs of an import both opened."""

    opened: int
    predicted: int
    hits: int
    again: int
    repeated: int

    @property
    def recall(self) -> float:
        return self.hits / max(self.opened, 1)

    @property
    def precision(self) -> float:
        return self.hits / max(self.predicted, 1)


def total(rows: Sequence[Row]) -> Total:
    return Total(
        opened=sum(len(row.opened) for row in rows),
        predicted=sum(len(row.predicted) for row in rows),
        hits=sum(len(row.hits) for row in rows),
        again=sum(len(row.again) for row in rows),
        repeated=sum(len(set(row.opened) & set(row.again)) for row in rows),
    )


def line(row: Row) -> str:
    happened = len(set(row.possible) & set(row.opened))
    cells = [
        f"`{row.module}`", str(len(row.opened)), str(len(row.predicted)), ratio(len(row.hits), len(row.opened)),
        ratio(len(row.hits), len(row.predicted)), f"{len(row.possible)} ({happened})",
        "-" if row.order is None else f"{row.order:.3f}", str(row.modules), f"{row.seconds:.2f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def ratio(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def page(rows: Sequence[Row]) -> str:
    found = total(rows)
    exact = sum(set(row.opened) == set(row.predicted) for row in rows)
    orders = [row.order for row in rows if row.order is not None]
    repeated = found.repeated / max(found.again, 1), found.repeated / max(found.opened, 1)
    lines = [
        INTRODUCTION,
        f"**{len(rows)} imports, {found.opened:,} objects opened, {found.predicted:,} planned.**",
        f"**Recall {found.recall:.3f}, precision {found.precision:.3f}.**",
        f"{exact} plans are exact. Order: {sum(orders) / max(len(orders), 1):.3f} on average.\n",
        "With an observed plan (`abiclash plan X --observe`), that is one run's loads as the plan of another run:",
        f"recall {repeated[0]:.3f}, precision {repeated[1]:.3f}.\n",
        "| import | opened | planned | recall | precision | possible | order | modules read | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(line(row) for row in sorted(rows, key=lambda row: row.module.lower())),
        "\n## What the plans miss\n",
        *causes({row.module: row.missed for row in rows}),
        "\n## What the plans hold and the imports did not open\n",
        *causes({row.module: row.extra for row in rows}),
        "",
    ]
    return "\n".join(lines)


def causes(found: dict[str, tuple[tuple[str, str], ...]]) -> list[str]:
    """One item for each cause, those with most objects first: which objects, in which imports."""
    by_cause: dict[str, dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    counts: dict[str, int] = defaultdict(int)
    for module in sorted(found):
        objects: dict[str, list[str]] = defaultdict(list)
        for cause, path in found[module]:
            objects[cause].append(path)
            counts[cause] += 1
        for cause, paths in objects.items():
            by_cause[cause][tuple(sorted(paths))].append(module)
    ranked = sorted(by_cause, key=lambda cause: (-counts[cause], cause))
    return [f"- {cause} - {counts[cause]}: {_objects(by_cause[cause])}" for cause in ranked] or ["- nothing"]


def _objects(groups: dict[tuple[str, ...], list[str]]) -> str:
    parts = []
    for paths, modules in sorted(groups.items(), key=lambda item: item[1]):
        more = f" and {len(paths) - _MOST} more" if len(paths) > _MOST else ""
        parts.append(f"{', '.join(paths[:_MOST])}{more} (`{'`, `'.join(modules)}`)")
    return "; ".join(parts)
