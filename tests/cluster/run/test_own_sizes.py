"""Searches of networks that have sizes of their own."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.run.assemble.limits import size_limits
from cluster.run.config import SearchConfig
from mpnas_ray.errors import RunError
from mpnas_ray.files.json_records import from_plain
from mpnas_ray.spaces import Architectures, get_space
from trainables import get_task
from trainables.networks.limits import NetworkSizes, SizeLimits

TASK = get_task("digits")


def limits_of(**options: object) -> SizeLimits | None:
    config = SearchConfig(task="digits", **options)  # type: ignore[arg-type]
    return size_limits(config, TASK, TASK.load_checked(None))


def test_networks_of_presets_have_no_limit_unless_it_is_asked_for() -> None:
    assert limits_of(space="mixed") is None


@pytest.mark.long
@pytest.mark.parametrize("preset", ["small", pytest.param("paper", marks=pytest.mark.slow)])
def test_the_preset_bounds_networks_with_sizes_of_their_own(preset: str) -> None:
    limits = limits_of(space="mixed-macro", preset=preset)
    assert limits is not None
    assert limits.max_flops is not None
    plain = get_space("mixed").sample_many(2_000, np.random.default_rng(0))
    largest = int(NetworkSizes((1, 8, 8), 10, preset=preset).flops(plain).max())
    assert largest <= limits.max_flops / 4 < 1.5 * largest


def test_a_limit_of_the_user_replaces_that_of_the_preset() -> None:
    limits = limits_of(space="mixed-macro", max_params=10_000, widths=(8,), depths=(1, 2))
    assert limits is not None
    assert limits.max_flops is None
    archs = get_space("mixed-macro").sample_many(2_000, np.random.default_rng(0))
    kept = archs[limits(archs)]
    assert 0 < len(kept) < len(archs)
    assert {get_space("mixed-macro").sizes(codes).width for codes in kept.codes} == {8}  # type: ignore[union-attr]
    assert (limits.sizes.parameters(kept) <= 10_000).all()


def test_a_limit_that_nothing_keeps_is_refused() -> None:
    with pytest.raises(RunError, match="No architecture of mixed-macro was found within the limits"):
        limits_of(space="mixed-macro", max_params=100)


def test_the_options_are_part_of_the_record() -> None:
    config = SearchConfig(space="mixed-macro", widths=[16, 8], depths=(np.int64(2),))  # type: ignore[arg-type]
    assert (config.widths, config.depths) == ((8, 16), (2,))
    assert type(config.depths[0]) is int
    plain = {"space": "mixed-macro", "widths": [8, 16], "depths": [2]}
    assert from_plain(SearchConfig, plain) == config


def test_the_largest_cell_of_mixed_is_the_largest() -> None:
    sizes = NetworkSizes((1, 8, 8), 10, preset="small")
    largest = "mixed:nasbench201:|conv7-d1~0|+|conv7-d1~0|conv7-d1~1|+|conv7-d1~0|conv7-d1~1|conv7-d1~2|"
    most = sizes.flops(Architectures.of([largest]))[0]
    assert (sizes.flops(get_space("mixed").sample_many(5_000, np.random.default_rng(0))) <= most).all()
