"""Held-out figures of the network: errors, widths and coverage on synthetic test stars, beside the information limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..inference.model import Model
from ..inference.network import N_TARGETS
from ..inference.paper import PAPER_SNR, PaperNetwork
from ..inference.point_estimates import (
    N_SAMPLES,
    PointEstimates,
    estimate_all,
    estimates_of,
    shortest_intervals,
    sobol_latents,
)
from ..instrument import N_PIXELS, pixel_sigma
from ..prior import draw
from ..random_streams import Stream, stream, torch_seed
from ..synthesis.grid_file import Grid
from ..targets import COLUMN, TARGETS
from .held_out import (
    HeldOutStars,
    evaluation_vbroad,
    held_out_pixels,
    held_out_stars,
    lithium_equivalent_width,
    observe_held_out,
)
from .limit import information, limit_samples, van_trees

QUICK_SNR: tuple[int, ...] = (20, 50, 100, 250)
QUICK_DRAWS = 2
METAL_RICH = -2.5
"""[Fe/H] above which a star counts in the first of the two tables."""
_RESAMPLES = 200
_SCALE = np.array([target.paper_range or (target.high - target.low) for target in TARGETS])
"""The ranges over which an rms is quoted: the paper's, or our own for what the paper leaves open."""
_LIMIT_LATENTS, _LIMIT_DRAWS = 256, 2
_PRIOR_STARS = 50_000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Point estimates of the network for n test stars with d draws each.

    labels (n, d, 29); answers (n * d) and `prior_answers` (n), to the one more draw a star whose vbroad follows the
    training prior, by S/N; limit68, compressed_limit68 and reachable_limit68 (n, 2, 13), for the first two draws of a
    star the 68 % widths that the information of all pixels, of the coefficients alone, or of these with the emulator's
    error in the noise, allows, by S/N; lithium_width (n,) [milli-Angstrom]; bound (13,) of Van Trees by S/N.
    """

    stars: HeldOutStars
    answers: dict[int, PointEstimates]
    prior_answers: dict[int, PointEstimates]
    limit68: dict[int, NDArray]
    compressed_limit68: dict[int, NDArray]
    reachable_limit68: dict[int, NDArray]
    bound: dict[int, NDArray]
    lithium_width: NDArray

    @property
    def labels(self) -> NDArray:
        return self.stars.labels[:, :-1]

    @property
    def rich(self) -> NDArray:
        """True (n,) for stars with [Fe/H] > -2.5."""
        return self.labels[:, 0, COLUMN["feh"]] > METAL_RICH


def evaluate(
    model: Model,
    grid: Grid,
    snrs: tuple[int, ...] = PAPER_SNR,
    draws: int = 8,
    realism: float = 0.0,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
    paper: PaperNetwork | None = None,
) -> Evaluation:
    """Evaluate the network on every star of a grid, `draws` times at each S/N; white noise, complete spectra.

    With `paper` the estimates are that network's, to the same stars at realism 0.
    """
    progress(f"{len(grid)} stars in {draws + 1} versions")
    vbroad = evaluation_vbroad(len(grid), draws, seed)
    stars = held_out_stars(model, grid, vbroad, realism, seed)
    pixels = held_out_pixels(model, grid, vbroad).reshape(-1, N_PIXELS) if paper else None
    progress("Information limit")
    at = stars.labels[:, : min(draws, _LIMIT_DRAWS)]
    fisher_information = information(model.forward, model.projection, at.reshape(-1, at.shape[-1]))
    latent = sobol_latents(N_SAMPLES, seed).to(model.device)
    every, prior_draw, bound = {}, {}, {}
    limit, compressed, reachable = {}, {}, {}
    for snr in snrs:
        progress(f"S/N {snr} per Angstrom: {stars.labels.shape[0] * stars.labels.shape[1]} spectra")
        if paper is not None and pixels is not None:
            answer = paper_answers(paper, pixels, snr, latent.cpu(), seed)
        else:
            answer = estimate_all(model, observe_held_out(model, stars, snr, seed), latent)
        is_last = np.arange(len(answer.map)) % (draws + 1) == draws
        every[snr], prior_draw[snr] = answer.rows(~is_last), answer.rows(is_last)
        by_fisher = (
            (limit, fisher_information.pixels),
            (compressed, fisher_information.compressed),
            (reachable, fisher_information.within_reach(snr)),
        )
        for widths, fisher in by_fisher:
            widths[snr] = limit_widths(fisher_information.z, fisher, snr, seed).reshape(*at.shape[:2], N_TARGETS)
        bound[snr] = van_trees(fisher_information.pixels, snr)
    lithium = lithium_equivalent_width(model.forward, stars.labels[:, 0])
    return Evaluation(stars, every, prior_draw, limit, compressed, reachable, bound, lithium)


def limit_widths(z: NDArray, fisher: NDArray, snr: float, seed: int) -> NDArray:
    """68 % widths (n, 13), in the targets' units, of the ideal posteriors of stars at z (n, 29)."""
    latent = sobol_latents(_LIMIT_LATENTS, seed).numpy().astype(float)
    widths = np.empty((len(z), N_TARGETS))
    for i in range(0, len(z), 256):
        some = slice(i, i + 256)
        for row, samples in zip(widths[some], limit_samples(z[some], fisher[some], snr, latent), strict=True):
            row[:] = np.diff(shortest_intervals(np.sort(samples, 0), 0.68))[:, 0]
    return widths


def network_figures(evaluation: Evaluation) -> dict[str, object]:
    """The JSON of `kiel evaluate network`: `snr` over stars with [Fe/H] > -2.5, `snr_all` over all."""
    rich, every = evaluation.rich, np.ones(len(evaluation.rich), bool)
    tables = {
        name: {str(snr): _table(evaluation, snr, selected) for snr in evaluation.answers}
        for name, selected in (("snr", rich), ("snr_all", every))
    }
    return {"n": int(rich.sum()), "n_all": len(every), "realism": evaluation.stars.realism, **tables}


def _table(evaluation: Evaluation, snr: int, selected: NDArray) -> dict[str, dict[str, float]]:
    everyone = np.arange(len(selected))
    numbers = target_numbers(evaluation, snr, np.flatnonzero(selected)[None], everyone[None])
    return {
        target.name: {name: float(values[0, i]) for name, values in numbers.items()} for i, target in enumerate(TARGETS)
    }


def uncertainties(evaluation: Evaluation, seed: int = 0) -> dict[str, object]:
    """Standard deviations of the same figures, by bootstrap over stars (their draws stay together)."""
    rng = stream(Stream.BOOTSTRAP, seed)
    everyone = np.arange(len(evaluation.rich))
    out: dict[str, dict[str, object]] = {"snr": {}, "snr_all": {}}
    for name, selected in (("snr", evaluation.rich), ("snr_all", np.ones_like(evaluation.rich))):
        pool = np.flatnonzero(selected)
        stars = rng.choice(pool, (_RESAMPLES, len(pool)))
        covered = rng.choice(everyone, (_RESAMPLES, len(everyone)))
        for snr in evaluation.answers:
            spread = {key: values.std(0) for key, values in target_numbers(evaluation, snr, stars, covered).items()}
            out[name][str(snr)] = {
                target.name: {key: float(values[i]) for key, values in spread.items()}
                for i, target in enumerate(TARGETS)
            }
    return dict(out)


def target_numbers(evaluation: Evaluation, snr: int, stars: NDArray, covered: NDArray) -> dict[str, NDArray]:
    """Figures (b, 13) of each target for b lists of stars (b, m); coverage over the lists `covered` (b, n)."""
    answer, last = evaluation.answers[snr], evaluation.prior_answers[snr]
    n, draws = evaluation.labels.shape[:2]
    truth = evaluation.labels[:, :, :N_TARGETS]
    out: dict[str, NDArray] = {}
    for point, end in ((answer.map, ""), (answer.median, "_median")):
        error = point.reshape(n, draws, N_TARGETS) - truth
        mean, square = error.mean(1)[stars].mean(1), (error**2).mean(1)[stars].mean(1)
        out["sigma" + end] = np.sqrt(np.maximum(square - mean**2, 0))
        if not end:
            out["bias"] = mean
        out["nrmse" + end] = np.sqrt(square) / _SCALE
    width = np.diff(answer.interval68)[..., 0].reshape(n, draws, N_TARGETS)
    out["width68"], out["limit68"] = _medians(width, stars), _medians(evaluation.limit68[snr], stars)
    last_truth = evaluation.stars.labels[:, -1, :N_TARGETS]
    for name, interval in (("coverage68", last.interval68), ("coverage95", last.interval95)):
        held = (last_truth >= interval[..., 0]) & (last_truth <= interval[..., 1])
        out[name] = held[covered].mean(1)
    return out


def _medians(values: NDArray, stars: NDArray) -> NDArray:
    """Medians (b, 13) over stars and draws of values (n, d, 13) for lists of stars (b, m)."""
    return np.array([np.median(values[row].reshape(-1, values.shape[-1]), 0) for row in stars])


def further_nrmse(evaluation: Evaluation, snr: int, selected: NDArray) -> dict[str, dict[str, float]]:
    """NRMSE of the posterior mean and of the paper's choice of MAP, by target, over stars (n,) that are chosen."""
    answer, truth = evaluation.answers[snr], evaluation.labels[:, :, :N_TARGETS]
    errors = {
        name: (point.reshape(truth.shape) - truth)[selected]
        for name, point in (("nrmse_mean", answer.mean), ("nrmse_map_paper", answer.map_paper))
    }
    each = {name: np.sqrt((error**2).mean((0, 1))) / _SCALE for name, error in errors.items()}
    return {target.name: {name: float(x[i]) for name, x in each.items()} for i, target in enumerate(TARGETS)}


def lithium_sigma(
    evaluation: Evaluation, snr: int, least_width: float = 15.0, fastest: float = 50.0
) -> dict[str, float]:
    """Scatter of [Li/Fe] where its line exceeds `least_width` [milli-Angstrom] and vbroad stays below `fastest` [km/s]."""
    column = COLUMN["li_fe"]
    selected = (evaluation.labels[..., COLUMN["vbroad"]] < fastest) & (evaluation.lithium_width > least_width)[:, None]
    selected &= evaluation.rich[:, None]
    answer, truth = evaluation.answers[snr], evaluation.labels[..., column][selected]
    shape = evaluation.labels.shape[:2]
    error, median_error = (point[:, column].reshape(shape)[selected] - truth for point in (answer.map, answer.median))
    return {"n": int(selected.sum()), "sigma": float(error.std()), "sigma_median": float(median_error.std())}


_BATCH = 16


@torch.no_grad()
def paper_answers(network: PaperNetwork, flux: NDArray, snr: float, latent: Tensor, seed: int) -> PointEstimates:
    """Point estimates of complete spectra (n, N_PIXELS) with white noise of one S/N per Angstrom, from latents (m, 13)."""
    generator = torch.Generator().manual_seed(torch_seed(Stream.PAPER_NOISE, seed, int(snr)))
    labels, densities = [], []
    for clean in torch.as_tensor(flux).split(_BATCH):
        noise = float(pixel_sigma(snr)) * torch.randn(clean.shape, generator=generator)
        condition = network.condition(clean + noise, torch.full((len(clean),), float(snr)))
        rows = condition.repeat_interleave(len(latent), 0)
        samples, density = network.sample(latent.repeat(len(clean), 1), rows)
        labels.append(network.labels(samples).reshape(len(clean), len(latent), -1))
        densities.append(density.reshape(len(clean), len(latent)).numpy())
    return estimates_of(np.concatenate(labels), np.concatenate(densities))


def map_errors(evaluation: Evaluation, snr: int, target: int) -> NDArray:
    """MAP - truth (stars, draws) of a target, of the stars with [Fe/H] > -2.5, in the target's unit."""
    truth = evaluation.labels[..., target]
    return (evaluation.answers[snr].map[:, target].reshape(truth.shape) - truth)[evaluation.rich]


def bias_and_scatter(
    evaluation: Evaluation, target: int, part: NDArray | None = None
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the MAP's errors at each S/N; `part` (stars, draws) bool selects some of them."""
    errors = [map_errors(evaluation, snr, target) for snr in evaluation.answers]
    parts = errors if part is None else [e[part] for e in errors]
    return [float(e.mean()) for e in parts], [float(e.std()) for e in parts]


def thirds(evaluation: Evaluation, target: int) -> Iterator[NDArray]:
    """Stars and draws (stars, draws) bool in the lower, middle and upper third of a target's range."""
    truth = evaluation.labels[evaluation.rich][..., target]
    edges = np.quantile(truth, [0, 1]) @ np.array([[1, 2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3, 1]])
    for low, high in pairwise(edges):
        yield (truth >= low) & (truth <= high)


def median_widths(evaluation: Evaluation, target: int) -> tuple[list[float], list[float]]:
    """Median 68 % width of the answers at each S/N, and that which the information of all pixels allows."""
    rich, shape = evaluation.rich, evaluation.labels.shape[:2]
    widths = [np.ptp(a.interval68[:, target], -1).reshape(shape)[rich] for a in evaluation.answers.values()]
    limits = [evaluation.limit68[snr][rich][..., target] for snr in evaluation.answers]
    return [float(np.median(w)) for w in widths], [float(np.median(limit)) for limit in limits]


def prior_labels(target: int) -> NDArray:
    """Draws (50 000,) of a target from the prior."""
    return draw(_PRIOR_STARS, np.random.default_rng(0))[:, target]
