"""The command line: each command, from `kiel serve` to `kiel evaluate`, calls the core.

Heavy modules are imported inside the commands, so that `kiel --help` answers at once. Whatever the core refuses
(a KielError) ends the same way everywhere: one sentence on stderr, exit status 2, no file written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from cinn_core import __version__
from cinn_core.errors import KielError

from .commands.analyse import analyse
from .commands.batch import batch
from .commands.bench import bench
from .commands.benchmark import benchmark, lines
from .commands.calibrate import calibrate, evaluate_sun
from .commands.continuum import evaluate_continuum
from .commands.evaluate import evaluate_calibration, evaluate_network, evaluate_saliency
from .commands.learning import evaluate, train
from .commands.nlte import nlte
from .commands.options import FileArgument, HduOption, RowOption, require_file, require_folder_of, with_overrides, write
from .commands.synthesis import evaluate_synthesis, grid, synthesise
from .commands.tune import tune

if TYPE_CHECKING:
    from cinn_core.overrides import Overrides

REFUSED = 2


class _Refusing(TyperGroup):
    """A group of commands that turns a KielError into one sentence and exit status 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KielError as error:
            typer.echo(" ".join(str(error).split()), err=True)
            raise typer.Exit(REFUSED) from error


app = typer.Typer(
    cls=_Refusing,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What a star is made of, from its spectrum, with the evidence laid open.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
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


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the dashboard.")] = 5006,
    address: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    origin: Annotated[
        list[str] | None, typer.Option(metavar="HOST[:PORT]", help="Further name under which browsers reach the page.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser on the page.")] = False,
) -> None:
    """The dashboard: serves it until Ctrl-C."""
    from .server.serve import page_address, require_free_port, require_passwords, server_command

    require_passwords(os.environ)
    require_free_port(address, port)
    command = server_command(port, address, tuple(origin or ()), open_browser)
    typer.echo(f"Kiel is at {page_address(address, port)} (Ctrl-C stops it)")
    sys.stdout.flush()
    os.execv(command[0], command)


@app.command()
@with_overrides
def prepare(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT.fits", help="Where the prepared spectrum goes.")],
    overrides: Overrides,
    hdu: HduOption = None,
    row: RowOption = None,
) -> None:
    """The spectrum as 4MOST would have seen it, alone: R = 20 000, 0.1 Å pixels, at rest, continuum 1."""
    require_file(file)
    require_folder_of(out)
    from .commands.tables import print_preparation, progress

    with progress() as report:
        report("Loading the model")
        from cinn_core.inference.model import load_forward
        from cinn_core.preparation.fourmost import prepare as run
        from cinn_core.preparation.prepared import write_prepared
        from cinn_core.preparation.templates import make_templates
        from cinn_core.readers import read

        templates = make_templates(load_forward())
        report(f"Preparing {file.name}")
        vector = run(read(file, hdu=hdu, row=row), templates, overrides)
    print_preparation(vector)
    write(lambda: write_prepared(vector, out), out)


app.command()(with_overrides(analyse))
app.command()(synthesise)
app.command()(grid)
app.command()(calibrate)
app.command()(benchmark)
app.command()(with_overrides(lines))
app.command()(batch)
app.command()(bench)
app.command()(tune)
evaluate.command("network")(evaluate_network)
evaluate.command("calibration")(evaluate_calibration)
evaluate.command("saliency")(evaluate_saliency)
evaluate.command("synthesis")(evaluate_synthesis)
evaluate.command("sun")(evaluate_sun)
evaluate.command("continuum")(evaluate_continuum)
app.add_typer(nlte, name="nlte")
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")
