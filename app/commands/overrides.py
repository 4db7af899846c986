"""What a person knows better than the file, as options that `kiel analyse` and `kiel prepare` share."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinn_core.errors import SpectrumError

if TYPE_CHECKING:
    from cinn_core.overrides import Overrides


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("a finite number is needed")
    return value


def read_regions(texts: list[str]) -> tuple[tuple[float, float], ...]:
    """Regions (low, high) [Angstrom] from texts like 5300-5340; raises SpectrumError for other texts."""
    regions = []
    for text in texts:
        low, _, high = text.partition("-")
        try:
            regions.append((float(low), float(high)))
        except ValueError as problem:
            raise SpectrumError(
                f"The region to mask {text!r} is none; write it like 5300-5340, in Angstrom."
            ) from problem
    return tuple(regions)


def _overrides(
    snr: Annotated[
        float | None,
        typer.Option(min=1.0, callback=_finite, help="S/N per Å of continuum, where you know better than the file."),
    ] = None,
    rv: Annotated[
        float | None,
        typer.Option(callback=_finite, help="Radial velocity in km/s, where you know better than the fit."),
    ] = None,
    medium: Annotated[
        Literal["air", "vacuum"] | None, typer.Option(help="What the file's wavelengths are measured in.")
    ] = None,
    resolving_power: Annotated[
        float | None, typer.Option("--resolving-power", callback=_finite, help="Native resolving power of the file.")
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", metavar="LOW-HIGH", help="Leave out this region in Å (air, at rest); may be repeated."),
    ] = None,
    continuum: Annotated[
        Literal["fit", "as-is"], typer.Option(help="Fit the continuum, or take the flux as normalised already.")
    ] = "fit",
    degrade_to_snr: Annotated[
        float | None,
        typer.Option("--degrade-to-snr", callback=_finite, help="Add white noise down to this S/N per Å."),
    ] = None,
    noise_seed: Annotated[int, typer.Option("--noise-seed", min=0, help="Seed of the noise added.")] = 0,
) -> Overrides:
    """The options' values as one object of the core."""
    from cinn_core.overrides import ContinuumChoice, Overrides
    from cinn_core.stages import Medium

    return Overrides(
        velocity=rv,
        snr=snr,
        medium=None if medium is None else Medium(medium),
        resolving_power=resolving_power,
        masked=read_regions(mask or []),
        continuum=ContinuumChoice(continuum.replace("-", " ")),
        degrade_to_snr=degrade_to_snr,
        noise_seed=noise_seed,
    )


def with_overrides(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options above in place of its parameter `overrides`."""
    own, added = _signature(command), _signature(_overrides).parameters
    kept = [p for name, p in own.parameters.items() if name != "overrides"]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*kept, *added.values())]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name in added}
        command(**values, overrides=_overrides(**given))

    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Of a function, its options' annotations evaluated; not those that name Overrides, whose module is a heavy one."""
    told = {name: kind for name, kind in function.__annotations__.items() if name not in ("overrides", "return")}
    function.__annotations__ = told
    return inspect.signature(function, eval_str=True)
