"""From spectrum to posterior: projection, flow, samples, weights, summaries."""
