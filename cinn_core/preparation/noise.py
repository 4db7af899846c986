"""The S/N that a preparation ends with: measured or given, within what the network knows, or lowered by added noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from ..instrument import ARMS, MAX_SNR, MIN_SNR, PIXEL_ANGSTROM, SPEED_OF_LIGHT_KMS, arm_slices, pixel_sigma
from ..stages import Spectrum, Step
from .resample import FWHM_PER_SIGMA
from .snr import LOW, Snr


def settle_snr(
    measured: tuple[Snr, ...], given: float | None, spectrum: Spectrum
) -> tuple[tuple[float, ...], list[Step], set[str]]:
    """S/N per Angstrom of each arm, at most MAX_SNR, with ledger and flags; raises SpectrumError below MIN_SNR."""
    steps = []
    for arm, s in zip(ARMS, measured, strict=True):
        numbers: dict[str, float | str] = {
            "per_angstrom": s.value,
            "from_pixels": s.from_pixels,
            "from_errors": s.from_errors,
        }
        if spectrum.snr_header is not None:
            numbers["header"] = spectrum.snr_header
        steps.append(Step(f"signal to noise, {arm.name}", s.source, numbers))
    values = [s.value for s in measured]
    if given is not None:
        steps.append(Step("signal to noise", "given by the user", {"per_angstrom": given}))
        values = [given for _ in measured]
    known = [v for v in values if np.isfinite(v)]
    if not known:
        raise SpectrumError(
            "The noise of this spectrum cannot be measured (too few complete stretches); give its S/N per Angstrom."
        )
    typical = float(np.median(known))
    if typical < MIN_SNR:
        raise SpectrumError(
            f"This spectrum has S/N {typical:.1f} per Angstrom; below {MIN_SNR:.0f} nothing can be learned from it. Co-add more exposures."
        )
    flags = {"snr_low"} if typical < LOW else set[str]()
    if max(known) > MAX_SNR:
        flags.add("snr_clipped")
        reason = f"clipped to {MAX_SNR:.0f}, the largest the model knows"
        steps.append(Step("signal to noise", reason, {"per_angstrom": max(known)}))
    return tuple(min(v, MAX_SNR) if np.isfinite(v) else v for v in values), steps, flags


def noise_left(snr: float, fwhm_kms: float, angstrom: float) -> float:
    """Noise of a 0.1 Angstrom pixel near a wavelength once white noise of this S/N per Angstrom was smoothed by a Gaussian.

    A Gaussian much wider than the pixel leaves it white noise's variance per Angstrom over 2 sqrt(pi) sigma; a narrow one
    next to all of it.
    """
    sigma = fwhm_kms / FWHM_PER_SIGMA / SPEED_OF_LIGHT_KMS * angstrom
    width = float(np.hypot(2 * np.sqrt(np.pi) * sigma, PIXEL_ANGSTROM))
    return 1 / (snr * np.sqrt(width))


def degraded(
    flux: NDArray, snr: tuple[float, ...], fwhm_kms: float, wanted: float, seed: int
) -> tuple[NDArray, tuple[float, ...], Step]:
    """Flux (N_PIXELS,) with continuum 1 and white noise added up to a S/N per Angstrom, the S/N of each arm, and the ledger's entry.

    Ksoll et al. (2026), Eq. 1, in each 0.1 Angstrom pixel; what noise the smoothing left there counts as part of it. An
    arm that is noisier already stays as it is.
    """
    random = np.random.default_rng(seed)
    out, numbers, ends = np.array(flux), dict[str, float | str](), []
    for arm, part, before in zip(ARMS, arm_slices(), snr, strict=True):
        normal = random.normal(size=arm.n_pixels)
        if not np.isfinite(before) or before <= wanted:
            ends.append(before)
            continue
        there = noise_left(before, fwhm_kms, 0.5 * (arm.low + arm.high))
        added = float(np.sqrt(max(pixel_sigma(wanted) ** 2 - there**2, 0.0)))
        out[part] += added * normal
        numbers |= {f"before_{arm.name}": before, f"sigma_added_{arm.name}": added}
        ends.append(wanted)
    reason = (
        f"white noise added to a S/N of {wanted:.0f} per Angstrom"
        if numbers
        else f"the S/N is not above {wanted:.0f} per Angstrom; nothing is added"
    )
    return out, tuple(ends), Step("degrade S/N", reason, numbers | {"seed": seed})
