"""The campaign: hostile files, and mutated ones by the thousand until the time is over; findings are shrunk and kept.

`python -m fuzz.campaign MINUTES FOLDER` prints how many inputs of each layout came to which end, and ends with 1 where
there are findings. A folder remembers its campaign: the next run goes on where the last one stopped.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .hostile import Expect, Hostile, hostile
from .sandbox import Sandbox, Verdict
from .seeds import LAYOUTS, STAR, small_seeds, write_seeds

ROUND = 400
"""Cases that a process takes on at once."""

WHOLE = 0.5
"""Share of the first process's time in which cases of whole files are analysed as well as read."""

_HOSTILE = 0.2  # share of a run's time in which the corpus of hostile files may be gone on with
_CLOSING = 5.0  # seconds kept for the end


@dataclass
class Campaign:
    """State of a campaign: its seed, the next case, how many inputs of each layout came to which end, hostile files tried
    in this pass through the corpus, findings."""

    seed: int
    next: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    tried: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.counts.total()

    def table(self) -> str:
        """One line a layout: its inputs by their ends."""
        layouts = sorted({key.split("|")[0] for key in self.counts})
        lines = []
        for layout in layouts:
            ends = {key.split("|")[1]: n for key, n in sorted(self.counts.items()) if key.split("|")[0] == layout}
            lines.append(
                f"{layout:22s} {sum(ends.values()):8d}   " + ", ".join(f"{n} {end}" for end, n in ends.items())
            )
        return "\n".join(lines)


def load(folder: Path) -> Campaign:
    """The campaign of a folder, or a new one."""
    state = folder / "campaign.json"
    if not state.is_file():
        return Campaign(secrets.randbelow(2**31))
    kept = json.loads(state.read_text())
    return Campaign(kept["seed"], kept["next"], Counter(kept["counts"]), kept["tried"], kept["findings"])


def save(campaign: Campaign, folder: Path) -> None:
    """Write the state of a campaign, whole or not at all."""
    beside = folder / "campaign.json.part"
    beside.write_text(json.dumps(vars(campaign)))
    beside.replace(folder / "campaign.json")


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


class Run:
    """One run of a campaign: processes that take rounds in turn; one of them tries hostile files first, and analyses."""

    def __init__(self, campaign: Campaign, folder: Path, until: float) -> None:
        self.campaign, self.folder, self.until = campaign, folder, until
        self.lock = threading.Lock()

    def work(self, first: bool, began: float) -> None:
        """Rounds in one process until the time is over; the first one has the model and analyses."""
        with Sandbox(model=first, good=self.folder / "good", until=self.until) as box:
            if first:
                self.try_hostile(box, began + _HOSTILE * (self.until - began))
            while time.time() < self.until:
                with self.lock:
                    start = self.campaign.next
                    self.campaign.next = stop = start + ROUND
                while start < stop and time.time() < self.until:
                    answer = box.try_round(self.campaign.seed, start, stop, self.until, WHOLE if first else 0.0)
                    self.note(answer)
                    start = answer["next"]  # before the end where a case has cost the process its life

    def try_hostile(self, box: Sandbox, until: float) -> None:
        """Files of the hostile corpus that this pass has not come to, on the whole path."""
        corpus = hostile()
        if set(corpus) <= set(self.campaign.tried):
            self.campaign.tried = []
        for name, what in corpus.items():
            if time.time() > until:
                break
            if name in self.campaign.tried:
                continue
            verdict = box.try_bytes(what.make(), what.name, row=what.row)
            if verdict.outcome == "late":
                break
            wrong = complaint(what, verdict)
            findings = [{"what": f"{name}: {wrong}\n{verdict.text}", "name": "hostile", "data": ""}] if wrong else []
            self.note({"counts": {f"hostile|{verdict.outcome}, analysed": 1}, "findings": findings})
            self.campaign.tried.append(name)

    def note(self, answer: dict) -> None:
        """Count what a process found, keep the findings, and write the state."""
        with self.lock:
            self.campaign.counts.update(answer["counts"])
            for finding in answer["findings"]:
                self.campaign.findings.append(finding["what"])
                print(f"FINDING {finding['what']}", flush=True)
                (self.folder / f"{finding['name']}.finding").write_bytes(base64.b64decode(finding["data"]))
            save(self.campaign, self.folder)


def main(minutes: float, folder: Path, processes: int | None = None) -> int:
    """Run the campaign of a folder for some minutes; the exit status says whether this run had findings."""
    began = time.time()
    folder.mkdir(parents=True, exist_ok=True)
    campaign = load(folder)
    before, known = campaign.total, len(campaign.findings)
    said = f"{len(LAYOUTS)} layouts, {len(hostile())} hostile files; seed {campaign.seed}, from case {campaign.next}"
    print(said, flush=True)
    write_seeds(small_seeds(), folder / "good")
    run = Run(campaign, folder, began + 60 * minutes - _CLOSING)
    count = processes or max(2, os.cpu_count() or 2)
    threads = [threading.Thread(target=run.work, args=(i == 0, began)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.time() - began
    print(campaign.table())
    new = campaign.total - before
    print(
        f"{new} inputs in {seconds / 60:.1f} minutes ({new / seconds:.0f} a second, {count} processes), {len(campaign.findings) - known} "
        f"findings; the campaign has come to {campaign.total} inputs and {len(campaign.findings)} findings"
    )
    return 1 if len(campaign.findings) > known else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), Path(sys.argv[2])))
