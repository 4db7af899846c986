"""kiel bench: what it compares is the same sampler's work, and its figures follow from each other."""

from __future__ import annotations

import pytest
import torch

from cinn_core.batch.plan import BatchSettings
from cinn_core.batch.speed import (
    ChainSpeed,
    interleaved,
    measure_chain,
    measure_sampler,
    one_thread,
    random_glow,
    sobol_errors,
)
from cinn_core.inference.sampler import Sampler


def test_ways_that_are_timed_give_the_same_samples_and_densities() -> None:
    with one_thread():
        speed = measure_sampler(random_glow(couplings=2, width=32, condition=16), 256, 1)
    assert speed.max_abs_difference < 1e-4
    assert speed.reduced_ess > 0.98
    assert min(speed.freia_s, speed.single_s, speed.batch_s, speed.reduced_s, speed.floor_s) > 0


def test_arithmetic_of_the_samples_is_that_of_the_layers() -> None:
    """A coupling of 13 coordinates in parts of 6 and 7 has two subnets: k -> w -> w -> 2 m, (k, m) = (6, 7) and (7, 6)."""
    w, couplings = 32, 2
    macs = sum(k * w + w * w + w * 2 * m for k, m in ((6, 7), (7, 6)))
    assert Sampler(random_glow(couplings, w, 16)).operations == 2 * couplings * macs


def test_every_coupling_of_the_random_glow_is_at_work() -> None:
    network = random_glow(couplings=3, width=32, condition=16)
    latent, condition = torch.zeros(1, 13), torch.ones(1, 16)
    z, _ = Sampler(network).sample(latent, condition)
    assert z.abs().max() > 0.05
    assert all(p.abs().sum() > 0 for name, p in network.flow.named_parameters() if name.endswith("weight"))


def test_random_glow_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    random_glow(couplings=1, width=8, condition=4)
    assert torch.equal(torch.rand(3), expected)


def test_ways_take_turns_after_one_round_that_warms_them() -> None:
    said: list[str] = []
    ticks = iter(range(100))
    seconds = interleaved(
        {"a": lambda: said.append("a"), "b": lambda: said.append("b")}, lambda: float(next(ticks)), rounds=2
    )
    assert said == ["a", "b"] * 3
    assert seconds == {"a": 1.0, "b": 1.0}


def test_hours_of_a_batch_are_the_sum_of_its_steps() -> None:
    hours = ChainSpeed(0.01, 0.02, 0.15).hours(4_000_000, 2)
    assert hours["total"] == pytest.approx(hours["read"] + hours["prepare"] + hours["infer"])
    assert hours["total"] == pytest.approx(100.0)


def test_chain_takes_the_examples_from_files_to_rows(model, examples) -> None:
    with one_thread():
        speed = measure_chain(model, BatchSettings(samples=64), 3)
    assert min(speed.read_s, speed.prepare_s, speed.infer_s) > 0


def test_512_sobol_latents_give_better_quantiles_than_512_random_ones(model, examples) -> None:
    errors = sobol_errors(model, reference=16_384)
    assert errors["sobol_512"] < errors["random_512"]
