"""A made-up but plausible analysis, so that the page can be tested without a trained network."""

from __future__ import annotations

import hashlib

import numpy as np

from cinn_core import instrument, prior
from cinn_core.stages import (
    Analysis,
    FluxVector,
    MoreElement,
    MoreElements,
    PosteriorSamples,
    Resimulation,
    Saliency,
    Status,
    Step,
    Summary,
    TargetSummary,
)
from cinn_core.targets import NUISANCE_BOUNDS, TARGETS

LINES = (5167.322, 5172.684, 5183.604, 5379.574, 5528.405, 6122.217, 6162.173, 6439.075, 6456.379, 6707.8)


def fake_analysis(star: str = "Made-up star", file: str = "made-up.fits", seed: int = 0, n: int = 4096) -> Analysis:
    """Gaussian lines, noise, and a posterior around a Sun-like star in prior coordinates."""
    rng = np.random.default_rng(seed)
    wave = instrument.WAVELENGTH
    centres = np.concatenate([LINES, rng.uniform(5160, 5730, 250), rng.uniform(6100, 6790, 150)])
    depths = np.concatenate([np.full(len(LINES), 0.7), rng.uniform(0.02, 0.6, 400)])
    depths[9] = 0.05
    model = np.ones(wave.size)
    for centre, depth in zip(centres, depths, strict=True):
        model -= depth * np.exp(-0.5 * ((wave - centre) / 0.2) ** 2)
    model = np.clip(model, 0.05, None)
    snr = (240.0, 260.0)
    sigma = float(instrument.pixel_sigma(250.0))
    good = np.ones(wave.size, bool)
    good[(wave > 6276) & (wave < 6320)] = False
    flux = model + sigma * rng.standard_normal(wave.size)

    sun = np.array([[5772, 4.44, 0.0, 1.0, 3.4, 0.0, 0.0, 0.02, -0.01, 0.05, 0.02, 0.01, 0.0]])
    map_z = prior.to_z(sun)[0]
    mix = 0.08 * (np.eye(13) + 0.3 * rng.standard_normal((13, 13)))
    mix[9, 9] = 0.9
    z = map_z + rng.standard_normal((n, 13)) @ mix.T
    labels = prior.from_z(z)
    targets = {}
    for i, target in enumerate(TARGETS):
        q = np.quantile(labels[:, i], [0.16, 0.84, 0.025, 0.975])
        middle = float(np.median(labels[:, i]))
        at = float(prior.from_z(map_z[None])[0, i])
        targets[target.name] = TargetSummary(at, at, float(labels[:, i].mean()), middle, *map(float, q), target.unit)

    width = 0.05 * (1 - model) + 0.004
    weights = np.abs(rng.standard_normal((13, wave.size))) * np.gradient(model)[None] * rng.standard_normal((13, 1))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    steps = (
        Step("read", "one-row vector table of ESO phase 3", {"pixels": 188851, "range": "4835-6723 Å"}),
        Step("velocity", "cross-correlation with the best template", {"km/s": 0.31, "peak": 0.97}),
    )
    digest = hashlib.sha256(f"{star} {file} {seed}".encode()).hexdigest()
    vector = FluxVector(
        flux, good, 1e4 * (1 + 1e-4 * (wave - 5900)), snr, 0.31, 0.05, 78_000.0, 14.5, star, file, digest,
        steps, ("partial_coverage",),
    )  # fmt: skip
    return Analysis(
        vector,
        PosteriorSamples(labels, z, rng.standard_normal(n), map_z, 0.012, seed),
        Summary(targets),
        Resimulation(
            model, np.stack([model - width, model + width]), np.stack([model - 2 * width, model + 2 * width]),
            np.where(good, (flux - model) / sigma, np.nan), 1.08,
        ),
        Saliency(weights),
        ("partial_coverage",),
        {"read": 0.05, "prepare": 0.55, "infer": 0.09, "resimulate": 0.2},
        {"seed": seed, "physics": "nlte-li-mg-ca"},
    )  # fmt: skip


def fake_more(n: int = 64) -> MoreElements:
    """Elements beside the targets: barium measured, europium an upper limit, the others as the prior has them."""
    z = np.random.default_rng(2).standard_normal((n, len(NUISANCE_BOUNDS)))
    labels = prior.from_z(np.concatenate([np.zeros((n, prior.N_TARGETS)), z], 1))[:, prior.N_TARGETS :]
    statuses = {"ba_fe": Status.MEASURED, "eu_fe": Status.LIMIT}
    elements = {}
    for i, name in enumerate(NUISANCE_BOUNDS):
        q = [float(x) for x in np.quantile(labels[:, i], [0.5, 0.16, 0.84, 0.025, 0.975])]
        status = statuses.get(name, Status.UNCONSTRAINED)
        limit, lines = (q[4] if status is Status.LIMIT else None), ((6141.7, 6496.9) if name == "ba_fe" else ())
        label = f"[{name.removesuffix('_fe').capitalize()}/Fe]"
        elements[name] = MoreElement(label, "dex", q[0], *q, status, limit, "LTE", lines)
    return MoreElements(labels, z, elements)
