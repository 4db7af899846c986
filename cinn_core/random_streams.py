"""Random streams by name: one number for each purpose, so that two purposes never share random numbers of one seed.

A seed without a purpose gives the latents of posterior samples and the first parameters of a network; (seed, number)
gives that star of a synthetic grid.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """The purpose of a stream; a number that results were computed with is never given to another purpose."""

    PROJECTION_STARS = 1
    """Labels of the stars that the projection is fitted to."""
    TRAINING_SHARD = 2
    """Stars of a shard of the training set; its index follows."""
    HELD_OUT_REALISM = 3
    """Realism of held-out stars: resolving power, velocity, model error, normalisation."""
    HELD_OUT_NOISE = 4
    """Noise of held-out stars; the S/N follows."""
    HELD_OUT_ROTATION = 5
    """Rotation of held-out stars."""
    BOOTSTRAP = 6
    """Bootstrap over held-out stars."""
    RANKED_SAMPLES = 7
    """Posterior samples among which the truth is ranked."""
    IMPORTANCE = 8
    """Proposals of importance sampling."""
    PAPER_SHARD = 9
    """Stars of a shard of the published network's training set; its index follows."""
    CONTINUUM_SHIFTS = 10
    """Stars whose answer after the fitted continuum is compared with that after the true one."""
    CHAIN_NOISE = 11
    """Noise of a simulated star that Markov chains are run for."""
    CHAIN_START = 12
    """First positions of the walkers of Markov chains."""
    PAPER_NOISE = 13
    """Noise of the spectra that the published network is evaluated on; the S/N follows."""
    PAPER_TRAINING = 14
    """Order and noise of the stars in the training of the published network; the epoch follows."""
    COVERAGE = 15
    """References of the test of coverage, and how its ties are smoothed."""
    COVERAGE_POWER = 16
    """Truths among the samples, for the size and power of that test."""
    LOCAL_CALIBRATION = 17
    """Noise of the stars of the local test of calibration; then its classifiers, and the latents its power is measured with."""
    STAR_PHYSICS = 18
    """Structure and departures that a star of the grid is synthesised with; its index follows."""
    MORE_ELEMENTS = 19
    """Draws of the thirteen elements beside the targets, for samples of a posterior."""
    MORE_COVERAGE = 20
    """Noise of the stars whose thirteen elements are compared with the truth."""
    HELD_OUT_PHYSICS = 21
    """Structure and departures of a held-out star; its index follows."""


def stream(purpose: Stream, seed: int, *index: int) -> np.random.Generator:
    """The generator of random numbers for a purpose; further numbers, such as the index of a shard, make streams within the stream."""
    return np.random.default_rng([seed, purpose, *index])


def torch_seed(purpose: Stream, seed: int, *index: int) -> int:
    """A seed of torch's generators for a purpose: a hash of all its numbers, 32 bits."""
    return int(np.random.SeedSequence([seed, purpose, *index]).generate_state(1)[0])
