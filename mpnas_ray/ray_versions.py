"""The versions of Ray that mpnas-ray is tested with, and one error for a Ray that is not as it relies on.

Some of what a search needs is not part of Ray's documented interface. It is used by few modules, whose contracts with
Ray are listed and checked in tests/cluster/ray/test_contracts.py. No Ray is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from mpnas_ray.errors import RunError, UntestedRayError
from mpnas_ray.extras import require_extra

__all__ = ["TESTED_RAY", "check_ray_version", "relying_on_ray", "require_dashboard"]

TESTED_RAY = ">=2.57,<2.61"
"""Version specifier of Ray, the same as in pyproject.toml. The contract tests pass with its first and last release."""


def check_ray_version() -> None:
    """Refuse a Ray whose version is outside `TESTED_RAY`.

    Raises:
        UntestedRayError: If the installed Ray is one.
    """
    from packaging.specifiers import SpecifierSet

    if not SpecifierSet(TESTED_RAY).contains(version("ray"), prereleases=True):
        raise UntestedRayError(_message("this version is untested"))


def require_dashboard(to: str) -> None:
    """Refuse work that needs Ray's dashboard where the extra ``cluster``, Ray with its dashboard, is not installed.

    Args:
        to: Subject of the sentence "... needs aiohttp".

    Raises:
        RunError: If it is not.
    """
    require_extra("cluster", "aiohttp", "aiohttp_cors", "opencensus", "prometheus_client", to=to, error=RunError)


@contextmanager
def relying_on_ray() -> Iterator[None]:
    """Turn the errors of a missing name in Ray into one that names the tested versions.

    Raises:
        UntestedRayError: If something within is not there, or takes other arguments.
    """
    try:
        yield
    except (ImportError, AttributeError, TypeError) as error:
        raise UntestedRayError(_message(f"it is not as mpnas-ray relies on ({error})")) from error


def _message(problem: str) -> str:
    return (
        f"Ray {version('ray')} is installed, and {problem}. mpnas-ray is tested with Ray {TESTED_RAY}: "
        f"pip install 'ray[tune]{TESTED_RAY}'"
    )
