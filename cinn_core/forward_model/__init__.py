"""From labels to spectrum: emulator, broadening, pixels, Jacobian, and the errors of the model."""
