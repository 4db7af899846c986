"""Made-up observations that do not say their medium: stars behind the Earth's air, as many in vacuum as in air."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from synthetic import POWER, labels_of, observed, pixels, spectrum_of

from cinn_core.instrument import FWHM_PER_SIGMA, SPEED_OF_LIGHT_KMS
from cinn_core.preparation.fourmost import begin, measure_frame
from cinn_core.preparation.telluric import OXYGEN, OXYGEN_A, OXYGEN_B, WATER
from cinn_core.preparation.templates import Templates
from cinn_core.refraction import air
from cinn_core.stages import Medium, Spectrum

SPANS = {"both": (5140.0, 6810.0), "red": (6080.0, 6810.0), "green": (5140.0, 5750.0)}
_ARMS = ("both", "red", "green", "both")
_INTRINSIC_KMS = 3.5
_LISTED_POWER = 70_000.0  # at which the depths of the lists were read off
_SEED = 4_400


def tellurics(
    wavelength: np.ndarray, medium: Medium, kms: float, oxygen: float, water: float, power: float
) -> np.ndarray:
    """Transmission (n,) of air that moves with `kms`; oxygen and water as shares of the depths listed."""
    rest = air(wavelength, medium) / (1 + kms / SPEED_OF_LIGHT_KMS)
    fwhm, listed = (np.hypot(SPEED_OF_LIGHT_KMS / p, _INTRINSIC_KMS) for p in (power, _LISTED_POWER))
    out = np.ones(wavelength.size)
    for lines, share in ((OXYGEN, oxygen), (OXYGEN_B, oxygen), (OXYGEN_A, oxygen), (WATER, water)):
        for line, depth in lines:
            first, last = np.searchsorted(rest, [line - 0.8, line + 0.8])
            x = (rest[first:last] / line - 1) * SPEED_OF_LIGHT_KMS / (fwhm / FWHM_PER_SIGMA)
            out[first:last] *= 1 - min(depth * share * listed / fwhm, 0.98) * np.exp(-0.5 * x**2)
    return out


@dataclass(frozen=True)
class Observed:
    """Observation `number` of a fixed sequence: half in vacuum; both arms, the red one, the green one, both again."""

    number: int

    @property
    def medium(self) -> Medium:
        return Medium.VACUUM if self.number % 2 else Medium.AIR

    @property
    def arms(self) -> str:
        return _ARMS[self.number // 2 % len(_ARMS)]

    @cached_property
    def _star(self) -> tuple[np.ndarray, float]:
        """Labels (29,) and velocity [km/s]; a quarter of the stars is metal-poor, a fifth rotates."""
        rng = np.random.default_rng([_SEED, self.number])
        giant = rng.random() < 0.4
        teff = rng.uniform(4200, 5200) if giant else rng.uniform(4800, 6700)
        logg = np.clip(1.2 + (teff - 4200) / 500 + rng.normal(0, 0.2), 0.9, 3.4) if giant else rng.uniform(3.9, 4.6)
        feh = rng.uniform(-2.6, -0.8) if rng.random() < 0.25 else min(rng.normal(-0.15, 0.25), 0.4)
        vbroad = rng.uniform(8, 25) if rng.random() < 0.2 else rng.uniform(2, 8)
        alpha = float(np.interp(feh, [-1.0, 0.0], [0.35, 0.0]))
        ratios = {f"{element}_fe": alpha for element in ("mg", "ca", "si", "ti")}
        rv = rng.uniform(-40, 40) if rng.random() < 0.5 else rng.normal(0, 40)
        return labels_of(teff, logg, feh, rng.uniform(0.9, 1.8), vbroad, **ratios), float(rv)

    @property
    def rv(self) -> float:
        return self._star[1]

    def spectrum(self) -> Spectrum:
        """S/N 60 to 150 per Angstrom, pixels of 0.01 to 0.05 Angstrom, at rest with the observer or the Sun."""
        labels, rv = self._star
        rng = np.random.default_rng([_SEED, self.number, 1])
        step = float(rng.choice([0.01, 0.02, 0.03, 0.05]))
        wave = pixels(*SPANS[self.arms], step)
        earth = float(rng.choice([0.0, rng.uniform(-28, 28)]))
        flux = observed(labels, wave, rv, 1e6, self.medium, seed=self.number)
        flux = flux * tellurics(wave, self.medium, earth, rng.uniform(0.9, 1.6), rng.uniform(0.1, 1.3), POWER)
        flux = flux + rng.normal(size=wave.size) / (rng.uniform(60, 150) * np.sqrt(step))
        return spectrum_of(wave, flux, medium=Medium.UNKNOWN, resolving_power=POWER if rng.random() < 0.5 else None)

    def verdict(self, templates: Templates) -> str:
        """What becomes of it: "right" or "wrong" where the medium is decided, else "undecided"."""
        frame = measure_frame(begin(self.spectrum()), templates)
        if frame.steps[0].numbers["decided"] == "no":
            return "undecided"
        return "right" if frame.medium is self.medium else "wrong"
