"""Rotation, line spread function and pixels against dense numerical references."""

import numpy as np
import torch

from cinn_core.forward_model.broadening import (
    LIMB_DARKENING,
    MODEL_STEP_KMS,
    broaden,
    gaussian_transfer,
    pixel_operator,
    rotation_transfer,
)
from cinn_core.instrument import ARMS, N_PIXELS, PIXEL_ANGSTROM, SPEED_OF_LIGHT_KMS, WAVELENGTH


def model_grid() -> tuple[np.ndarray, tuple[slice, ...]]:
    """The emulator's kind of grid: constant 2 km/s steps, 7 Angstrom beyond each window."""
    parts = []
    for arm in ARMS:
        n = int(np.log((arm.high + 7) / (arm.low - 7)) / (MODEL_STEP_KMS / SPEED_OF_LIGHT_KMS))
        parts.append((arm.low - 7) * np.exp(np.arange(n) * MODEL_STEP_KMS / SPEED_OF_LIGHT_KMS))
    cut = len(parts[0])
    return np.concatenate(parts), (slice(0, cut), slice(cut, cut + len(parts[1])))


def line_spectrum(
    wavelength: np.ndarray, centre: float = 6450.0, depth: float = 0.5, fwhm: float = 8.0
) -> torch.Tensor:
    velocity = SPEED_OF_LIGHT_KMS * np.log(wavelength / centre)
    return torch.tensor(1 - depth * np.exp(-4 * np.log(2) * (velocity / fwhm) ** 2), dtype=torch.float64)[None]


def rotation_kernel(velocity: np.ndarray, vbroad: float) -> np.ndarray:
    x = 1 - (velocity / vbroad) ** 2
    e = LIMB_DARKENING
    shape = 2 * (1 - e) * np.sqrt(x.clip(0)) + np.pi * e / 2 * x.clip(0)
    return shape / (np.pi * vbroad * (1 - e / 3))


def test_rotation_transfer_is_the_fourier_transform_of_the_limb_darkened_profile() -> None:
    velocity = np.arange(-100, 100.0001, 0.005)
    frequency = np.linspace(0, 0.25, 40)
    for vbroad in (1.0, 7.0, 60.0):
        numeric = [
            (rotation_kernel(velocity, vbroad) * np.cos(2 * np.pi * f * velocity)).sum() * 0.005 for f in frequency
        ]
        ours = rotation_transfer(torch.tensor(frequency), torch.tensor([vbroad], dtype=torch.float64))[0].numpy()
        np.testing.assert_allclose(ours, numeric, atol=1e-4)


def test_broadening_equals_dense_convolution() -> None:
    wavelength, arms = model_grid()
    flux = line_spectrum(wavelength)
    vbroad, power = 25.0, 20_000.0
    result = broaden(flux, arms, torch.tensor([vbroad]).double(), torch.tensor([power]).double())[0].numpy()
    fine = 0.05
    v = np.arange(-300, 300 + fine / 2, fine)
    sigma = np.sqrt((SPEED_OF_LIGHT_KMS / power) ** 2 - 25.0) / 2.354820045
    gauss = np.exp(-0.5 * (v / sigma) ** 2)
    kernel = np.convolve(rotation_kernel(v, vbroad), gauss / gauss.sum(), mode="same") * fine
    depth = 0.5 * np.exp(-4 * np.log(2) * (v / 8.0) ** 2)
    dense = 1 - np.convolve(depth, kernel, mode="same")
    expected = np.interp(SPEED_OF_LIGHT_KMS * np.log(wavelength / 6450.0), v, dense)
    near = np.abs(wavelength - 6450) < 4
    np.testing.assert_allclose(result[near], expected[near], atol=1e-4)


def test_broadening_conserves_equivalent_width() -> None:
    wavelength, arms = model_grid()
    flux = line_spectrum(wavelength)
    for vbroad in (1.0, 20.0, 100.0):
        wide = broaden(flux, arms, torch.tensor([vbroad]).double(), torch.tensor([20_000.0]).double())
        assert abs(float((1 - wide).sum() / (1 - flux).sum()) - 1) < 1e-6


def test_receding_star_has_its_lines_to_the_red() -> None:
    wavelength, arms = model_grid()
    flux = line_spectrum(wavelength)
    args = (flux, arms, torch.tensor([3.0]).double(), torch.tensor([20_000.0]).double())
    moved = broaden(*args, velocity=torch.tensor([30.0]).double())[0].numpy()
    centre = np.sum((1 - moved) * wavelength) / np.sum(1 - moved)
    assert abs(SPEED_OF_LIGHT_KMS * np.log(centre / 6450.0) - 30.0) < 0.1


def test_gradient_with_respect_to_broadening_equals_finite_differences() -> None:
    frequency = torch.linspace(0, 0.25, 50, dtype=torch.float64)
    vbroad = torch.tensor([1.5, 12.0, 80.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: rotation_transfer(frequency, v), vbroad)
    squared = torch.tensor([196.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: gaussian_transfer(frequency, w), squared)


def test_pixels_average_the_spectrum_and_conserve_flux() -> None:
    wavelength, _ = model_grid()
    operator = pixel_operator(wavelength)
    ones = torch.sparse.mm(operator, torch.ones(len(wavelength), 1))[:, 0].numpy()
    np.testing.assert_allclose(ones, 1, atol=1e-5)
    ramp = torch.tensor(wavelength - 6000, dtype=torch.float32)[:, None]
    means = torch.sparse.mm(operator, ramp)[:, 0].numpy()
    np.testing.assert_allclose(means, WAVELENGTH - 6000, atol=2e-3)  # single precision of some hundred Angstrom
    depth = (1 - line_spectrum(wavelength)).float().T
    pixels = torch.sparse.mm(operator, depth)[:, 0].numpy()
    nodes = depth[:, 0].numpy()
    direct = np.sum(0.5 * (nodes[1:] + nodes[:-1]) * np.diff(wavelength))
    assert pixels.shape == (N_PIXELS,)
    assert abs(pixels.sum() * PIXEL_ANGSTROM / direct - 1) < 1e-4
