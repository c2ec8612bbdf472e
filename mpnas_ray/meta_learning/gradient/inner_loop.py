"""The inner loop adapts the meta-learned initialisation to one task by a few gradient steps on its support set.

theta_g <- theta_g - rate_g * gradient_g L(support; theta), for the body (graph layers) and the head (last linear map).
The three algorithms are one function here and differ in the rates alone:

    MAML   both move          Finn et al. 2017
    ANIL   the head moves     Raghu et al. 2020
    BOIL   the body moves     Oh et al. 2021; the choice of MP-NAS

Beside them stands plain pre-training on all tasks, ``pretrain``: no inner loop while learning, and both parts move when
the result is fine-tuned to a new task. With one source task it is naive transfer, untrained it is a random
initialisation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import torch
from torch import Tensor

from mpnas_ray.checks import require_count, require_number, require_one_of
from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.common.network import Parameters

__all__ = ["Algorithm", "InnerRates", "OuterGradient", "adapt", "trajectory"]

Algorithm = Literal["boil", "maml", "anil", "pretrain"]

OuterGradient = Literal["second", "first", "none"]
"""Order in which an outer loss is differentiated: through the steps and their gradients (``second`` order); the steps
alone, their gradients being constants (``first`` order); or nothing, for use on a new task."""


@dataclass(frozen=True)
class InnerRates:
    """Step sizes of the two parts of the predictor; a part with rate 0 stays as it was meta-learned."""

    body: float
    head: float

    def __post_init__(self) -> None:
        require_number("InnerRates.body", self.body, at_least=0, error=PredictorError)
        require_number("InnerRates.head", self.head, at_least=0, error=PredictorError)

    @classmethod
    def of(cls, algorithm: Algorithm, rate: float) -> InnerRates:
        """Return the rates that make the inner loop this algorithm's.

        Raises:
            PredictorError: If there is no such algorithm.
        """
        require_one_of("algorithm", algorithm, get_args(Algorithm), error=PredictorError)
        return cls(body=0.0 if algorithm == "anil" else rate, head=0.0 if algorithm == "boil" else rate)

    def of_parameter(self, name: str) -> float:
        """Return the step size of the parameter of this name."""
        return self.head if name.startswith("head.") else self.body


def trajectory(
    loss: Callable[[Parameters], Tensor],
    initial: Parameters,
    rates: InnerRates,
    *,
    outer_gradient: OuterGradient = "second",
) -> Iterator[Parameters]:
    """Yield the parameters after one step, two steps, and so on without end, for all tasks at once.

    Args:
        loss: Support loss of each task, ``[tasks]``, as a function of the parameters ``[tasks, ...]``. A task's loss
            may depend on its own parameters only.
        initial: Parameters to start from, ``[tasks, ...]``; never modified. For ``first`` and ``second`` it takes part
            in the graph.
        rates: Step size of each part.
        outer_gradient: See `OuterGradient`.

    Yields:
        Adapted parameters; those that do not move are the very tensors of ``initial``.
    """
    moving = {name: tensor for name, tensor in initial.items() if rates.of_parameter(name) != 0}
    while True:
        moving = _step(loss, initial, moving, rates, outer_gradient) if moving else {}
        yield {**initial, **moving}


def adapt(
    loss: Callable[[Parameters], Tensor],
    initial: Parameters,
    rates: InnerRates,
    num_steps: int,
    *,
    outer_gradient: OuterGradient = "second",
) -> Parameters:
    """Return the parameters after ``num_steps`` steps, 0 or more; see `trajectory`.

    Raises:
        PredictorError: If ``num_steps`` is not such a number.
    """
    require_count("num_steps", num_steps, 0, error=PredictorError)
    if num_steps == 0:
        return dict(initial)
    steps = trajectory(loss, initial, rates, outer_gradient=outer_gradient)
    return next(islice(steps, num_steps - 1, None))


def _step(
    loss: Callable[[Parameters], Tensor],
    initial: Parameters,
    moving: Parameters,
    rates: InnerRates,
    outer_gradient: OuterGradient,
) -> Parameters:
    """Move ``moving`` by one gradient step; the other parameters are those of ``initial``."""
    if outer_gradient == "none":
        moving = {name: tensor.detach().requires_grad_() for name, tensor in moving.items()}
    with torch.enable_grad():
        # Tasks share no parameters, so the gradient of the sum holds the gradient of each task's own loss.
        total = loss({**initial, **moving}).sum()
        gradients = torch.autograd.grad(
            total,
            list(moving.values()),
            create_graph=outer_gradient == "second",
            materialize_grads=True,  # weights of attributes stay where a task has none
        )
    with torch.set_grad_enabled(outer_gradient != "none"):
        return {
            name: torch.add(tensor, gradient, alpha=-rates.of_parameter(name))
            for (name, tensor), gradient in zip(moving.items(), gradients, strict=True)
        }
