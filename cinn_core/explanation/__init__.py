"""Why: saliency, lines one by one, resimulation, what-if."""
