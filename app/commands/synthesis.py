"""The commands `kiel synthesise`, `kiel grid` and `kiel evaluate synthesis`: physical spectra of one star and of thousands."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cinn_core.errors import DataError

from .options import DataOption, JsonOption, require_folder_of, write, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from cinn_core.synthesis.engine import Engine
    from cinn_core.synthesis.grid import Elsewhere, Progress
    from cinn_core.synthesis.inputs import OwnInputs
    from cinn_core.synthesis.turbospectrum_nlte import NlteElement

EngineOption = Annotated[
    Literal["turbospectrum", "pysme"],
    typer.Option(help="The synthesis code: Turbospectrum, or PySME from `pip install pysme-astro`."),
]
TurbospectrumOption = Annotated[
    Path | None,
    typer.Option(
        "--turbospectrum",
        metavar="DIR",
        help="Folder with babsma_lu, bsyn_lu and DATA; else $KIEL_TURBOSPECTRUM, else build/turbospectrum.",
    ),
]
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
    engine: EngineOption = "turbospectrum",
    data: DataOption = None,
    turbospectrum: TurbospectrumOption = None,
) -> None:
    """The spectrum of one star by physical synthesis: R = 60 000, air wavelengths, no rotation."""
    from cinn_core.synthesis.atmosphere import parameters_of, read_marcs
    from cinn_core.synthesis.engine import grid_wavelength, labels_from, to_grid
    from cinn_core.synthesis.inputs import OwnInputs
    from cinn_core.synthesis.output import require_suffix, write_synthesis

    from .tables import progress

    inputs = OwnInputs(tuple(lines or ()), atmosphere)
    if labels is None and atmosphere is None:
        raise DataError("Which star? Name its labels, --labels teff=5777,logg=4.44, or a model with --atmosphere.")
    own = parameters_of(read_marcs(atmosphere)) if atmosphere else {}
    star = labels_from(own | (parse_labels(labels) if labels else {}))
    require_suffix(out)
    require_folder_of(out)
    departures = _departures(nlte or [], engine)
    with engine_opener(engine, data, turbospectrum, inputs, nlte=departures) as open_engine, progress() as report:
        report("Synthesising")
        code = open_engine()
        flux = to_grid(*code.synthesise(star))
    in_lte = getattr(code, "in_lte", ())
    if in_lte:
        typer.echo(
            f"{len(in_lte)} lines without levels stay in LTE: {', '.join(in_lte[:5])}{', …' * (len(in_lte) > 5)}"
        )
    write(lambda: write_synthesis(out, star, grid_wavelength(), flux, code.provenance), out)


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
    from cinn_core.synthesis.grid import failures_of, make_grid
    from cinn_core.synthesis.inputs import OwnInputs

    require_folder_of(out)
    inputs, beside = OwnInputs(tuple(lines or ())), out.absolute().parent if ray else None
    with engine_opener(engine, data, turbospectrum, inputs, beside) as open_engine:
        final = make_grid(out, seed, stars, open_engine, processes, _print_progress, _over_ray(ray, processes))
    if final.failed:
        typer.echo(f"{final.failed} stars failed; they are listed in {failures_of(out)}")
    typer.echo(f"Written: {out} ({final.done - final.failed} stars of seed {seed})")


def _over_ray(address: str | None, processes: int) -> Elsewhere | None:
    if address is None:
        return None
    from cinn_core.synthesis.grid import stars_on_ray

    return partial(stars_on_ray, address=address, processes=processes)


def evaluate_synthesis(
    stars: Annotated[int, typer.Option(min=1, help="Test stars to synthesise again, spread evenly.")] = 10,
    engine: EngineOption = "turbospectrum",
    json: JsonOption = None,
    data: DataOption = None,
    turbospectrum: TurbospectrumOption = None,
) -> None:
    """An engine against the test stars of DATA/grid: do their spectra come out the same?"""
    import numpy as np

    from cinn_core.synthesis.agreement import agreements, worst_lines
    from cinn_core.synthesis.grid_file import calibrated_files, read_grid
    from cinn_core.synthesis.pysme import all_lines

    require_folder_of(json)
    with engine_opener(engine, data, turbospectrum) as open_engine:
        shared = read_grid(calibrated_files(data_folder(data)))
        rows = []
        typer.echo("  index  Teff  log g [Fe/H]     rms %  largest %  std % at R = 20 000      s")
        for row in agreements(open_engine(), shared.select(shared.is_test), stars):
            rows.append(row)
            typer.echo(
                f"{row.index:7d} {row.teff:5.0f} {row.logg:6.2f} {row.feh:6.2f} {100 * row.rms:9.4f} "
                f"{100 * row.largest:10.4f} {100 * row.scatter:20.4f} {row.seconds:6.1f}"
            )
    summary = {
        "n": len(rows),
        "engine": engine,
        "rms": float(np.sqrt(np.mean([row.rms**2 for row in rows]))),
        "largest": max(row.largest for row in rows),
        "median_scatter": float(np.median([row.scatter for row in rows])),
        "median_s": float(np.median([row.seconds for row in rows])),
    }
    typer.echo(
        f"rms over {summary['n']} stars {100 * summary['rms']:.4f} %, median std of the difference at R = 20 000 "
        f"{100 * summary['median_scatter']:.4f} %, {summary['median_s']:.1f} s a star"
    )
    worst = worst_lines(rows, shared.wavelength, all_lines(data_folder(data)))
    typer.echo("largest mean |difference| at R = 20 000" + ("" if worst else ": below 0.01 % everywhere"))
    for line in worst:
        typer.echo(f"{line.wavelength:9.2f} Å {100 * line.mean_difference:6.2f} %  {line.species:14s} {line.reason}")
    plain = [{name: value for name, value in vars(row).items() if name != "difference"} for row in rows]
    write_json({**summary, "worst_lines": [vars(line) for line in worst], "stars": plain}, json)


def parse_labels(text: str) -> dict[str, float]:
    """NAME=VALUE pairs, separated by commas, as numbers by name."""
    values: dict[str, float] = {}
    for pair in text.split(","):
        name, _, value = (part.strip() for part in pair.partition("="))
        try:
            number = float(value)
        except ValueError as error:
            raise DataError(f"--labels takes teff=5777,logg=4.44,…; {pair.strip()!r} is no name=number.") from error
        if name in values:
            raise DataError(f"--labels names {name} twice.")
        values[name] = number
    return values


def _departures(options: list[str], engine: str) -> tuple[NlteElement, ...]:
    """The elements of --nlte with their grids of departures."""
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
        grid = open_departures(Path(path), symbol, Path(index) if index else None)
        out.append(NlteElement(symbol, grid))
    return tuple(out)


def data_folder(option: Path | None) -> Path:
    """The data folder; DataError where there is none."""
    from cinn_core.files import data_directory

    folder = data_directory(option)
    if folder is None:
        raise DataError("There is no data folder with synthesis/; name one with --data or KIEL_DATA.")
    return folder


@contextmanager
def engine_opener(
    engine: str,
    data: Path | None,
    programs: Path | None,
    inputs: OwnInputs | None = None,
    scratch_in: Path | None = None,
    nlte: tuple[NlteElement, ...] = (),
) -> Iterator[Callable[[], Engine]]:
    """What makes the engine, here and in other processes; unpacked line lists lie there for as long as the context."""
    folder = data_folder(data)
    from cinn_core.synthesis.inputs import NO_INPUTS

    inputs = inputs or NO_INPUTS
    if engine == "pysme":
        from cinn_core.synthesis.pysme import open_pysme

        yield partial(open_pysme, folder, inputs)
        return
    from cinn_core.synthesis.turbospectrum import find_programs, open_turbospectrum

    found = find_programs(programs)
    with tempfile.TemporaryDirectory(prefix="kiel-lines-", dir=scratch_in) as scratch:
        yield partial(open_turbospectrum, found, folder, Path(scratch), inputs, nlte)


def _print_progress(progress: Progress) -> None:
    minutes = round(progress.left_s / 60)
    left = f", {minutes // 60} h {minutes % 60:02d} min left" if minutes else ""
    typer.echo(
        f"{progress.done} of {progress.total} stars, {progress.failed} failed, {progress.star_s:.1f} s a star{left}"
    )
