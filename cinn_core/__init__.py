"""Kiel's physics and inference: from the bytes of a spectrum to the posterior of its star; knows no user interface."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("kiel")
except PackageNotFoundError:  # run from a bare checkout
    __version__ = "0.0.0"
