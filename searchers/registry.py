"""Every searcher by name: the one list from which public imports, commands and comparisons take theirs.

A searcher is imported when it is made, so that a list of names waits for neither Ray nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchers.core.architecture_searcher import ArchitectureSearcher

__all__ = ["ALL_SEARCHERS", "BY_COST", "BY_SCORE", "SEARCHERS", "SearcherEntry"]


@dataclass(frozen=True)
class SearcherEntry:
    """A searcher that can be made by its name.

    Attributes:
        name: Short name, as ``--searcher`` takes it.
        module: Module of its class.
        class_name: Name of its class, also in `searchers`.
        description: The method, and whose it is.
        arguments: Arguments that this name stands for.
        needs: Argument without which it cannot be made, of its own: ``score``, ``predictor`` or ``sources``.
        takes: Further arguments of what it may know beforehand: ``predictor`` and ``prior_score``.
    """

    name: str
    module: str
    class_name: str
    description: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs: str | None = None
    takes: tuple[str, ...] = ()

    def __call__(self, *positional: Any, **arguments: Any) -> ArchitectureSearcher:
        """Make a searcher; the arguments are those of its class, beginning with space, metric and mode."""
        make = getattr(import_module(self.module), self.class_name)
        searcher: ArchitectureSearcher = make(*positional, **{**self.arguments, **arguments})
        return searcher


_MPNAS = ("searchers.model_based.mpnas", "MPNASSearch")

ALL_SEARCHERS: dict[str, SearcherEntry] = {
    entry.name: entry
    for entry in (
        SearcherEntry(
            "mpnas",
            *_MPNAS,
            "ranks by a predictor that was meta-learned from other tasks (MP-NAS)",
            takes=("predictor", "prior_score"),
        ),
        SearcherEntry("scratch", *_MPNAS, "MP-NAS without what it knows of other tasks", {"predictor": None}),
        SearcherEntry(
            "gp",
            "searchers.model_based.gaussian_process",
            "GaussianProcessSearch",
            "Gaussian process with expected improvement",
        ),
        SearcherEntry(
            "bananas",
            "searchers.model_based.bananas",
            "BANANASSearch",
            "ensemble on path encodings (White et al. 2021)",
        ),
        SearcherEntry(
            "gbt-thompson",
            "searchers.model_based.boosted_trees",
            "BoostedTreesSearch",
            "Thompson sampling from boosted trees",
        ),
        SearcherEntry(
            "tpe", "searchers.baselines.tpe", "TPESearch", "Optuna's tree-structured Parzen estimator (Bergstra 2011)"
        ),
        SearcherEntry(
            "optuna-gp", "searchers.baselines.optuna_gp", "OptunaGPSearch", "Optuna's Gaussian process over choices"
        ),
        SearcherEntry(
            "evolution",
            "searchers.baselines.evolution",
            "RegularizedEvolution",
            "regularised evolution (Real et al. 2019)",
        ),
        SearcherEntry(
            "local-search",
            "searchers.baselines.local_search",
            "LocalSearch",
            "climbing to better neighbours (White et al. 2021)",
        ),
        SearcherEntry(
            "reinforce", "searchers.baselines.reinforce", "REINFORCESearch", "policy gradient (Williams 1992)"
        ),
        SearcherEntry("random", "searchers.baselines.random_search", "RandomSearch", "random without repetition"),
        SearcherEntry(
            "naswot",
            "searchers.zero_cost.naswot",
            "NASWOTSearch",
            "the best of a sample by a score without training (Mellor et al. 2021)",
            needs="score",
        ),
        SearcherEntry(
            "area",
            "searchers.zero_cost.area",
            "AREASearch",
            "evolution from the best by a score without training (Mellor et al. 2021)",
            needs="score",
        ),
        SearcherEntry(
            "oneshot",
            "searchers.zero_cost.naswot",
            "NASWOTSearch",
            "the cells that supernets chose, then the best of a sample by a supernet's weights",
            needs="score",
        ),
        SearcherEntry(
            "predictor",
            "searchers.model_based.predictor_search",
            "PredictorSearch",
            "ranks by a predictor that is fitted to the results",
            needs="predictor",
        ),
        SearcherEntry(
            "mean-rank",
            "searchers.baselines.transfer.mean_rank",
            "MeanRankSearch",
            "the mean rank on other tasks",
            needs="sources",
        ),
        SearcherEntry(
            "nearest-task",
            "searchers.baselines.transfer.nearest_task",
            "NearestTaskSearch",
            "the ranking of the task that agrees best",
            needs="sources",
        ),
        SearcherEntry(
            "quantile-transfer",
            "searchers.baselines.transfer.quantile_transfer",
            "QuantileTransferSearch",
            "a prior learned from ranks on other tasks (Salinas et al. 2020)",
            needs="sources",
        ),
        SearcherEntry(
            "rush",
            "searchers.baselines.transfer.rush",
            "RUSHSearch",
            "the best of each other task (Zappella et al. 2021)",
            needs="sources",
        ),
    )
}
"""Name -> searcher, of all that there are."""

SEARCHERS = {name: entry for name, entry in ALL_SEARCHERS.items() if entry.needs != "sources"}
"""Name -> searcher, of those that a run can have: they need no tables of other tasks."""

BY_SCORE = tuple(name for name, entry in ALL_SEARCHERS.items() if entry.needs == "score")
"""Names of the searchers that need a zero-cost score."""

BY_COST = tuple(name for name, entry in ALL_SEARCHERS.items() if entry.module == _MPNAS[0])
"""Names of the searchers that look at costs beside the metric."""
