"""Check the resources that a user asks of a cluster for trials and other workers, and put amounts into words."""

from __future__ import annotations

from collections.abc import Mapping

from mpnas_ray.checks import require_number
from mpnas_ray.errors import RunError

__all__ = ["ACCELERATOR_PREFIX", "Resources", "check_cpus", "check_further", "check_gpus", "in_words"]

Resources = dict[str, float]
"""The resources of one worker, e.g. ``{"CPU": 1, "GPU": 0.5}``; ``memory`` in bytes."""

ACCELERATOR_PREFIX = "accelerator_type:"

_SMALLEST = 1e-4
"""The unit in which Ray counts resources."""

_BYTES = ("memory", "object_store_memory")


def check_cpus(name: str, amount: object) -> float:
    """Return a number of CPU cores as a plain float.

    Raises:
        RunError: If it is no number, not finite, or less than Ray counts.
    """
    return require_number(name, amount, error=RunError, at_least=_SMALLEST)


def check_gpus(name: str, amount: object) -> float:
    """Return a number of GPUs as a plain float: 0, a fraction of one, or whole ones.

    Raises:
        RunError: If it is another amount.
    """
    number = require_number(name, amount, error=RunError, at_least=0.0)
    if number > 1 and not number.is_integer():
        raise RunError(f"{name} is a fraction or a whole number of GPUs, not {number:g}.")
    if 0 < number < _SMALLEST:
        raise RunError(f"{name} must be 0 or at least {_SMALLEST:g}, not {number:g}.")
    return number


def check_further(amounts: Mapping[str, object]) -> Resources:
    """Return amounts of resources that the cluster's nodes have by name, as plain floats.

    Raises:
        RunError: If a name is empty or one of Ray's own, or an amount is not what Ray counts.
    """
    plain = {}
    for name, amount in amounts.items():
        if not isinstance(name, str) or not name.strip():
            raise RunError(f"A resource has a name, as the cluster's nodes have it; {name!r} is none.")
        if name in ("CPU", "GPU", *_BYTES) or name.startswith(ACCELERATOR_PREFIX):
            raise RunError(
                f"resources_per_trial are resources of your own, not {name}: CPUs, GPUs and the kind of GPU have "
                f"options of their own, and memory is reckoned from the network."
            )
        try:
            plain[name] = require_number(name, amount, error=RunError, at_least=_SMALLEST)
        except RunError as error:
            raise RunError(
                f"resources_per_trial are amounts above 0, not {name}={amount}; Ray counts them in units of "
                f"{_SMALLEST:g}."
            ) from error
    return plain


def in_words(amounts: Mapping[str, float]) -> str:
    """Return amounts as a person reads them: ``1 CPU, 0.5 GPU, 0.72 GB of memory, a GPU of the kind A100, 2 slots``."""
    return ", ".join(_in_words(name, amount) for name, amount in amounts.items())


def _in_words(name: str, amount: float) -> str:
    if name.startswith(ACCELERATOR_PREFIX):
        return f"{'a' if amount > 0 else 'no'} GPU of the kind {name.removeprefix(ACCELERATOR_PREFIX)}"
    if name in _BYTES:
        kind = "memory" if name == "memory" else "memory for objects"
        return f"{amount / 1e9:.2f} GB of {kind}" if amount >= 1e7 or not amount else f"{amount / 1e6:.2g} MB of {kind}"
    return f"{amount:g} {name}"
