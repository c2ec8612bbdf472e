"""Methods that judge partially trained networks, by name; `mpnas_ray.catalogue.make_curve_method` makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpnas_ray.curves.extrapolation import extrapolated
from mpnas_ray.curves.lcsvr import LcSVR
from mpnas_ray.curves.omni import OMNI
from mpnas_ray.curves.partial import CurveMethod
from mpnas_ray.curves.rank_learning import LCRankNetMethod
from mpnas_ray.curves.training_speed import Unlearned, last_value, sotl, sotl_e, tse_ema

__all__ = ["CURVE_METHODS", "CurveMethodEntry"]


@dataclass(frozen=True)
class CurveMethodEntry:
    """One method for learning curves.

    Attributes:
        make: Function from a seed to a method that has been fitted to nothing.
        source: One line that says what it does, and who published it.
        learns: True if it has to be fitted to completed trainings first.
        needs: Names of what the partial curves must hold beside scores and train losses: ``archs``, ``jacob_cov``.
    """

    make: Callable[[int], CurveMethod]
    source: str
    learns: bool = False
    needs: tuple[str, ...] = ()


CURVE_METHODS: dict[str, CurveMethodEntry] = {
    "last-value": CurveMethodEntry(lambda seed: Unlearned(last_value), "the newest validation score"),
    "sotl": CurveMethodEntry(lambda seed: Unlearned(sotl), "sum of training losses, Ru et al. 2021"),
    "sotl-e": CurveMethodEntry(lambda seed: Unlearned(sotl_e), "train loss of the last epoch, Ru et al. 2021"),
    "tse-ema": CurveMethodEntry(lambda seed: Unlearned(tse_ema), "decayed sum of training losses, Ru et al. 2021"),
    "extrapolation": CurveMethodEntry(lambda seed: Unlearned(extrapolated), "parametric curves, Domhan et al. 2015"),
    "lcsvr": CurveMethodEntry(
        lambda seed: LcSVR(seed=seed), "support vector regression, Baker et al. 2017", learns=True
    ),
    "lcranknet": CurveMethodEntry(
        lambda seed: LCRankNetMethod(seed=seed), "pairwise ranking, Wistuba and Pedapati 2020", learns=True
    ),
    "omni": CurveMethodEntry(
        lambda seed: OMNI(seed=seed), "NGBoost, White et al. 2021", learns=True, needs=("archs", "jacob_cov")
    ),
}
"""Method by name. ``lcranknet`` is not pre-trained here: see `BUNDLED_NETWORK`, and `pretrain_without`."""
