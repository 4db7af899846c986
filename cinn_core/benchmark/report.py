"""The benchmark as one JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray

from ..inference.bias import CORRECTED, KnownAnswer, cross_validated, fit_bias, groups_of, lines_of_others
from ..literature import differences, z_scores
from ..output.report import plain
from ..targets import COLUMN
from .ablation import Effect
from .figures import BenchmarkFigures, compare, figures_of, fits_of, noisy
from .goals import goals
from .measure import Answer, BenchmarkRow, fit_differences, known_answer
from .robustness import Shift

SCHEMA = 2


def to_json(
    rows: Sequence[BenchmarkRow],
    robust: Mapping[str, Mapping[str, Mapping[str, Shift]]] | None = None,
    effects: Sequence[Effect] = (),
) -> dict[str, Any]:
    """Rows, figures at the S/N of the data and degraded, goals, the correction's cross-validation, robustness by file, steps.

    What a file that was refused does not have, and what was not asked for, is null.
    """
    corrected = corrected_maps(rows)
    return plain(
        {
            "schema": SCHEMA,
            "stars": [_row(row, corrected.get(row.entry.file)) for row in rows],
            "summary": _figures(figures_of(rows)),
            "summary_degraded": _figures(figures_of(rows, noisy)) if any(row.degraded for row in rows) else None,
            "summary_fits": {name: asdict(found) for name, found in fits_of(rows)[1].items()} or None,
            "goals": [asdict(goal) for goal in goals(rows)],
            "bias_correction": correction_figures(rows),
            "robustness": {
                file: {change: {n: asdict(s) for n, s in found.items()} for change, found in changes.items()}
                for file, changes in robust.items()
            }
            if robust
            else None,
            "steps": [asdict(effect) for effect in effects] or None,
        }
    )


def known_answers(rows: Iterable[BenchmarkRow]) -> list[KnownAnswer]:
    """Rows that the bias correction may learn from, with their known values."""
    return [known for row in rows if (known := known_answer(row)) is not None]


def corrected_maps(rows: Sequence[BenchmarkRow]) -> dict[str, NDArray]:
    """By file: the MAP (13,) less the bias that the stars of the other groups gave; of a star in no group, that of all.

    Empty where too few stars are known.
    """
    known = known_answers(rows)
    others = lines_of_others(known)
    if not others:
        return {}
    bias = fit_bias(known)
    return {
        row.entry.file: others.get(row.entry.star, bias).corrected(row.native.map[None])[0]
        for row in rows
        if row.native is not None
    }


def correction_figures(rows: Iterable[BenchmarkRow]) -> dict[str, Any]:
    """By target: figures over stars as they are, and with the line that the stars of the other groups gave."""
    known = known_answers(rows)
    out: dict[str, Any] = {"groups": groups_of(k.star for k in known), "targets": {}}
    for name, stars in cross_validated(known).items():
        before, after = (compare([pair[i] for pair in stars.values()]) for i in (0, 1))
        out["targets"][name] = {"before": asdict(before), "after": asdict(after)}
    return out


def _figures(figures: BenchmarkFigures) -> dict[str, Any]:
    return asdict(figures)


def _row(row: BenchmarkRow, corrected: NDArray | None) -> dict[str, Any]:
    entry = row.entry
    return {
        "file": entry.file,
        "star": entry.star,
        "category": entry.category,
        "trust": entry.trust,
        "counts": entry.counts,
        "literature": entry.literature,
        "literature_sigma": {name: entry.sigma(name) for name in entry.values},
        "refused": row.refusal,
        "corrected": None if corrected is None else {name: corrected[COLUMN[name]] for name in CORRECTED},
        "native": _answer(row, row.native),
        "degraded": _answer(row, row.degraded),
    }


def _answer(row: BenchmarkRow, answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {
        "snr_by_arm": answer.snr,
        "coverage": answer.coverage,
        "flags": answer.flags,
        "rejected_fraction": answer.rejected_fraction,
        "targets": {name: asdict(found) for name, found in answer.summary.targets.items()},
        "a_li": answer.a_li,
        "difference": differences(answer.summary, row.entry),
        "z": z_scores(answer.summary, row.entry),
        "fit_difference": fit_differences(row.entry, answer) or None,
        "line_fits": {name: asdict(found) for name, found in answer.lines.abundances.items()},
        "map_minus_lines": answer.minus_lines,
        "resimulated": answer.check.mean,
        "resimulated_lines": answer.check.lines,
        "noise_alone": answer.check.noise,
    }
