"""Names that are nearly right get a suggestion, whatever they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mpnas_ray.catalogue import make_curve_method, make_predictor
from mpnas_ray.errors import MPNASError
from mpnas_ray.meta_learning.gradient import MetaConfig
from mpnas_ray.names import did_you_mean, no_such
from mpnas_ray.predictors import KernelProcessPredictor
from mpnas_ray.predictors.regression.predictor import RegressionPredictor
from mpnas_ray.pretrained import load_checkpoint
from mpnas_ray.spaces import get_space
from mpnas_ray.tables.normalization import normalize


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("darsy", "darcy"),
        ("Darcy", "darcy"),
        ("DARCY 421", "darcy-421"),
        ("local_search", "local-search"),
        ("nothing like it", None),
        ("", None),
        (5, None),
        (None, None),
    ],
)
def test_the_nearest_name_is_suggested(name: object, meant: str | None) -> None:
    suggestion = did_you_mean(name, ["darcy", "darcy-421", "local-search"])
    assert suggestion == (f" Did you mean {meant!r}?" if meant else "")


def test_the_message_says_what_there_is() -> None:
    assert no_such("task", "darsy", ["darcy"]) == "There is no task 'darsy'. There are: darcy. Did you mean 'darcy'?"
    assert no_such("task", "x", []) == "There is no task 'x'. There is none."


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (lambda: get_space("nasbench-201"), "nasbench201"),
        (
            lambda: get_space("nasbench201").parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_conect~0|none~1|none~2|"),
            "skip_connect",
        ),
        (lambda: get_space("mixed").parse("nasbench-asr:|skip|skip|skip|"), "nasbenchasr"),
        (lambda: make_predictor("bannanas"), "bananas"),
        (lambda: make_curve_method("lcsrv"), "lcsvr"),
        (lambda: RegressionPredictor("random_forrest"), "random-forest"),
        (lambda: KernelProcessPredictor("path"), "paths"),
        (lambda: MetaConfig(algorithm="bool"), "boil"),  # type: ignore[arg-type]
        (lambda: load_checkpoint("mpnas4"), "mpnas-4"),
        (lambda: load_checkpoint("defualt"), "default"),
        (lambda: normalize([0.0, 1.0], "ranks"), "rank"),  # type: ignore[arg-type]
    ],
)
def test_every_registry_suggests(ask: Callable[[], Any], meant: str) -> None:
    with pytest.raises(MPNASError, match=f"Did you mean '{meant}"):
        ask()


@pytest.mark.parametrize("name", [None, 5, ["mixed"], {}])
def test_what_is_no_text_is_refused_like_an_unknown_name(name: Any) -> None:
    with pytest.raises(MPNASError, match="There is no search space"):
        get_space(name)
