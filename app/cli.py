"""The command line: `kiel serve`, `analyse`, `prepare`, `benchmark`; each command calls the core and prints.

Heavy modules are imported inside the commands, so that `kiel --help` answers at once. Whatever the core refuses
(a KielError) ends the same way everywhere: one sentence on stderr, exit status 2, no file written.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from cinn_core import __version__
from cinn_core.errors import DataError, KielError, SpectrumError

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


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("a finite number is needed")
    return value


JsonOption = Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Also write the result as JSON here.")]
SamplesOption = Annotated[int, typer.Option(min=64, max=1_000_000, help="Posterior samples.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the samples: the same seed gives the same answer.")]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="Where the network runs; auto takes a GPU where there is one.")
]
SnrOption = Annotated[
    float | None,
    typer.Option(min=1.0, callback=_finite, help="S/N per Å of continuum, where you know better than the file."),
]
RvOption = Annotated[
    float | None, typer.Option(callback=_finite, help="Radial velocity [km/s], where you know better than the fit.")
]


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
    from .server import page_address, require_free_port, server_command

    require_free_port(address, port)
    command = server_command(port, address, tuple(origin or ()), open_browser)
    typer.echo(f"Kiel is at {page_address(address, port)} (Ctrl-C stops it)")
    sys.stdout.flush()
    os.execv(command[0], command)


@app.command()
def analyse(
    file: Annotated[Path, typer.Argument(help="Spectrum of one star: FITS, its .gz, or a text table.")],
    json: JsonOption = None,
    snr: SnrOption = None,
    rv: RvOption = None,
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """The posterior of one spectrum, the same as on the dashboard."""
    _require_file(file)
    _require_folder_of(json)
    from .terminal import print_analysis, progress

    with progress() as report:
        report("Loading the model")
        from cinn_core.analyse import analyse as run
        from cinn_core.analyse import load_model
        from cinn_core.report import to_json

        model = load_model(device)
        analysis = run(file, model, snr=snr, rv=rv, n_samples=samples, seed=seed, progress=report)
    print_analysis(analysis)
    _write_json(to_json(analysis), json)


@app.command()
def prepare(
    file: Annotated[Path, typer.Argument(help="Spectrum of one star: FITS, its .gz, or a text table.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.fits", help="Where the prepared spectrum goes.")],
    snr: SnrOption = None,
    rv: RvOption = None,
) -> None:
    """The spectrum as 4MOST would have seen it, alone: R = 20 000, 0.1 Å pixels, at rest, continuum 1."""
    _require_file(file)
    _require_folder_of(out)
    from .terminal import print_preparation, progress

    with progress() as report:
        report("Loading the model")
        from cinn_core.emulator import load_emulator
        from cinn_core.forward import forward_model
        from cinn_core.fourmost import prepare as run
        from cinn_core.model import emulator_path
        from cinn_core.prepared import write_prepared
        from cinn_core.readers import read
        from cinn_core.templates import make_templates

        templates = make_templates(forward_model(load_emulator(emulator_path())[0]))
        report(f"Preparing {file.name}")
        vector = run(read(file), templates, snr=snr, rv=rv)
    print_preparation(vector)
    _write(lambda: write_prepared(vector, out), out)


@app.command()
def benchmark(
    index: Annotated[Path, typer.Argument(metavar="INDEX.csv", help="Table of files, categories, literature values.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds the files.")],
    every: Annotated[bool, typer.Option("--all", help="All files, not only those of category main.")] = False,
    json: JsonOption = None,
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Real stars against the literature: what Kiel finds beside what INDEX.csv says."""
    from cinn_core.benchmark import read_index, run_benchmark, summarise_benchmark, to_json

    from .terminal import BenchmarkPrinter, progress

    entries = [entry for entry in read_index(index) if every or entry.category == "main"]
    _require_folder_of(json)
    with progress() as report:
        report("Loading the model")
        from cinn_core.analyse import analyse as run
        from cinn_core.analyse import load_model

        model = load_model(device)
    printer = BenchmarkPrinter()
    rows = []
    for row in run_benchmark(entries, directory, lambda path: run(path, model, n_samples=samples, seed=seed)):
        printer.row(row)
        rows.append(row)
    printer.summary(summarise_benchmark(rows))
    _write_json(to_json(rows), json)


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise SpectrumError(f"{path} is a folder; name the file of one spectrum in it.")
    if not path.is_file():
        raise SpectrumError(f"There is no file {path}; check the name and the folder.")


def _require_folder_of(path: Path | None) -> None:
    """Refuses an output that could not be written, before anything is computed for it."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise DataError(f"{path} cannot be written: name a file in a folder that exists.")


def _write_json(document: Mapping[str, Any], path: Path | None) -> None:
    if path is None:
        return
    from cinn_core.report import dumps
    from cinn_core.weights import write_text

    _write(lambda: write_text(path, dumps(document)), path)


def _write(write: Callable[[], None], path: Path) -> None:
    try:
        write()
    except OSError as error:
        raise DataError(f"{path} could not be written: {error.strerror}.") from error
    typer.echo(f"Written: {path}")
