"""Figures: pure drawing, results of the core in, pictures out; nothing here computes a result or knows of a session."""

import holoviews as hv
import holoviews.plotting.bokeh  # registers the backend that draws everything here

hv.Store.set_current_backend("bokeh")
