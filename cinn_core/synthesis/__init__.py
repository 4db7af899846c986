"""Physical synthesis: model atmospheres, abundances, Turbospectrum, and grids of thousands of stars."""
