"""The console script ``mpnas``, and ``python -m mpnas_cli``.

It is no part of `cluster`, because there may be another module of that name on the path: a ``cluster.py`` in a folder
that ``PYTHONPATH`` names, or in the one that a job was submitted with. The module ``cluster.cli`` is the same command
where there is not, as in a checkout.
"""

from __future__ import annotations

from mpnas_ray.own_packages import put_first

__all__ = ["main"]


def main() -> None:
    """Run the command ``mpnas`` of the installation that this module is in."""
    put_first()
    from cluster.cli import main as run

    run()


if __name__ == "__main__":
    main()
