"""The layers of Kiel, from the ground up: a module imports from its own layer and those below, never from one above."""

from __future__ import annotations

import re

import pytest
from import_graph import ROOT, imported, modules

LAYERS: tuple[str, ...] = (
    "app",
    "cinn_core",
    "cinn_core.errors",
    "cinn_core.targets",
    "cinn_core.instrument",
    "cinn_core.random_streams",
    "cinn_core.stages",
    "cinn_core.prior",
    "cinn_core.files",
    "cinn_core.lines",
    "cinn_core.literature",
    "cinn_core.overrides",
    "cinn_core.parameters",
    "cinn_core.processes",
    "cinn_core.statistics",
    "cinn_core.refraction",
    "cinn_core.rebin",
    "cinn_core.readers",
    "cinn_core.forward_model",
    "cinn_core.preparation",
    "cinn_core.synthesis",
    "cinn_core.nlte",
    "cinn_core.inference",
    "cinn_core.explanation",
    "cinn_core.analyse",
    "cinn_core.output",
    "cinn_core.vo",
    "cinn_core.batch",
    "cinn_core.api",
    "cinn_core.training",
    "cinn_core.evaluation",
    "cinn_core.benchmark",
    "app.page",
    "app.server",
    "app.commands",
    "app.main",
    "app.cli",
)
"""Every module belongs to the longest of these names that begins its own."""


def layer_of(module: str) -> str:
    """The layer that a module belongs to."""
    return max((layer for layer in LAYERS if module == layer or module.startswith(layer + ".")), key=len)


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_import_points_up(name):
    own = LAYERS.index(layer_of(name))
    up = {other for other in imported(name) & modules().keys() if LAYERS.index(layer_of(other)) > own}
    assert not up


def test_the_architecture_page_lists_these_layers_in_this_order():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^((?:app|cinn_core)(?:\.\w+)*) {2,}\S", text, re.M)
    assert tuple(listed) == LAYERS


def test_every_layer_has_a_module():
    assert {layer_of(name) for name in modules()} == set(LAYERS)
