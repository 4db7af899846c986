"""What several tests share: the data outside the repository, the shipped model, a made-up analysis."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import browser, lasting_page, made_up_address, made_up_server, page, real_address, visit  # noqa: F401
from fake_analysis import fake_analysis
from missing import missing

from cinn_core.files import EXAMPLES, assets_directory, data_directory


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data folder with real spectra and grids; these tests skip without it."""
    folder = data_directory()
    if folder is None:
        missing("no data folder: set KIEL_DATA")
    return folder


@pytest.fixture(scope="session")
def model():
    """The shipped emulator and network on the CPU."""
    for name in ("emulator", "network"):
        if not (assets_directory() / "weights" / f"{name}.safetensors").is_file():
            missing(f"the {name}'s weights are not in assets")
    from cinn_core.analyse import load_model

    return load_model("cpu")


@pytest.fixture(scope="session")
def examples() -> dict[str, Path]:
    """The example spectra by name."""
    folder = assets_directory() / "examples"
    if not all((folder / f"{name}.fits").is_file() for name in EXAMPLES):
        missing("the example spectra are not in assets")
    from cinn_core.files import example_paths

    return example_paths()


@pytest.fixture(scope="session")
def made_up():
    """An analysis that no network made: plausible numbers to draw, print and write."""
    return fake_analysis()
