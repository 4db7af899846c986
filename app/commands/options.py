"""What the commands share: their common options, the checks before any work, and how results are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cinn_core.errors import DataError, SpectrumError

Device = Literal["auto", "cpu", "cuda"]

FileArgument = Annotated[Path, typer.Argument(help="Spectrum of one star: FITS, its .gz, or a text table.")]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Also write the result as JSON here.")]
SamplesOption = Annotated[int, typer.Option(min=64, max=1_000_000, help="Posterior samples.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed: the same seed gives the same answer.")]
DeviceOption = Annotated[Device, typer.Option(help="Where the network runs; auto takes a GPU where there is one.")]
NetworkOption = Annotated[
    Path | None, typer.Option("--network", metavar="WEIGHTS", help="A network of your own instead of the shipped one.")
]
HduOption = Annotated[
    int | None, typer.Option("--hdu", min=0, help="Extension of a FITS file with several spectra, from 0.")
]
RowOption = Annotated[
    int | None, typer.Option("--row", min=0, help="Row of a FITS table or image with several spectra, from 0.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder with grid/ and spectra/; else $KIEL_DATA, else ../shared."),
]


def require_file(path: Path) -> None:
    """Refuses a spectrum that is not there, in words."""
    if path.is_dir():
        raise SpectrumError(f"{path} is a folder; name the file of one spectrum in it.")
    if not path.is_file():
        raise SpectrumError(f"There is no file {path}; check the name and the folder.")


def require_folder_of(path: Path | None) -> None:
    """Refuses an output that could not be written, before anything is computed for it."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise DataError(f"{path} cannot be written: name a file in a folder that exists.")


def require_folder(path: Path | None) -> None:
    """Makes the folder of several outputs, or refuses in words, before anything is computed for it."""
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be the folder of the output ({error.strerror}); name another.") from error


def write_json(document: Mapping[str, Any], path: Path | None) -> None:
    """Writes a result as JSON, whole or not at all, where a path was given."""
    if path is None:
        return
    from cinn_core.output.report import dumps, plain
    from cinn_core.weights import write_text

    write(lambda: write_text(path, dumps(plain(document))), path)


def write(writer: Callable[[], None], path: Path) -> None:
    """Runs a writer and says where the file is, or refuses in words where the disk does."""
    try:
        writer()
    except OSError as error:
        raise DataError(f"{path} could not be written: {error.strerror}.") from error
    typer.echo(f"Written: {path}")
