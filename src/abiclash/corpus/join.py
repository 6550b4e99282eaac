"""Candidate pairs: signatures joined by SQL over Parquet, in DuckDB. Work grows with the rows, not with the pairs.

Rows are split by a hash of what they are about, so that partitions can be joined apart, on different workers, each in
bounded memory. A row can only meet rows of its own partition.

One thing may be decided in different ways by very many packages (a name that everybody bundles under another hash).
All pairs of them would be as many as their square: beyond `CROWD` packages, each meets only the first package, in the
order of the corpus, of each other choice, and of at most `CHOICES` choices. `crowded` tells of how many things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abiclash.corpus.signature import DIFFER, MEET, Kind
from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CROWD = 2_000
CHOICES = 8
ROWS_PER_PARTITION = 20_000_000


@dataclass(frozen=True, slots=True)
class Joined:
    """Pairs (numbers of packages, first < second) -> kinds by which they meet, as a bit mask; sorted."""

    pairs: tuple[tuple[int, int, int], ...]
    rows: int
    crowded: int

    def kinds(self, mask: int) -> list[str]:
        """Return the names of the kinds in a mask."""
        return [kind.name.lower() for kind in Kind if mask >> kind & 1]


def connect(memory: str = "1GB", threads: int = 1, spill: Path | None = None) -> Any:
    """Return a DuckDB connection that keeps to a memory limit and spills the rest to disk."""
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("corpora: need DuckDB; install abiclash[corpus]") from error
    connection = duckdb.connect(":memory:")
    connection.execute(f"SET memory_limit = '{memory}'; SET threads = {threads}; SET preserve_insertion_order = false")
    if spill is not None:
        connection.execute("SET temp_directory = $1", [str(spill)])
    return connection


def candidates(
    connection: Any, source: str, surplus: int, partitions: int = 1, of: Sequence[int] | None = None
) -> Joined:
    """Return the pairs of packages whose signatures meet.

    source: SQL of a table with package (int), kind, about, choice. surplus: bytes of static TLS for dlopen.
    of: the partitions to join (all); pairs of different partitions unite by or-ing their masks.
    """
    crowded = find_pairs(connection, source, surplus, partitions, of)
    rows = connection.execute(f"SELECT count(*) FROM ({source})").fetchone()[0]
    pairs = connection.execute("SELECT one, other, mask FROM candidates ORDER BY one, other").fetchall()
    return Joined(tuple(pairs), rows, crowded)


def find_pairs(connection: Any, source: str, surplus: int, partitions: int = 1, of: Sequence[int] | None = None) -> int:
    """Make the table `candidates` (one, other, mask) without taking the pairs into this process's own memory.

    Return how many things are crowded.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE met (one INTEGER, other INTEGER, mask INTEGER)")
    crowded: int = 0
    for part in range(partitions) if of is None else of:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE part AS {_partition(source, part, partitions)}")
        crowded += connection.execute(_CROWDS).fetchone()[0]
        connection.execute(f"INSERT INTO met {_PAIRS}")
    connection.execute(f"INSERT INTO met {_TLS.format(source=source, surplus=surplus)}")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE candidates AS"
        " SELECT one, other, bit_or(mask) AS mask FROM met GROUP BY one, other"
    )
    return crowded


def _partition(source: str, part: int, partitions: int) -> str:
    """Return SQL of the rows that can meet others. Of the wide kinds only those whose counterpart exists."""
    mine = f" AND about % {partitions} = {part}" if partitions > 1 else ""
    narrow = f"SELECT * FROM ({source}) WHERE kind NOT IN ({_WIDE}, {int(Kind.TLS)}){mine}"
    met = f"SELECT DISTINCT kind + 1 AS kind, about FROM ({source}) WHERE kind + 1 IN ({_WIDE}){mine}"
    wide = f"SELECT s.* FROM ({source}) s SEMI JOIN ({met}) m ON s.kind = m.kind AND s.about = m.about"
    return f"{narrow} UNION ALL {wide} WHERE s.kind IN ({_WIDE})"


_WIDE = f"{int(Kind.WANTS)}, {int(Kind.REFERS)}, {int(Kind.READS)}"
"""Kinds of many rows; each follows its counterpart in the numbering."""
_DIFFER = ", ".join(str(int(kind)) for kind in DIFFER)
_MEETINGS = " UNION ALL ".join(f"SELECT {int(one)} AS left_kind, {int(other)} AS right_kind" for one, other in MEET)

_CROWDS = f"""
CREATE OR REPLACE TEMP TABLE contested AS
  SELECT kind, about, count(DISTINCT package) > {CROWD} AS crowd FROM part WHERE kind IN ({_DIFFER})
  GROUP BY kind, about HAVING count(DISTINCT choice) > 1;
CREATE OR REPLACE TEMP TABLE claims AS
  SELECT part.package, part.kind, part.about, part.choice, contested.crowd
  FROM part JOIN contested USING (kind, about);
CREATE OR REPLACE TEMP TABLE first_of AS
  SELECT kind, about, choice, min(package) AS package FROM claims WHERE crowd GROUP BY kind, about, choice
  QUALIFY row_number() OVER (PARTITION BY kind, about ORDER BY min(package)) <= {CHOICES};
CREATE OR REPLACE TEMP TABLE touching AS
  SELECT a.package AS one, b.package AS other, a.kind AS kind
  FROM part a JOIN ({_MEETINGS}) m ON a.kind = m.left_kind
  JOIN part b ON b.kind = m.right_kind AND a.about = b.about AND a.package <> b.package;
SELECT count(*) FROM contested WHERE crowd
"""

_PAIRS = """
SELECT least(one, other) AS one, greatest(one, other) AS other, bit_or(1::INTEGER << kind::INTEGER) AS mask FROM (
  SELECT DISTINCT a.package AS one, b.package AS other, a.kind AS kind
  FROM claims a JOIN claims b
    ON a.kind = b.kind AND a.about = b.about AND a.choice <> b.choice AND a.package < b.package
  WHERE NOT a.crowd AND NOT b.crowd
  UNION ALL
  SELECT DISTINCT a.package, b.package, a.kind
  FROM claims a JOIN first_of b ON a.kind = b.kind AND a.about = b.about AND a.choice <> b.choice
  WHERE a.crowd AND a.package <> b.package
  UNION ALL
  SELECT DISTINCT one, other, kind FROM touching
) GROUP BY 1, 2
"""

_TLS = (
    "WITH need AS (SELECT package, sum(choice)::BIGINT AS bytes FROM ({source}) WHERE kind = "
    + str(int(Kind.TLS))
    + " GROUP BY package) SELECT a.package, b.package, "
    + str(1 << Kind.TLS)
    + " FROM need a JOIN need b"
    " ON a.package < b.package AND a.bytes + b.bytes > {surplus}"
)
