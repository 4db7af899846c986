"""Knowledge from elsewhere multiplies the posterior; benchmark stars are found by the names people use."""

import numpy as np
import pytest

from cinn_core.errors import KielError
from cinn_core.inference.constraints import (
    Constraint,
    constrain,
    constraint_weights,
    from_benchmark,
    from_nu_max,
    from_parallax,
    known_of,
    parse_constraint,
    to_json,
)
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
    found = constrain(normal, [Constraint("logg", 4.44, 0.02, "seismology")])
    document = plain(to_json(found))
    (recorded,) = document["constraints"]
    given = {"target": "logg", "mean": 4.44, "sigma": 0.02, "source": "seismology", "photometry": None}
    assert given.items() <= recorded.items()
    assert document["effective_samples"] == pytest.approx(found.effective_samples)
    assert document["targets"]["logg"]["mean"] == pytest.approx(found.summary.targets["logg"].mean)


def star_of(teff: float, logg: float) -> np.ndarray:
    """Labels (1, 13) of a star of solar composition."""
    return np.array([[teff, logg, 0.0, 1.0, 3.0] + [0.0] * 8])


def off_by(constraint: Constraint, teff: float, logg: float) -> float:
    """Log g that a constraint gives at a Teff, less the one known from elsewhere [dex]."""
    return float(constraint.expected(star_of(teff, logg))[0]) - logg


@pytest.mark.parametrize("text", ["3090±10", "3090+-10", "3090 +/- 10", "3090 10", "3090,10", " 3090 ± 10 "])
def test_nu_max_is_read_as_people_write_it(text):
    found = from_nu_max(text)
    assert (found.target, found.mean, found.sigma) == ("numax", 3090.0, 10.0)


def test_nu_max_gives_the_log_g_of_stars_that_have_one_of_their_own():
    """The Sun by definition; 18 Sco of Bazot et al. (2012), alpha Cen A of Bedding et al. (2004): radius and mass agree to 0.05."""
    assert abs(off_by(from_nu_max("3090±30"), 5777, 4.438)) < 1e-9
    assert abs(off_by(from_nu_max("3170±160"), 5824, 4.42)) < 0.05
    assert abs(off_by(from_nu_max("2410±130"), 5804, 4.30)) < 0.05


def test_nu_max_judges_each_sample_by_its_own_temperature():
    labels = np.concatenate([star_of(5000, 3.0), star_of(6000, 3.0)])
    cool, hot = from_nu_max("120±2").expected(labels)
    assert hot - cool == pytest.approx(0.5 * np.log10(1.2))


def test_parallax_and_magnitude_give_the_log_g_of_the_sun_and_of_alpha_centauri():
    """The Sun at 10 pc has G = 4.68 and V = 4.81; alpha Cen A: Akeson et al. (2021), 1.08 solar masses."""
    assert abs(off_by(from_parallax("100±0.1", "G=4.68", mass="1±0.02"), 5772, 4.438)) < 0.01
    assert abs(off_by(from_parallax("100±0.1", "V=4.81", mass="1±0.02"), 5772, 4.438)) < 0.02
    assert abs(off_by(from_parallax("750.81±0.38", "V=0.01", mass="1.08±0.01"), 5804, 4.30)) < 0.03


def test_parallax_of_a_giant_gives_its_log_g():
    """Arcturus: V = -0.05, 88.83 mas (van Leeuwen 2007), 1.08 solar masses, log g 1.66 (Ramirez & Allende Prieto 2011)."""
    assert abs(off_by(from_parallax("88.83±0.54", "V=-0.05", mass="1.08±0.06"), 4286, 1.66)) < 0.06


def test_bolometric_corrections_of_both_bands_meet_in_the_luminosity():
    """A solar twin has G - V = -0.13 and a K dwarf of 5000 K -0.22: G and V lead to the same log g within 0.04."""
    for teff, difference in ((5772, -0.13), (5000, -0.22)):
        in_v = from_parallax("50±0.1", "V=8").expected(star_of(teff, 4.4))[0]
        in_g = from_parallax("50±0.1", f"G={8 + difference}").expected(star_of(teff, 4.4))[0]
        assert in_v == pytest.approx(in_g, abs=0.04)


def test_dust_makes_a_star_brighter_than_it_looks():
    bare = off_by(from_parallax("10±0.1", "V=10"), 5772, 4.4)
    assert off_by(from_parallax("10±0.1", "V=10", "A_V=0.31"), 5772, 4.4) == pytest.approx(bare - 0.4 * 0.31)
    assert off_by(from_parallax("10±0.1", "V=10", "E(B-V)=0.1"), 5772, 4.4) == pytest.approx(bare - 0.4 * 0.31)
    assert off_by(from_parallax("10±0.1", "G=10", "A_V=1"), 5772, 4.4) > off_by(
        from_parallax("10±0.1", "G=10", "A_V=1.3"), 5772, 4.4
    )


def test_unknown_mass_makes_the_parallax_a_weak_judge_of_log_g():
    assert from_parallax("100±0.1", "G=5").width == pytest.approx(0.153, abs=0.005)  # the mass, 0.15 dex
    assert from_parallax("100±0.1", "G=5", mass="1.0±0.05").width < 0.05
    assert from_parallax("100±10", "G=5", mass="1.0±0.05").width == pytest.approx(0.095, abs=0.01)  # 2 x 10 %
    assert from_nu_max("3090±10").width == pytest.approx(0.02 / np.log(10), rel=0.05)  # the scaling relation


def test_seismic_posterior_is_that_of_its_log_g(normal):
    """In 40 000 samples about the Sun nu_max moves log g as a Gaussian of its width does; Teff enters by half its dex alone."""
    seismic = constrain(normal, [from_nu_max("3500±70")])
    width, at = seismic.constraints[0].width, seismic.expected[0]
    direct = constrain(normal, [Constraint("logg", at, width)])
    found, wanted = (one.summary.targets["logg"] for one in (seismic, direct))
    assert found.mean == pytest.approx(wanted.mean, abs=0.003)
    assert seismic.tensions[0] == pytest.approx((at - 4.4) / 0.1, rel=0.1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"numax": "3 mHz"}, "cannot be read"),
        ({"numax": "3090"}, "no error"),
        ({"numax": "-5±1"}, "above zero"),
        ({"numax": "3090±0"}, "above zero"),
        ({"parallax": "10±0.1"}, "speak together"),
        ({"magnitude": "G=8"}, "speak together"),
        ({"mass": "1.1"}, "speak together"),
        ({"parallax": "10±3", "magnitude": "G=8"}, "no distance"),
        ({"parallax": "10±0.1", "magnitude": "8.2"}, "does not say its band"),
        ({"parallax": "10±0.1", "magnitude": "Ks=8.2"}, "No bolometric correction"),
        ({"parallax": "10±0.1", "magnitude": "G=nan"}, "cannot be read"),
        ({"parallax": "10±0.1", "magnitude": "G=8", "extinction": "0.1"}, "does not say what it is"),
        ({"parallax": "10±0.1", "magnitude": "G=8", "extinction": "A_V=-0.1"}, "negative"),
        ({"parallax": "10±0.1", "magnitude": "G=8", "mass": "0±1"}, "above zero"),
        ({"texts": ["parallax=10,0.1"]}, "magnitude"),
    ],
)
def test_half_a_statement_and_nonsense_are_refused_in_a_sentence(given, says):
    with pytest.raises(KielError, match=says):
        known_of(**given)


def test_document_tells_what_was_given_what_it_says_and_the_tension(normal):
    found = plain(to_json(constrain(normal, known_of((), "3090±10", "47.2±0.1", "G=6.31", "A_V=0.02±0.01", "1.1±0.1"))))
    seismic, distance = found["constraints"]
    assert seismic["target"] == "numax"
    assert "Huber" in seismic["source"]
    assert seismic["expected"] == pytest.approx(4.438, abs=0.01)
    assert distance["photometry"]["band"] == "G"
    assert distance["photometry"]["a_v"] == 0.02
    assert all(one["tension_sigma"] >= 0 and one["expected_sigma"] > 0 for one in (seismic, distance))
