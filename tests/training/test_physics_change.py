"""Learning of the change by physics: a made-up change that is smooth in the labels and linear in the physics is found."""

from __future__ import annotations

import numpy as np

from cinn_core.prior import draw
from cinn_core.synthesis.grid_file import synthesis_labels
from cinn_core.training.physics_change import (
    PhysicsChangeSettings,
    held_out,
    learn_physics_change,
    learning_curve,
    physics_change_errors,
)
from cinn_core.training.physics_stars import PhysicsStars, physics_of

QUICK = PhysicsChangeSettings(components=4, steps=40)


def made_up_stars(n: int) -> PhysicsStars:
    """Stars of the prior whose change in three lines is s, or s times n, or the second shape, times smooth functions of the labels."""
    labels = synthesis_labels(draw(n, np.random.default_rng(8)))
    index = np.arange(300_000, 300_000 + n)
    drawn = [physics_of(i) for i in index]
    s, second, strength = np.array([(x.s, x.second, x.strength) for x in drawn]).T
    teff, logg, feh = (labels[:, k] for k in (0, 1, 2))
    amplitudes = np.stack(
        [
            0.02 * s * np.exp((5500 - teff) / 1500),
            0.01 * s * strength * (1 - 0.4 * feh),
            0.01 * second * (1 + 0.1 * logg),
        ],
        1,
    )
    pixels = np.arange(120)
    lines = np.stack([np.exp(-0.5 * ((pixels - c) / 3) ** 2) for c in (20, 60, 100)])
    return PhysicsStars(index, labels, np.stack([s, second, strength], 1), (amplitudes @ lines).astype(np.float32))


def test_the_change_of_stars_not_seen_is_found_and_better_with_more_stars():
    stars = made_up_stars(160)
    assert held_out(stars).sum() == 32
    change = learn_physics_change(stars, QUICK)
    errors = physics_change_errors(change, stars)
    assert errors["held_out"] == 32
    assert errors["error_rms"] < 0.15 * errors["change_rms"]
    (few, rough), (all_of_them, fine) = learning_curve(stars, QUICK, (0.2, 1.0))
    assert (few, all_of_them) == (25, 128)
    assert fine < 0.6 * rough
