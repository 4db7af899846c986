"""How fast this machine takes spectra from files to rows, step by step, and what that makes of a thousand and of four million."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..assets import example_paths
from ..inference.answers import posterior_z, sobol_latents
from ..inference.infer import random_latents
from ..inference.network import Observation
from ..inference.sampler import Sampler
from ..inference.subnets import Precision
from ..model import Model, load_model
from ..stages import FluxVector
from .compress import observe_many
from .items import Item
from .load import load
from .plan import Settings, make_plan
from .prepare_many import prepare_many
from .shard import Work, finish_shard
from .speed import SamplerSpeed, interleaved, measure_sampler, one_thread, random_glow

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
    """Everything that `kiel bench` prints, all of it measured on one thread but the GPU's.

    Seconds of the GLOW with 8 couplings of width 256 and random weights are FrEIA's and ours; `shipped_s` is the shipped
    network on one star; the chain runs over the example spectra, which have the form of 4MOST's level 1.
    """
    with one_thread():
        glow = measure_sampler(random_glow(), samples, rounds)
        model = load_model("cpu")
        exact = measure_chain(model, Settings(samples=samples), spectra)
        fast = measure_chain(model, Settings(samples=512, sobol=True, reduced=True), spectra)
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
    """The figures of a sampler and its arithmetic floors by name."""
    return asdict(speed) | {"floor_s": speed.floor_s, "reduced_floor_s": speed.reduced_floor_s}


def machine() -> dict[str, Any]:
    """Processor, torch and how busy the machine is with other work."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"processor": _processor(), "torch": torch.__version__, "load": load}


def measure_chain(model: Model, settings: Settings, spectra: int) -> ChainSpeed:
    """The chain over the example spectra, again and again until there are enough, after a first one that warms it."""
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
    seen, latent = _example(model), random_latents(samples, 0)
    return interleaved({"shipped": lambda: posterior_z(model, seen, latent)}, time.process_time, rounds)["shipped"]


def sobol_errors(model: Model, reference: int = _REFERENCE) -> dict[str, float]:
    """Rms error of quantiles against those of many random samples, in standard deviations, over targets and quantiles.

    Of 512 scrambled Sobol latents (the fast mode), of 512 and of 4096 random ones, for one example star.
    """
    seen = _example(model)

    def quantiles(latent: torch.Tensor) -> tuple[NDArray, NDArray]:
        z = posterior_z(model, seen, latent)[0][0].numpy().astype(float)
        return np.quantile(z, _QUANTILES, axis=0), z.std(0)

    wanted, spread = quantiles(random_latents(reference, 1))
    ways = {
        "sobol_512": sobol_latents(512, 0),
        "random_512": random_latents(512, 2),
        "random_4096": random_latents(4096, 3),
    }
    return {name: float(np.sqrt(np.mean(((quantiles(x)[0] - wanted) / spread) ** 2))) for name, x in ways.items()}


def _example(model: Model) -> Observation:
    file = str(next(iter(example_paths().values())))
    (vector,) = prepare_many(load([Item(file)]), model.templates)
    assert isinstance(vector, FluxVector)
    return observe_many([vector], model)


def _gpu(samples: int, rounds: int) -> dict[str, Any] | None:
    """The sampler's figures on a GPU, where there is one."""
    if not torch.cuda.is_available():
        return None
    speed = measure_sampler(random_glow().cuda(), samples, rounds)
    return {"name": torch.cuda.get_device_name(), **sampler_document(speed)}


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
