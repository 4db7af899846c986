"""From labels to spectrum: emulator, broadening, derivatives, and what it cannot do."""
