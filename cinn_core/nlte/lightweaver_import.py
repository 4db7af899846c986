"""Lightweaver, the extra `nlte`, loaded when it is needed and missed in words."""

from __future__ import annotations

import warnings
from types import ModuleType

from ..errors import KielError


def load_lightweaver() -> ModuleType:
    """The library (Osborne & Milić 2021, ApJ 917, 14); KielError where it is not installed."""
    try:
        with warnings.catch_warnings():  # it warns that no file of settings exists; its defaults are meant
            warnings.simplefilter("ignore")
            import lightweaver
            import lightweaver.rh_atoms
    except ImportError as error:
        raise KielError(
            "Statistical equilibrium needs Lightweaver: pip install -e '.[nlte]' in the checkout."
        ) from error
    return lightweaver
