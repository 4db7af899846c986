"""Evaluation on simulated stars: held-out stars, calibration, the information limit, the published network."""
