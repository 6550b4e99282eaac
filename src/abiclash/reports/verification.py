"""What really happened when the imports were run, beside what was predicted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.reports.safe import inert, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.lab.bindlog import Binding
    from abiclash.lab.verify import Trial, Verification
    from abiclash.reports.paint import Paint

_SHOWN = 5


def as_text(result: Verification, paint: Paint) -> str:
    """Return a line for each run, then what went wrong in it."""
    rows = [(name("; ".join(trial.order)), _outcome(trial, paint), _agreement(trial)) for trial in result.trials]
    lines = list(paint.columns(rows))
    for trial in result.trials:
        lines += _details(trial, paint)
    if result.not_analysed:
        lines += ["", paint("Not analysed", "bold", "yellow")]
        for entry in result.not_analysed:
            lines += paint.wrap(f"- {name(entry.what)}: {entry.reason}", 2, hang=2)
    return "\n".join(lines) + "\n"


def as_json(result: Verification) -> str:
    """Return the same, and all disagreements, as a JSON object."""
    document = {
        "python": result.python,
        "runs": [_trial(trial) for trial in result.trials],
        "not_analysed": [{"what": entry.what, "reason": entry.reason} for entry in result.not_analysed],
    }
    return json.dumps(inert(document), indent=2) + "\n"


def _outcome(trial: Trial, paint: Paint) -> str:
    return paint(trial.outcome, "green") if trial.works else paint(trial.outcome, "bold", "red")


def _agreement(trial: Trial) -> str:
    found = trial.comparison
    if found is None:
        return "not compared"
    return f"bindings predicted {found.agree:,} of {found.observed:,} ({found.percent:.3f} %)"


def _details(trial: Trial, paint: Paint) -> Iterator[str]:
    found = trial.comparison
    wrong = not trial.works or (found is not None and not found.exact)
    if not wrong:
        return
    yield ""
    yield paint(name("; ".join(trial.order)), "bold")
    if trial.stack:
        yield from (f"  {name(line)}" for line in trial.stack.splitlines())
    elif not trial.works:
        yield from (f"  {name(line)}" for line in trial.run.stderr.splitlines()[-_SHOWN:])
    if found is not None:
        yield from _rows("observed, not predicted", found.missing, paint)
        yield from _rows("predicted, not observed", found.extra, paint)


def _rows(title: str, bindings: tuple[Binding, ...], paint: Paint) -> Iterator[str]:
    if bindings:
        yield f"  {paint(f'{title}:', 'dim')} {len(bindings):,}"
        yield from (f"    {line}" for line in map(_line, bindings[:_SHOWN]))


def _line(row: Binding) -> str:
    version = f"@{name(row.version)}" if row.version else ""
    return f"{name(row.symbol)}{version}: {name(row.source)} -> {name(row.target)}"


def _trial(trial: Trial) -> dict[str, object]:
    run, found = trial.run, trial.comparison
    return {
        "order": list(trial.order),
        "outcome": trial.outcome,
        "exit": run.exit,
        "seconds": round(run.seconds, 3),
        "timed_out": run.timed_out,
        "offline": run.offline,
        "stderr": run.stderr,
        "stack": trial.stack,
        "bindings": found
        and {
            "observed": found.observed,
            "agree": found.agree,
            "missing": _listed(found.missing),
            "extra": _listed(found.extra),
        },
    }


def _listed(bindings: Iterable[Binding]) -> list[dict[str, object]]:
    return [{"from": row.source, "symbol": row.symbol, "version": row.version, "to": row.target} for row in bindings]
