"""The commands of `kiel`, one module a family, and what they print."""
