"""What the visits of one process share: the model, the examples' analyses, what this machine offers.

A module of its own, because the page's script is emptied when its visit ends, while a job of the visit may still run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import panel as pn

from cinn_core.analyse import Model, analyse, load_model
from cinn_core.errors import WeightsError
from cinn_core.files import asset_path
from cinn_core.inference.bias import BiasCorrection, bias_path, load_bias
from cinn_core.inference.model import Device
from cinn_core.preparation.rerun import Rerun
from cinn_core.stages import Analysis

from .state import Request, Source


def shared_model(device: str = "auto") -> Model:
    """The model that this process loads once a device."""
    return pn.state.as_cached(MODEL_KEY, load_model, device=Device(device).resolve().type)


def shipped_bias() -> BiasCorrection | None:
    """The correction of the shipped network; None where it has none."""
    try:
        card = json.loads(asset_path("weights", "network.json").read_text(encoding="utf-8"))
        return load_bias(bias_path(asset_path("weights", "network.safetensors")), card["sha256"])
    except WeightsError:
        return None


def devices() -> tuple[str, ...]:
    """Where the network can run on this machine."""
    import torch

    return ("auto", "cpu", "cuda") if torch.cuda.is_available() else ("auto", "cpu")


def shipped_example(path: Path) -> Analysis:
    """An example's analysis under the settings that a visit begins with, which this process makes once.

    Every visit begins with one, a whole class at the same time; asked for before the first visitor, nobody waits for
    the model and what is derived from it at first use.
    """
    return pn.state.as_cached("kiel-example", lambda path: analyse(path, shared_model(), name=path.name), path=path)


def analyse_request(remembered: Rerun, request: Request, report: Callable[[str], None]) -> Analysis:
    """Analyse one request, on the worker; `remembered` are the steps of the visit's preparations, for other overrides."""
    report("Loading the model")
    source, settings = request.source, request.settings
    if isinstance(source.data, Path) and request == Request(Source(source.data, source.data.name)):
        return replace(shipped_example(source.data))  # a star of this visit's own
    return analyse(
        source.data, shared_model(settings.device), name=source.name, overrides=request.overrides, hdu=source.hdu,
        row=source.row, preparing=remembered.prepare, n_samples=settings.n_samples, seed=settings.seed, progress=report,
    )  # fmt: skip


MODEL_KEY = "kiel-model"
"""Under which name the model is in the process's cache once it is loaded."""
