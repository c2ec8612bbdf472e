"""Optional libraries, which the extras of pyproject.toml bring."""

from __future__ import annotations

from importlib.util import find_spec

from mpnas_ray.errors import MPNASError

__all__ = ["require_extra"]


def require_extra(
    extra: str, *libraries: str, to: str, error: type[MPNASError] = MPNASError, otherwise: str = ""
) -> None:
    """Refuse work whose optional libraries are not installed, before it begins. Nothing is imported.

    Args:
        extra: Extra that brings the libraries.
        *libraries: Names of their modules.
        to: Subject of the sentence "... needs h5py", such as "Exporting to ONNX".
        error: Class of the error.
        otherwise: End of the message, after a comma: another way that needs no libraries.

    Raises:
        MPNASError: Of the class ``error``, if one of the libraries is not installed.
    """
    missing = [name for name in libraries if not _is_installed(name)]
    if missing:
        remedy = f"pip install 'mpnas-ray[{extra}]'{f', {otherwise}' if otherwise else ''}."
        raise error(f"{to} needs {', '.join(missing)}: {remedy}")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # it is blocked: None stands in its place in sys.modules
        return False
