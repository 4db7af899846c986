"""Templates: some 550 model spectra over the Kiel diagram, against which velocity and continuum are measured."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..files import asset_path, computed_once, hash_of
from ..instrument import ARMS, N_PIXELS
from ..targets import COLUMN, LABEL_NAMES, SOLAR_A_LI, labels_of

LOG_STEP_KMS = 2.0

_KIEL: tuple[tuple[float, float], ...] = (
    (4000, 4.65), (4350, 4.65), (4700, 4.6), (5050, 4.55), (5400, 4.5), (5750, 4.4), (6050, 4.3), (6350, 4.25), (6700, 4.15), (7050, 4.1),
    (4950, 3.5), (5400, 3.8), (5900, 3.8), (6400, 3.8), (4000, 0.9), (4300, 1.6), (4600, 2.2), (4850, 2.7), (5150, 2.9),
    (4650, 0.9), (5100, 0.8), (5500, 2.1),
)  # fmt: skip
_FEH = (-3.0, -2.2, -1.5, -0.9, -0.4, 0.0, 0.3)
_SLOW, _ROTATING = 4.0, (20.0, 45.0, 85.0)
_SPREAD = 0.25  # dex, half width of the scatter of every abundance ratio
_SEED = 20_000


class Forward(Protocol):
    """Forward model as far as the templates need it."""

    @property
    def model_wavelength(self) -> NDArray: ...

    def native_flux(self, labels: NDArray) -> NDArray: ...

    def flux(self, labels: NDArray) -> NDArray: ...


@dataclass(frozen=True, eq=False)
class Templates:
    """Model spectra at R = 20 000 and rest, continuum 1.

    labels (k, 29); flux (k, N_PIXELS) float32 on `instrument.WAVELENGTH`; for each arm `log_wavelength` (n_arm,) air
    Angstrom in constant steps of 2 km/s, slightly wider than the window, and `log_flux` (k, n_arm) float32.
    """

    labels: NDArray
    flux: NDArray
    log_wavelength: tuple[NDArray, ...]
    log_flux: tuple[NDArray, ...]

    def __post_init__(self) -> None:
        k = len(self.labels)
        if self.labels.shape != (k, len(LABEL_NAMES)) or self.flux.shape != (k, N_PIXELS):
            raise ValueError(
                f"Templates of shape {self.flux.shape} with labels {self.labels.shape} do not fit the instrument."
            )
        if len(self.log_flux) != len(ARMS) or any(
            f.shape != (k, w.size) for f, w in zip(self.log_flux, self.log_wavelength, strict=True)
        ):
            raise ValueError("Every arm needs its log-wavelength grid and the templates on it.")

    def depth(self, index: int, rest: NDArray) -> NDArray:
        """Depth (n,) of one template's lines below its continuum at rest wavelengths (n,) [Angstrom in air]; 0 beyond the arms."""
        depth = np.zeros(rest.size)
        for grid, flux in zip(self.log_wavelength, self.log_flux, strict=True):
            depth += np.interp(rest, grid, 1 - flux[index], left=0.0, right=0.0)
        return depth


def template_labels() -> NDArray:
    """Labels (k, 29) of the fixed design: dwarfs, subgiants and giants at seven metallicities, slow and rotating.

    Abundance ratios scatter about Galactic trends, so that neighbouring templates show how spectra differ.
    """
    rng = np.random.default_rng(_SEED)
    rows = []
    for teff, logg in _KIEL:
        for feh in _FEH:
            rows.append(_labels(teff, logg, feh, _SLOW, rng))
            if feh > -2.5:
                rows += [_labels(teff, logg, feh, v, rng) for v in _ROTATING]
    return np.array(rows)


def _labels(teff: float, logg: float, feh: float, vbroad: float, rng: np.random.Generator) -> NDArray:
    row = labels_of({})
    alpha = float(np.interp(feh, [-1.0, 0.0], [0.35, 0.0]))
    vmic = 1.0 + 0.35 * (4.4 - logg) + 3e-4 * (teff - 5500) + rng.uniform(-0.6, 0.6)
    for name in LABEL_NAMES:
        if name.endswith("_fe"):
            row[COLUMN[name]] = rng.uniform(-_SPREAD, _SPREAD)
    for name in ("ca_fe", "mg_fe", "si_fe", "ti_fe", "o_fe"):
        row[COLUMN[name]] += alpha
    row[COLUMN["mn_fe"]] -= 0.6 * alpha
    row[COLUMN["c_fe"]] = min(row[COLUMN["c_fe"]], row[COLUMN["o_fe"]] + 0.1)
    a_li = rng.uniform(-0.5, 2.5)
    values = {"teff": teff, "logg": logg, "feh": feh, "vmic": np.clip(vmic, 0.5, 2.5), "vbroad": vbroad}
    values["li_fe"] = a_li - SOLAR_A_LI - feh
    for name, value in values.items():
        row[COLUMN[name]] = value
    return row


def shipped_templates() -> Templates:
    """Templates of the shipped emulator, computed once for all processes of this machine; raises ParametersError without weights."""
    package = Path(__file__).parents[1]
    code = [Path(__file__), *(package / name for name in ("instrument.py", "targets.py", "rebin.py"))]
    code += sorted(package.glob("forward_model/*.py"))
    key = hash_of(asset_path("weights", "emulator.json"), version("torch"), version("numpy"), *code)
    arrays = computed_once("templates", key, _computed)
    log_wavelength, log_flux = (
        tuple(arrays[f"{name}{i}"] for i in range(len(ARMS))) for name in ("log_wavelength", "log_flux")
    )
    return Templates(arrays["labels"], arrays["flux"], log_wavelength, log_flux)


def _computed() -> dict[str, NDArray]:
    from ..forward_model.forward import load_forward  # late: torch is of use where the templates are not there yet

    templates = make_templates(load_forward())
    arms = {f"log_wavelength{i}": x for i, x in enumerate(templates.log_wavelength)}
    arms |= {f"log_flux{i}": x for i, x in enumerate(templates.log_flux)}
    return {"labels": templates.labels, "flux": templates.flux, **arms}


def make_templates(forward: Forward) -> Templates:
    """Compute the templates with a forward model."""
    labels = template_labels()
    native = np.asarray(forward.native_flux(labels), np.float32)
    flux = np.asarray(forward.flux(labels), np.float32)
    wavelength = np.asarray(forward.model_wavelength, float)
    return Templates(labels, flux, *split_arms(wavelength, native))


def split_arms(wavelength: NDArray, flux: NDArray) -> tuple[tuple[NDArray, ...], tuple[NDArray, ...]]:
    """Grid and spectra (k, n) of a model cut into arms: (wavelengths of each arm, fluxes of each arm)."""
    middle = [(arm.low + arm.high) / 2 for arm in ARMS]
    jumps = np.flatnonzero(np.diff(np.log(wavelength)) > 3 * np.median(np.diff(np.log(wavelength)))) + 1
    parts = np.split(np.arange(wavelength.size), jumps)
    arms = [next(p for p in parts if wavelength[p[0]] < m < wavelength[p[-1]]) for m in middle]
    return tuple(wavelength[p] for p in arms), tuple(np.ascontiguousarray(flux[:, p]) for p in arms)
