"""The searcher of MP-NAS: a predictor ranks candidates, and is refitted as results come in."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mpnas_ray.checkpoints import BUNDLED, load_checkpoint
from mpnas_ray.predictors import Predictor
from mpnas_ray.spaces import Architecture, SearchSpace
from searchers.architecture_searcher import ArchitectureSearcher
from searchers.hyperparameters import SamplerFactory, tpe_sampler
from searchers.ranking import Ranking, RankingJob, RankingRequest, random_ranking
from searchers.state import Arrays

__all__ = ["MPNASSearch"]

logger = logging.getLogger(__name__)


class MPNASSearch(ArchitectureSearcher):
    """Proposes the architectures that a graph predictor ranks highest (MP-NAS, NeurIPS 2023).

    At first architectures come as the meta-learned predictor ranks them zero-shot, or in random order if the predictor
    starts from scratch. It is fitted to all results each time ``refit_every`` new ones are in; then fresh candidates
    are sampled and ranked, and the searcher proposes them best first, leaving out what was proposed before. Fitting and
    ranking run as a Ray task beside the trials; meanwhile the ranking before stays in use.

    Example:
        >>> from ray import tune
        >>> from searchers import MPNASSearch
        >>> from trainables import CellTrainable
        >>> tuner = tune.Tuner(
        ...     CellTrainable,
        ...     param_space={"task": "digits", "preset": "small", "epochs": 5},
        ...     tune_config=tune.TuneConfig(
        ...         search_alg=MPNASSearch("nasbench201", seed=0),
        ...         metric="validation_accuracy",
        ...         mode="max",
        ...         num_samples=20,
        ...         max_concurrent_trials=2,
        ...     ),
        ... )
        >>> best = tuner.fit().get_best_result().config["arch"]

    A trainable of yours only needs to build its network from ``config["arch"]``
    (`trainables.build_network`).
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
        twins: bool = False,
        hyperparameter_sampler: SamplerFactory = tpe_sampler,
    ) -> None:
        """Nothing is computed yet but the list of a small space.

        Args:
            space: A search space or its name.
            metric: Metric of the trials' results; may be left to ``TuneConfig``.
            mode: ``min`` or ``max``; may be left to ``TuneConfig``.
            predictor: ``"default"`` for the meta-learned predictor that comes with the package, a path for a checkpoint
                of yours (`mpnas meta-train`), None for a graph network that learns from the results alone. Or a
                predictor object, which is copied and fitted afresh each time; one that has ``adapt`` is meta-learned,
                and ranks before the first result too.
            refit_every: Number of new results that call for a new ranking (MP-NAS: 4).
            num_candidates: Candidates that are sampled and ranked each time; spaces of up to 20,000 are ranked whole.
            points_to_evaluate: Architectures to begin with, as strings or as configs with ``arch``.
            evaluated_rewards: Metric values of the first of these points, which are then not run.
            seed: Makes sequential runs reproducible if ``synchronous`` is set.
            max_concurrent: Most trials under way at a time; ``TuneConfig(max_concurrent_trials=...)`` does the same.
            synchronous: Give out nothing while a new ranking is due, so that every proposal knows all results.
            twins: Also propose an architecture that is the same network as an earlier one and differs in its text
                alone. For replays of tables, which measured such twins apart.
            hyperparameter_sampler: Makes, from a seed, the Optuna sampler that draws what ``param_space`` leaves open
                beside the architecture; TPE by default.
        """
        super().__init__(
            space,
            metric,
            mode,
            points_to_evaluate=points_to_evaluate,
            evaluated_rewards=evaluated_rewards,
            seed=seed,
            max_concurrent=max_concurrent,
            twins=twins,
            hyperparameter_sampler=hyperparameter_sampler,
        )
        if refit_every < 1 or num_candidates < 1:
            raise ValueError("refit_every and num_candidates must be at least 1.")
        self._predictor = self._resolve(predictor)
        self._refit_every = refit_every
        self._num_candidates = num_candidates
        self._synchronous = synchronous
        self._ranking: Ranking | None = None
        self._position = 0  # of the next candidate in the ranking
        self._num_refits = 0
        self._num_labels_used = 0  # by the newest refit, finished or failed
        self._zero_shot_due = hasattr(self._predictor, "adapt")
        self._job: RankingJob | None = None
        self._job_labels = 0

    def _resolve(self, predictor: Predictor | str | Path | None) -> Predictor | None:
        """The predictor to copy at each refit; None for one from scratch."""
        if predictor is None or isinstance(predictor, Predictor):
            return predictor
        if not isinstance(predictor, (str, Path)):
            raise ValueError(f"predictor must be 'default', a path, None or a Predictor, not {predictor!r}.")
        loaded, card = load_checkpoint(BUNDLED if predictor == "default" else predictor)
        if card.covers(self.space):
            return loaded
        logger.warning(
            "The predictor %s does not know all operations of %s: one is trained from scratch instead.",
            card.name,
            self._space_name,
        )
        return None

    @property
    def num_refits(self) -> int:
        """How often the predictor was fitted."""
        return self._num_refits

    def _propose(self) -> Architecture | Literal["FINISHED"] | None:
        self._update_ranking()
        if self._job is not None and (self._synchronous or self._ranking is None):
            return None  # the first ranking comes within seconds: better than trials at random
        if self._ranking is None:
            self._ranking = random_ranking(
                self._space_name, min(self._num_candidates, 1_000), self._next_rng(), self._twins
            )
            self._position = 0
        while self._position < len(self._ranking):
            place = self._position
            self._position += 1
            if int(self._ranking.keys[place]) not in self._seen:
                return self.space.architecture(self._ranking.codes[place])
        return self._random_unseen() or "FINISHED"

    def _on_label(self) -> None:
        if self._ranking is not None:  # else these are results known beforehand, and there are more to come
            self._update_ranking()

    def _update_ranking(self) -> None:
        """Take over a ranking that is ready; start the next if it is due. Waits for nothing."""
        self._take_over()
        num_labels = len(self.observations.completed)
        enough = num_labels >= max(2, self._num_labels_used + self._refit_every)
        if self._job is None and (enough or self._zero_shot_due):
            self._zero_shot_due = False
            self._start_refit(num_labels)
            self._take_over()  # without Ray it is ready at once

    def _take_over(self) -> None:
        if self._job is None:
            return
        try:
            ranking = self._job.poll()
        except Exception:
            self._job, self._num_labels_used = None, self._job_labels
            self._count_failure("could not refit its predictor, so the ranking before stays in use")
        else:
            if ranking is not None:
                self._job, self._num_labels_used = None, self._job_labels
                self._adopt(ranking)

    def _start_refit(self, num_labels: int) -> None:
        archs, labels = self.observations.labels()
        request = RankingRequest(
            space=self._space_name,
            archs=archs,
            labels=labels,
            predictor=self._predictor,
            num_candidates=self._num_candidates,
            # Differs between refits, and is the same again when a restored searcher repeats one that was cut off.
            seed=int(np.random.SeedSequence([self._seed, self._num_refits, num_labels]).generate_state(1)[0]),
            twins=self._twins,
        )
        self._job_labels = num_labels
        try:
            self._job = RankingJob(request)
        except Exception:
            self._num_labels_used = num_labels
            self._count_failure("could not refit its predictor, so the ranking before stays in use")

    def _adopt(self, ranking: Ranking) -> None:
        self._ranking, self._position = ranking, 0
        self._num_refits += ranking.num_points > 0
        event = {
            "event": "refit" if ranking.num_points else "zero_shot",
            "refit": self._num_refits,
            "points": ranking.num_points,
            "candidates": len(ranking),
            "seconds": ranking.seconds,
            "spearman_of_proposals": self.observations.rank_correlation(),
        }
        self.events.append(event)

    def _explain(self, arch: Architecture) -> dict[str, Any]:
        """Rank and predicted score of the candidate just taken, and how many results the ranking does not know."""
        ranking, place = self._ranking, self._position - 1
        taken = ranking is not None and 0 <= place < len(ranking) and int(ranking.keys[place]) == self._key(arch)
        if ranking is None or not taken or not len(ranking.predicted):
            return {"predicted": None, "rank": None, "ranking": self._num_refits, "ranking_age": None}
        return {
            "predicted": float(ranking.predicted[place]),
            "rank": place + 1,
            "ranking": self._num_refits,
            "ranking_age": len(self.observations.completed) - ranking.num_points,
        }

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        plain: dict[str, Any] = {
            "refit_every": self._refit_every,
            "num_candidates": self._num_candidates,
            "synchronous": self._synchronous,
            "num_refits": self._num_refits,
            "num_labels_used": self._num_labels_used,
            "position": self._position,
            "ranking": None,
        }
        if self._ranking is None:
            return plain, {}
        ranking = self._ranking
        plain["ranking"] = {"num_points": ranking.num_points, "seconds": ranking.seconds}
        return plain, {"codes": ranking.codes, "keys": ranking.keys, "predicted": ranking.predicted}

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._refit_every, self._num_candidates = plain["refit_every"], plain["num_candidates"]
        self._synchronous, self._num_refits = plain["synchronous"], plain["num_refits"]
        self._num_labels_used, self._position = plain["num_labels_used"], plain["position"]
        self._job, self._job_labels, self._ranking = None, 0, None
        if plain["ranking"] is not None:
            self._zero_shot_due = False
            self._ranking = Ranking(
                self._space_name, arrays["codes"], arrays["keys"], arrays["predicted"], **plain["ranking"]
            )

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles the searcher when a Tuner is made; a refit under way is not part of it and will be repeated."""
        return {**super().__getstate__(), "_job": None, "_job_labels": 0}
