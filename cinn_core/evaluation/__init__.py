"""How well: held-out stars, calibration, the information limit, the paper beside it."""
