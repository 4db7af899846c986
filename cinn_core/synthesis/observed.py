"""Physical spectra as the instrument sees them: rotated, at R = 20 000, on its pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..forward_model.broadening import broaden
from ..forward_model.forward import ForwardModel
from ..instrument import RESOLVING_POWER
from ..targets import COLUMN, SYNTHESIS_COLUMNS
from .engine import Engine, to_grid


def observed_flux(engine: Engine, forward: ForwardModel, labels: NDArray) -> NDArray:
    """Flux (n, N_PIXELS) at rest with continuum 1 for labels (n, 29), one synthesis a star.

    Of the forward model only its grid, rotation and pixels take part. Raises SynthesisError where the code gives no spectrum.
    """
    native = np.array([to_grid(*engine.synthesise(row[SYNTHESIS_COLUMNS])) for row in labels])
    vbroad = torch.as_tensor(labels[:, COLUMN["vbroad"]], dtype=torch.float32)
    power = torch.full_like(vbroad, RESOLVING_POWER)
    flux = broaden(torch.as_tensor(native, dtype=torch.float32), forward.arms, vbroad, power)
    return forward.to_pixels(flux).numpy()
