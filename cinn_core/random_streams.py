"""Random streams by name: one number for each purpose, so that two purposes never share random numbers of one seed.

The stars of a synthetic grid are streams of their own, (seed, number of the star), as the index of a star says.
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
    CONTINUUM_STARS = 13
    """Stars, continua and noise of the errors of the continuum."""
    CALIBRATION_NOISE = 14
    """Noise of the stars that calibration is tested on; the S/N follows."""
    COVERAGE_REFERENCES = 15
    """Reference points of the test of coverage."""
    COVERAGE_POWER = 16
    """Truths made for the power of the test of coverage."""
    PAPER_NOISE = 17
    """Noise of the spectra that the published network answers; the S/N follows."""


def generator(stream: Stream, seed: int, *index: int) -> np.random.Generator:
    """The generator of a stream; further numbers, such as the index of a shard, make streams within the stream."""
    return np.random.default_rng([seed, stream, *index])


def torch_seed(stream: Stream, seed: int, *index: int) -> int:
    """A seed of torch's generators for a stream, 32 bits that hash all its numbers."""
    return int(np.random.SeedSequence([seed, stream, *index]).generate_state(1)[0])
