"""One package beside each of several others, two at a time, in one environment that holds them all.

What the pairs have in common is done once: resolving, laying out, tables, and each package by itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.rules.judging import judge
from abiclash.rules.model import Audience
from abiclash.scanning import judged, play, prepare
from abiclash.simulate import Player

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abiclash.rules.model import ScanResult
    from abiclash.scanning import ScanRequest
    from abiclash.setting import Setting


def beside(request: ScanRequest, name: str, others: Sequence[str]) -> Iterator[ScanResult]:
    """Yield the result for a package and each other one, as if only these two had been asked for.

    request: its targets bring all of them into one environment. name, others: normalised. Of one that the environment
    does not have, the result says nothing but why. What the other package does to users by itself is not said.
    """
    setting, wheels, planner = prepare(request)
    player = Player(setting.world, setting.host, planner)
    for other in others:
        pair = _only(setting, (name, other))
        result = judged(request, pair, wheels, planner, play(pair, planner, player, every=request.all_orders))
        if any(finding.audience is Audience.USER for finding in result.findings):
            own = _only(setting, (other,))
            known = {finding.id for finding in judge(play(own, planner, player, every=False))}
            result = replace(result, findings=tuple(f for f in result.findings if f.id not in known))
        yield result


def _only(setting: Setting, names: Sequence[str]) -> Setting:
    """Return the setting with only some packages asked for; the others are there, as in any environment."""
    packages = {name: replace(package, requested=name in names) for name, package in setting.packages.items()}
    return replace(setting, packages=packages)
