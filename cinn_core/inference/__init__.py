"""Inference from spectrum to posterior: projection, flow, samples, weights, summaries."""
