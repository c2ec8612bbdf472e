"""Run the command ``mpnas``, whose subcommands are in `cluster.commands`."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from cluster.commands.compare import compare
from cluster.commands.compare_fronts import compare_fronts
from cluster.commands.explain import explain
from cluster.commands.export import export
from cluster.commands.extend import extend
from cluster.commands.listing import spaces, tasks
from cluster.commands.meta_train import meta_train
from cluster.commands.options import Command
from cluster.commands.pareto import pareto
from cluster.commands.predict import predict
from cluster.commands.pretrain_scheduler import pretrain_scheduler
from cluster.commands.report import report
from cluster.commands.reproduce import reproduce
from cluster.commands.resume import resume
from cluster.commands.runs import runs, show, watch
from cluster.commands.score import score
from cluster.commands.search import search
from cluster.commands.submit import submit
from cluster.commands.supernet import supernet
from cluster.commands.tables import tables_app
from cluster.commands.train import train
from cluster.tracebacks import keep_traceback
from mpnas_ray.errors import MPNASError, RunInterruptedError, UserCodeError
from mpnas_ray.own_packages import put_first
from mpnas_ray.version import version

__all__ = ["main"]

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mpnas-ray {version()}")
        raise typer.Exit


@app.callback()
def _mpnas(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Neural architecture search on Ray clusters with a meta-learned graph predictor."""


app.command(cls=Command)(search)
app.command(cls=Command)(submit)
app.command(cls=Command)(resume)
app.command(cls=Command)(extend)
app.command(cls=Command)(runs)
app.command(cls=Command)(show)
app.command(cls=Command)(watch)
app.command(cls=Command)(report)
app.command(cls=Command)(pareto)
app.command(cls=Command)(tasks)
app.command(cls=Command)(spaces)
app.command(cls=Command)(meta_train)
app.command(cls=Command)(pretrain_scheduler)
app.command(cls=Command)(reproduce)
app.command(cls=Command)(compare)
app.command(cls=Command)(compare_fronts)
app.command(cls=Command)(train)
app.command(cls=Command)(supernet)
app.command(cls=Command)(predict)
app.command(cls=Command)(explain)
app.command(cls=Command)(score)
app.command(cls=Command)(export)
app.add_typer(tables_app, name="tables")
app.add_typer(tables_app, name="table", hidden=True)  # `mpnas table build` reads better


def main() -> None:
    """Run the command; an error that the user can mend is one line on standard error, with a status other than 0."""
    put_first()
    try:
        app()
    except MPNASError as error:
        typer.echo(f"mpnas: {error}{_where_the_traceback_is(error)}", err=True)
        sys.exit(130 if isinstance(error, RunInterruptedError) else 1)


def _where_the_traceback_is(error: BaseException) -> str:
    """Write the traceback of the user's own code, if that failed, into a file, and name the file in a sentence."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UserCodeError):
        cause = cause.__cause__
    if cause is None or cause.__cause__ is None:
        return ""
    return f" {keep_traceback(''.join(traceback.format_exception(cause.__cause__)))}"


if __name__ == "__main__":
    main()
