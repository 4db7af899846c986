"""The errors an astronomer may see: each carries one sentence saying what was found, what is needed and what to do."""


def printable(text: str) -> str:
    """Text in which a space stands for each character that cannot be shown, fit for a sentence."""
    return "".join(c if c.isprintable() else " " for c in text)


class KielError(Exception):
    """Base of every error whose text is meant for the user."""


class SpectrumError(KielError):
    """A file or spectrum that cannot be used, and why."""


class ParametersError(KielError):
    """Weights that are missing, damaged or made for another version, and the remedy."""


class DataError(KielError):
    """A grid, index or other input of training and evaluation that cannot be used, and why."""


class SynthesisError(KielError):
    """A star for which no spectrum could be synthesised, and why."""
