"""Spectra and samples as other tools take them: specutils, ArviZ, and tables that TOPCAT, Specviz and SPLAT open."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import KielError, SpectrumError
from ..files import written
from ..instrument import RESOLVING_POWER, WAVELENGTH
from ..preparation.prepared import pixel_errors, plain_ascii
from ..stages import Analysis, FluxVector, Medium, PosteriorSamples, Spectrum, Step
from ..targets import TARGETS

if TYPE_CHECKING:
    import specutils
    import xarray
    from astropy.table import Table

RELATIVE_FLUX = "adu"
"""Unit of a flux without unit in the tables for other tools: specutils takes no column without one for a flux."""


def from_specutils(
    spectrum: specutils.Spectrum,
    *,
    star: str = "",
    medium: Medium | str = Medium.UNKNOWN,
    resolving_power: float | None = None,
) -> Spectrum:
    """Kiel's Spectrum from one of specutils, with what that holds nothing of: star, medium, resolving power.

    The spectral axis may be a wavelength, frequency or energy in either direction, as observed: its `radial_velocity` is not
    applied. Uncertainties of any kind become 1 sigma; masked pixels are missing. Raises SpectrumError where there is more
    than one spectrum, or the axis cannot be one of wavelengths.
    """
    from astropy import units as u
    from astropy.nddata import StdDevUncertainty

    name = star or str(dict(spectrum.meta or {}).get("OBJECT", "") or "")
    flux = np.asarray(spectrum.flux.value, float)
    if flux.ndim != 1:
        raise SpectrumError(
            f"The specutils spectrum holds fluxes of shape {flux.shape}; give one spectrum, such as spectrum[0]."
        )
    try:
        wavelength = spectrum.spectral_axis.to_value(u.AA, u.spectral())
    except u.UnitConversionError as problem:
        raise SpectrumError(
            f"The axis of the specutils spectrum is in {spectrum.spectral_axis.unit}; it needs one of wavelength, frequency or energy."
        ) from problem
    error = None
    if spectrum.uncertainty is not None:
        error = np.asarray(spectrum.uncertainty.represent_as(StdDevUncertainty).array, float)
    good = np.isfinite(flux)
    if spectrum.mask is not None:
        good &= np.asarray(spectrum.mask) == 0
    order = np.argsort(wavelength, kind="stable")
    arrays = [wavelength, flux, good] + ([] if error is None else [error])
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()
    good = good if error is None else good & np.isfinite(error) & (error > 0)
    return Spectrum(
        wavelength=wavelength[order], flux=np.where(np.isfinite(flux), flux, 0.0)[order],
        error=None if error is None else error[order], good=good[order], medium=Medium(medium), star=name,
        file=f"{name or 'spectrum'} (specutils)", sha256=digest, format="specutils", resolving_power=resolving_power,
        steps=(Step("read", "a specutils Spectrum", {"pixels": flux.size}),),
    )  # fmt: skip


def to_specutils(vector: FluxVector, flux: NDArray | None = None) -> specutils.Spectrum:
    """The prepared spectrum as one of specutils; or `flux` (N_PIXELS,), such as a model, on its pixels without errors.

    Air wavelengths in the star's rest frame, continuum 1, 1 sigma errors, missing pixels masked (the opposite of `good`).
    """
    from astropy import units as u
    from astropy.nddata import StdDevUncertainty
    from specutils import Spectrum as Specutils

    meta = {
        "OBJECT": vector.star, "file": vector.file, "medium": "air", "frame": "rest", "resolving_power": RESOLVING_POWER,
        "rv_kms": vector.rv_kms, "creator": f"kiel {__version__}",
    }  # fmt: skip
    axis = WAVELENGTH * u.AA
    if flux is not None:
        return Specutils(flux=np.asarray(flux) * u.one, spectral_axis=axis, meta=meta)
    return Specutils(
        flux=vector.flux * u.one,
        spectral_axis=axis,
        uncertainty=StdDevUncertainty(pixel_errors(vector)),
        mask=~vector.good,
        meta=meta,
    )


def to_arviz(posterior: PosteriorSamples, star: str = "") -> xarray.DataTree:
    """The samples as ArviZ takes them: group `posterior` with one variable a target, one chain, and units; log density beside.

    Needs arviz-base, the extra `arviz`. The samples are independent: ESS is their number, R-hat says nothing.
    """
    try:
        import arviz_base
    except ImportError as problem:
        raise KielError(
            "ArviZ's data format needs arviz-base; install it with: pip install 'kiel-spectra[arviz]'."
        ) from problem
    draws = {target.name: posterior.labels[None, :, i] for i, target in enumerate(TARGETS)}
    tree = arviz_base.from_dict(
        {"posterior": draws, "sample_stats": {"lp": posterior.log_prob[None]}},
        attrs={"posterior": {"star": star, "creator": f"kiel {__version__}", "seed": posterior.seed}},
    )
    for target in TARGETS:
        tree["posterior"][target.name].attrs.update(units=target.unit, long_name=target.label)
    return tree


def spectrum_table(vector: FluxVector, model: NDArray | None = None) -> Table:
    """The prepared spectrum, a row a pixel: WAVE, FLUX, ERR, mask (True: missing), and the model (N_PIXELS,) where one is given.

    Flux is in units of the continuum; its column says "adu", which stands for a relative scale in the ESO's files, since
    specutils and with it Specviz know a flux by its unit.
    """
    from astropy.table import Table  # late: a second of imports

    columns: list[tuple[str, NDArray, str | None, str, str]] = [
        ("WAVE", WAVELENGTH, "Angstrom", "em.wl;obs.atmos", "wavelength in air, rest frame of the star"),
        ("FLUX", vector.flux, RELATIVE_FLUX, "phot.flux.density;em.wl;meta.main", "flux, the continuum is 1"),
        ("ERR", pixel_errors(vector), RELATIVE_FLUX, "stat.error;phot.flux.density;em.wl", "1 sigma of the flux"),
        ("mask", ~vector.good, None, "meta.code.qual", "true where nothing was observed"),
    ]
    if model is not None:
        ucd, words = "phot.flux.density;em.wl;meta.modelled", "spectrum resimulated from the answer"
        columns.append(("MODEL", np.asarray(model), RELATIVE_FLUX, ucd, words))
    table = Table()
    for name, values, unit, ucd, words in columns:
        table[name] = values
        table[name].unit, table[name].description, table[name].meta["ucd"] = unit, words, ucd
    table.meta = {"OBJECT": plain_ascii(vector.star)[:60], "CREATOR": f"kiel {__version__}"}
    return table


def write_spectrum_table(analysis: Analysis, path: Path) -> None:
    """Write the prepared spectrum with its model as a FITS table of one row a pixel, whole or not at all."""
    from astropy.io import fits

    vector = analysis.flux_vector
    table = spectrum_table(vector, analysis.resimulation.map_flux)
    hdu = fits.table_to_hdu(table)
    hdu.name = "SPECTRUM"
    for i, name in enumerate(table.colnames, 1):
        hdu.header[f"TUCD{i}"] = table[name].meta["ucd"]
    primary = fits.PrimaryHDU()
    for header in (primary.header, hdu.header):
        header["OBJECT"] = plain_ascii(vector.star)[:60]
        header["AIRORVAC"] = ("air", "medium of the wavelengths")
        header["SPEC_RES"] = (RESOLVING_POWER, "resolving power")
        header["SPECSYS"] = ("SOURCE", "rest frame of the star")
        header["CONTNORM"] = (True, "continuum is 1")
    with written(path) as part:
        fits.HDUList([primary, hdu]).writeto(part, overwrite=True, checksum=True, output_verify="exception")
