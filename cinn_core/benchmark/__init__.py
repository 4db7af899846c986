"""Real stars against the literature and against line-by-line fits: bias, scatter, repeats, trends, resimulation, robustness."""
