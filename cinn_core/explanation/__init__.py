"""Explanation of an answer: saliency, lines one by one, resimulation, what-if."""
