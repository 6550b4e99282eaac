"""Statistics of small samples, for the notebooks: each estimate with an interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DRAWS = 2000


def wilson(count: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): it stays sensible for none and for all."""
    share, square = count / total, z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = z * np.sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def auc(label: NDArray[np.bool_], score: NDArray[Any], weight: NDArray[Any] | None = None) -> float:
    """Probability that a positive scores above a negative, ties counting half (Mann-Whitney). 0.5: it says nothing."""
    weight = np.ones(len(score)) if weight is None else weight
    yes, no = score[label][:, None], score[~label][None, :]
    pairs = weight[label][:, None] * weight[~label][None, :]
    return float((pairs * ((yes > no) + 0.5 * (yes == no))).sum() / pairs.sum())


def interval(label: NDArray[np.bool_], estimate: Callable[[NDArray[Any]], float], seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval; positives and negatives are drawn apart. estimate: of row numbers."""
    random = np.random.default_rng(seed)
    groups = [np.flatnonzero(label), np.flatnonzero(~label)]
    draws = [estimate(np.concatenate([random.choice(group, len(group)) for group in groups])) for _ in range(DRAWS)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def interval_of_pairs(
    one: NDArray[Any], other: NDArray[Any], estimate: Callable[[NDArray[Any]], float], seed: int = 0
) -> tuple[float, float]:
    """As `interval`, for pairs: a package is in many of them, so packages are drawn, and a pair counts for both draws.

    one, other: numbers of the packages. estimate: of the pairs' weights.
    """
    random = np.random.default_rng(seed)
    size = int(max(one.max(), other.max())) + 1
    draws = []
    for _ in range(DRAWS // 10):
        times = np.bincount(random.integers(0, size, size), minlength=size)
        draws.append(estimate((times[one] * times[other]).astype(float)))
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)
