"""The campaign: hostile files first, then mutated ones until the time is over; findings are shrunk and kept.

`python -m fuzz.campaign MINUTES FOLDER` prints the count of inputs and findings and ends with 1 where there are any.
Every file is read; one that reads as a spectrum is analysed too as long as analyses have had less time than reading.
"""

from __future__ import annotations

import secrets
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisWarning

from .hostile import Expect, Hostile, hostile
from .mutations import Case, cases
from .sandbox import Sandbox, Verdict
from .seeds import STAR, seeds

ROUND = 150
"""Inputs drawn from one seed; each round takes another."""


class Finding(AssertionError):
    """An input of which something else became than a result or a sentence."""


@dataclass
class Tally:
    """How many inputs were tried to which end, and what they cost."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reading: float = 0.0
    analysing: float = 0.0
    slowest: float = 0.0
    largest: int = 0
    findings: list[str] = field(default_factory=list)

    def count(self, verdict: Verdict, depth: str) -> None:
        self.outcomes[f"{verdict.outcome}, {depth}"] += 1
        self.slowest, self.largest = max(self.slowest, verdict.seconds), max(self.largest, verdict.peak_bytes)

    def __str__(self) -> str:
        ends = "; ".join(f"{n} {what}" for what, n in sorted(self.outcomes.items()))
        return (
            f"{sum(self.outcomes.values())} inputs ({ends}), slowest {self.slowest:.1f} s of CPU, largest "
            f"{self.largest / 1e9:.2f} GB, {len(self.findings)} findings"
        )


def complaint(what: Hostile, verdict: Verdict) -> str | None:
    """What is wrong with the end of a hostile file, or None."""
    if verdict.finding:
        return verdict.finding
    if what.expect is Expect.REFUSED and verdict.outcome != "refused":
        return f"{verdict.outcome}, not refused"
    if what.expect is Expect.SAME and verdict.outcome != "answered":
        return f"{verdict.outcome}: {verdict.text}"
    if what.expect is Expect.SAME and (verdict.rv_kms is None or abs(verdict.rv_kms - STAR.rv) > 1):
        return f"velocity {verdict.rv_kms}, not {STAR.rv}"
    return None


def try_hostile(box: Sandbox, tally: Tally) -> None:
    """Every hostile file of the corpus, once, on the whole path."""
    for name, what in hostile().items():
        verdict = box.try_bytes(what.make(), what.name, row=what.row)
        tally.count(verdict, "hostile")
        wrong = complaint(what, verdict)
        if wrong:
            tally.findings.append(f"{name}: {wrong}\n{verdict.text}")
            print(f"FINDING {tally.findings[-1]}", flush=True)


def try_round(box: Sandbox, tally: Tally, number: int, folder: Path | None = None, size: int = ROUND) -> None:
    """One round of mutated files from one seed; a finding is shrunk, kept in `folder`, and ends the round."""

    @seed(number)
    @settings(
        max_examples=size,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def one_round(case: Case) -> None:
        try_case(box, tally, case, folder)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HypothesisWarning)  # a finding is megabytes long where it is shown whole
            one_round()
    except Finding as finding:
        tally.findings.append(f"seed {number}: {finding}")
        print(f"FINDING {tally.findings[-1]}", flush=True)


def try_case(box: Sandbox, tally: Tally, case: Case, folder: Path | None) -> None:
    """One mutated file; raises Finding, after writing it to `folder`, where it ends neither in a result nor in a sentence."""
    began = time.process_time()
    verdict = box.try_bytes(case.data, case.name, depth="read")
    tally.reading += verdict.seconds + time.process_time() - began
    tally.count(verdict, "read")
    if verdict.outcome == "answered" and tally.analysing <= tally.reading:
        verdict = box.try_bytes(case.data, case.name)
        tally.analysing += verdict.seconds
        tally.count(verdict, "analysed")
    if verdict.finding:
        if folder is not None:
            (folder / f"{case.format}.finding").write_bytes(case.data)
        raise Finding(f"{case.format} called {case.name!r:.60}: {verdict.finding}\n{verdict.text}")


def main(minutes: float, folder: Path) -> int:
    """Run the campaign; the exit status says whether there were findings."""
    folder.mkdir(parents=True, exist_ok=True)
    tally, first = Tally(), secrets.randbelow(2**31)
    print(f"{len(seeds())} good files, {len(hostile())} hostile ones; rounds of {ROUND} from seed {first}", flush=True)
    end = time.monotonic() + 60 * minutes
    with Sandbox() as box:
        try_hostile(box, tally)
        print(tally, flush=True)
        number = first
        while time.monotonic() < end:
            try_round(box, tally, number, folder)
            number += 1
    print(tally)
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), Path(sys.argv[2])))
