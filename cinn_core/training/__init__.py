"""Learning: grid files, the emulator, the bank of training stars, the network."""
