"""Forward model from labels to spectrum: emulator, broadening, pixels, Jacobian, and the errors of the model."""
