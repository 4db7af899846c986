"""Another revision and this one in turns (A B A B …): processor seconds of each row, their ratio and its spread, as a table.

python benchmarks/against.py REV                      # half an hour on two cores
python benchmarks/against.py REV --stars 64 --rows fast,analyse,prepare

REV is checked out beside this one and timed by its own commands and benchmarks, with its own weights; the spectra of the
chain are simulated once, by this revision. Processor time (user and system) of whole processes on one thread, that of
`kiel batch` on the clock with all cores.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
KIEL = "from app.cli import app; app()"
SIMULATE = (
    "import sys; from pathlib import Path; sys.path.insert(0, 'benchmarks'); from chain import simulate; "
    "from cinn_core.inference.model import load_model; simulate(load_model('cpu'), int(sys.argv[1]), Path(sys.argv[2]))"
)


@dataclass(frozen=True)
class Run:
    """One finished process: seconds of processor and of the clock, its largest memory [MB], what it printed."""

    processor: float
    clock: float
    memory: float
    output: str


def run(checkout: Path, arguments: list[str], threads: int | None = 1) -> Run:
    """Run Python in a checkout to its end; raises RuntimeError with what it printed where it fails."""
    environment = dict(os.environ, PYTHONPATH=str(checkout))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    with tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *arguments],
            cwd=checkout,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - began
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} in {checkout} ended with {process.returncode}:\n{text[-2000:]}")
    return Run(usage.ru_utime + usage.ru_stime, took, usage.ru_maxrss / 1024, text)


def kiel(checkout: Path, *arguments: str, threads: int | None = 1) -> Run:
    """Run a command of Kiel in a checkout."""
    return run(checkout, ["-c", KIEL, *arguments], threads)


def chain(checkout: Path, files: Path, *options: str) -> dict[str, float]:
    """Milliseconds of processor a spectrum of each step, as the checkout's own benchmark of the chain prints them."""
    text = run(checkout, ["benchmarks/chain.py", "--files", str(files), *options]).output
    found = re.findall(r"^(read|prepare|infer and write) +([\d.]+) ms", text, re.MULTILINE)
    steps = {step: float(ms) for step, ms in found}
    return {**steps, "read, prepare and infer": sum(steps.values())}


def ways(files: Path, out: Path) -> dict[str, Callable[[Path], dict[str, float]]]:
    """What is measured, by the name that --rows takes: a function of a checkout that gives numbers by row."""
    example = "assets/examples/solar-twin.fits"

    def analyse(checkout: Path, *more: str) -> dict[str, float]:
        done = kiel(checkout, "analyse", example, "--json", str(out / "answer.json"), *more)
        name = " ".join(("analyse", *more))
        return {f"kiel {name}, processor s": done.processor, f"kiel {name}, clock s": done.clock}

    def prepare(checkout: Path) -> dict[str, float]:
        return {"kiel prepare, processor s": kiel(checkout, "prepare", example, str(out / "prepared.fits")).processor}

    def batch(checkout: Path) -> dict[str, float]:
        with tempfile.TemporaryDirectory(dir=out) as folder:
            done = kiel(checkout, "batch", str(files), "--out", f"{folder}/rows", threads=None)
        stars = len(list(files.glob("*.fits")))
        return {"kiel batch, clock ms a star": 1000 * done.clock / stars, "kiel batch, memory MB": done.memory}

    def of_chain(title: str, *options: str) -> Callable[[Path], dict[str, float]]:
        return lambda checkout: {f"{title}: {step}, ms": ms for step, ms in chain(checkout, files, *options).items()}

    return {
        "fast": of_chain("512 Sobol latents, reduced", "--fast"),
        "full": of_chain("4096 samples", "--samples", "4096"),
        "batch": batch,
        "analyse": analyse,
        "prepare": prepare,
        "importance": lambda checkout: analyse(checkout, "--importance"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    parser.add_argument("--stars", type=int, default=500, help="spectra of the chain and of the batch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--rows", default="fast,full,batch,analyse,prepare,importance", help="of these names, comma between"
    )
    parser.add_argument("--checkout", type=Path, help="of the revision, where there is one already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        there = options.checkout or Path(name, "other")
        if options.checkout is None:
            add = ["git", "worktree", "add", "--detach", str(there), options.revision]
            subprocess.run(add, cwd=HERE, check=True, capture_output=True)
        try:
            files = Path(name, "files")
            files.mkdir()
            run(HERE, ["-c", SIMULATE, str(options.stars), str(files)])
            measured = ways(files, Path(name))
            print(f"| | {options.revision} | here | ratio | in each round |\n|---|---|---|---|---|", flush=True)
            for row in options.rows.split(","):
                compare(measured[row], there, options.rounds)
        finally:
            if options.checkout is None:
                subprocess.run(["git", "worktree", "remove", "--force", str(there)], cwd=HERE, check=True)


def compare(measure: Callable[[Path], dict[str, float]], there: Path, rounds: int) -> None:
    """Print the rows of one measurement, both revisions in turns."""
    pairs = [(measure(there), measure(HERE)) for _ in range(rounds)]
    for row in pairs[0][0]:
        before, now = ([each[i][row] for each in pairs] for i in (0, 1))
        ratios = " ".join(f"{b / a:.2f}" for a, b in zip(before, now, strict=True))
        ratio = statistics.median(now) / statistics.median(before)
        print(
            f"| {row} | {statistics.median(before):.3g} | {statistics.median(now):.3g} | {ratio:.2f} | {ratios} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
