"""Predict where given architectures stand in their space, as ``mpnas predict`` does."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from cluster.artifacts.config import ExplanationConfig, PredictionConfig
from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import PredictorError, SearchSpaceError
from mpnas_ray.files.json_records import parse_json
from mpnas_ray.files.text import column_names, read_rows, read_text
from mpnas_ray.meta_learning.gradient import MetaPredictor
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.metric_values import metric_value
from mpnas_ray.predictors.cost.predictor import CostPredictor
from mpnas_ray.predictors.percentiles import predict_percentiles
from mpnas_ray.predictors.support import thinned_points
from mpnas_ray.pretrained import PredictorCard, find_checkpoint, load_checkpoint
from mpnas_ray.spaces import SPACE_NAMES, Architecture, Architectures, SearchSpace, get_space, parse_architecture
from mpnas_ray.tables import Kind

__all__ = [
    "AdaptedPredictor",
    "PredictedArchitecture",
    "Prediction",
    "predict_architectures",
    "read_archs",
    "read_observed",
]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictedArchitecture:
    """One architecture; see `mpnas_ray.predictors.percentiles` for rank, percentile and interval.

    ``expected`` is its expected cost in the unit of the observed ones; None if nothing was observed, or no cost.
    """

    arch: str
    rank: int
    percentile: float
    low: float | None
    high: float | None
    expected: float | None = None


@dataclass(frozen=True)
class Prediction:
    """Some architectures, best first.

    Attributes:
        space: Name of their space.
        predictor: Name of the predictor.
        measures: Kind that the task is taken to measure, ``quality`` or ``cost``; None if either.
        num_observed: Measured architectures that the predictor was adapted to.
        num_given: Measured architectures that there were, of which these were chosen as a search does.
        num_others: Architectures of the space they are compared with.
        architectures: The predictions.
    """

    space: str
    predictor: str
    measures: Kind | None
    num_observed: int
    num_given: int
    num_others: int
    architectures: tuple[PredictedArchitecture, ...]

    def to_json(self) -> str:
        """Write it as JSON, for programs."""
        return json.dumps(asdict(self), indent=2)


def predict_architectures(config: PredictionConfig) -> Prediction:
    """Rank architectures beside random ones of their space, as a meta-learned predictor sees them.

    Raises:
        SearchSpaceError: If a string is no architecture of the space.
        PredictorError: If the predictor cannot be read, does not cover the space or a file is not as it should be.
    """
    texts = [*config.archs, *(read_archs(Path(config.file)) if config.file is not None else ())]
    if not texts:
        raise SearchSpaceError("There is no architecture to predict: name one, or a file with one a line.")
    of_space = get_space(config.space) if config.space is not None else parse_architecture(texts[0].strip()).space
    asked = [_parse(text, of_space) for text in texts]
    adapted = AdaptedPredictor.of(config, of_space)
    predictor = adapted.predictor
    found = predict_percentiles(predictor, Architectures.of(asked, of_space), np.random.default_rng(config.seed))
    expected = None
    if isinstance(predictor, CostPredictor) and adapted.differ:
        expected = predictor.predict(asked) * (1 if adapted.mode == "max" else -1)
    rows = [
        PredictedArchitecture(
            str(arch),
            int(found.rank[row]),
            float(found.percentile[row]),
            None if found.low is None else float(found.low[row]),
            None if found.high is None else float(found.high[row]),
            None if expected is None else float(expected[row]),
        )
        for row, arch in enumerate(asked)
    ]
    rows.sort(key=lambda row: row.rank)
    return Prediction(
        of_space.name,
        adapted.name,
        adapted.measures,
        adapted.num_observed,
        adapted.num_given,
        found.num_others,
        tuple(rows),
    )


@dataclass(frozen=True)
class AdaptedPredictor:
    """A predictor as the options of a command say, adapted to the measurements they name.

    Attributes:
        predictor: The predictor.
        name: Name of its card.
        measures: Kind that the task is taken to measure; None if either.
        mode: Mode of the measured scores.
        num_observed: Number of measured architectures that it was adapted to.
        num_given: Number of measured architectures that there were.
        differ: True if measured scores differ.
    """

    predictor: MetaPredictor | MixturePredictor | CostPredictor
    name: str
    measures: Kind | None
    mode: str
    num_observed: int
    num_given: int
    differ: bool

    @classmethod
    def of(cls, config: PredictionConfig | ExplanationConfig, space: SearchSpace) -> AdaptedPredictor:
        """Load the predictor, say what it measures, and adapt it.

        Raises:
            SearchSpaceError: If the file names an architecture that is none of the space.
            PredictorError: If the predictor cannot be read, does not cover the space or the file is not as it should
                be.
        """
        if config.measures is not None:
            require_one_of("measures", config.measures, get_args(Kind), error=PredictorError)
        measures, mode = cast(Kind | None, config.measures), config.mode
        if mode is None:
            mode = "min" if measures == "cost" else "max"
        is_default_for_cost = config.predictor == "default" and measures == "cost"
        loaded, card = load_checkpoint(find_checkpoint("cost" if is_default_for_cost else config.predictor, space))
        _check_cover(card, space)
        if measures is not None:
            if not isinstance(loaded, MixturePredictor | CostPredictor):
                raise PredictorError(
                    f"The predictor {card.name!r} does not tell qualities from costs: do not say what the task "
                    "measures."
                )
            loaded = loaded.measuring(measures)
        num_observed, num_given, scores = 0, 0, np.empty(0)
        if config.observed is not None:
            measured, values = read_observed(Path(config.observed), space)
            scores = np.array(values) if mode == "max" else -np.array(values)
            kept = thinned_points(scores)
            num_given, num_observed = len(scores), len(kept)
            loaded = loaded.adapt(Architectures.of(measured, space)[kept], scores[kept])
        elif measures is None and isinstance(loaded, MixturePredictor):
            measures = "quality"
        if isinstance(loaded, CostPredictor):
            measures = "cost"
        return cls(loaded, card.name, measures, mode, num_observed, num_given, len(set(scores.tolist())) > 1)


def read_archs(path: Path) -> list[str]:
    """Read the architecture strings of a file.

    The file has one a line, or is a table as of `read_observed`, of which the column or key ``arch`` is read, or a JSON
    list of strings.

    Raises:
        PredictorError: If it cannot be read.
    """
    try:
        text = read_text(path)
        if path.suffix.lower() == ".json":
            listed = parse_json(text)
            if isinstance(listed, list) and all(isinstance(item, str) for item in listed):
                return listed
            return [str(arch) for (arch,) in _json_rows(listed, ("arch",))]
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines and (any(separator in lines[0] for separator in ",;\t") or lines[0].strip("\"'").lower() == "arch"):
            return [arch for (arch,) in read_rows(text, ("arch",)) if arch]
        return [line.strip("\"'") for line in lines]
    except (OSError, ValueError) as error:
        raise PredictorError(f"{path} cannot be read as architectures, one a line: {error}.") from error


def read_observed(path: Path, space: SearchSpace) -> tuple[list[Architecture], list[float]]:
    """Read the measured architectures of a file, and their scores.

    The file is CSV with a header, or JSON (``*.json``), a list of objects; in any encoding of `read_text`, and as
    `read_rows` reads tables. It has the column or key ``arch`` and the scores in ``score``. Where there is none, they
    are in the one that our own files have: ``value`` of a NAS table, ``validation`` of a report, or the metric in the
    trials of a run (`cluster.artifacts.trial_tables`), of which only complete ones are used; a warning names it. Of
    learning curves (`mpnas_ray.tables.curves`), the last epoch of each training is used. Other columns and keys are not
    used.

    A score of NaN or infinity is that of a failed training, which is left out, as in a search; a warning counts them.

    Raises:
        PredictorError: If it cannot be read, more than one of these columns may hold the scores, learning curves are of
            several tasks, or a score is missing or no number; with the row.
        SearchSpaceError: If it names an architecture that is none of the space.
    """
    try:
        text, is_json = read_text(path), path.suffix.lower() == ".json"
        listed = parse_json(text) if is_json else None
        names = _keys(listed) if is_json else column_names(text)
        wanted = ["arch", _score_column(names), *(["state"] if set(names) >= _TRIALS else [])]
        read = partial(_json_rows, listed) if is_json else partial(read_rows, text)
        rows = read(wanted)
        if set(names) >= set(_CURVES):
            rows = [rows[number] for number in _last_epochs(read(("arch", *_CURVES)))]
    except (OSError, ValueError) as error:
        raise PredictorError(f"{path} cannot be read as measured architectures: {error}.") from error
    if wanted[1] != "score":
        logger.warning("%s: the scores are read from %r.", path, wanted[1])
    archs, scores = [], []
    for number, (arch, given, *state) in enumerate(rows, 1):
        if state not in ([], ["complete"]):
            continue
        if arch is None or given is None:
            raise PredictorError(f"{path}: entry {number} does not have both an arch and a score.")
        score = metric_value(given)
        if math.isnan(score) and str(given).strip().lower() != "nan":
            raise PredictorError(f"{path}: entry {number} has the score {given!r}, which is not a number such as 0.93.")
        parsed = _parse(str(arch), space)
        if math.isfinite(score):
            archs.append(parsed)
            scores.append(score)
    if not archs:
        raise PredictorError(f"{path} holds no measured architecture.")
    if len(archs) < len(rows):
        logger.warning(
            "%s: %d of %d entries are left out as failed%s trainings.",
            *(path, len(rows) - len(archs), len(rows), " or incomplete" if len(wanted) > 2 else ""),
        )
    return archs, scores


_WRITTEN = ("value", "validation")
_TRIALS = {"trial_id", "state"}
"""Columns that tell the trials of a run; the metric, under its own name, follows ``state``."""


_CURVES = ("task", "seed", "epoch")
"""Columns that tell learning curves, of which every epoch has a row."""


def _last_epochs(rows: Sequence[Sequence[Any]]) -> list[int]:
    """Find the row of the last epoch of each training, given ``arch``, task, seed and epoch of each row.

    Raises:
        ValueError: If they are of several tasks, or an epoch is no number.
    """
    tasks = list(dict.fromkeys(task for _, task, _, _ in rows))
    if len(tasks) > 1:
        raise ValueError(f"it has the scores of several tasks, {', '.join(map(str, tasks))}: keep the rows of one")
    last: dict[tuple[Any, Any], tuple[float, int]] = {}
    for number, (arch, _, seed, epoch) in enumerate(rows):
        so_far, _ = last.get((arch, seed), (-math.inf, number))
        if (reached := float(str(epoch))) > so_far:
            last[arch, seed] = reached, number
    return [number for _, number in last.values()]


def _score_column(names: Sequence[str]) -> str:
    """Return the column of the scores, see `read_observed`; ``score`` if there is none.

    Raises:
        ValueError: If it may be one of several.
    """
    if "score" in names:
        return "score"
    found = [name for name in _WRITTEN if name in names]
    if set(names) >= _TRIALS:
        after = names.index("state") + 1
        found += [name for name in names[after : after + 1] if name not in found]
    if len(found) > 1:
        raise ValueError(f"its scores may be {' or '.join(map(repr, found))}: call the one that is meant 'score'")
    return found[0] if found else "score"


def _keys(listed: Any) -> list[str]:
    """List the keys of all objects of a JSON list, in lower case; none if it is something else."""
    if not isinstance(listed, list):
        return []
    return list(dict.fromkeys(str(key).strip().lower() for item in listed if isinstance(item, dict) for key in item))


def _json_rows(listed: Any, keys: Sequence[str]) -> list[list[Any]]:
    """Read these keys of each object of a JSON list, in upper or lower case; None for a key that an object lacks."""
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise ValueError(f"it is not a list of objects with {' and '.join(keys)}")
    rows = [{str(key).strip().lower(): value for key, value in item.items()} for item in listed]
    for key in keys:
        if rows and not any(key in row for row in rows):
            raise ValueError(
                f"its objects have no {key!r}; the first has: {', '.join(map(repr, listed[0])) or 'nothing'}"
            )
    return [[row.get(key) for key in keys] for row in rows]


def _parse(text: str, space: SearchSpace) -> Architecture:
    """Parse an architecture of the space; one that names another space is refused."""
    text = text.strip()
    named = text.partition(":")[0]
    if named in SPACE_NAMES and named != space.name and text not in space:
        raise SearchSpaceError(f"{text!r} names the space {named}, but the architectures are of {space.name}.")
    return space.parse(text)


def _check_cover(card: PredictorCard, space: SearchSpace) -> None:
    if not card.covers(space):
        raise PredictorError(
            f"The predictor {card.name!r} has learned from {', '.join(card.spaces)} and does not know all operations "
            f"of {space.name}: take the default one, or meta-train one on that space."
        )
