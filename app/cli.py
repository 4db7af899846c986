"""The command line: every command, from `kiel serve` to `kiel evaluate`, in the order of the help.

Heavy modules are imported inside the commands, so that `kiel --help` answers at once. Whatever the core refuses
(a KielError) ends the same way everywhere: one sentence on stderr, exit status 2, no file written.
"""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cinn_core import __version__
from cinn_core.errors import KielError

from .commands.analyse import analyse
from .commands.batch import batch
from .commands.bench import bench
from .commands.benchmark import benchmark
from .commands.calibrate import calibrate
from .commands.evaluate import evaluate
from .commands.find import find
from .commands.lines import lines
from .commands.nlte import nlte
from .commands.options import REFUSED, one_line, with_constraints, with_overrides
from .commands.prepare import prepare
from .commands.serve import serve
from .commands.synthesise import grid, synthesise
from .commands.train import train
from .commands.tune import tune


class _Refusing(TyperGroup):
    """A group of commands that turns a KielError into one sentence and exit status 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KielError as error:
            typer.echo(one_line(error), err=True)
            raise typer.Exit(REFUSED) from error


app = typer.Typer(
    cls=_Refusing,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What a star is made of, from its spectrum, with the evidence laid open.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"kiel {__version__}")
        raise typer.Exit


@app.callback()
def _kiel(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    # Threads that wait by spinning starve each other on a shared machine; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


app.command()(serve)
app.command()(with_overrides(prepare))
app.command()(with_overrides(with_constraints(analyse)))
app.command()(synthesise)
app.command()(grid)
app.command()(calibrate)
app.command()(benchmark)
app.command()(with_overrides(lines))
app.command()(batch)
app.command()(find)
app.command()(bench)
app.command()(tune)
app.add_typer(nlte, name="nlte")
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")
