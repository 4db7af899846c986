"""Preparation of spectra as the 4MOST high-resolution spectrograph would have taken them."""
