"""Choose architectures to measure for a new table."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import require_count, require_seed
from mpnas_ray.errors import TableError
from mpnas_ray.spaces import KINDS, Architectures, SearchSpace
from mpnas_ray.spaces.mixed import Mixed
from mpnas_ray.spaces.operation_graph import ABSENT
from mpnas_ray.spaces.operations import INPUT, OUTPUT, SKIP

__all__ = ["draw_stratified"]

_POOL = 64
"""Number of candidates for each architecture."""
_PATIENCE = 200
"""Number of pools in a row without anything new after which a space counts as used up."""


def draw_stratified(space: SearchSpace, num_archs: int, seed: int = 0) -> Architectures:
    """Draw random architectures, no two of one canonical form, spread over topologies and operations.

    A uniform draw from the mixed space nearly always gives cells with all their operations alive, and a meta-learner
    sees little of the others. So each architecture is chosen among 64 random ones: of the family that is rarest so far
    (only the mixed space has several), then of the rarest number of operations, skips aside, that a path from input to
    output goes through, then with the rarest operations. The first n of a longer draw are the draw of n.

    Args:
        space: Any.
        num_archs: Number of architectures.
        seed: Seed of the draw.

    Raises:
        TableError: If the space has not so many, or a number is no whole one of at least 0.
    """
    require_count("num_archs", num_archs, 0, error=TableError)
    require_seed("seed", seed, error=TableError)
    rng = np.random.default_rng(seed)
    families: Counter[int] = Counter()
    strata: Counter[tuple[int, int]] = Counter()
    num_used = np.zeros(len(KINDS) + 1)  # the last is "absent"
    keys: set[int] = set()
    chosen: list[NDArray[np.int8]] = []
    misses = 0
    while len(chosen) < num_archs:
        pool = space.sample_many(_POOL, rng)
        graphs = pool.graphs()
        working = ~np.isin(graphs.kinds, (ABSENT, INPUT, OUTPUT, SKIP))
        alive = (working & graphs.live()).sum(axis=1).tolist()
        family = pool.codes[:, 0].tolist() if isinstance(space, Mixed) else [0] * _POOL
        rarity = np.where(working, num_used[graphs.kinds], 0).sum(axis=1) / np.maximum(1, working.sum(axis=1))
        new = [row for row, key in enumerate(pool.canonical_keys().tolist()) if key not in keys]
        if not new:
            misses += 1
            if misses == _PATIENCE:
                raise TableError(f"{space.name} has hardly more than {len(chosen)} different cells, not {num_archs}.")
            continue
        best = min(new, key=lambda row: (families[family[row]], strata[family[row], alive[row]], rarity[row]))
        families[family[best]] += 1
        strata[family[best], alive[best]] += 1
        np.add.at(num_used, graphs.kinds[best][working[best]], 1)
        keys.add(int(pool.canonical_keys()[best]))
        chosen.append(pool.codes[best])
        misses = 0
    return Architectures(space, np.array(chosen, dtype=np.int8).reshape(-1, space.code_length))
