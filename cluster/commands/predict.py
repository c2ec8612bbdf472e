"""``mpnas predict``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table

from cluster.artifacts.config import MODES, PredictionConfig
from cluster.commands.names import KINDS
from cluster.commands.options import takes_options
from cluster.commands.printing import print_table, say
from mpnas_ray.spaces import SPACE_NAMES

if TYPE_CHECKING:
    from cluster.artifacts.prediction import Prediction

__all__ = ["predict"]


@dataclass(frozen=True, kw_only=True)
class _Options(PredictionConfig):
    """Options of ``mpnas predict``: those of `PredictionConfig`, and how the prediction is printed.

    Attributes:
        as_json: Print JSON.
    """

    as_json: bool = field(default=False, metadata={"option": "--json"})


@takes_options(_Options, names={"space": SPACE_NAMES, "mode": MODES, "measures": KINDS})
def predict(options: _Options) -> None:
    """Predict where architectures stand in their space, and how sure that is, without training anything."""
    from cluster.artifacts.prediction import predict_architectures

    prediction = predict_architectures(options)
    if options.as_json:
        say(prediction.to_json())
    else:
        _print(prediction)


def _print(prediction: Prediction) -> None:
    table = Table("architecture", box=None, pad_edge=False)
    expects = any(row.expected is not None for row in prediction.architectures)
    for name in ("rank", "percentile", "80 % interval", *(["expected"] if expects else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for row in prediction.architectures:
        interval = "not known" if row.low is None else f"{row.low:.1f} to {row.high:.1f}"
        expected = [] if row.expected is None else [f"{row.expected:.4g}"]
        table.add_row(row.arch, f"{row.rank:,}", f"{row.percentile:.1f}", interval, *expected)
    print_table(table)
    known = f"adapted to {prediction.num_observed} measured architectures"
    if prediction.num_given > prediction.num_observed:
        known = (
            f"adapted to {prediction.num_observed} of {prediction.num_given:,} measured architectures, as a search "
            f"would be (the best ones and the last of the others)"
        )
    if not prediction.num_observed:
        known = "before any measurement"
    if prediction.measures is not None:
        known += f", for a task that measures a {prediction.measures}"
    say(
        f"\nBy {prediction.predictor}, {known}. Rank 1 is the best of {prediction.num_others:,} architectures of "
        f"{prediction.space}; the percentile is the percentage of them that are worse."
    )
