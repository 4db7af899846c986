"""The commands `kiel synthesise` and `kiel grid`: physical spectra of one star and of thousands."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cinn_core.errors import DataError

from .engines import EngineOption, TurbospectrumOption, engine_opener
from .options import DataOption, require_folder_of, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinn_core.synthesis.grid import GridProgress, RemoteSynthesis
    from cinn_core.synthesis.turbospectrum_nlte import NlteElement

LinesOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Line list of your own in Turbospectrum's format or VALD's (air); may be repeated, replaces all but hydrogen.",
    ),
]


NlteOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X=FILE[,INDEX]",
        help="Element in NLTE: its departure coefficients as Kiel's .npz, PySME's .grd or Turbospectrum's .bin and its "
        "auxData; may be repeated. log gf stay as listed.",
    ),
]


def synthesise(
    out: Annotated[Path, typer.Option(metavar="FILE.fits|.csv", help="Where the spectrum goes.")],
    labels: Annotated[
        str | None,
        typer.Option(metavar="NAME=VALUE,…", help="teff and logg; feh, vmic, c_fe, … where not 0 (vmic: not 1)."),
    ] = None,
    atmosphere: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.mod", help="Model atmosphere of MARCS; teff, logg and feh are its own unless given."
        ),
    ] = None,
    lines: LinesOption = None,
    nlte: NlteOption = None,
    structure: Annotated[
        float,
        typer.Option(
            metavar="S",
            help="Structure of the atmosphere: 0 for ATLAS9, 1 for the mean of STAGGER's 3D models; -0.3 to 1.4.",
        ),
    ] = 0.0,
    second_shape: Annotated[
        float,
        typer.Option(
            metavar="A", help="Amplitude of the second shape of the structure, 1 for its usual size; -3 to 3."
        ),
    ] = 0.0,
    lithium: Annotated[
        Literal["lte", "3d"],
        typer.Option(help="Lithium's line at 6708: in LTE, or in 3D NLTE whatever the structure is."),
    ] = "lte",
    engine: EngineOption = "turbospectrum",
    data: DataOption = None,
    turbospectrum: TurbospectrumOption = None,
) -> None:
    """The spectrum of one star by physical synthesis: R = 60 000, air wavelengths, no rotation."""
    from cinn_core.synthesis.atmosphere import parameters_of, read_marcs
    from cinn_core.synthesis.engine import OwnInputs, grid_wavelength, labels_from, to_grid
    from cinn_core.synthesis.output import require_suffix, write_synthesis
    from cinn_core.synthesis.structure import is_firm

    from .tables import progress

    inputs = OwnInputs(tuple(lines or ()), atmosphere, structure, second_shape)
    if labels is None and atmosphere is None:
        raise DataError("Which star? Name its labels, --labels teff=5777,logg=4.44, or a model with --atmosphere.")
    own = parameters_of(read_marcs(atmosphere)) if atmosphere else {}
    star = labels_from(own | (parse_labels(labels) if labels else {}))
    require_suffix(out)
    require_folder_of(out)
    departures, in_3d = _departures(nlte or [], engine, structure), lithium == "3d"
    if in_3d and engine != "turbospectrum":
        raise DataError("--lithium 3d is Turbospectrum's; leave --engine out.")
    opened = engine_opener(engine, data, turbospectrum, inputs, nlte=departures, lithium_in_3d=in_3d)
    with opened as open_engine, progress() as report:
        report("Synthesising")
        code = open_engine()
        flux = to_grid(*code.synthesise(star))
    _print_doubts(structure != 0.0 and not is_firm(*star[:2]), getattr(code, "in_lte", ()))
    write(lambda: write_synthesis(out, star, grid_wavelength(), flux, code.provenance), out)


def _print_doubts(extrapolated: bool, in_lte: Sequence[str]) -> None:
    """Say that the structure is an extrapolation, and which lines of elements in NLTE have no levels in their table."""
    if extrapolated:
        typer.echo("The structure is an extrapolation here: STAGGER has hardly a model below log g 3 or 5000 K.")
    if in_lte:
        typer.echo(
            f"{len(in_lte)} lines without levels stay in LTE: {', '.join(in_lte[:5])}{', …' * (len(in_lte) > 5)}"
        )


def grid(
    out: Annotated[Path, typer.Argument(metavar="OUT.h5", help="Grid file; one that exists is added to.")],
    seed: Annotated[
        int, typer.Option(min=1, help="Star i of seed S has the index 100000 S + i, always the same star.")
    ],
    stars: Annotated[int, typer.Option(min=1, help="Stars of this seed that the file is to hold.")] = 1000,
    processes: Annotated[int, typer.Option(min=1, help="Stars synthesised at the same time.")] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Over a Ray cluster, one star a core: auto, HOST:PORT or local. OUT, the data and the code lie on a disk "
            "that all its machines see.",
        ),
    ] = None,
    lines: LinesOption = None,
    engine: EngineOption = "turbospectrum",
    data: DataOption = None,
    turbospectrum: TurbospectrumOption = None,
) -> None:
    """Synthetic spectra of stars drawn from the prior, in the format that `kiel train emulator` reads; resumable."""
    from cinn_core.synthesis.engine import OwnInputs
    from cinn_core.synthesis.grid import failures_of, make_grid

    require_folder_of(out)
    inputs, beside = OwnInputs(tuple(lines or ())), out.absolute().parent if ray else None
    with engine_opener(engine, data, turbospectrum, inputs, beside) as open_engine:
        final = make_grid(out, seed, stars, open_engine, processes, _print_progress, _over_ray(ray, processes))
    if final.failed:
        typer.echo(f"{final.failed} stars failed; they are listed in {failures_of(out)}")
    typer.echo(f"Written: {out} ({final.done - final.failed} stars of seed {seed})")


def _over_ray(address: str | None, processes: int) -> RemoteSynthesis | None:
    if address is None:
        return None
    from cinn_core.synthesis.grid import stars_on_ray

    return partial(stars_on_ray, address=address, processes=processes)


def parse_labels(text: str) -> dict[str, float]:
    """Numbers by name from NAME=VALUE pairs separated by commas; raises DataError for other texts."""
    values: dict[str, float] = {}
    for pair in text.split(","):
        name, _, value = (part.strip() for part in pair.partition("="))
        try:
            number = float(value)
        except ValueError as error:
            raise DataError(
                f"--labels takes teff=5777,logg=4.44,…; {pair.strip()!r} is not a pair name=number."
            ) from error
        if name in values:
            raise DataError(f"--labels names {name} twice.")
        values[name] = number
    return values


def _departures(options: list[str], engine: str, structure: float) -> tuple[NlteElement, ...]:
    """Elements of --nlte with their grids of departures on a structure; raises DataError for another engine or text."""
    if options and engine != "turbospectrum":
        raise DataError("--nlte is Turbospectrum's; leave --engine out.")
    from cinn_core.synthesis.departure_files import open_departures
    from cinn_core.synthesis.line_lists import SYMBOLS
    from cinn_core.synthesis.turbospectrum_nlte import NlteElement

    out = []
    for option in options:
        symbol, _, files = option.partition("=")
        path, _, index = files.partition(",")
        if symbol not in SYMBOLS or not path:
            raise DataError(f"--nlte takes an element and its file, Mg=nlte_Mg.grd; found {option!r}.")
        grid = open_departures(Path(path), symbol, Path(index) if index else None, structure)
        out.append(NlteElement(symbol, grid))
    return tuple(out)


def _print_progress(progress: GridProgress) -> None:
    minutes = round(progress.left_s / 60)
    left = f", {minutes // 60} h {minutes % 60:02d} min left" if minutes else ""
    typer.echo(
        f"{progress.done} of {progress.total} stars, {progress.failed} failed, {progress.star_s:.1f} s a star{left}"
    )
