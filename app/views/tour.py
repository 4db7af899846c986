"""The tour for newcomers: one step for each part of the page, found by its CSS class."""

from __future__ import annotations

STEPS: list[dict[str, str]] = [
    {
        "place": "tour-upload", "tab": "overview", "title": "A spectrum",
        "text": "Drop the file of one star here, or take a simulated example. Below you see each stage of the work; "
        "it can be cancelled.",
    },
    {
        "place": "tour-star", "tab": "", "title": "The star",
        "text": "The verdict comes first: whether the network knows such stars. Then the velocity, S/N and how much of "
        "each arm was observed.",
    },
    {
        "place": "tour-tiles", "tab": "", "title": "Thirteen answers",
        "text": "Mode, 68 % interval and the whole distribution of each quantity. Click one to see which pixels it rests on.",
    },
    {
        "place": "tour-spectrum", "tab": "", "title": "Does it fit?",
        "text": "The observation, and the spectrum resimulated from the answer with bands of 68 and 95 %. Drag to zoom; the "
        "residual in units of the noise and the strip of pixels that matter follow.",
    },
    {
        "place": "tour-whose", "tab": "", "title": "Whose posterior?",
        "text": "The flow's own samples, or weighed against the likelihood of the spectrum; tiles, table, bands, lines and the "
        "Kiel diagram follow.",
    },
    {
        "place": "tour-kiel", "tab": "", "title": "Which kind of star?",
        "text": "The Kiel diagram the program is named after: this star's posterior over the stars it was trained on.",
    },
]  # fmt: skip
"""`place` is a CSS class, `tab` the tab to open first (empty: stay)."""
