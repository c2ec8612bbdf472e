"""The open entries of a ``param_space``: the architectures to choose from, and hyperparameters beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ray.tune.search.sample import Categorical

from mpnas_ray.errors import SearchSpaceError
from searchers.core.candidates import Candidates, chosen_architectures
from searchers.core.hyperparameters.space import Hyperparameters

__all__ = ["open_entries"]


def open_entries(param_space: Mapping[str, Any], candidates: Candidates) -> tuple[Candidates, Hyperparameters]:
    """Find the entries that a searcher has to choose.

    Args:
        param_space: The ``param_space`` of ``Tuner``; it may have ``"arch": tune.choice([...])``.
        candidates: The architectures that could be proposed so far.

    Returns:
        The candidates among those of ``arch``, all if it is not there; and the other open entries.

    Raises:
        SearchSpaceError: If an entry is a grid search or a domain that depends on other entries or holds no value, or
            ``arch`` is anything but a choice of architectures.
    """
    others = dict(param_space)
    arch, chosen = others.pop("arch", None), None
    if isinstance(arch, Categorical):
        chosen = chosen_architectures(candidates.space, arch.categories)
    elif arch is not None:
        raise SearchSpaceError(
            f'param_space gives "arch" as something else than a choice of architectures: take it out, and the searcher '
            f"proposes any of {candidates.space_name}."
        )
    hyperparameters = Hyperparameters.of(others)
    if chosen != candidates.chosen:
        candidates = replace(candidates, chosen=chosen)
        candidates.check()
    return candidates, hyperparameters
