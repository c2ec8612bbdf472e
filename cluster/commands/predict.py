"""``mpnas predict``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cluster.commands.printing import print_table

if TYPE_CHECKING:
    from cluster.artifacts.prediction import Prediction

__all__ = ["predict"]


class _Kind(str, Enum):
    quality = "quality"
    cost = "cost"


class _Mode(str, Enum):
    max = "max"
    min = "min"


def predict(
    archs: Annotated[
        list[str] | None, typer.Argument(metavar="ARCH...", help="Architecture strings.", show_default=False)
    ] = None,
    space: Annotated[str | None, typer.Option(help="Their space.  [default: the one that the first names]")] = None,
    file: Annotated[
        Path | None, typer.Option(help="File with more architectures: one a line, or a table or .json list with arch.")
    ] = None,
    observed: Annotated[
        Path | None,
        typer.Option(help="Adapt first to measured architectures: a .csv or .json file with arch and score."),
    ] = None,
    mode: Annotated[
        _Mode | None,
        typer.Option(help="Whether observed scores are better high or low.  [default: max, for a cost min]"),
    ] = None,
    measures: Annotated[
        _Kind | None, typer.Option(help="What the task measures: an accuracy or error, or a latency or energy.")
    ] = None,
    predictor: Annotated[str, typer.Option(help="Checkpoint of `mpnas meta-train`.")] = "default",
    seed: Annotated[int, typer.Option(help="Seed of the random architectures compared with.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predict where architectures stand in their space, and how sure that is, without training anything."""
    from cluster.artifacts.prediction import predict_architectures, read_archs

    texts = list(archs or [])
    if file is not None:
        texts += read_archs(file)
    prediction = predict_architectures(
        texts,
        space,
        predictor=predictor,
        measures=None if measures is None else measures.value,
        observed=observed,
        mode=None if mode is None else mode.value,
        seed=seed,
    )
    if as_json:
        typer.echo(prediction.to_json())
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
    typer.echo(
        f"\nBy {prediction.predictor}, {known}. Rank 1 is the best of {prediction.num_others:,} architectures of "
        f"{prediction.space}; the percentile is the percentage of them that are worse."
    )
