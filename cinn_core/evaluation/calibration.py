"""Calibration of the network on draws of the training prior, through the emulator and every step of a training star.

Coverage of its intervals; ranks of the truth among the samples (simulation-based calibration, Talts et al. 2018) and
coverage around random points (TARP, Lemos et al. 2023; `coverage.py`), in prior coordinates; and whether 95 % upper limits
hold. The power of the test of coverage is measured beside it, on posteriors that are right by construction and on narrowed ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..inference.model import Model
from ..inference.network import N_TARGETS, Observation
from ..inference.point_estimates import batches, posterior_z, shortest_intervals, sobol_latents
from ..inference.summary import status_of
from ..prior import MAX_METALLICITY, from_z
from ..random_streams import Stream, stream
from ..stages import FluxVector, Status
from ..targets import COLUMN, TARGET_NAMES, effective_metallicity
from ..training.network import Stars, observe_stars
from ..training.training_set import SHARD_STARS, make_shard
from .coverage import coverage_test, power_of_tests
from .local import local_figures

CALIBRATION_SNR: tuple[int, ...] = (20, 50, 100, 250)
REALISMS: tuple[float, ...] = (0.0, 1.0)
SIGNIFICANCE = 0.01
"""Significance of all tests of one kind together (Bonferroni)."""
_SHARDS_FROM = 1_000_000
_KEPT = 256
"""Samples a star that ranks and TARP use."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Results at one S/N and realism for n stars.

    held68 and held95 (n, 13) whether the interval holds the truth; ranks (r, 13) of the truth among `_KEPT` samples and
    those samples (r, _KEPT, 13) and the truth (r, 13) in prior coordinates; limits (l,) whether each 95 % upper limit on
    lithium holds, one for each star that got one.
    """

    held68: NDArray
    held95: NDArray
    ranks: NDArray
    samples: NDArray
    truth: NDArray
    limits: NDArray


def calibration_stars(model: Model, n: int, seed: int) -> Stars:
    """Simulate at least n stars of the prior as training stars are, in shards that share a pattern of good pixels."""
    shards = [
        make_shard(model.forward, model.templates, model.projection, seed, _SHARDS_FROM + i)
        for i in range(-(-n // SHARD_STARS))
    ]
    return Stars(
        *(torch.from_numpy(np.stack([getattr(s, name) for s in shards])) for name in Stars.__dataclass_fields__)
    )


def calibration_figures(
    model: Model,
    n: int = 4000,
    n_ranked: int = 4000,
    n_samples: int = 1024,
    seed: int = 0,
    snrs: tuple[int, ...] = CALIBRATION_SNR,
    at: Mapping[str, FluxVector] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, object]:
    """The JSON of `kiel evaluate calibration`; raises DataError where sbi is not installed.

    `at`: prepared spectra by name at whose conditions the posterior is tested locally (`local.py`).
    """
    require_sbi()
    progress(f"Simulating {n} stars of the prior")
    stars = calibration_stars(model, n, seed)
    latent = sobol_latents(n_samples, seed).to(model.device)
    n_tests = len(REALISMS) * len(snrs)
    out: dict[str, dict[str, object]] = {}
    for realism in REALISMS:
        out[f"{realism:g}"] = {}
        for snr in snrs:
            progress(f"Realism {realism:g}, S/N {snr} per Angstrom")
            observation = _observe(stars, snr, realism, seed)
            truth = stars.z.flatten(0, 1)[:n].numpy().astype(float)
            calibrated = calibrate(model, observation.rows(slice(n)), truth, latent, n_ranked, seed)
            out[f"{realism:g}"][str(snr)] = _figures(calibrated, n_tests, seed)
    progress("Measuring the power of the test of coverage")
    power = asdict(power_of_tests(calibrated.samples, stream(Stream.COVERAGE_POWER, seed), SIGNIFICANCE))
    figures = {"n": n, "n_ranked": n_ranked, "significance": SIGNIFICANCE, "realism": out, "power": power}
    if at:
        figures["local"] = local_figures(model, stars, at, seed, progress=progress)
    return figures


def _observe(stars: Stars, snr: int, realism: float, seed: int) -> Observation:
    """Noise as the condition says, white; of realistic stars half have it correlated by degrading, as in training."""
    generator = torch.Generator().manual_seed(seed * 1009 + snr)
    shape = stars.z.shape[:2]
    log_snr = torch.full((*shape, 2), float(np.log(snr)))
    degraded = (torch.rand(shape, generator=generator) < 0.5) & (realism > 0)
    return observe_stars(stars, log_snr, torch.full(shape, realism), degraded, generator)


def calibrate(
    model: Model, observation: Observation, truth: NDArray, latent: torch.Tensor, n_ranked: int, seed: int
) -> Calibrated:
    """Compare the posteriors of n observations with their truth (n, 13) in prior coordinates; ranks of the first `n_ranked`."""
    rng = stream(Stream.RANKED_SAMPLES, seed)
    labels = from_z(truth)
    held68, held95, ranks, kept, limits = [], [], [], [], []
    done = 0
    for some in batches(observation.to(model.device)):
        for z in posterior_z(model, some, latent)[0].cpu().numpy().astype(float):
            samples = from_z(z)
            good = effective_metallicity(samples) <= MAX_METALLICITY
            z, samples = (z[good], samples[good]) if good.any() else (z, samples)
            ordered = np.sort(samples, 0)
            for mass, held in ((0.68, held68), (0.95, held95)):
                low, high = shortest_intervals(ordered, mass).T
                held.append((labels[done] >= low) & (labels[done] <= high))
            limits += _upper_limit_holds(z, samples, labels[done])
            if done < n_ranked:
                selected = z[rng.integers(0, len(z), _KEPT)] if len(z) < _KEPT else z[rng.permutation(len(z))[:_KEPT]]
                kept.append(selected)
                ranks.append((selected < truth[done]).sum(0))
            done += 1
    found = [np.array(x) for x in (held68, held95, ranks, kept)]
    return Calibrated(found[0], found[1], found[2], found[3], truth[:n_ranked], np.array(limits, dtype=bool))


def _upper_limit_holds(z: NDArray, samples: NDArray, truth: NDArray) -> list[bool]:
    column = COLUMN["li_fe"]
    status, limit = status_of(z[:, column], samples[:, column])
    if status is not Status.LIMIT or limit is None or limit < np.median(samples[:, column]):
        return []
    return [bool(truth[column] <= limit)]


def _figures(calibrated: Calibrated, n_tests: int, seed: int) -> dict[str, object]:
    from sbi.diagnostics.sbc import check_uniformity_frequentist

    ranks = torch.from_numpy(calibrated.ranks).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p_ranks = check_uniformity_frequentist(ranks, _KEPT).numpy()
    coverage = coverage_test(calibrated.samples, calibrated.truth, stream(Stream.COVERAGE, seed))
    n_limits = len(calibrated.limits)
    return {
        "targets": {
            name: {
                "coverage68": float(calibrated.held68[:, i].mean()),
                "coverage95": float(calibrated.held95[:, i].mean()),
                "sbc_p": float(p_ranks[i]),
            }
            for i, name in enumerate(TARGET_NAMES)
        },
        "sbc_rejected": [
            name for name, p in zip(TARGET_NAMES, p_ranks, strict=True) if p < SIGNIFICANCE / (n_tests * N_TARGETS)
        ],
        "tarp_p": coverage.prior,
        "tarp_own_p": coverage.own,
        "tarp_area": coverage.area,
        "tarp_rejected": coverage.smallest < SIGNIFICANCE / n_tests,
        "lithium_limits": {"n": n_limits, "held": float(calibrated.limits.mean()) if n_limits else None},
    }


def require_sbi() -> None:
    """Raise DataError, which says how to install it, where sbi is missing."""
    try:
        import sbi.diagnostics  # noqa: F401
    except ImportError as error:
        raise DataError(
            "The calibration tests are those of the package sbi, which is not installed; "
            "pip install -e '.[evaluation]' in the checkout brings it."
        ) from error
