"""The frozen stages of the one data path: Spectrum, FluxVector, PosteriorSamples, Summary, and what hangs off them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

import numpy as np
from numpy.typing import NDArray

from .errors import SpectrumError
from .instrument import ARMS, N_PIXELS, arm_coverage
from .targets import TARGET_NAMES, TARGETS


class Medium(Enum):
    """Medium in which the wavelengths of a spectrum are measured."""

    AIR = "air"
    VACUUM = "vacuum"
    UNKNOWN = "unknown"


FLAGS: tuple[str, ...] = (
    "out_of_domain",
    "extrapolated",
    "partial_coverage",
    "missing_arm",
    "arms_disagree",
    "rv_uncertain",
    "medium_guessed",
    "resolution_unsure",
    "snr_low",
    "snr_clipped",
    "continuum_poor",
    "chi2_high",
    "composite",
    "metal_poor",
)
"""Every flag a result may carry; the one list."""


@dataclass(frozen=True)
class Step:
    """One entry of the ledger: what was done to the spectrum, why, and the numbers it rests on."""

    name: str
    reason: str
    numbers: dict[str, float | str] = field(default_factory=dict)


def _frozen(array: NDArray, dtype: type = float) -> NDArray:
    copy = np.array(array, dtype=dtype)
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One observed spectrum as its file has it, before 4MOST-ifying.

    wavelength (n,) Angstrom, increasing, in `medium`; flux (n,) any scale; error (n,) 1 sigma in the flux's scale or
    None; good (n,) False where the file has no usable pixel (NaN, zero-filled, flagged). `resolving_power` and
    `snr_header` (per pixel of the file) are None where the file does not tell; `usual_power` where the resolving power is
    only what is usual for the instrument that the file names.
    """

    wavelength: NDArray
    flux: NDArray
    error: NDArray | None
    good: NDArray
    medium: Medium
    star: str
    file: str
    sha256: str
    format: str
    resolving_power: float | None = None
    snr_header: float | None = None
    steps: tuple[Step, ...] = ()
    usual_power: bool = False

    def __post_init__(self) -> None:
        for name in ("wavelength", "flux"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "good", _frozen(self.good, bool) & np.isfinite(self.flux))
        self.good.setflags(write=False)
        if self.error is not None:
            object.__setattr__(self, "error", _frozen(self.error))
        n = self.wavelength.size
        arrays = [self.wavelength, self.flux, self.good] + ([] if self.error is None else [self.error])
        if any(a.shape != (n,) for a in arrays):
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise SpectrumError(f"The wavelength, flux and error of {self.file} have different lengths ({shapes}).")
        if n < 100:
            raise SpectrumError(f"{self.file} holds {n} pixels; a spectrum needs at least 100.")
        if not np.all(np.isfinite(self.wavelength)) or np.any(np.diff(self.wavelength) <= 0):
            raise SpectrumError(f"The wavelengths of {self.file} do not increase from pixel to pixel.")
        if not self.good.any():
            raise SpectrumError(
                f"Every pixel of {self.file} is missing (NaN, zero or flagged); there is no flux to read."
            )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The spectrum as it stood after a step of the ledger, to be drawn before and after it.

    after: name of that step; frame: what the wavelengths (n,) [Angstrom] are measured in; flux (n,), good (n,) bool;
    level (n,): the curve that the next step divides by, or None.
    """

    after: str
    frame: str
    wavelength: NDArray
    flux: NDArray
    good: NDArray
    level: NDArray | None = None

    def __post_init__(self) -> None:
        for name in ("wavelength", "flux"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "good", _frozen(self.good, bool))
        if self.level is not None:
            object.__setattr__(self, "level", _frozen(self.level))


@dataclass(frozen=True, eq=False)
class FluxVector:
    """A spectrum as the 4MOST high-resolution spectrograph would have seen it, ready for inference.

    flux (N_PIXELS,): continuum 1, air, rest frame, R = 20 000, on `instrument.WAVELENGTH`; where not `good`
    (N_PIXELS,) bool it is NaN and takes no part. `snr` per Angstrom for each arm (NaN for an arm without pixels).
    `noise_fwhm_kms`: width of the kernel that correlated the native noise (0: white).
    What was divided by `continuum` (N_PIXELS,) is flux * continuum. `snapshots`: the spectrum on its way here.
    """

    flux: NDArray
    good: NDArray
    continuum: NDArray
    snr: tuple[float, ...]
    rv_kms: float
    rv_error_kms: float
    native_resolving_power: float
    noise_fwhm_kms: float
    star: str
    file: str
    sha256: str
    steps: tuple[Step, ...]
    flags: tuple[str, ...]
    snapshots: tuple[Snapshot, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "good", _frozen(self.good, bool))
        object.__setattr__(self, "flux", _frozen(np.where(self.good, self.flux, np.nan)))
        object.__setattr__(self, "continuum", _frozen(self.continuum))
        shapes = {a.shape for a in (self.flux, self.good, self.continuum)}
        if shapes != {(N_PIXELS,)} or len(self.snr) != len(ARMS):
            raise ValueError(
                f"A flux vector has {N_PIXELS} pixels and {len(ARMS)} arms, not {shapes} and {len(self.snr)}."
            )
        if not np.isfinite(self.flux[self.good]).all():
            raise ValueError("A good pixel of a flux vector is not finite.")
        unknown = set(self.flags) - set(FLAGS)
        if unknown:
            raise ValueError(f"Unknown flags {sorted(unknown)}; the list is stages.FLAGS.")

    @property
    def coverage(self) -> tuple[float, ...]:
        """Fraction of each arm that is present."""
        return tuple(float(c) for c in arm_coverage(self.good))

    @property
    def snr_per_angstrom(self) -> float:
        """Median S/N per Angstrom of the arms that are present."""
        return float(np.nanmedian(self.snr))


@dataclass(frozen=True, eq=False)
class PosteriorSamples:
    """Samples of p(targets | spectrum) from the flow.

    labels (n, 13) in the targets' units and order; z (n, 13) prior coordinates; log_prob (n,) of z under the flow;
    `map_z` (13,) the refined MAP in z; `rejected_fraction` the share of raw samples outside the prior, already left out.
    """

    labels: NDArray
    z: NDArray
    log_prob: NDArray
    map_z: NDArray
    rejected_fraction: float
    seed: int

    def __post_init__(self) -> None:
        for name in ("labels", "z", "log_prob", "map_z"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        n = self.labels.shape[0]
        if self.labels.shape != (n, len(TARGETS)) or self.z.shape != self.labels.shape or self.log_prob.shape != (n,):
            raise ValueError("Samples, coordinates and densities of a posterior differ in shape.")


class Status(StrEnum):
    """Kind of result for a target: a value, no more than a limit, or nothing beyond the prior."""

    MEASURED = "measured"
    LIMIT = "limit"
    UNCONSTRAINED = "unconstrained"


@dataclass(frozen=True)
class TargetSummary:
    """One target's numbers, in its unit; lo/hi are highest-density intervals of the marginal.

    `limit95`, where the status is LIMIT: the 95 % quantile where the density piles up at the prior's lower edge, the
    5 % quantile where it does at the upper one.
    """

    map: float
    map_paper: float
    mean: float
    median: float
    lo68: float
    hi68: float
    lo95: float
    hi95: float
    unit: str
    status: Status = Status.MEASURED
    limit95: float | None = None

    @property
    def limit_sign(self) -> str:
        """'<' before an upper limit, '>' before a lower one, nothing where there is no limit."""
        if self.limit95 is None:
            return ""
        return "<" if self.limit95 >= self.median else ">"


@dataclass(frozen=True)
class Derived:
    """A quantity that follows from the targets sample by sample; `scale` names the solar abundances it rests on."""

    label: str
    unit: str
    scale: str
    mean: float
    median: float
    lo68: float
    hi68: float
    lo95: float
    hi95: float


@dataclass(frozen=True)
class Summary:
    """The thirteen targets' numbers, keyed by target name in the fixed order.

    `derived`: [X/H], A(X), [alpha/Fe]; `correlations`: 13 rows of 13, in the targets' order.
    """

    targets: dict[str, TargetSummary]
    derived: dict[str, Derived] = field(default_factory=dict)
    correlations: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if tuple(self.targets) != TARGET_NAMES:
            raise ValueError("A summary holds the thirteen targets in their fixed order.")


@dataclass(frozen=True, eq=False)
class Resimulation:
    """The forward model at the answer, on `instrument.WAVELENGTH`, scaled by the observation's smooth modes.

    map_flux (N_PIXELS,) at the MAP; band68 and band95 (2, N_PIXELS) lower and upper flux over the posterior samples;
    residual (N_PIXELS,) observed - map in units of the pixel noise, NaN where nothing was observed; chi2_per_pixel.
    """

    map_flux: NDArray
    band68: NDArray
    band95: NDArray
    residual: NDArray
    chi2_per_pixel: float


@dataclass(frozen=True, eq=False)
class Saliency:
    """d target / d flux for every pixel over the norm of each target's gradient, shape (13, N_PIXELS)."""

    weights: NDArray


@dataclass(frozen=True)
class Reliability:
    """Measures of how far a result can be trusted.

    rejected_fraction of the raw samples; distance of the embedding from the training stars' and the threshold that
    1 % of validation stars exceed (None for a network without these statistics); chi2, the mean over posterior samples
    and pixels of the squared residual in units of noise and model error, and the same for each diagnostic line seen.
    """

    rejected_fraction: float
    distance: float | None
    distance_threshold: float | None
    chi2: float
    chi2_lines: dict[str, float]

    @property
    def is_far(self) -> bool:
        """Whether no training star looks like this one to the network."""
        if self.distance is None or self.distance_threshold is None:
            return False
        return self.distance > self.distance_threshold


@dataclass(frozen=True, eq=False)
class Importance:
    """The posterior weighed against the likelihood itself.

    labels and z (n, 13) of the samples, log_prob (n,) of the proposal in z, log_weights (n,) of prior x likelihood over
    proposal; effective_samples (Kish) of them and their share, `efficiency`; pareto_k of the weights' tail; rounds of adaptation
    (0: the flow alone); `failed` where the weights cannot be trusted; summary of the weighted samples.
    """

    labels: NDArray
    z: NDArray
    log_prob: NDArray
    log_weights: NDArray
    effective_samples: float
    efficiency: float
    pareto_k: float
    rounds: int
    failed: bool
    summary: Summary

    def __post_init__(self) -> None:
        for name in ("labels", "z", "log_prob", "log_weights"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))


@dataclass(frozen=True)
class MoreElement:
    """One element beside the targets: its [X/Fe], status and 95 % limit as of a target's, LTE or NLTE of its lines, and the air
    wavelengths [Angstrom] that say most of it in this star, the first most."""

    label: str
    unit: str
    mean: float
    median: float
    lo68: float
    hi68: float
    lo95: float
    hi95: float
    status: Status
    limit95: float | None
    physics: str
    lines: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class MoreElements:
    """Elements beside the targets: labels [X/Fe] and z (n, 13) of samples, numbers by name; those of the physics where known."""

    labels: NDArray
    z: NDArray
    elements: dict[str, MoreElement]
    physics: dict[str, MoreElement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("labels", "z"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))


@dataclass(frozen=True, eq=False)
class Answer:
    """The numbers of an analysis under way: spectrum, samples and summary, before fit and pixels are known."""

    flux_vector: FluxVector
    posterior: PosteriorSamples
    summary: Summary


@dataclass(frozen=True, eq=False)
class Analysis:
    """Result of `analyse` for one spectrum: the stages, the flags, how long each took, and where it came from."""

    flux_vector: FluxVector
    posterior: PosteriorSamples
    summary: Summary
    resimulation: Resimulation
    saliency: Saliency
    flags: tuple[str, ...]
    timings_s: dict[str, float]
    provenance: dict[str, object]
    reliability: Reliability | None = None
    importance: Importance | None = None
    more: MoreElements | None = None

    @property
    def physics(self) -> str:
        """Elements in NLTE, as the emulator's card names them; "lte" where the provenance holds nothing of it."""
        return str(self.provenance.get("physics", "lte"))
