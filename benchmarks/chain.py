"""The whole chain of `kiel batch` over simulated level-1 files: spectra a second of processor of each step and of all.

python benchmarks/chain.py --stars 1000                 # minutes on one core, half of them to simulate
python benchmarks/chain.py --files DIR --fast           # level-1 files that are there
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from cinn_core.batch.items import find_items, load
from cinn_core.batch.plan import BatchSettings, make_plan
from cinn_core.batch.run import parameter_hashes
from cinn_core.batch.shard import finish_shard, make_work
from cinn_core.evaluation.simulate import SimulatedStar, write_level1
from cinn_core.inference.model import Model
from cinn_core.preparation.fourmost import prepare_many
from cinn_core.prior import draw
from cinn_core.stages import FluxVector
from cinn_core.targets import COLUMN, TARGET_NAMES

SHARD = 250


def simulate(model: Model, n: int, folder: Path) -> None:
    """Level-1 files of n stars of the prior, S/N 30 to 200 per Angstrom, some 50 km/s from rest."""
    rng = np.random.default_rng(0)
    for i, labels in enumerate(draw(n, rng)):
        star = SimulatedStar(
            f"star {i}",
            {name: float(labels[column]) for name, column in COLUMN.items()},
            float(rng.normal(0, 50)),
            float(np.exp(rng.uniform(np.log(30), np.log(200)))),
            i,
        )
        write_level1(folder / f"{i:06d}.fits", model.forward, star)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=1000)
    parser.add_argument("--files", type=Path, help="folder of level-1 files in place of simulated ones")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--fast", action="store_true", help="Sobol latents in reduced precision")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = BatchSettings(samples=options.samples, sobol=options.fast, reduced=options.fast)
    work = make_work(settings, "cpu")
    with tempfile.TemporaryDirectory() as name:
        files, out = options.files or Path(name, "files"), Path(name, "out")
        if options.files is None:
            files.mkdir()
            simulate(work.model, options.stars, files)
        clock = time.process_time
        began = clock()
        items = list(find_items([str(files)]))
        took = {"list": clock() - began, "read": 0.0, "prepare": 0.0, "infer and write": 0.0}
        plan = make_plan(out, items, settings, parameter_hashes(settings), SHARD)
        prepare_many(load(items[:3]), work.model.templates)  # fills what is computed once a process
        for shard in plan.open_shards():
            stamps = [clock()]
            loaded = load(shard.items)
            stamps.append(clock())
            found = prepare_many(loaded, work.model.templates)
            stamps.append(clock())
            finish_shard(work, plan, shard, [f if isinstance(f, FluxVector) else str(f) for f in found])
            stamps.append(clock())
            for step, seconds in zip(list(took)[1:], np.diff(stamps), strict=True):
                took[step] += float(seconds)
        answered, refused = plan.counts()
        errors = scatter(out)
    for step, seconds in took.items():
        print(f"{step:<16} {1000 * seconds / plan.n_items:7.1f} ms a spectrum")
    total, slower = sum(took.values()), max(took["read"], took["infer and write"])
    print(f"{'all':<16} {1000 * total / plan.n_items:7.1f} ms a spectrum")
    print(f"rate of the whole chain over that of the slower of reading and inferring: {slower / total:.2f}")
    print(f"{answered} answered, {refused} refused; median |Teff - truth| {errors:.0f} K")


def scatter(out: Path) -> float:
    """Median error of Teff [K] against the truth that simulated files tell: that the rows belong to their stars."""
    from astropy.io import fits

    rows = [row for part in sorted((out / "rows").glob("*.parquet")) for row in pq.read_table(part).to_pylist()]
    key = TARGET_NAMES[0]
    off = [abs(r[f"{key}_median"] - fits.getval(r["file"], "HIERARCH KIEL TEFF")) for r in rows if r["refused"] is None]
    return float(np.median(off))


if __name__ == "__main__":
    main()
