"""The command `kiel lines`: abundances line by line at the MAP of a star."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .engines import TurbospectrumOption, engine_opener
from .options import (
    DataOption,
    DeviceOption,
    ErrorNameOption,
    FileArgument,
    FluxNameOption,
    HduOption,
    JsonOption,
    NetworkOption,
    OrderNameOption,
    RowOption,
    SamplesOption,
    SeedOption,
    WaveNameOption,
    require_file,
    require_folder_of,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cinn_core.explanation.line_fits import LineFits
    from cinn_core.inference.model import Model
    from cinn_core.overrides import Overrides
    from cinn_core.stages import FluxVector


def lines(
    file: FileArgument,
    overrides: Overrides,
    engine: Annotated[
        Literal["emulator", "turbospectrum", "pysme"],
        typer.Option(help="What makes the model spectra; a physical synthesis takes minutes."),
    ] = "emulator",
    turbospectrum: TurbospectrumOption = None,
    data: DataOption = None,
    json: JsonOption = None,
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    network: NetworkOption = None,
    device: DeviceOption = "auto",
    hdu: HduOption = None,
    row: RowOption = None,
    wave: WaveNameOption = None,
    flux: FluxNameOption = None,
    error: ErrorNameOption = None,
    order: OrderNameOption = None,
) -> None:
    """Line-by-line abundances of Fe, Mg, Ca and Li at the star's MAP, the continuum around each line free."""
    require_file(file)
    require_folder_of(json)
    from .tables import progress
    from .tables_star import print_line_fits

    with progress() as report:
        report("Loading the model")
        from cinn_core.benchmark.measure import posterior_of
        from cinn_core.inference.model import load_model
        from cinn_core.preparation.fourmost import prepare
        from cinn_core.prior import from_z
        from cinn_core.readers import Naming, read
        from cinn_core.targets import TARGET_NAMES

        model = load_model(device, network)
        report(f"Preparing {file.name}")
        vector = prepare(
            read(file, hdu=hdu, row=row, naming=Naming(wave, flux, error, order)), model.templates, overrides
        )
        map_z = posterior_of(vector, model, samples, seed).map_z
        labels = dict(zip(TARGET_NAMES, from_z(map_z[None])[0].tolist(), strict=True))
        report(f"Fitting the lines by {engine}")
        fits, in_lte = _fits(vector, model, map_z, engine, data, turbospectrum)
    print_line_fits(vector, labels, fits, in_lte)
    write_json(_document(vector, labels, fits, in_lte), json)


def _fits(
    vector: FluxVector, model: Model, map_z: NDArray, engine: str, data: Path | None, programs: Path | None
) -> tuple[LineFits, LineFits | None]:
    """Fits of the lines at a MAP (13,) by the spectra of an engine; where the emulator is in NLTE, the fits in LTE too."""
    import numpy as np

    from cinn_core.explanation.line_fits import fit_lines
    from cinn_core.forward_model.model_error import shipped_model_error
    from cinn_core.forward_model.nlte_change import describe_physics
    from cinn_core.prior import N_LABELS, N_TARGETS
    from cinn_core.synthesis.observed import observed_flux

    z = np.concatenate([map_z, np.zeros(N_LABELS - N_TARGETS)])
    fit = partial(fit_lines, vector, z, model.forward, shipped_model_error())
    if engine != "emulator":
        with engine_opener(engine, data, programs) as open_engine:
            physical = partial(observed_flux, open_engine(), model.forward)
            return fit(physical, step=0.2, name=f"{engine}, LTE"), None
    fits = fit(name=f"emulator, {describe_physics(model.cards['emulator']['physics'])}")
    if model.forward.emulator.change is None:
        return fits, None
    return fits, fit(model.forward.flux_in_lte, name="emulator, LTE")


def _document(
    vector: FluxVector, labels: Mapping[str, float], fits: LineFits, in_lte: LineFits | None
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "schema": 1,
        "file": vector.file,
        "star": vector.star,
        "synthesis": fits.synthesis,
        "held": labels,
        "abundances": {name: asdict(abundance) for name, abundance in fits.abundances.items()},
        "abundances_in_lte": in_lte and {name: asdict(abundance) for name, abundance in in_lte.abundances.items()},
        "lines": [
            {
                "line": line.window.name,
                "abundance": line.value,
                "error": line.error,
                "limit": line.limit,
                "left_out": line.left_out,
            }
            for line in fits.lines
        ],
    }
