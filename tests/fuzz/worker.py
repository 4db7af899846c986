"""The guarded process: reads file names on stdin, tries each on Kiel under a memory limit, answers in JSON lines.

Run as `python -m fuzz.worker`. Nothing here catches less than everything: what is not a KielError is a finding.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cinn_core.analyse import analyse, load_model
from cinn_core.errors import KielError
from cinn_core.instrument import MAX_SNR, MIN_SNR
from cinn_core.output.report import dumps, to_json
from cinn_core.readers import read
from cinn_core.stages import Analysis, Spectrum
from cinn_core.targets import TARGETS

SAMPLES = 128
MEMORY_BYTES = 2 * 1024**3


def main() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not pass for an answer
    model = load_model("cpu")
    warnings.simplefilter("ignore")
    _limit_memory()
    print("ready", file=answers)
    for line in sys.stdin:
        print(json.dumps(judge(json.loads(line), model)), file=answers)


def judge(asked: dict[str, Any], model: Any) -> dict[str, Any]:
    """What became of one file: answered or refused, with a finding where it is not as it should be."""
    _forget_peak()
    began = time.process_time()
    answer: dict[str, Any] = {"outcome": "answered", "finding": None, "text": ""}
    try:
        spectrum = read(Path(asked["path"]), asked["name"], hdu=asked.get("hdu"), row=asked.get("row"))
        answer["pixels"] = int(spectrum.wavelength.size)
        answer["finding"] = nonsense_of_reading(spectrum)
        if asked["depth"] == "analyse":
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
    main()
