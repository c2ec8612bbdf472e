"""The command ``mpnas``: its subcommands are in `cluster.commands`."""

from __future__ import annotations

import sys
import traceback

import typer

from cluster.commands.baseline import baseline
from cluster.commands.compare import compare
from cluster.commands.export import export
from cluster.commands.extend import extend
from cluster.commands.listing import spaces, tasks
from cluster.commands.meta_train import meta_train
from cluster.commands.predict import predict
from cluster.commands.pretrain_scheduler import pretrain_scheduler
from cluster.commands.reproduce import reproduce
from cluster.commands.resume import resume
from cluster.commands.score import score
from cluster.commands.search import search
from cluster.commands.submit import submit
from cluster.commands.tables import tables_app
from cluster.tracebacks import keep_traceback
from mpnas_ray.errors import MPNASError, RunInterruptedError, UserCodeError
from mpnas_ray.own_packages import put_first

__all__ = ["main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Neural architecture search on Ray clusters with a meta-learned graph predictor.",
)
app.command()(search)
app.command()(submit)
app.command()(resume)
app.command()(extend)
app.command()(tasks)
app.command()(spaces)
app.command()(meta_train)
app.command()(pretrain_scheduler)
app.command()(reproduce)
app.command()(compare)
app.command()(baseline)
app.command()(predict)
app.command()(score)
app.command()(export)
app.add_typer(tables_app, name="tables")
app.add_typer(tables_app, name="table", hidden=True)  # `mpnas table build` reads better


def main() -> None:
    """Entry point: an error that a user can mend is one line on standard error and an exit status other than 0."""
    put_first()
    try:
        app()
    except MPNASError as error:
        typer.echo(f"mpnas: {error}{_where_the_traceback_is(error)}", err=True)
        sys.exit(130 if isinstance(error, RunInterruptedError) else 1)


def _where_the_traceback_is(error: BaseException) -> str:
    """Write the traceback of a user's own code, if that is what failed, into a file; a sentence that names the file."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UserCodeError):
        cause = cause.__cause__
    if cause is None or cause.__cause__ is None:
        return ""
    return f" {keep_traceback(''.join(traceback.format_exception(cause.__cause__)))}"


if __name__ == "__main__":
    main()
