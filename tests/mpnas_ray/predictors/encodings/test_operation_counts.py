from __future__ import annotations

import numpy as np
import pytest

from mpnas_ray.predictors.encodings.operation_counts import EXECUTIONS, executed_counts, operation_counts
from mpnas_ray.spaces import OPERATIONS, SPACE_NAMES, Architectures, get_space

SPACE = get_space("nasbench201")


def counted(cell: str) -> dict[str, dict[str, int]]:
    """Way of execution -> operation -> number, where there is one; ``path`` are those on the longest path."""
    counts = executed_counts(Architectures.of([SPACE.parse(cell)]))[:, 0].astype(int)
    rows = dict(zip(EXECUTIONS, counts[:, : len(OPERATIONS)], strict=True)) | {"path": counts[-1, len(OPERATIONS) :]}
    assert not counts[:-1, len(OPERATIONS) :].any()
    return {
        name: {operation.name: int(n) for operation, n in zip(OPERATIONS, row, strict=True) if n}
        for name, row in rows.items()
    }


def test_what_leads_nowhere_is_left_out_by_a_compiler() -> None:
    found = counted("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|skip_connect~2|")
    live = {"conv1-d1": 1, "skip": 1}
    assert found["all"] == {"conv3-d1": 1, "zero": 3} | live
    assert found["needed"] == found["live"] == found["parallel"] == found["path"] == live


def test_what_the_input_does_not_reach_is_needed_all_the_same() -> None:
    found = counted("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|nor_conv_1x1~1|none~2|")
    assert found["needed"] == {"conv3-d1": 1, "conv1-d1": 1}
    assert found["live"] == found["path"] == {"conv3-d1": 1}


def test_the_longest_path_is_the_dearest() -> None:
    found = counted("|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
    assert found["path"] == {"conv3-d1": 1, "conv1-d1": 1, "avgpool": 1}
    assert found["parallel"] == found["live"] == {"conv3-d1": 1, "conv1-d1": 2, "avgpool": 1, "skip": 1}


def test_a_cell_without_a_path_executes_nothing_but_eagerly() -> None:
    found = counted("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert found["all"] == {"conv3-d1": 1, "zero": 5}
    assert found["needed"] == found["live"] == found["path"] == {}


def test_the_order_of_states_does_not_matter() -> None:
    """With no operation between the second and the third state, these two may change places."""
    codes = SPACE.sample_many(500, np.random.default_rng(0)).codes.copy()
    codes[:, 2] = SPACE.operations.index("none")
    swapped = Architectures(SPACE, codes[:, [1, 0, 2, 3, 5, 4]])
    assert np.array_equal(executed_counts(Architectures(SPACE, codes)), executed_counts(swapped))


@pytest.mark.parametrize("name", SPACE_NAMES)
def test_in_every_space_all_and_live_are_the_counts_of_operations(name: str) -> None:
    archs = get_space(name).sample_many(300, np.random.default_rng(0))
    counts, expected = executed_counts(archs), operation_counts(archs)
    every, needed, live, parallel = (counts[place, :, : len(OPERATIONS)] for place in range(4))
    assert np.array_equal(every, expected[:, : len(OPERATIONS)])
    assert np.array_equal(live, expected[:, len(OPERATIONS) :])
    assert np.array_equal(live, parallel)
    assert np.all((live <= needed) & (needed <= every))
    assert np.all(counts[-1, :, len(OPERATIONS) :] <= live)
