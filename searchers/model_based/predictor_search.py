"""Search by a predictor: it ranks candidates, and is refitted as results come in."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mpnas_ray.checks import require_bool, require_count, require_one_of
from mpnas_ray.errors import SettingError
from mpnas_ray.predictors import MetaLearned, Predictor
from mpnas_ray.spaces import Architecture, SearchSpace
from searchers.background import BackgroundWorker
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.proposals import Proposal
from searchers.core.shared_arguments import SharedArguments
from searchers.core.state import Arrays, value_of
from searchers.core.zero_cost import Score
from searchers.model_based.ranking.acquisition import ACQUISITIONS, Acquisition
from searchers.model_based.ranking.base import Rank, Ranking, RankingRequest, random_ranking
from searchers.model_based.ranking.by_predictor import PredictorRanker
from searchers.model_based.ranking.prior_score import PriorScore
from searchers.model_based.ranking.transfer_check import TransferCheck, Verdict

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["PredictorSearch", "RankingArguments"]

logger = logging.getLogger(__name__)


class RankingArguments(SharedArguments, total=False):
    """Keyword arguments that the searchers with a predictor of their own share; `PredictorSearch` documents them."""

    num_candidates: int
    synchronous: bool


class PredictorSearch(ArchitectureSearcher):
    """Proposes the architectures that a predictor, fitted to all results, finds most promising.

    At first they come in random order, or as the predictor ranks them without a result if it is meta-learned. It is
    fitted each time ``refit_every`` new results are in; then all candidates are ranked, or a fresh sample of a large
    space, and proposed best first. Fitting and ranking run in a Ray actor beside the trials; meanwhile the ranking
    before stays in use.

    A predictor of yours follows `mpnas_ray.predictors.Predictor`; one that also has ``predict_with_std`` and
    ``sample_scores`` lets the acquisition weigh what is not known.

    Args:
        predictor: A predictor, which is copied and fitted afresh each time; one that has ``adapt`` is meta-learned, and
            ranks before the first result too. None for a graph network that learns from the results alone.
        acquisition: ``mean``, ``ei``, ``ucb`` or ``thompson``; a predictor that knows no uncertainty ranks by the mean.
        prior_score: A zero-cost score: N architectures -> a number for each ``[N]``, higher is better, NaN where
            there is none. The best of each ranking are put in a new order, by the mean of their ranks by predictor
            and by score, whose weight fades as results come in (`searchers.model_based.ranking.prior_score`). Computed
            where rankings are made, beside the trials. It is not part of the saved state. On NAS-Bench-201, naswot
            helps a predictor that knows no image task to rank for images, until some ten results are in; beside one
            that does, and on other tasks, it does some harm (benchmarks/results/naswot.md).
        refit_every: Number of new results that call for a new ranking.
        num_random: Number of results before the first fit of a predictor that is not meta-learned.
        num_candidates: Number of candidates that are sampled and ranked each time; spaces of up to 40,000 are ranked
            whole.
        seed: Seed of everything that the searcher draws; makes sequential runs reproducible if ``synchronous`` is set.
        synchronous: Give out nothing while a new ranking is due, so that every proposal knows all results.

    Raises:
        SettingError: If a number is not a whole one of at least 1, or another argument is of the wrong kind.

    Example:
        >>> from mpnas_ray.catalogue import make_predictor
        >>> from searchers import PredictorSearch
        >>> searcher = PredictorSearch("transnasbench101", "accuracy", "max", make_predictor("bayes-linear"), seed=0)
        >>> for trial_id in "abcde":
        ...     config = searcher.suggest(trial_id)
        ...     searcher.on_trial_complete(trial_id, {"accuracy": config["arch"].count("3") / 10})
        >>> searcher.num_refits
        1
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        predictor: Predictor | None = None,
        *,
        acquisition: Acquisition = "ei",
        prior_score: Score | None = None,
        refit_every: int = 4,
        num_random: int = 2,
        num_candidates: int = 10_000,
        synchronous: bool = False,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(space, metric, mode, **shared)
        require_one_of("acquisition", acquisition, ACQUISITIONS)
        require_bool("synchronous", synchronous)
        if predictor is not None and (isinstance(predictor, type) or not isinstance(predictor, Predictor)):
            raise SettingError(
                f"predictor must be a predictor with fit and predict, or None, not {predictor!r}: "
                f"mpnas_ray.catalogue.make_predictor makes one by name."
            )
        self._predictor = predictor
        self._cost_predictor: Predictor | None = None
        self._acquisition = acquisition
        self._prior_score = None if prior_score is None else PriorScore(prior_score)
        self._refit_every = require_count("refit_every", refit_every)
        self._num_random = require_count("num_random", num_random)
        self._num_candidates = require_count("num_candidates", num_candidates)
        self._synchronous = synchronous
        self._ranking: Ranking | None = None
        self._position = 0  # row of the next candidate in the ranking
        self._num_refits = 0
        self._num_labels_used = 0  # labels behind the newest refit, finished or failed
        self._zero_shot_due = self._knows_beforehand
        self._transfer: TransferCheck | None = None  # the newest
        self._worker: BackgroundWorker[RankingRequest, Ranking] | None = None
        self._num_samples: int | None = None  # trials of the experiment, if Tune has said so

    @property
    def num_refits(self) -> int:
        """Number of times that the predictor was fitted."""
        return self._num_refits

    @property
    def ranking_age(self) -> int | None:
        """Number of results that the ranking in use does not know; None if no predictor made it."""
        ranking = self._ranking
        if ranking is None or not len(ranking.predicted):
            return None
        return self.observations.num_learned - ranking.num_points

    @property
    def transfer_verdict(self) -> Verdict | None:
        """Verdict of the newest `TransferCheck`; None before the first."""
        return None if self._transfer is None else self._transfer.verdict

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric, mode and ``param_space`` as `ArchitectureSearcher` does; make the first ranking if it is due."""
        before = self._proposals.candidates
        taken = super().set_search_properties(metric, mode, config, **spec)
        self._num_samples = spec.get("num_samples")
        if self._proposals.candidates != before:
            self._on_new_objective()  # the ranking is one of other candidates
        self._worker = self._new_worker()
        self._worker.prepare()  # here rather than in Tune's control loop, as the first ranking
        if not len(self.observations) and not self._starting.measured:
            self._ranking, self._zero_shot_due = None, self._knows_beforehand
            if self._zero_shot_due and self._prior_score is None:
                self._update_ranking()
        return taken

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """End a trial as `ArchitectureSearcher` does; after the last one the refits' actor is released."""
        super().on_trial_complete(trial_id, result, error)
        if self._worker is None:
            return
        left = self._trials_left
        if left == 0:
            self._worker.release()
        elif self._ranking is not None and self._labels_wanted - self.observations.num_learned < left:
            self._worker.start_actor()  # in time for the next refit, but not while the first trials' processes begin

    def _propose(self) -> Proposal:
        self._update_ranking()
        if self._under_way and (self._synchronous or self._ranking is None):
            return None  # the first ranking comes within seconds: better than trials at random
        if self._ranking is None:
            num, rng = min(self._num_candidates, 1_000), self._proposals.next_rng()
            self._ranking = random_ranking(self._proposals.candidates, num, rng)
            self._position = 0
        while self._position < len(self._ranking):
            row = self._position
            self._position += 1
            if int(self._ranking.keys[row]) not in self._proposals.seen:
                return self.space.architecture(self._ranking.codes[row])
        return self._proposals.random_unseen() or "FINISHED"

    def _on_label(self) -> None:
        # Without a ranking these are results known beforehand, and there are more to come.
        if self._ranking is not None and self._trials_left:
            self._update_ranking()

    def _on_new_objective(self) -> None:
        self._ranking, self._position, self._num_labels_used, self._transfer = None, 0, 0, None
        self._zero_shot_due = self._knows_beforehand

    @property
    def _knows_beforehand(self) -> bool:
        """Say whether the searcher can rank before the first result."""
        return isinstance(self._predictor, MetaLearned) or self._prior_score is not None

    @property
    def _trials_left(self) -> float:
        """Number of trials that have not ended yet; infinite if Tune has not said how many there are."""
        if self._num_samples is None or self._num_samples <= 0:
            return math.inf
        return max(0, self._num_samples - self.observations.num_ended)

    @property
    def _labels_wanted(self) -> int:
        """Number of results with which the next refit is due."""
        first = 2 if isinstance(self._predictor, MetaLearned) else max(2, self._num_random)
        return max(first, self._num_labels_used + self._refit_every)

    @property
    def _under_way(self) -> bool:
        return self._worker is not None and self._worker.under_way is not None

    def _update_ranking(self) -> None:
        """Take over a ranking that is ready; start the next if it is due. Waits for nothing but the first."""
        if self._worker is not None and self._worker.under_way is not None:
            self._attempt(self._worker.poll, self._worker.under_way)
        archs, labels = self.observations.labels_with_failures()
        num_labels = len(archs)
        if not self._under_way and (num_labels >= self._labels_wanted or self._zero_shot_due):
            # Differs between refits, and is the same again when a restored searcher repeats one that was cut off.
            seed = int(
                np.random.SeedSequence([self._proposals.seed, self._num_refits, num_labels]).generate_state(1)[0]
            )
            costs, failed = (
                self.observations.costs_with_failures(names) if (names := self._cost_names) else (None, None)
            )
            request = RankingRequest(archs, labels, self._proposals.seen_keys(), seed, costs, failed)
            worker = self._worker = self._worker or self._new_worker()
            # Before the first trial nothing runs that it could hold up, and a process would take longer to start.
            is_first = not len(self.observations) and self._prior_score is None
            make = worker.answer_here if is_first else worker.start
            self._attempt(lambda: make(request), request)

    def _predictor_for_metric(self) -> Predictor | None:
        """Return the predictor, told what the metric says of the task."""
        return self._predictor

    @property
    def _cost_names(self) -> tuple[str, ...]:
        """Names of the costs that rankings look at beside the metric."""
        return ()

    def _rank(self) -> Rank:
        """Return the function that makes rankings."""
        return PredictorRanker(
            self._proposals.candidates,
            self._predictor_for_metric(),
            self._acquisition,
            self._num_candidates,
            self._prior_score,
            self._cost_predictor,
        ).rank

    def _new_worker(self) -> BackgroundWorker[RankingRequest, Ranking]:
        return BackgroundWorker(self._rank())

    def _attempt(self, step: Callable[[], Ranking | None], request: RankingRequest) -> None:
        try:
            ranking = step()
        except Exception:
            self._count_failure("could not refit its predictor, so the ranking before stays in use")
        else:
            if ranking is None:
                return
            self._adopt(ranking)
        self._num_labels_used, self._zero_shot_due = len(request.archs), False

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
        if ranking.transfer is not None:
            self._transfer = ranking.transfer
            event |= {
                "transfer": str(ranking.transfer),
                "transfer_verdict": ranking.transfer.verdict,
                "transfer_log_odds": ranking.transfer.log_odds,
            }
        if self._prior_score is not None:
            event["unusable_scores"] = ranking.num_unusable
        if ranking.num_unusable:
            logger.warning("%d architectures have no usable score: the score ranks them last.", ranking.num_unusable)
        if ranking.least_excess > 0:
            event["least_excess"] = ranking.least_excess
            logger.warning(
                "No architecture is expected to keep the limits on costs; the nearest exceeds one by %.0f %%.",
                100 * ranking.least_excess,
            )
        self.events.append(event)

    def _explain(self, arch: Architecture) -> dict[str, Any]:
        """Return rank and predicted score of the candidate just taken, and the age of the ranking in results."""
        ranking, row, key = self._ranking, self._position - 1, self._proposals.candidates.key(arch)
        taken = ranking is not None and 0 <= row < len(ranking) and int(ranking.keys[row]) == key
        if ranking is None or not taken or not len(ranking.predicted):
            return {"predicted": None, "rank": None, "ranking": self._num_refits, "ranking_age": None}
        return {
            "predicted": float(ranking.predicted[row]),
            "rank": row + 1,
            "ranking": self._num_refits,
            "ranking_age": self.ranking_age,
        }

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        plain: dict[str, Any] = {
            "refit_every": self._refit_every,
            "num_random": self._num_random,
            "num_samples": self._num_samples,
            "num_candidates": self._num_candidates,
            "synchronous": self._synchronous,
            "num_refits": self._num_refits,
            "num_labels_used": self._num_labels_used,
            "position": self._position,
            "transfer": None if self._transfer is None else vars(self._transfer),
            "ranking": None,
        }
        if self._ranking is None:
            return plain, {}
        ranking = self._ranking
        plain["ranking"] = {"num_points": ranking.num_points, "seconds": ranking.seconds}
        return plain, ranking.arrays()

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._refit_every = value_of(plain, "refit_every", int, least=1)
        self._num_candidates = value_of(plain, "num_candidates", int, least=1)
        self._num_random = value_of(plain, "num_random", int, least=1)
        self._num_samples = None if plain["num_samples"] is None else value_of(plain, "num_samples", int)
        self._synchronous = value_of(plain, "synchronous", bool)
        self._num_refits = value_of(plain, "num_refits", int, least=0)
        self._num_labels_used = value_of(plain, "num_labels_used", int, least=0)
        self._position = value_of(plain, "position", int, least=0)
        self._transfer = None if plain["transfer"] is None else TransferCheck.from_plain(plain["transfer"])
        self._worker, self._ranking = None, None  # a refit that was under way is repeated
        self._zero_shot_due = plain["ranking"] is None and self._knows_beforehand
        if plain["ranking"] is not None:
            ranking = value_of(plain, "ranking", dict)
            self._ranking = Ranking.from_arrays(
                arrays,
                self._proposals.candidates,
                num_points=value_of(ranking, "num_points", int, least=0),
                seconds=value_of(ranking, "seconds", float),
            )
