"""Search as in MP-NAS: a meta-learned predictor ranks candidates, and is refitted as results come in."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import SettingError
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.predictors import CostPredictor, Predictor
from mpnas_ray.pretrained import find_checkpoint, load_checkpoint
from mpnas_ray.spaces import SearchSpace, get_space
from searchers.core.candidates import Constraint
from searchers.core.hyperparameters.space import SamplerFactory, tpe_sampler
from searchers.core.state import Arrays
from searchers.core.trials.starting_points import Evaluated
from searchers.core.zero_cost import Score
from searchers.model_based.metric_names import kind_of_metric
from searchers.model_based.objectives.costs import CostOf, Costs
from searchers.model_based.objectives.ranking import FrontRanker
from searchers.model_based.predictor_search import PredictorSearch
from searchers.model_based.ranking.base import Rank

__all__ = ["MPNASSearch"]

logger = logging.getLogger(__name__)

Measures = Literal["auto", "quality", "cost"]

_KNOWN_COSTS = ("nasbench201", "transnasbench101")
"""Spaces for whose cells the default predictor remembers latencies. With these it finds the cells of lowest latency of
an unknown device in 3 to 6 queries, which the predictor of costs does in 1 or 2, and of the i7 in 2 to 6 (26)."""


class MPNASSearch(PredictorSearch):
    """Proposes architectures by what a meta-learned predictor expects of them (after MP-NAS, NeurIPS 2023).

    At first architectures come as the predictor ranks them before any result. Each time ``refit_every`` new results are
    in, it adapts to all of them and ranks the candidates anew: a small space whole, of a large one a fresh sample and
    the neighbours of its best (`searchers.model_based.ranking.climbing`). The searcher goes down the ranking, leaving
    out what was proposed before. Rankings are made in a Ray actor beside the trials; meanwhile the ranking before stays
    in use.

    A quality is searched by expected improvement, a cost, such as a latency, by the expected value: costs add up over
    operations, so that there is little to explore. What other tasks say is weighed by how well it explains the results,
    against hypotheses that know the architecture alone: where other tasks mislead, a few results take their weight away
    (see `TransferCheck`; the run's telemetry says it in words). As long as all results are equal, proposals are random.
    A trial that failed counts as just below the worst.

    In Tune, with a trainable of ours; one of yours only needs to build its network from ``config["arch"]``
    (`trainables.build_network`):

    ```python
    tuner = tune.Tuner(
        CellTrainable,
        param_space={"task": "digits", "preset": "small", "epochs": 5},
        tune_config=tune.TuneConfig(
            search_alg=MPNASSearch("nasbench201", seed=0),
            metric="validation_accuracy",
            mode="max",
            num_samples=20,
            max_concurrent_trials=2,
        ),
    )
    best = tuner.fit().get_best_result().config["arch"]
    ```

    Args:
        predictor: ``"default"`` for the meta-learned predictor that comes with the package and suits the space,
            ``"mpnas-3"`` or ``"mpnas-4"``, a path for a checkpoint of yours (`mpnas meta-train`), None for a graph
            network that learns from the results alone. Or a predictor object, which is copied and fitted afresh each
            time; one that has ``adapt`` is meta-learned, and ranks before the first result too.
        refit_every: Number of new results that call for a new ranking (MP-NAS: 4).
        measures: Whether the metric is a ``quality`` of architectures, such as an accuracy or a loss, or a ``cost``,
            such as a latency: the predictor knows tasks of both kinds. ``auto`` reads the name of the metric
            (`searchers.model_based.metric_names`), and lets the results overrule it.
        cost_predictor: Ranks where the metric is a cost (`mpnas_ray.predictors.CostPredictor`): a predictor, a
            checkpoint, or None to leave costs to ``predictor``. ``"default"`` is the bundled one where ``predictor`` is
            the default too, and remembers no cost of the space's cells; else None. Beside a quality, it predicts each
            of the ``costs`` that is not known beforehand, and must then be a `CostPredictor`.
        costs: Costs that are to be low beside the metric, by name: those that each trial reports, such as
            ``["parameters", "latency_ms"]``; or a mapping that gives for those that are known beforehand a function: N
            architectures -> costs ``[N]``, and None for others. Architectures are then proposed by the hypervolume that
            they are expected to add to the front of metric and costs; for more than one cost, by Chebyshev
            scalarisations with random weights. Functions are not part of the saved state.
        limits: Name -> highest value of a cost that a network may have. Costs that are known beforehand are never above
            it; of others, architectures are proposed that are expected to be below. The name need not be in ``costs``.

    Raises:
        SettingError: If a number is not a whole one of at least 1, or another argument is of the wrong kind; if a cost
            is named twice or is the metric.
        PredictorError: If there is no such predictor.

    Example:
        >>> from searchers import MPNASSearch
        >>> searcher = MPNASSearch("transnasbench101", "validation_accuracy", "max", seed=0)
        >>> config = searcher.suggest("trial-1")
        >>> searcher.on_trial_complete("trial-1", {"validation_accuracy": 0.5})
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        predictor: Predictor | str | Path | None = "default",
        refit_every: int = 4,
        num_candidates: int = 10_000,
        points_to_evaluate: Sequence[str | Mapping[str, Any]] | None = None,
        evaluated_rewards: Sequence[float] | None = None,
        seed: int | None = None,
        max_concurrent: int | None = None,
        synchronous: bool = False,
        *,
        measures: Measures = "auto",
        cost_predictor: Predictor | str | Path | None = "default",
        prior_score: Score | None = None,
        evaluated: Evaluated | None = None,
        constraint: Constraint | None = None,
        allow_isomorphic: bool = False,
        hyperparameter_sampler: SamplerFactory = tpe_sampler,
        costs: Sequence[str] | Mapping[str, CostOf | None] = (),
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self._costs = Costs.of(costs, limits)
        self._costs.check_metric(metric)
        if self._costs.names and prior_score is not None:
            raise SettingError("A search with costs takes no prior_score, which knows nothing of costs: leave one out.")
        super().__init__(
            space,
            metric,
            mode,
            _resolve(predictor, space if isinstance(space, SearchSpace) else get_space(space)),
            acquisition="ei",
            prior_score=prior_score,
            refit_every=refit_every,
            num_candidates=num_candidates,
            synchronous=synchronous,
            points_to_evaluate=points_to_evaluate,
            evaluated_rewards=evaluated_rewards,
            evaluated=evaluated,
            seed=seed,
            max_concurrent=max_concurrent,
            constraint=self._costs.constrained(constraint),
            allow_isomorphic=allow_isomorphic,
            hyperparameter_sampler=hyperparameter_sampler,
        )
        require_one_of("measures", measures, get_args(Measures))
        self._measures = measures
        if self._costs.names and cost_predictor in ("default", None):
            cost_predictor = "cost"
        if cost_predictor == "default":
            cost_predictor = "cost" if predictor == "default" and self.space.name not in _KNOWN_COSTS else None
        self._cost_predictor = None if cost_predictor is None else _resolve(cost_predictor, self.space)
        if self._costs.names and not isinstance(self._cost_predictor, CostPredictor | None):
            raise SettingError("Costs are predicted by a CostPredictor: give one as cost_predictor, or leave it out.")

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric, mode and ``param_space`` as `PredictorSearch` does.

        Raises:
            SettingError: If the metric is one of the costs.
        """
        self._costs.check_metric(metric)
        return super().set_search_properties(metric, mode, config, **spec)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """End a trial as `PredictorSearch` does, and warn if it reported no value of a cost that trials measure."""
        super().on_trial_complete(trial_id, result, error)
        record = self.observations.trials.get(trial_id)
        if record is None or record.status != "completed":
            return
        for name in self._cost_names:
            if name not in record.costs and name not in self._costs.known:
                self._warn(f"ended without a value of the cost {name}, which is predicted in its place", trial_id)

    @property
    def _cost_names(self) -> tuple[str, ...]:
        return self._costs.names

    def _costs_in(self, result: Mapping[str, Any]) -> dict[str, float]:
        found, problems = self._costs.read(result)
        for problem in problems:
            self._warn(problem, str(result.get("trial_id", "")))
        return found

    def _warn(self, what: str, trial_id: str) -> None:
        """Log what is wrong with a trial's costs, each kind once."""
        self._logged[what] += 1
        if self._logged[what] == 1:
            logger.warning("Trial %s %s.", trial_id, what)

    def _rank(self) -> Rank:
        if not self._costs.names:
            return super()._rank()
        return FrontRanker(
            self._proposals.candidates,
            self._predictor_for_metric(),
            self._costs,
            self._cost_predictor or CostPredictor(),
            self._num_candidates,
        ).rank

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        plain, arrays = super()._own_state()
        return {**plain, "costs": self._costs.to_plain()}, arrays

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        super()._set_own_state(plain, arrays)
        self._costs = self._costs.restored(plain.get("costs", Costs().to_plain()))  # older states have none
        if self._costs.names and not isinstance(self._cost_predictor, CostPredictor):
            self._cost_predictor = _resolve("cost", self.space)

    def _predictor_for_metric(self) -> Predictor | None:
        predictor, kind = self._predictor, kind_of_metric(self._metric or "")
        if isinstance(predictor, CostPredictor) and (
            self._measures == "quality" or (self._measures == "auto" and kind == "quality")
        ):
            raise SettingError(
                f"The predictor knows costs alone, and {self._metric} is a quality: take the default predictor, or say "
                f"measures='cost' if it is a cost after all."
            )
        if not isinstance(predictor, MixturePredictor):
            return predictor
        if self._measures != "auto":
            return predictor.measuring(self._measures)
        if kind is None or predictor.kind is not None:
            return predictor
        said = f"{self._metric} is taken for a {kind} by its name"
        self._logged[said] += 1
        if self._logged[said] == 1:
            logger.info("%s; the results may overrule that, and measures=... says it for certain.", said)
        return predictor.expecting(kind)


def _resolve(predictor: Predictor | str | Path | None, space: SearchSpace) -> Predictor | None:
    """Return the predictor to copy at each refit; None for one from scratch."""
    if predictor is None or (isinstance(predictor, Predictor) and not isinstance(predictor, type)):
        return predictor
    if not isinstance(predictor, (str, Path)):
        raise SettingError(f"A predictor is 'default', a path, None or a Predictor, not {predictor!r}.")
    loaded, card = load_checkpoint(find_checkpoint(predictor, space))
    if card.covers(space):
        return loaded
    logger.warning(
        "The predictor %s does not know all operations of %s: one is trained from scratch instead.",
        card.name,
        space.name,
    )
    return None
