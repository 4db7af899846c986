"""Options that several commands share, checks before any work, and how results are written."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinn_core.errors import DataError, SpectrumError

if TYPE_CHECKING:
    from cinn_core.inference.constraints import Constraint
    from cinn_core.overrides import Overrides

REFUSED = 2
"""Exit status of a command that refuses its input."""

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
WaveNameOption = Annotated[
    str | None,
    typer.Option(
        "--wave", metavar="NAME", help="Column, extension, plane or row that holds the wavelengths, with --flux."
    ),
]
FluxNameOption = Annotated[
    str | None,
    typer.Option("--flux", metavar="NAME", help="Column, extension, plane or row that holds the star's flux."),
]
ErrorNameOption = Annotated[
    str | None,
    typer.Option("--error", metavar="NAME", help="Column, extension, plane or row that holds the flux's errors."),
]
OrderNameOption = Annotated[
    str | None, typer.Option("--order", metavar="NAME", help="Column that holds the echelle order of each pixel.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder with grid/ and spectra/; else $KIEL_DATA, else ../shared."),
]


def one_line(error: Exception) -> str:
    """The message of an error without line breaks."""
    return " ".join(str(error).split())


def data_folder(option: Path | None, contents: str, alternative: str = "") -> Path:
    """The data folder of `--data` or its defaults; raises DataError, which names its contents, where there is none."""
    from cinn_core.files import data_directory

    folder = data_directory(option)
    if folder is None:
        raise DataError(f"There is no data folder with {contents}; name one with --data or KIEL_DATA{alternative}.")
    return folder


def require_file(path: Path) -> None:
    """Raise SpectrumError for a spectrum that is not there."""
    if path.is_dir():
        raise SpectrumError(f"{path} is a folder; name the file of one spectrum in it.")
    if not path.is_file():
        raise SpectrumError(f"There is no file {path}; check the name and the folder.")


def require_folder_of(path: Path | None) -> None:
    """Raise DataError for an output that could not be written, before anything is computed for it."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise DataError(f"{path} cannot be written: name a file in a folder that exists.")


def require_folder(path: Path | None) -> None:
    """Make the folder of several outputs, or raise DataError, before anything is computed for it."""
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be the folder of the output ({error.strerror}); name another.") from error


def write_json(document: Mapping[str, Any], path: Path | None) -> None:
    """Write a result as JSON, whole or not at all, where a path was given."""
    if path is None:
        return
    from cinn_core.files import write_text
    from cinn_core.output.report import dumps, plain

    write(lambda: write_text(path, dumps(plain(document))), path)


def write(writer: Callable[[], None], path: Path) -> None:
    """Run a writer and print where the file is; raises DataError where the disk refuses it."""
    try:
        writer()
    except OSError as error:
        raise DataError(f"{path} could not be written: {error.strerror}.") from error
    typer.echo(f"Written: {path}")


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("a finite number is needed")
    return value


def read_regions(texts: list[str]) -> tuple[tuple[float, float], ...]:
    """Regions (low, high) [Angstrom] from texts like 5300-5340; raises SpectrumError for other texts."""
    regions = []
    for text in texts:
        low, _, high = text.partition("-")
        try:
            regions.append((float(low), float(high)))
        except ValueError as problem:
            raise SpectrumError(
                f"The region to mask {text!r} is not a range; write it like 5300-5340, in Angstrom."
            ) from problem
    return tuple(regions)


ConstraintOption = Annotated[
    list[str] | None,
    typer.Option(
        "--constraint", metavar="TARGET=MEAN,SIGMA", help="Known from elsewhere, say logg=4.44,0.02; may be repeated."
    ),
]
NuMaxOption = Annotated[
    str | None, typer.Option("--numax", metavar="NU±ERR", help="nu_max of its oscillations in microhertz, say 3090±10.")
]
ParallaxOption = Annotated[
    str | None,
    typer.Option("--parallax", metavar="MAS±ERR", help="Parallax in mas, with --magnitude: log g by way of L."),
]
MagnitudeOption = Annotated[
    str | None,
    typer.Option("--magnitude", metavar="BAND=MAG±ERR", help="With --parallax: Gaia's G or V, say G=8.25±0.01."),
]
ExtinctionOption = Annotated[
    str | None, typer.Option("--extinction", metavar="A_V=MAG", help="With --parallax: A_V=0.1±0.03 or E(B-V)=0.03.")
]
MassOption = Annotated[
    str | None, typer.Option("--mass", metavar="M±ERR", help="With --parallax, solar masses; else 1.0 within 0.15 dex.")
]


def _overrides(
    snr: Annotated[
        float | None,
        typer.Option(min=1.0, callback=_finite, help="S/N per Å of continuum, where you know better than the file."),
    ] = None,
    rv: Annotated[
        float | None,
        typer.Option(callback=_finite, help="Radial velocity in km/s, where you know better than the fit."),
    ] = None,
    medium: Annotated[
        Literal["air", "vacuum"] | None, typer.Option(help="What the file's wavelengths are measured in.")
    ] = None,
    resolving_power: Annotated[
        float | None, typer.Option("--resolving-power", callback=_finite, help="Native resolving power of the file.")
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", metavar="LOW-HIGH", help="Leave out this region in Å (air, at rest); may be repeated."),
    ] = None,
    continuum: Annotated[
        Literal["fit", "as-is"], typer.Option(help="Fit the continuum, or take the flux as normalised already.")
    ] = "fit",
    degrade_to_snr: Annotated[
        float | None,
        typer.Option("--degrade-to-snr", callback=_finite, help="Add white noise down to this S/N per Å."),
    ] = None,
    noise_seed: Annotated[int, typer.Option("--noise-seed", min=0, help="Seed of the noise added.")] = 0,
) -> Overrides:
    """Values of the options as one object of the core."""
    from cinn_core.overrides import ContinuumChoice, Overrides
    from cinn_core.stages import Medium

    return Overrides(
        velocity=rv,
        snr=snr,
        medium=None if medium is None else Medium(medium),
        resolving_power=resolving_power,
        masked=read_regions(mask or []),
        continuum=ContinuumChoice(continuum.replace("-", " ")),
        degrade_to_snr=degrade_to_snr,
        noise_seed=noise_seed,
    )


def _constraints(
    constraint: ConstraintOption = None,
    numax: NuMaxOption = None,
    parallax: ParallaxOption = None,
    magnitude: MagnitudeOption = None,
    extinction: ExtinctionOption = None,
    mass: MassOption = None,
) -> tuple[Constraint, ...]:
    """What is known of a star from elsewhere, as the options of a command give it."""
    from cinn_core.inference.constraints import known_of

    return known_of(constraint or (), numax, parallax, magnitude, extinction, mass)


def with_overrides(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_overrides` in place of its parameter `overrides`."""
    return _with_options(command, "overrides", _overrides)


def with_constraints(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_constraints` in place of its parameter `constraints`."""
    return _with_options(command, "constraints", _constraints)


def _with_options(command: Callable[..., None], parameter: str, make: Callable[..., Any]) -> Callable[..., None]:
    """Give a command the options of `make` in place of a parameter, which takes what `make` returns."""
    own, added = _signature(command), _signature(make).parameters
    others = [p for name, p in own.parameters.items() if name != parameter]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*others, *added.values())]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name in added}
        command(**values, **{parameter: make(**given)})

    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function, annotations evaluated; without those whose modules are heavy."""
    heavy = ("overrides", "constraints", "return")
    annotations = {name: kind for name, kind in function.__annotations__.items() if name not in heavy}
    function.__annotations__ = annotations
    return inspect.signature(function, eval_str=True)
