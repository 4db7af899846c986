"""Values that a person gives in place of those of the file or of a measurement, handed to the preparation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum

from .errors import SpectrumError
from .instrument import MAX_SNR, MIN_SNR
from .stages import Medium

MAX_VELOCITY_KMS = 1000.0
MAX_RESOLVING_POWER = 1e6
MAX_ANGSTROM = 1e5


class ContinuumChoice(Enum):
    """Choice between a fit of the continuum and a flux that is normalised already and left as it is."""

    FIT = "fit"
    AS_IS = "as is"


@dataclass(frozen=True)
class Overrides:
    """Values in place of measured ones; a field left at its default is measured or taken from the file.

    velocity [km/s], receding positive, in the frame of the file's wavelengths; snr per Angstrom of continuum, for all
    arms; medium of the file's wavelengths; native resolving_power; masked: (low, high) regions in air Angstrom in the
    star's rest frame, which become missing pixels; continuum; degrade_to_snr: white noise is added to each arm up to
    this S/N per Angstrom (Ksoll et al. 2026, Eq. 1, less the noise that is there already), with the seed noise_seed.
    Raises SpectrumError for values that are not possible.
    """

    velocity: float | None = None
    snr: float | None = None
    medium: Medium | None = None
    resolving_power: float | None = None
    masked: tuple[tuple[float, float], ...] = ()
    continuum: ContinuumChoice = ContinuumChoice.FIT
    degrade_to_snr: float | None = None
    noise_seed: int = 0

    def __post_init__(self) -> None:
        _require("velocity", self.velocity, -MAX_VELOCITY_KMS, MAX_VELOCITY_KMS, "km/s")
        _require("S/N", self.snr, 0.1, 1e6, "per Angstrom")
        _require("resolving power", self.resolving_power, 1.0, MAX_RESOLVING_POWER, "")
        _require("S/N to degrade to", self.degrade_to_snr, MIN_SNR, MAX_SNR, "per Angstrom")
        for low, high in self.masked:
            if not (0 < low < high < MAX_ANGSTROM):
                raise SpectrumError(
                    f"The region to mask {low:g}-{high:g} Angstrom is not a range; give its lower end, then its upper end."
                )
        if self.medium is Medium.UNKNOWN:
            raise SpectrumError("The medium can be given as air or vacuum; leave it out where it is not known.")

    def given(self) -> dict[str, float | str | list[list[float]]]:
        """Fields that differ from the default, for the provenance."""
        changes: dict[str, float | str | list[list[float]]] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                changes[field.name] = _plain(value)
        return changes


def _require(what: str, value: float | None, low: float, high: float, unit: str) -> None:
    if value is not None and not low <= value <= high:  # NaN fails too
        raise SpectrumError(
            f"The {what} given is {value:g}; it has to lie between {low:g} and {high:g} {unit}".strip() + "."
        )


def _plain(value: object) -> float | str | list[list[float]]:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return [[float(low), float(high)] for low, high in value]
    assert isinstance(value, int | float)
    return value


NOTHING_GIVEN = Overrides()
