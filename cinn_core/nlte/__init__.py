"""Departures from local thermodynamic equilibrium: statistical equilibrium with Lightweaver, and its effect on lines."""

from __future__ import annotations

import warnings
from types import ModuleType

from ..errors import KielError


def load_lightweaver() -> ModuleType:
    """The library Lightweaver (Osborne & Milić 2021, ApJ 917, 14), an optional extra. Raises KielError where it is missing."""
    try:
        with warnings.catch_warnings():  # it warns that there is no settings file; its defaults are what is needed
            warnings.simplefilter("ignore")
            import lightweaver
            import lightweaver.rh_atoms
    except ImportError as error:
        raise KielError(
            "Statistical equilibrium needs Lightweaver: pip install -e '.[nlte]' in the checkout."
        ) from error
    return lightweaver
