"""Training: the emulator, the training set of simulated stars, the networks, the search for their shape."""
