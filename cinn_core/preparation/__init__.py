"""Bringing a spectrum to what the 4MOST high-resolution spectrograph would have seen."""
