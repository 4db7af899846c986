"""Change of the diagnostic lines of a Sun in each lesson of the What if tab: depth, and equivalent width within 0.5 Å.

PYTHONPATH=. python benchmarks/lesson.py
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.page.views.whatif import LESSONS
from cinn_core.explanation.what_if import from_sliders, to_sliders
from cinn_core.forward_model.forward import ForwardModel, load_forward
from cinn_core.inference.predictive import with_nuisances_of_z
from cinn_core.instrument import PIXEL_ANGSTROM
from cinn_core.lines import LineWindow, line_windows
from cinn_core.prior import to_z
from cinn_core.targets import TARGET_NAMES

SUN = {"teff": 5772.0, "logg": 4.44, "vmic": 1.0, "vbroad": 3.4}
"""Everything else as in the Sun's own scale, zero."""


@dataclass(frozen=True)
class Change:
    """One line before and after: depth at its core, and equivalent width [mA]."""

    window: LineWindow
    depth: tuple[float, float]
    width: tuple[float, float]


def sun() -> dict[str, float]:
    """Slider values of a star like the Sun."""
    targets = np.array([[SUN.get(name, 0.0) for name in TARGET_NAMES]])
    return to_sliders(with_nuisances_of_z(to_z(targets))[0])


def changes(forward: ForwardModel, steps: dict[str, float]) -> list[Change]:
    """Every diagnostic line before and after so many steps from the Sun."""
    before = sun()
    after = {name: value + steps.get(name, 0.0) for name, value in before.items()}
    flux = forward.flux(np.stack([from_sliders(before), from_sliders(after)]))
    return [Change(w, _pair(_depths(flux, w)), _pair(_widths(flux, w))) for w in line_windows()]


def _depths(flux: NDArray, window: LineWindow) -> NDArray:
    return 1 - flux[:, window.pixels(0.3)].min(1)


def _widths(flux: NDArray, window: LineWindow) -> NDArray:
    return 1000 * PIXEL_ANGSTROM * (1 - flux[:, window.pixels(0.5)]).sum(1)


def _pair(values: NDArray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def main() -> None:
    forward = load_forward()
    for lesson in LESSONS:
        print(f"{lesson.name}: {', '.join(f'{name} {step:+g}' for name, step in lesson.steps.items())}")
        for c in changes(forward, lesson.steps):
            print(
                f"  {c.window.name:13s} depth {c.depth[0]:.2f} → {c.depth[1]:.2f}, "
                f"width {c.width[0]:4.0f} → {c.width[1]:4.0f} mÅ ({100 * (c.width[1] / c.width[0] - 1):+.0f} %)"
            )


if __name__ == "__main__":
    main()
