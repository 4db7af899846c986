"""The command `kiel calibrate`: the error floor of the forward model, from real stars whose parameters are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DataOption, JsonOption, data_folder, require_folder_of, write, write_json

if TYPE_CHECKING:
    from cinn_core.benchmark.error_floor import Calibration


def calibrate(
    out: Annotated[Path, typer.Argument(metavar="OUT.npz", help="Model error to write; assets/model_error.npz ships.")],
    data: DataOption = None,
    json: JsonOption = None,
) -> None:
    """The error floor of the forward model, and wrong pixels, from the real stars of DATA/spectra; a minute or two."""
    require_folder_of(out)
    require_folder_of(json)
    from cinn_core.benchmark.error_floor import calibrate as measure
    from cinn_core.benchmark.error_floor import development_stars
    from cinn_core.forward_model.forward import emulator_path, load_forward
    from cinn_core.forward_model.model_error import save_model_error
    from cinn_core.parameters import file_hash
    from cinn_core.preparation.templates import shipped_templates

    folder, forward = data_folder(data, "spectra/") / "spectra", load_forward()
    calibration = measure(
        development_stars(folder), folder, forward, shipped_templates(), file_hash(emulator_path()), typer.echo
    )
    _print(calibration)
    write(lambda: save_model_error(calibration.error, out), out)
    write_json(_document(calibration), json)


def _print(calibration: Calibration) -> None:
    import numpy as np

    from cinn_core.statistics import robust_sigma

    error = calibration.error
    quantiles = ", ".join(f"{100 * q:.1f} %" for q in np.percentile(error.epsilon, (50, 75, 95)))
    typer.echo(f"error of the line depth: {100 * error.epsilon.min():.1f} % at least, quantiles 50 75 95: {quantiles}")
    typer.echo(f"error of the continuum {100 * error.continuum:.2f} %; of Halpha's wings {100 * error.wings:.0f} %")
    typer.echo(f"masked {error.masked.sum()} of {error.masked.size} pixels, Halpha's core among them")
    for group, judged in zip(calibration.groups, calibration.judged, strict=True):
        typer.echo(f"{judged:5.2f} mean square of {', '.join(group)} by the error of the others, before scaling")
    typer.echo("  Teff  with wings  without  star (log g held)")
    for pair in calibration.teff:
        differences = (value - pair.literature for value in (pair.with_wings, pair.without_wings))
        typer.echo(f"{pair.literature:6.0f}  {'  '.join(f'{d:+8.0f}' for d in differences)}  {pair.star}, {pair.file}")
    rows = np.array([(p.with_wings - p.literature, p.without_wings - p.literature) for p in calibration.teff])
    for name, column in zip(("with wings", "without wings"), rows.T, strict=True):
        typer.echo(f"Teff {name}: median {np.median(column):+.0f} K, robust scatter {robust_sigma(column):.0f} K")


def _document(calibration: Calibration) -> dict[str, object]:
    error = calibration.error
    return {
        "epsilon_median": float(sorted(error.epsilon)[error.epsilon.size // 2]),
        "wings": error.wings,
        "continuum": error.continuum,
        "masked_pixels": int(error.masked.sum()),
        "provenance": dict(error.provenance),
        "teff": [vars(pair) for pair in calibration.teff],
    }
