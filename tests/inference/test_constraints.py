"""Knowledge from elsewhere multiplies the posterior; benchmark stars are found by the names people use."""

import numpy as np
import pytest

from cinn_core.errors import KielError
from cinn_core.inference.constraints import Constraint, constrain, constraint_weights, from_benchmark, parse_constraint
from cinn_core.literature import benchmarks, literature_for, z_scores
from cinn_core.output.report import plain
from cinn_core.prior import N_TARGETS
from cinn_core.stages import PosteriorSamples
from cinn_core.targets import COLUMN

LOGG, TEFF = COLUMN["logg"], COLUMN["teff"]


@pytest.fixture(scope="module")
def normal() -> PosteriorSamples:
    """Samples around the Sun, Teff (100 K) and log g (0.1) correlated by 0.8."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((40_000, N_TARGETS))
    labels = np.tile([5772, 4.4, 0.0, 1.0, 3.0] + [0.0] * 8, (len(z), 1))
    labels[:, LOGG] += 0.1 * z[:, LOGG]
    labels[:, TEFF] += 100 * (0.8 * z[:, LOGG] + 0.6 * z[:, TEFF])
    return PosteriorSamples(labels, z, -0.5 * (z**2).sum(1), np.zeros(N_TARGETS), 0.0, 0)


def test_constraint_gives_the_product_of_two_gaussians(normal):
    found = constrain(normal, [Constraint("logg", 4.5, 0.1)])
    logg = found.summary.targets["logg"]
    assert logg.mean == pytest.approx(4.45, abs=0.002)
    assert (logg.hi68 - logg.lo68) / 2 == pytest.approx(0.1 / np.sqrt(2), rel=0.05)
    assert found.summary.targets["teff"].mean == pytest.approx(
        5772 + 0.8 * 100 * 0.5, abs=3
    )  # correlated targets follow


def test_effective_number_of_a_constraint_as_wide_as_the_posterior(normal):
    found = constrain(normal, [Constraint("logg", 4.4, 0.1)])
    assert found.effective_fraction == pytest.approx(np.sqrt(3) / 2, rel=0.02)  # E[w]^2 / E[w^2] for equal widths
    assert not found.warning


def test_constraints_multiply_in_any_order(normal):
    one, other = Constraint("logg", 4.5, 0.1), Constraint("teff", 5700, 80)
    both = constraint_weights(normal.labels, [one, other])
    assert both == pytest.approx(constraint_weights(normal.labels, [other, one]))
    given = constrain(normal, [other], constraint_weights(normal.labels, [one]))
    assert given.weights == pytest.approx(both, rel=1e-9)


def test_constraint_that_contradicts_the_spectrum_says_so(normal):
    assert "contradicts" in constrain(normal, [Constraint("teff", 7000, 5)]).warning
    assert "contradicts" in constrain(normal, [Constraint("teff", 1e6, 0.001)]).warning


def test_lithium_may_be_constrained_on_either_scale(normal):
    a_li = constraint_weights(normal.labels, [Constraint("a_li", 1.05, 0.3)])
    ratio = constraint_weights(normal.labels, [Constraint("li_fe", 0.0, 0.3)])
    assert a_li == pytest.approx(ratio)  # [Fe/H] = 0 in all samples


def test_constraint_is_read_as_the_command_line_writes_it():
    assert parse_constraint("logg=4.44,0.02") == Constraint("logg", 4.44, 0.02, "given")


@pytest.mark.parametrize(
    "text", ["logg", "logg=4.4", "logg=a,b", "gravity=4.4,0.1", "logg=4.4,0", "logg=nan,1", "teff=1,2,3"]
)
def test_constraint_that_cannot_be_meant_is_refused_in_a_sentence(text):
    with pytest.raises(KielError, match=r"\.$"):
        parse_constraint(text)


@pytest.mark.parametrize(
    ("star", "file", "name"),
    [
        ("HD146233", "", "18 Sco"),
        ("alf Cen A", "", "alpha Cen A"),
        ("HARPS.GBOG_Procyon.fits", "HARPS.GBOG_Procyon.fits", "Procyon"),
        ("", "UVES_Sun-1_cleaned_norm.txt", "Sun"),
        ("", "NARVAL_61CygB.txt", "61 Cyg B"),
        ("hd 122563", "x.fits", "HD 122563"),
    ],
)
def test_benchmark_star_is_found_by_header_or_file_name(star, file, name):
    found = literature_for(star, file)
    assert found is not None
    assert found.star == name


@pytest.mark.parametrize(
    ("star", "file"), [("", ""), ("solar twin", "solar-twin.fits"), ("HD 1", "sunny.fits"), ("Sunset", "")]
)
def test_star_that_is_no_benchmark_has_no_literature(star, file):
    assert literature_for(star, file) is None


def test_benchmark_error_is_never_below_its_floor():
    for star in benchmarks():
        assert star.sigma("teff") >= 30
        assert star.sigma("logg") >= 0.03
        assert star.sigma("feh") == 0.05
    sun = literature_for("Sun")
    assert from_benchmark(sun, "teff").mean == 5772


def test_z_score_is_the_difference_over_both_errors(made_up):
    sun, teff = literature_for("Sun"), made_up.summary.targets["teff"]
    half = (teff.hi68 - teff.lo68) / 2
    assert z_scores(made_up.summary, sun)["teff"] == pytest.approx((teff.map - 5772) / np.sqrt(half**2 + 1 + 900))


def test_constraints_are_recorded_as_plain_json(normal):
    from cinn_core.inference.constraints import to_json

    found = constrain(normal, [Constraint("logg", 4.44, 0.02, "seismology")])
    document = plain(to_json(found))
    assert document["constraints"] == [{"target": "logg", "mean": 4.44, "sigma": 0.02, "source": "seismology"}]
    assert document["effective_samples"] == pytest.approx(found.effective_samples)
    assert document["targets"]["logg"]["mean"] == pytest.approx(found.summary.targets["logg"].mean)
