"""How fast a device samples posteriors: FrEIA's own reverse pass beside the fast sampler, in one run, beside the arithmetic."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..inference.infer import random_latents
from ..inference.network import Architecture, Network
from ..inference.sampler import Sampler
from ..inference.subnets import Precision, product_with

BATCH = 16
_MATRIX = 2048
Clock = Callable[[], float]


@dataclass(frozen=True)
class SamplerSpeed:
    """Seconds a star of one network on one device, density included, and how exact the faster ways are.

    freia_s: FrEIA's reverse pass over the star's samples with the condition repeated for each, and its forward pass
    for their density; single_s, batch_s: the fast sampler on one star and on 16; reduced_s: on 16 in reduced precision.
    max_abs_difference: of the samples from FrEIA's in latent standard deviations; reduced_ess: n_eff / n of the reduced
    samples weighed by the full density. gflop: what the samples of a star need; gflops, reduced_gflops: what the
    device does in a large matrix product of single precision, of bfloat16.
    """

    freia_s: float
    single_s: float
    batch_s: float
    reduced_s: float
    max_abs_difference: float
    reduced_ess: float
    gflop: float
    gflops: float
    reduced_gflops: float

    @property
    def floor_s(self) -> float:
        """Seconds a star below which arithmetic alone forbids to go in full precision."""
        return self.gflop / self.gflops

    @property
    def reduced_floor_s(self) -> float:
        return self.gflop / self.reduced_gflops


def random_glow(couplings: int = 8, width: int = 256, condition: int = 256, seed: int = 0) -> Network:
    """A network whose flow has the paper's form and random weights, all of its couplings at work."""
    with torch.random.fork_rng(devices=[]):
        network = Network(
            Architecture(16, condition=condition, couplings=couplings, coupling_width=width, normal=False),
            torch.ones(16),
        )
    generator = torch.Generator().manual_seed(seed)
    for layer in network.flow.modules():
        if isinstance(layer, nn.Linear):
            gain = 0.5 if layer.in_features == width else 1.0
            nn.init.normal_(layer.weight, 0.0, gain * layer.in_features**-0.5, generator=generator)
            nn.init.zeros_(layer.bias)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def measure_sampler(network: Network, n_samples: int, rounds: int) -> SamplerSpeed:
    """Median seconds over some rounds; in each, every way takes its turn, so that a busy machine slows them alike."""
    device = next(network.parameters()).device
    latent = random_latents(n_samples, 0).to(device)
    width = network.architecture.condition
    condition = torch.randn(BATCH, width, generator=torch.Generator().manual_seed(1)).to(device)
    full, reduced = Sampler(network), Sampler(network, Precision.REDUCED)
    single, reduced_type = torch.float32, torch.bfloat16 if reduced.precision is Precision.REDUCED else torch.float32
    seconds = interleaved(
        {
            "freia": lambda: by_freia(network, latent, condition[0]),
            "single": lambda: full.sample(latent, condition[:1]),
            "batch": lambda: full.sample(latent, condition),
            "reduced": lambda: reduced.sample(latent, condition),
            "product": _product(single, device),
            "reduced_product": _product(reduced_type, device),
        },
        clock_of(device),
        rounds,
    )
    gflop_product = 2e-9 * _MATRIX**3
    return SamplerSpeed(
        freia_s=seconds["freia"],
        single_s=seconds["single"],
        batch_s=seconds["batch"] / BATCH,
        reduced_s=seconds["reduced"] / BATCH,
        max_abs_difference=_difference(network, full, latent, condition[:4]),
        reduced_ess=_efficiency(network, reduced, latent, condition[0]),
        gflop=1e-9 * n_samples * full.operations,
        gflops=gflop_product / seconds["product"],
        reduced_gflops=gflop_product / seconds["reduced_product"],
    )


def by_freia(network: Network, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
    """Samples (n, 13) and log density (n,) of one star as FrEIA gives them: a reverse pass, then a forward one."""
    every = condition.expand(len(latent), -1).contiguous()
    z = network.flow(latent, c=[every], rev=True)[0]
    return z, network.log_density(z, every)


def interleaved(ways: Mapping[str, Callable[[], object]], clock: Clock, rounds: int) -> dict[str, float]:
    """Median seconds of each way over the rounds, after one that warms it."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(rounds + 1):
        for name, way in ways.items():
            began = clock()
            way()
            if i:
                took[name].append(clock() - began)
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def clock_of(device: torch.device) -> Clock:
    """Seconds of this process's processor time, which other programs do not inflate much; of the wall for a GPU."""
    if device.type != "cuda":
        return time.process_time

    def after_all_work() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return after_all_work


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch uses one thread, as each process of a batch does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _product(kind: torch.dtype, device: torch.device) -> Callable[[], Tensor]:
    matrix = torch.randn(_MATRIX, _MATRIX, generator=torch.Generator().manual_seed(2)).to(device, kind)
    product = product_with(matrix)
    return lambda: product(matrix)


def _difference(network: Network, fast: Sampler, latent: Tensor, condition: Tensor) -> float:
    z, _ = fast.sample(latent, condition)
    return max(float((z[i] - by_freia(network, latent, c)[0]).abs().max()) for i, c in enumerate(condition))


def _efficiency(network: Network, reduced: Sampler, latent: Tensor, condition: Tensor) -> float:
    z, claimed = reduced.sample(latent, condition[None])
    log_weight = network.log_density(z[0], condition.expand(len(latent), -1)) - claimed[0]
    weight = (log_weight - log_weight.max()).exp().double()
    return float(weight.sum() ** 2 / (weight**2).sum() / len(weight))
