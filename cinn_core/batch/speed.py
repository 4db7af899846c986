"""Speed of a device at sampling posteriors, by FrEIA and by the fast sampler, and of the whole chain of a batch."""

from __future__ import annotations

import math
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..files import example_paths
from ..inference.infer import random_latents
from ..inference.model import Model, load_model
from ..inference.network import N_TARGETS, Architecture, Network, Observation
from ..inference.point_estimates import posterior_z, sobol_latents
from ..inference.sampler import Precision, Sampler, product_with
from ..preparation.fourmost import prepare_many
from ..stages import FluxVector
from .items import Item, load
from .plan import BatchSettings, make_plan
from .shard import Work, finish_shard, observe_many

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
    """Network whose flow has the paper's form and random weights, all of its couplings at work."""
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
    full, reduced, freia = Sampler(network), Sampler(network, Precision.REDUCED), freia_flow(network)
    single, reduced_type = torch.float32, torch.bfloat16 if reduced.precision is Precision.REDUCED else torch.float32
    seconds = interleaved(
        {
            "freia": lambda: by_freia(freia, latent, condition[0]),
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
        max_abs_difference=_difference(freia, full, latent, condition[:4]),
        reduced_ess=_efficiency(network, reduced, latent, condition[0]),
        gflop=1e-9 * n_samples * full.operations,
        gflops=gflop_product / seconds["product"],
        reduced_gflops=gflop_product / seconds["reduced_product"],
    )


def freia_flow(network: Network) -> Any:
    """FrEIA's own modules with the parameters of a network without a conditional normal."""
    import FrEIA.framework as Ff  # late: it imports all of scipy.stats, and nothing but this comparison needs it
    import FrEIA.modules as Fm

    sizes, state = network.architecture, np.random.get_state()  # noqa: NPY002
    flow, width = Ff.SequenceINN(N_TARGETS), sizes.coupling_width

    def subnet(inputs: int, outputs: int) -> nn.Module:
        first, last = nn.Linear(inputs, width), nn.Linear(width, outputs)
        return nn.Sequential(first, nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)

    for i in range(sizes.couplings):
        flow.append(Fm.PermuteRandom, seed=sizes.permutation_seed + i)
        flow.append(
            Fm.GLOWCouplingBlock,
            subnet_constructor=subnet,
            clamp=sizes.clamp,
            cond=0,
            cond_shape=(sizes.condition,),
        )
    np.random.set_state(state)  # noqa: NPY002  PermuteRandom reseeds it
    flow.load_state_dict(network.flow.state_dict())
    return flow.to(next(network.parameters())).eval().requires_grad_(False)


def by_freia(flow: Any, latent: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
    """Samples (n, 13) and log density (n,) of one star as FrEIA gives them: a reverse pass, then a forward one."""
    every = condition.expand(len(latent), -1).contiguous()
    z = flow(latent, c=[every], rev=True)[0]
    back, log_jacobian = flow(z, c=[every])
    return z, log_jacobian - 0.5 * (back**2).sum(1) - 0.5 * N_TARGETS * math.log(2 * math.pi)


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
    """Let torch use one thread within the context, as each process of a batch does."""
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


def _difference(freia: Any, fast: Sampler, latent: Tensor, condition: Tensor) -> float:
    z, _ = fast.sample(latent, condition)
    return max(float((z[i] - by_freia(freia, latent, c)[0]).abs().max()) for i, c in enumerate(condition))


def _efficiency(network: Network, reduced: Sampler, latent: Tensor, condition: Tensor) -> float:
    z, claimed = reduced.sample(latent, condition[None])
    log_weight = network.log_prob(z[0], condition.expand(len(latent), -1)) - claimed[0]
    weight = (log_weight - log_weight.max()).exp().double()
    return float(weight.sum() ** 2 / (weight**2).sum() / len(weight))


FOUR_MILLION = 4_000_000
_REFERENCE = 65_536
_QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)


@dataclass(frozen=True)
class ChainSpeed:
    """Processor seconds a spectrum on one core: reading, preparing, and from there to the row with its summary."""

    read_s: float
    prepare_s: float
    infer_s: float

    @property
    def total_s(self) -> float:
        return self.read_s + self.prepare_s + self.infer_s

    def hours(self, spectra: int, cores: int) -> dict[str, float]:
        """Hours that so many spectra take on so many cores, by step."""
        parts = {"read": self.read_s, "prepare": self.prepare_s, "infer": self.infer_s, "total": self.total_s}
        return {step: seconds * spectra / cores / 3600 for step, seconds in parts.items()}


def bench(samples: int = 4096, spectra: int = 64, rounds: int = 5) -> dict[str, Any]:
    """Measure everything that `kiel bench` prints, on one thread but for the GPU.

    Seconds of the GLOW with 8 couplings of width 256 and random weights are FrEIA's and ours; `shipped_s` is the shipped
    network on one star; the chain runs over the example spectra, which have the form of 4MOST's level 1.
    """
    with one_thread():
        glow = measure_sampler(random_glow(), samples, rounds)
        model = load_model("cpu")
        exact = measure_chain(model, BatchSettings(samples=samples), spectra)
        fast = measure_chain(model, BatchSettings(samples=512, sobol=True, reduced=True), spectra)
        shipped = _shipped(model, samples, rounds)
        errors = sobol_errors(model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    times = {
        name: {"exact": exact.hours(n, cores), "fast": fast.hours(n, cores)}
        for name, n in (("thousand_hours", 1000), ("four_million_hours", FOUR_MILLION))
    }
    return {
        "machine": machine() | {"cores": cores},
        "samples": samples,
        **sampler_document(glow),
        "shipped_s": shipped,
        "prepare_s": exact.prepare_s,
        "chain_s": exact.total_s,
        "chain": {"exact": asdict(exact), "fast": asdict(fast), "spectra": spectra},
        **times,
        "quantile_errors": errors,
        "gpu": _gpu(samples, rounds),
    }


def sampler_document(speed: SamplerSpeed) -> dict[str, float]:
    """Figures of a sampler and its arithmetic floors by name."""
    return asdict(speed) | {"floor_s": speed.floor_s, "reduced_floor_s": speed.reduced_floor_s}


def machine() -> dict[str, Any]:
    """Processor, torch and how busy the machine is with other work."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"processor": _processor(), "torch": torch.__version__, "load": load}


def measure_chain(model: Model, settings: BatchSettings, spectra: int) -> ChainSpeed:
    """Measure the chain over the example spectra, again and again until there are enough, after a first one that warms it."""
    draw = sobol_latents if settings.sobol else random_latents
    sampler = Sampler(model.network, Precision.REDUCED) if settings.reduced else model.sampler
    work = Work(settings, model, sampler, draw(settings.samples, settings.seed))
    _pass(work, 3)
    return ChainSpeed(*(s / spectra for s in _pass(work, spectra)))


def _pass(work: Work, spectra: int) -> tuple[float, float, float]:
    """Seconds of reading, preparing and inferring copies of the examples."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        items = [
            Item(str(shutil.copy(path, folder / f"{i}.fits")))
            for i, path in enumerate(islice(cycle(example_paths().values()), spectra))
        ]
        plan = make_plan(folder / "out", items, work.settings, {}, spectra)
        (shard,) = plan.open_shards()
        stamps = [time.process_time()]
        loaded = load(shard.items)
        stamps.append(time.process_time())
        vectors = prepare_many(loaded, work.model.templates)
        stamps.append(time.process_time())
        finish_shard(work, plan, shard, [v if isinstance(v, FluxVector) else str(v) for v in vectors])
        stamps.append(time.process_time())
    read, prepare, infer = np.diff(stamps)
    return float(read), float(prepare), float(infer)


def _shipped(model: Model, samples: int, rounds: int) -> float:
    observation, latent = _example(model), random_latents(samples, 0)
    return interleaved({"shipped": lambda: posterior_z(model, observation, latent)}, time.process_time, rounds)[
        "shipped"
    ]


def sobol_errors(model: Model, reference: int = _REFERENCE) -> dict[str, float]:
    """Rms error of quantiles against those of many random samples, in standard deviations, over targets and quantiles.

    Of 512 scrambled Sobol latents (the fast mode), of 512 and of 4096 random ones, for one example star.
    """
    observation = _example(model)

    def quantiles(latent: torch.Tensor) -> tuple[NDArray, NDArray]:
        z = posterior_z(model, observation, latent)[0][0].numpy().astype(float)
        return np.quantile(z, _QUANTILES, axis=0), z.std(0)

    expected, spread = quantiles(random_latents(reference, 1))
    ways = {
        "sobol_512": sobol_latents(512, 0),
        "random_512": random_latents(512, 2),
        "random_4096": random_latents(4096, 3),
    }
    return {name: float(np.sqrt(np.mean(((quantiles(x)[0] - expected) / spread) ** 2))) for name, x in ways.items()}


def _example(model: Model) -> Observation:
    file = str(next(iter(example_paths().values())))
    (vector,) = prepare_many(load([Item(file)]), model.templates)
    assert isinstance(vector, FluxVector)
    return observe_many([vector], model)


def _gpu(samples: int, rounds: int) -> dict[str, Any] | None:
    """Figures of the sampler on a GPU, None where there is none."""
    if not torch.cuda.is_available():
        return None
    speed = measure_sampler(random_glow().cuda(), samples, rounds)
    return {"name": torch.cuda.get_device_name(), **sampler_document(speed)}


def _processor() -> str:
    description = Path("/proc/cpuinfo")
    lines = description.read_text(encoding="utf-8").splitlines() if description.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
