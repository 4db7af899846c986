"""Departures from local thermodynamic equilibrium: published grids, Kiel's own solutions, and what they do to lines."""
