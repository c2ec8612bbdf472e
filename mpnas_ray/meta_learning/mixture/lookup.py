"""Look up what is known of architectures before their task is measured.

Values of the source tasks are those that the memory holds, else what the source network predicts; to them come counts,
prices and graph features. What a search asks for again and again is kept: random architectures that say what is usual
in a space, the last long list of candidates, and measured architectures.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mpnas_ray.graphs.features import graph_features
from mpnas_ray.meta_learning.common.network import Parameters
from mpnas_ray.meta_learning.mixture.config import MixtureConfig
from mpnas_ray.meta_learning.mixture.knowledge import (
    Knowledge,
    RawKnowledge,
    Reference,
    Source,
    price_lists,
    priced_counts,
)
from mpnas_ray.meta_learning.mixture.memory import Memory
from mpnas_ray.meta_learning.mixture.rows import KernelRows
from mpnas_ray.meta_learning.mixture.source_network import predict_sources
from mpnas_ray.spaces import Architectures, get_space

__all__ = ["Lookup"]

_NUM_REFERENCE = 2_048
"""Random architectures of a space that say what is usual in it."""

_KEPT_FROM = 1_001
"""Architectures in a list that is likely to be asked for again: the whole of a small space. More than a shortlist."""


_FEWEST = 8
"""Architectures of which knowledge is computed at least, where it must not depend on their number: BLAS sums products
with fewer than five rows in another order."""

_MOST_MEASURED = 2_048
"""Measured architectures of a space of which knowledge is kept."""


class Lookup:
    """Knowledge of architectures of any space; no task changes it, so that adapted predictors share one."""

    def __init__(
        self, config: MixtureConfig, sources: tuple[Source, ...], network: Parameters, memory: Memory, kept: Tensor
    ) -> None:
        """Keep nothing yet.

        Args:
            config: Configuration of the meta-training.
            sources: The K source tasks.
            network: Parameters of the source network, on the device where it computes.
            memory: Measurements of the source tasks.
            kept: Sources in use, bool ``[K]``.
        """
        self._config = config
        self._sources = sources
        self._network = network
        self._memory = memory
        self._kept = kept
        self._price_lists = price_lists(config)
        self._references: dict[str, KernelRows] = {}
        self._lists: dict[str, KernelRows] = {}
        self._measured: dict[str, tuple[dict[bytes, int], Knowledge]] = {}  # space -> places in what is known

    def known(self, archs: Architectures) -> Knowledge:
        """Knowledge of N architectures."""
        return Knowledge.of(self._raw(archs), self.usual(archs.space.name).known.reference)

    def measured(self, archs: Architectures) -> Knowledge:
        """Knowledge of N measured architectures, of which a search adds a few at a time: that of the others is kept."""
        if len(archs) < _FEWEST:
            return self.known(archs)
        space, names = archs.space.name, [codes.tobytes() for codes in archs.codes]
        if space in self._lists and (found := self._lists[space].find(archs)) is not None:
            return self._lists[space].known[torch.from_numpy(found)]
        places, known = self._measured.get(space, ({}, None))
        new = {name: row for row, name in enumerate(names) if name not in places}
        if len(places) + len(new) > _MOST_MEASURED:
            places, known, new = {}, None, {name: row for row, name in enumerate(names)}
        if known is None or new:
            computed = self.known(archs[np.array([*new.values(), *range(_FEWEST)])])[: len(new)]
            known = computed if known is None else known.joined(computed)
            places = {**places, **{name: len(places) + number for number, name in enumerate(new)}}
            self._measured[space] = places, known
        return known[torch.tensor([places[name] for name in names])]

    def usual(self, space: str) -> KernelRows:
        """Random architectures of a space, always the same ones, made at their first use."""
        if space not in self._references:
            archs = get_space(space).sample_many(_NUM_REFERENCE, np.random.default_rng(0))
            raw = self._raw(archs)
            known = Knowledge.of(raw, Reference.of(raw, space, self._sources))
            self._references[space] = KernelRows(archs, known, self._kept)
        return self._references[space]

    def compared(
        self, archs: Architectures, measured: Architectures, support: Knowledge
    ) -> tuple[Knowledge, Tensor, Tensor]:
        """Compare N architectures with n measured ones.

        A long list is kept, as long as the same object comes again; what is part of a list is looked up there.

        Args:
            archs: The N architectures.
            measured: The n measured ones, of the same space.
            support: Knowledge of the measured ones.

        Returns:
            Knowledge of the N architectures, their mean functions ``[N, C]``, and the kernels of the measured ones with
            them ``[n, kernels, N]``.
        """
        kept = self._lists.get(archs.space.name)
        if kept is not None and kept.archs is archs:
            return kept.known, kept.means, kept.between(measured, support)
        found = None if kept is None or len(archs) >= _KEPT_FROM else kept.find(archs)
        if kept is not None and found is not None:
            places = torch.from_numpy(found)
            return kept.known[places], kept.means[places], kept.between(measured, support, places)
        rows = KernelRows(archs, self.known(archs), self._kept)
        if len(archs) >= _KEPT_FROM:
            self._lists[archs.space.name] = rows
        return rows.known, rows.means, rows.between(measured, support)

    def __getstate__(self) -> dict[str, object]:
        """Leave what is kept of long lists out of pickles and copies."""
        return {**self.__dict__, "_lists": {}, "_measured": {}}

    def _raw(self, archs: Architectures) -> RawKnowledge:
        ranks, values = (torch.from_numpy(recalled) for recalled in self._memory.recall(archs))
        unknown = ranks.isnan().any(dim=1) | values.isnan().any(dim=1)
        if unknown.any():
            outputs = predict_sources(self._network, archs[unknown.numpy()], self._config).cpu()
            for recalled, predicted in zip((ranks, values), outputs.chunk(2, dim=1), strict=True):
                recalled[unknown] = torch.where(recalled[unknown].isnan(), predicted, recalled[unknown])
        counts, prices = priced_counts(archs, self._price_lists)
        graph = torch.from_numpy(graph_features(archs)).double()
        return RawKnowledge(ranks, values, counts, prices, graph, torch.from_numpy(archs.codes.astype(np.float64)))
