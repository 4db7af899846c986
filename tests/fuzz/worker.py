"""The guarded process: reads file names on stdin, tries each on Kiel under a memory limit, answers in JSON lines.

Run as `python -m fuzz.worker [--model] [FOLDER]`. Nothing here catches less than everything: what is not a KielError is a finding. A
question is one file, or a round of the campaign, whose cases are made and read here: a process that lives reads a hundred
files in the time in which one starts.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from cinn_core.errors import KielError
from cinn_core.instrument import MAX_SNR, MIN_SNR
from cinn_core.readers import read
from cinn_core.stages import Analysis, Spectrum
from cinn_core.targets import TARGETS

from .mutations import Case, case
from .seeds import good_file, read_seeds, small_seeds

Seeds = dict[str, tuple[bytes, str]]
SAMPLES = 128
SECONDS = 10.0
"""CPU seconds an input may take; on a machine of its own the same as seconds."""

MEMORY_BYTES = 2 * 1024**3


def main(with_model: bool, folder: Path | None) -> None:
    """Answer until stdin ends; without a model files are read only. The folder holds the small good files, if it is given."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not pass for an answer
    model = None
    if with_model:
        from cinn_core.analyse import load_model

        model = load_model("cpu")
    small = small_seeds if folder is None else cache(partial(read_seeds, folder))
    warnings.simplefilter("ignore")
    _limit_memory()
    print("ready", file=answers)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = one_round(asked, model, small) if "round" in asked else judge(asked, model)
        print(json.dumps(answer), file=answers)


def one_round(asked: dict[str, Any], model: Any, small: Callable[[], Seeds]) -> dict[str, Any]:
    """Counts by layout and end of the cases of a round, and findings with the bytes they were shrunk to.

    asked: seed; round: numbers of the first case and of the one after the last; until: the time to stop at; at: file in
    which the number of the case at work stands, should this process not survive it; whole: share of the time in which
    cases of whole files are analysed as well.
    """
    first, stop = asked["round"]
    counts: Counter[str] = Counter()
    findings, spent = [], {"read": 0.0, "analyse": 0.0}
    number = first
    for number in range(first, stop):
        if time.time() > asked["until"]:
            break
        depths = ["read"]
        if spent["analyse"] < asked["whole"] * (spent["read"] + spent["analyse"]):
            depths.append("analyse")
        one = case(number, asked["seed"], small())
        for depth in depths:
            if depth == "analyse" and one.layout in small():
                one = replace(one, good=good_file(one.layout)[0])
            Path(asked["at"]).write_text(f"{number} {depth}")
            verdict = _try(one, depth, model)
            spent[depth] += verdict["seconds"]
            counts[f"{one.layout}|{verdict['outcome']}, {'read' if depth == 'read' else 'analysed'}"] += 1
            if verdict["finding"]:
                findings.append(_finding(one, number, depth, verdict, model))
    else:
        number = stop
    return {"outcome": "round", "counts": counts, "findings": findings, "next": number, "spent": spent}


def _try(one: Case, depth: str, model: Any) -> dict[str, Any]:
    verdict = judge({"data": one.data, "name": one.name, "depth": depth, "peak": False}, model)
    if verdict["seconds"] > SECONDS:
        verdict["finding"] = verdict["finding"] or f"took {verdict['seconds']:.1f} s"
    return verdict


def _finding(one: Case, number: int, depth: str, verdict: dict[str, Any], model: Any) -> dict[str, str]:
    small = one.shrunk(lambda fewer: _try(fewer, depth, model)["finding"] is not None)
    return {
        "what": f"case {number}, {one.layout}, {depth}, called {one.name!r:.60}: {verdict['finding']}\n{verdict['text']}",
        "name": f"{number}-{one.layout}",
        "data": base64.b64encode(small.data).decode(),
    }


def judge(asked: dict[str, Any], model: Any) -> dict[str, Any]:
    """What became of one file: answered or refused, with a finding where it is not as it should be; `data` for a path."""
    if asked.get("peak", True):
        _forget_peak()
    began = time.process_time()
    answer: dict[str, Any] = {"outcome": "answered", "finding": None, "text": ""}
    try:
        source = asked["data"] if "data" in asked else Path(asked["path"])
        spectrum = read(source, asked["name"], hdu=asked.get("hdu"), row=asked.get("row"))
        answer["pixels"] = int(spectrum.wavelength.size)
        answer["finding"] = nonsense_of_reading(spectrum)
        if asked["depth"] == "analyse":
            from cinn_core.analyse import analyse
            from cinn_core.output.report import dumps, to_json

            analysis = analyse(spectrum, model, n_samples=SAMPLES)
            dumps(to_json(analysis))
            answer["finding"] = nonsense_of_answer(analysis, spectrum)
            answer["rv_kms"], answer["flags"] = analysis.flux_vector.rv_kms, list(analysis.flags)
    except KielError as refusal:
        answer |= {"outcome": "refused", "text": str(refusal), "finding": no_sentence(str(refusal))}
    except BaseException as fault:
        where = traceback.extract_tb(fault.__traceback__)
        ours = next((f for f in reversed(where) if "cinn_core" in f.filename), where[-1])
        place = f"{Path(ours.filename).name}:{ours.lineno}"
        answer |= {
            "outcome": "crashed",
            "text": traceback.format_exc()[-3000:],
            "finding": f"{fault!r:.150} at {place}",
        }
    return answer | {"seconds": time.process_time() - began, "peak": _peak()}


def no_sentence(text: str) -> str | None:
    """Why a refusal is not one sentence that may be shown, or None."""
    if not text.endswith(".") or not text.isprintable() or "Traceback" in text:
        return f"no sentence: {text!r:.200}"
    return f"a sentence of {len(text)} characters: {text!r:.200}" if len(text) > 600 else None


def nonsense_of_reading(spectrum: Spectrum) -> str | None:
    """What cannot be in a spectrum that was accepted, or None."""
    wave = spectrum.wavelength
    if not (wave[0] > 1000 and wave[-1] < 100_000):
        return f"wavelengths {wave[0]:g}-{wave[-1]:g} Angstrom accepted"
    if spectrum.error is not None and not (spectrum.error[spectrum.good] > 0).all():
        return "a good pixel whose error is not positive"
    for text in (spectrum.star, spectrum.file):
        if not text.isprintable() or len(text) > 200:
            return f"a name that cannot be shown: {text!r:.200}"
    return None


def nonsense_of_answer(analysis: Analysis, spectrum: Spectrum) -> str | None:
    """What cannot be in an answer, or None."""
    vector = analysis.flux_vector
    known = [s for s in vector.snr if np.isfinite(s)]
    if not known or min(known) <= 0 or max(known) > MAX_SNR or np.median(known) < 0.99 * MIN_SNR:
        return f"S/N {vector.snr}"
    if not np.isfinite(vector.rv_kms) or abs(vector.rv_kms) > 1500:
        return f"velocity {vector.rv_kms}"
    if np.abs(vector.flux[vector.good]).max() > 100 and "out_of_domain" not in analysis.flags:
        return f"flux {np.abs(vector.flux[vector.good]).max():g} times the continuum, unflagged"
    for target in TARGETS:
        numbers = analysis.summary.targets[target.name]
        values = np.array([getattr(numbers, k) for k in ("lo95", "lo68", "hi68", "hi95", "map", "median", "mean")])
        if not np.isfinite(values).all():
            return f"{target.name} {values}"
        if (
            not (np.diff(values[:4]) >= -0.05 * (values[3] - values[0]) - 1e-9).all()  # shortest need not mean nested
            or values.min() < target.low - 0.01
            or values.max() > target.high + 0.01
        ):
            return f"{target.name} {values} outside {target.low}-{target.high} or out of order"
    return None if np.isfinite(analysis.resimulation.chi2_per_pixel) else "chi2 is not finite"


def _limit_memory() -> None:
    """Two gigabytes of addresses beyond what the libraries and the model have taken already."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Largest resident size [bytes] since it was forgotten, libraries and model included."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main("--model" in sys.argv, Path(sys.argv[-1]) if sys.argv[-1][:2] != "--" else None)
