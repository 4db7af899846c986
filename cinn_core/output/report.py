"""An analysis as one JSON document: plain numbers and text, null where a number does not exist."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from .. import __version__
from ..inference.trust import real_stars_json
from ..stages import Analysis, Importance

SCHEMA = 1
"""Raised whenever a key changes its meaning or goes."""


def to_json(analysis: Analysis) -> dict[str, Any]:
    """The document of `kiel analyse --json`; targets in their fixed order and units, intervals of highest density."""
    vector = analysis.flux_vector
    return plain(
        {
            "schema": SCHEMA,
            "file": vector.file,
            "star": vector.star,
            "targets": {name: asdict(numbers) for name, numbers in analysis.summary.targets.items()},
            "derived": {name: asdict(numbers) for name, numbers in analysis.summary.derived.items()},
            "correlations": analysis.summary.correlations,
            "rejected_fraction": analysis.posterior.rejected_fraction,
            "reliability": None if analysis.reliability is None else asdict(analysis.reliability),
            "importance": _importance(analysis.importance),
            "more": None if analysis.more is None else {n: asdict(e) for n, e in analysis.more.elements.items()},
            "physics_of_star": _physics_of_star(analysis),
            "real_stars": real_stars_json(analysis),
            "flags": analysis.flags,
            "rv_kms": vector.rv_kms,
            "snr_per_angstrom": vector.snr_per_angstrom,
            "timings_s": analysis.timings_s,
            "provenance": analysis.provenance,
        }
    )


def _physics_of_star(analysis: Analysis) -> dict[str, dict[str, object]] | None:
    """What the spectrum says of structure, second shape and iron's departures; None where it was not asked or is not known."""
    if analysis.more is None or not analysis.more.physics:
        return None
    return {name: asdict(one) for name, one in analysis.more.physics.items()}


def _importance(found: Importance | None) -> dict[str, Any] | None:
    """The weighted posterior beside the plain one; where the weights failed, only that they did."""
    if found is None:
        return None
    quality = {
        "failed": found.failed,
        "efficiency": found.efficiency,
        "effective_samples": found.effective_samples,
        "pareto_k": found.pareto_k,
        "adaptive_rounds": found.rounds,
    }
    targets = {} if found.failed else {name: asdict(numbers) for name, numbers in found.summary.targets.items()}
    return {**quality, "targets": targets}


def dumps(document: Mapping[str, Any]) -> str:
    """The document as text that every JSON reader takes; a NaN that slipped in is an error, never written."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """`value` with dictionaries, lists, text, integers, finite floats, booleans and None alone."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def citation() -> str:
    """Both citations as text to paste."""
    return f"""Kiel {__version__} (The Kiel developers), which implements the method of

Ksoll, V. F., Storm, N., Bergemann, M., Lee, K., Klessen, R. S., Albarracín, R., Guiglion, G., & Tautvaišienė, G. 2026,
A method to derive self-consistent NLTE astrophysical parameters for 4 million high-resolution 4MOST stellar spectra in
half a day with invertible neural networks, A&A, 708, A118, doi:10.1051/0004-6361/202558595

@article{{ksoll2026,
  author  = {{Ksoll, Victor F. and Storm, Nicholas and Bergemann, Maria and Lee, Katherine and Klessen, Ralf S. and
             Albarrac{{\\'i}}n, R. and Guiglion, Guillaume and Tautvai{{\\v s}}ien{{\\.e}}, Gra{{\\v z}}ina}},
  title   = {{A method to derive self-consistent NLTE astrophysical parameters for 4 million high-resolution 4MOST
             stellar spectra in half a day with invertible neural networks}},
  journal = {{Astronomy & Astrophysics}}, volume = {{708}}, pages = {{A118}}, year = {{2026}},
  doi     = {{10.1051/0004-6361/202558595}}
}}
"""
