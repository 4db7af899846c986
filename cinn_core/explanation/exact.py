"""Exact resimulation: the MAP and the quantile models by full synthesis, beside the emulator's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..data import data_directory
from ..errors import DataError
from ..forward_model.broadening import broaden
from ..forward_model.forward import ForwardModel
from ..instrument import RESOLVING_POWER
from ..model import Model
from ..nlte.shipped import engine_of
from ..stages import FluxVector, PosteriorSamples
from ..synthesis.engine import Engine, to_grid
from ..synthesis.turbospectrum import find_programs
from ..targets import COLUMN, SYNTHESIS_NAMES
from .modelled import match_continuum, modelled, quantile_labels, with_nuisances_of_z

NAMES = ("MAP", "2.5 %", "16 %", "84 %", "97.5 %")
_SYNTHESIS_COLUMNS = [COLUMN[name] for name in SYNTHESIS_NAMES]


@dataclass(frozen=True, eq=False)
class Exact:
    """One model synthesised: flux (N_PIXELS,), the emulator's of the same labels, and how far they are apart."""

    name: str
    flux: NDArray
    emulated: NDArray

    @property
    def rms(self) -> float:
        """Root mean square of synthesised - emulated flux, as a fraction of the continuum."""
        return float(np.sqrt(np.mean((self.flux - self.emulated) ** 2)))

    @property
    def largest(self) -> float:
        """Largest difference of one pixel."""
        return float(np.abs(self.flux - self.emulated).max())


def can_synthesise() -> bool:
    """Whether Turbospectrum and its input are on this machine."""
    try:
        find_programs()
        data = data_directory()
    except DataError:
        return False
    return data is not None and (data / "synthesis").is_dir()


def resimulate_exactly(
    vector: FluxVector, posterior: PosteriorSamples, weights: NDArray | None, model: Model
) -> Iterator[Exact]:
    """The MAP, then the four quantile models, one after the other, some 7 s each.

    Raises DataError where Turbospectrum or its input is missing, SynthesisError where it gives no spectrum.
    """
    labels = np.concatenate([with_nuisances_of_z(posterior.map_z[None]), quantile_labels(posterior, weights)])
    data = data_directory()
    if data is None:
        raise DataError("There is no data folder with synthesis/; set KIEL_DATA.")
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as scratch:
        engine = engine_of(model, find_programs(), data, Path(scratch))
        for name, star in zip(NAMES, labels, strict=True):
            flux = match_continuum(observed(star, engine, model.forward)[None], vector, model.projection)[0]
            yield Exact(name, flux, modelled(star[None], vector, model)[0])


def observed(labels: NDArray, engine: Engine, forward: ForwardModel) -> NDArray:
    """A synthesis of labels (26,) as the instrument sees it: rotated, R = 20 000, its pixels (N_PIXELS,)."""
    native = to_grid(*engine.synthesise(labels[_SYNTHESIS_COLUMNS]))
    flux = torch.as_tensor(native, dtype=torch.float32)[None]
    vbroad = torch.tensor([labels[COLUMN["vbroad"]]], dtype=torch.float32)
    with torch.no_grad():
        seen = broaden(flux, forward.arms, vbroad, torch.full((1,), RESOLVING_POWER))
        return forward.to_pixels(seen)[0].numpy()
