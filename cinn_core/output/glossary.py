"""Glossary: what flags, columns and abbreviations mean, once for the page's hover texts and for the documentation."""

from __future__ import annotations

FLAG_TEXT: dict[str, str] = {
    "out_of_domain": "out of domain",
    "extrapolated": "extrapolated",
    "partial_coverage": "partial coverage",
    "missing_arm": "one arm missing",
    "arms_disagree": "arms disagree",
    "rv_uncertain": "velocity uncertain",
    "medium_guessed": "air or vacuum guessed",
    "resolution_unsure": "resolving power unsure",
    "snr_low": "S/N low",
    "snr_clipped": "S/N beyond the training",
    "continuum_poor": "continuum poor",
    "chi2_high": "χ² high",
    "composite": "composite?",
    "metal_poor": "metal-poor: LTE fails",
}
"""Text of the chip for each flag of `stages.FLAGS`."""

FLAG_MEANING: dict[str, str] = {
    "out_of_domain": "The spectrum is unlike all that the network was trained on: its numbers mean nothing.",
    "extrapolated": "Much of the posterior lies outside the bounds of the prior: the answer is at the edge of what is known.",
    "partial_coverage": "Part of a wavelength window was not observed; what it would have told is missing.",
    "missing_arm": "One of the two wavelength windows was not observed at all.",
    "arms_disagree": "The two windows give different velocities: another star, or wavelengths that are off.",
    "rv_uncertain": "No credible velocity was found by cross-correlation.",
    "medium_guessed": "The data chose between air and vacuum: the file does not say, or its data deny what it says; the velocity may be "
    "83 km/s off where they do not tell.",
    "resolution_unsure": "The lines contradict the resolving power that the file states, or nothing states it and all lines are wide.",
    "snr_low": "The signal-to-noise ratio is near the lower end of what the network knows.",
    "snr_clipped": "The signal-to-noise ratio is beyond what the network was trained on, and was taken as its upper end. "
    "Harmless: most good spectra have it.",
    "continuum_poor": "The level between the lines cannot be trusted, and with it the depths of the lines.",
    "chi2_high": "The spectrum made from the answer does not fit the observation within its noise and the model's known errors.",
    "composite": "Looks like the light of more than one star.",
    "metal_poor": "[Fe/H] below −1.5: real stars come out too cool and too low in log g there, because lines were computed in LTE.",
}
"""What each flag means, in one sentence."""

TERMS: dict[str, str] = {
    "in domain": "The spectrum is like those that the network was trained on. That says nothing of how good the fit is.",
    "Teff": "Effective temperature: that of a black body which radiates as much from each square metre [K].",
    "log g": "Decimal logarithm of the gravity at the surface in cm/s²: 4.4 for the Sun, 1 to 3 for giants.",
    "[Fe/H]": "Iron relative to hydrogen, as a decimal logarithm relative to the Sun: −1 is a tenth of the Sun's.",
    "[X/Fe]": "An element relative to iron, as a decimal logarithm relative to the Sun.",
    "A(Li)": "Lithium atoms for every 10¹² hydrogen atoms, as a decimal logarithm: 1.05 in the Sun.",
    "vmic": "Microturbulence: small-scale motion in the atmosphere that widens strong lines [km/s].",
    "vbroad": "Rotation and large-scale motion together, which widen all lines alike [km/s].",
    "dex": "A factor as its decimal logarithm: 0.3 dex is a factor of two.",
    "S/N": "Signal-to-noise ratio for each Å of continuum.",
    "velocity": "How fast the star moves away (+) or comes nearer (−), by cross-correlation with a template.",
    "resolving power": "Wavelength over the smallest difference that the spectrograph separates: the file's, and the one used.",
    "χ² per pixel": "Mean squared difference of observation and model in units of the noise: 1 where noise alone is left.",
    "χ² with model error": "The same over the posterior, in units of the noise and of the model's known error together: what the chip "
    "“χ² high” looks at.",
    "distance": "How far the spectrum is from those of the training, and the distance beyond which it is out of domain.",
    "physics": "How the training spectra were computed: LTE (each layer in equilibrium at its temperature), and the elements "
    "for which that was not assumed (NLTE).",
    "posterior": "All answers that the spectrum allows, each as often as it is probable.",
    "mode": "The most probable answer of all thirteen quantities together; the marginal of one alone may peak elsewhere.",
    "68 %": "The shortest interval that holds the true value with 68 % probability, if model and noise are right.",
    "95 % limit": "The true value lies on this side of it with 95 % probability, if model and noise are right.",
    "limit": "The spectrum bounds the quantity from one side only.",
    "unconstrained": "The spectrum says nothing of the quantity: what is shown is the prior.",
    "prior": "What was assumed of stars before the spectrum was looked at.",
    "samples": "Answers drawn from the posterior.",
    "effective": "How many equally weighted samples the weighted ones are worth.",
    "outside the prior": "Share of the samples beyond the bounds of the training; they are left out. A large one means extrapolation.",
    "literature": "Values from interferometry, seismology or other spectra, where the star is a known one; orange in the tiles.",
    "Δ": "The mode less the literature's value.",
    "z": "Δ in units of the 68 % interval and the literature's error together.",
    "flow": "The network that draws the posterior: a normalising flow.",
    "weighted": "The flow's samples weighed by how well the spectrum of each fits the observation.",
    "corrected": "The flow's samples less the bias in Teff that real stars showed.",
    "saliency": "How much each pixel of the spectrum moves the answer.",
    "telluric": "Absorbed by the Earth's atmosphere.",
    "real stars": "How far the answers for real stars of this kind are from the literature, 68 % of them.",
    "not observed": "No line of the element lies in what was observed.",
    "verdict": "The judgement of a person on the result.",
}
"""What words, columns and abbreviations mean, in one sentence each."""


def meaning(term: str) -> str:
    """The sentence for a term, an element's ratio included; empty where there is none."""
    if term in TERMS:
        return TERMS[term]
    return TERMS["[X/Fe]"] if term.startswith("[") and term.endswith("/Fe]") else ""


def markdown() -> str:
    """The glossary as two tables for the documentation."""
    flags = [f"| {FLAG_TEXT[name]} | `{name}` | {text} |\n" for name, text in FLAG_MEANING.items()]
    terms = [f"| {term} | {text} |\n" for term, text in TERMS.items()]
    head = "| chip | flag | meaning |\n| --- | --- | --- |\n"
    return head + "".join(flags) + "\n| word | meaning |\n| --- | --- |\n" + "".join(terms)
