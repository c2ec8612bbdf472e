"""``mpnas score``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["score"]


class _Inputs(str, Enum):
    task = "task"
    random = "random"


def score(
    space: Annotated[str, typer.Option(help="Search space; see mpnas spaces.", show_default=False)],
    task: Annotated[str, typer.Option(help="See mpnas tasks.", show_default=False)],
    proxies: Annotated[
        list[str], typer.Option("--proxy", help="Repeatable: naswot, synflow, jacob_cov, ...", show_default=False)
    ],
    num_archs: Annotated[
        int, typer.Option(min=1, help="Architectures, spread over topologies and operations; all of a smaller space.")
    ] = 1000,
    preset: Annotated[str, typer.Option(help="Sizes of the networks, small or paper.")] = "small",
    batch_size: Annotated[int, typer.Option(min=2, help="Samples of the one batch.")] = 32,
    inputs: Annotated[_Inputs, typer.Option(help="Samples of the task, or random numbers.")] = _Inputs.task,
    seed: Annotated[int, typer.Option(help="Of weights and batch.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the tables, a .parquet file each.")] = Path("scores"),
    work: Annotated[Path | None, typer.Option(help="Folder of the single units. [default: <out>/work]")] = None,
    gpus: Annotated[float, typer.Option(min=0, help="Of each worker; a fraction lets several share one.")] = 0.0,
    data_dir: Annotated[Path | None, typer.Option(help="Where your data files are.")] = None,
) -> None:
    """Score architectures without training them, by zero-cost proxies, side by side on Ray.

    Each proxy becomes a NAS table, whose scores are higher-is-better. Stopped or killed, the same command goes on; a
    larger one adds to what was scored.
    """
    from cluster.artifacts.scoring import score_proxies
    from trainables.proxies import ProxySettings

    settings = ProxySettings(preset=preset, batch_size=batch_size, seed=seed, inputs=inputs.value)
    report = score_proxies(
        space,
        task,
        proxies,
        num_archs=num_archs,
        settings=settings,
        out=out,
        work=work,
        gpus=gpus,
        data_dir=data_dir,
    )
    typer.echo(str(report))
