"""The commands `kiel nlte solve`, `table`, `haze` and `gate`: departures from LTE of Li, Na, Mg, Si, Ca and Fe."""

from __future__ import annotations

from itertools import groupby, product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cinn_core.errors import DataError

from .options import DataOption, JsonOption, data_folder, require_folder, require_folder_of, write, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinn_core.nlte.corrections import ComparedCorrection, PublishedCorrection
    from cinn_core.nlte.equilibrium import Physics
    from cinn_core.nlte.lithium import ComparedLithium
    from cinn_core.nlte.runs import NlteStar, Outcome

nlte = typer.Typer(
    no_args_is_help=True, help="Departures from LTE of Li, Na, Mg, Si, Ca and Fe: solved, tabulated, compared."
)

Element = Literal["Li", "Na", "Mg", "Si", "Ca", "Fe"]
FolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Solutions, one file a star; those there are kept.")
]
ProcessesOption = Annotated[int, typer.Option(min=1, help="Stars solved at the same time.")]
BlanketingOption = Annotated[
    Literal["off", "solar", "scaled", "visible"],
    typer.Option(help="Haze of lines: none, the Sun's, scaled with [Fe/H] and Teff, or that and in the visible too."),
]
StructureOption = Annotated[
    float,
    typer.Option("--structure", metavar="S", help="Structure of the atmospheres: 0 is ATLAS9, 1 the STAGGER average."),
]
HydrogenOption = Annotated[bool, typer.Option(help="Collisions with hydrogen atoms.")]


@nlte.command()
def solve(
    element: Annotated[Element, typer.Argument(help="Li, Na, Mg, Si, Ca or Fe.")],
    folder: FolderArgument,
    teff: Annotated[str, typer.Option(metavar="K,…", help="Values of Teff.")] = "5777",
    logg: Annotated[str, typer.Option(metavar="DEX,…", help="Values of log g.")] = "4.44",
    feh: Annotated[str, typer.Option(metavar="DEX,…", help="Values of [Fe/H].")] = "0",
    ratio: Annotated[
        str, typer.Option(metavar="DEX,…", help="Values of [X/Fe], beyond the alpha elements' of that [Fe/H].")
    ] = "0",
    blanketing: BlanketingOption = "scaled",
    hydrogen: HydrogenOption = True,
    structure: StructureOption = 0.0,
    processes: ProcessesOption = 1,
    data: DataOption = None,
) -> None:
    """Statistical equilibrium in every combination of the values given; resumable.

    Prints b and corrections, with the published one of the nearest star where there is one.
    """
    from cinn_core.nlte.corrections import corrections_of, ground_level_b, nearest_published, published_corrections
    from cinn_core.nlte.lines import read_line_data
    from cinn_core.nlte.runs import NlteStar, load_solution, solve_stars

    axes = [_numbers(name, text) for name, text in (("teff", teff), ("logg", logg), ("feh", feh), ("ratio", ratio))]
    stars = [NlteStar(element, *values) for values in product(*axes)]
    where, physics = data_folder(data, "synthesis/ and nlte/"), _physics(blanketing, hydrogen, structure)
    lines = read_line_data(where / "synthesis", element)
    try:
        published = published_corrections(where / "nlte")
    except DataError as missing:  # they are for comparison; departures are solved without
        typer.echo(str(missing))
        published = []
    require_folder(folder)
    outcomes = solve_stars(stars, folder, where, physics, processes, _print_outcome)
    for outcome in outcomes:
        if outcome.reason:
            continue
        solution = load_solution(outcome.star.file(folder, physics))
        b = ground_level_b(solution)
        typer.echo(f"{_described(outcome.star)}  b of the ground level at log tau500 = -1: {b:.3f}")
        for row in corrections_of(solution, lines):
            theirs = nearest_published(published, outcome.star, row.wavelength, solution.vmic)
            typer.echo(
                f"  {element} I {row.wavelength:8.2f} Å  NLTE {row.nlte:7.1f} mÅ  LTE {row.lte:7.1f} mÅ  "
                f"A(NLTE) - A(LTE) {row.correction:+.3f}{'' if theirs is None else _of_theirs(theirs)}"
            )


@nlte.command()
def table(
    element: Annotated[Element, typer.Argument(help="Li, Na, Mg, Si, Ca or Fe.")],
    folder: FolderArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT.npz", help="Where the table goes.")],
    blanketing: BlanketingOption = "scaled",
    hydrogen: HydrogenOption = True,
    structure: StructureOption = 0.0,
    onto: Annotated[
        Path | None,
        typer.Option(metavar="TABLE.npz", help="A table of another structure, which these solutions are added to."),
    ] = None,
) -> None:
    """The compact table of departure coefficients of all solutions in a folder."""
    from cinn_core.nlte.runs import collect_table
    from cinn_core.synthesis.departure_files import read_table, write_table

    require_folder_of(out)
    before = read_table(onto) if onto else None
    departures = collect_table(element, folder, _physics(blanketing, hydrogen, structure), before)
    write(lambda: write_table(departures, out), out)
    typer.echo(f"{len(departures.nodes)} solutions, {len(departures.levels)} levels, {departures.log_tau.size} depths")


@nlte.command()
def haze(data: DataOption = None) -> None:
    """The Sun's irradiance in the blue and ultraviolet: observed, and of the model without and with the haze of lines."""
    from cinn_core.nlte.ultraviolet import iron_irradiance, solar_ultraviolet

    where = data_folder(data, "synthesis/ and nlte/")
    irradiance = solar_ultraviolet(where)
    iron, medians = iron_irradiance(where)
    typer.echo(
        "  nm   observed   without haze   with haze   iron and fence   W m-2 nm-1   log10 median of the fence, fitted again"
    )
    columns = (irradiance.wavelength, irradiance.observed, irradiance.without, irradiance.with_haze, iron, medians)
    for row in zip(*columns, strict=True):
        typer.echo("{:5.0f} {:9.3f} {:12.3f} {:12.3f} {:12.3f} {:24.2f}".format(*row))


@nlte.command()
def gate(
    folder: FolderArgument,
    element: Annotated[Element | None, typer.Option(help="Only this element.")] = None,
    solve_missing: Annotated[
        bool, typer.Option("--solve/--no-solve", help="Solve the stars that the folder lacks, or leave their rows out.")
    ] = True,
    shift: Annotated[
        float, typer.Option(help="Added to the [Fe/H] that is inferred for the published Mg rows: how much it matters.")
    ] = 0.0,
    iron: Annotated[
        bool,
        typer.Option("--iron", help="Iron instead: b of two giants, 3D NLTE of dwarfs, Fe I - Fe II of real stars."),
    ] = False,
    tables: Annotated[
        list[Path] | None,
        typer.Option("--table", metavar="TABLE.npz", help="Interpolate the departures in this table; may be repeated."),
    ] = None,
    blanketing: BlanketingOption = "scaled",
    hydrogen: HydrogenOption = True,
    processes: ProcessesOption = 1,
    json: JsonOption = None,
    data: DataOption = None,
) -> None:
    """Our NLTE - LTE abundance corrections of Mg, Ca and Li against published ones."""
    from cinn_core.nlte.corrections import compare_corrections, count_within, published_corrections
    from cinn_core.nlte.lithium import compare_lithium, count_lithium, gate_stars
    from cinn_core.synthesis.departure_files import read_table

    require_folder_of(json)
    where, physics = data_folder(data, "synthesis/ and nlte/"), _physics(blanketing, hydrogen)
    if iron:
        require_folder(folder)
        write_json(_iron_gate(folder, where), json)
        return
    rows = [row for row in published_corrections(where / "nlte", shift) if element in (None, row.star.element)]
    stars = gate_stars() if element in (None, "Li") else []
    all_rows = len(rows)
    if not solve_missing:
        rows = [row for row in rows if row.star.file(folder, physics).is_file()]
        stars = [star for star in stars if star.file(folder, physics).is_file()]
    read = [read_table(path) for path in tables or ()]
    grids = {table.element: table.grid() for table in read}
    require_folder(folder)
    compared = compare_corrections(rows, folder, where, physics, processes, _print_outcome, grids)
    _print_compared(compared)
    lithium = compare_lithium(stars, folder, where, physics, processes, _print_outcome) if stars else []
    _print_lithium(lithium)
    numbers = {**count_within(compared), **count_lithium(lithium)}
    typer.echo(", ".join(f"{name} {value}" for name, value in numbers.items()))
    if len(rows) < all_rows:
        typer.echo(f"{all_rows - len(rows)} of {all_rows} published rows are left out: their stars are not solved yet.")
    write_json({**numbers, "published": all_rows, "physics": physics.name}, json)


def _print_compared(compared: list[ComparedCorrection]) -> None:
    """Ours against published corrections, by line and by temperature."""
    from cinn_core.nlte.corrections import by_line, by_temperature

    typer.echo("rows                     n  within 0.05 dex   bias     rms  rms of LTE  largest")
    for figures in (*by_line(compared), *by_temperature(compared)):
        typer.echo(
            f"{figures.name:20s} {figures.rows:5d} {figures.within:10d}      {figures.bias:+7.3f} {figures.rms:7.3f} "
            f"{figures.lte:7.3f}     {figures.largest:+7.3f}"
        )


def _print_lithium(compared: Sequence[ComparedLithium]) -> None:
    """Ours and the published correction of each star, one line for each Teff and log g."""
    for (teff, logg), rows in groupby(compared, key=lambda row: (row.star.teff, row.star.logg)):
        pairs = (
            f"[Fe/H] {row.star.feh:+.2f} {'none' if row.ours is None else f'{row.ours:+.3f}'} ({row.published:+.3f})"
            for row in rows
        )
        typer.echo(f"Li I 6708, 1D NLTE - LTE (published)  {teff:.0f} K {logg:.2f}  {'  '.join(pairs)}")


def _iron_gate(folder: Path, data: Path) -> dict[str, object]:
    """Print iron's gate and give its numbers."""
    from cinn_core.nlte.iron_gate import agreement, compare_dwarfs, giants_b, real_stars

    b = giants_b(folder, data)
    typer.echo("b of the low levels of Fe I at log tau500 = -1 on the published giants' own models")
    for name, (ours, theirs) in b.items():
        typer.echo(f"  {name:14s} {ours:.3f}  published {theirs:.3f}")
    rows = compare_dwarfs(folder, data, typer.echo)
    numbers = agreement(rows)
    typer.echo(
        "against 3D NLTE of dwarfs: {n} lines, {within_010} within 0.10 dex, rms of slopes {slope_rms:.3f} dex/eV, "
        "of Fe I - Fe II {balance_rms:.3f} dex".format(**numbers)
    )
    numbers_of_stars: dict[str, object] = {}
    for s, mark in ((0.0, "_s0"), (1.0, "")):
        typer.echo(f"published widths of real stars, on atmospheres of structure s = {s:g}")
        stars = real_stars(folder, data, s, typer.echo)
        numbers_of_stars[f"fe_balance{mark}"] = {star.name: round(star.balance, 3) for star in stars}
        numbers_of_stars[f"fe_slope{mark}"] = {star.name: round(star.slope, 3) for star in stars}
        solar = [star for star in stars if star.name != "Sun" and star.shared_with_sun[0]]
        numbers_of_stars[f"fe_balance_to_sun{mark}"] = {star.name: round(star.balance_to_sun, 3) for star in solar}
        numbers_of_stars[f"fe_slope_to_sun{mark}"] = {star.name: round(star.slope_to_sun, 3) for star in solar}
    return {
        "fe_b": {name: round(ours, 3) for name, (ours, _) in b.items()},
        "fe_amarsi": numbers,
        **numbers_of_stars,
    }


def _numbers(name: str, text: str) -> list[float]:
    """Numbers separated by commas."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise DataError(f"--{name} takes numbers separated by commas, as 5000,5500; found {text!r}.") from error


def _physics(blanketing: str, hydrogen: bool, s: float = 0.0) -> Physics:
    from cinn_core.nlte.equilibrium import Physics
    from cinn_core.nlte.opacity import Blanketing

    return Physics(hydrogen, Blanketing(blanketing), s)


def _described(star: NlteStar) -> str:
    return (
        f"{star.element}  Teff {star.teff:.0f} K  log g {star.logg:.2f}  [Fe/H] {star.feh:+.2f}  A {star.abundance:.2f}"
    )


def _of_theirs(published: PublishedCorrection) -> str:
    star = published.star
    return (
        f"  published {published.correction:+.3f} ({published.source}: {star.teff:.0f} K, {star.logg:.2f}, "
        f"A {star.abundance:.2f}, vmic {published.vmic:g})"
    )


def _print_outcome(outcome: Outcome) -> None:
    typer.echo(f"{_described(outcome.star)}  {outcome.reason or 'solved'}")
