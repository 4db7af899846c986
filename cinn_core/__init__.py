"""Kiel's physics and inference: from the bytes of a spectrum to the posterior of its star; knows no user interface."""

__version__ = "0.1.0"
"""The only place where the version stands: the build reads it from here."""
