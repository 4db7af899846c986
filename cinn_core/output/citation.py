"""What to cite: Kiel and the paper whose method it implements, in words and as BibTeX."""

from __future__ import annotations

from .. import __version__


def citation() -> str:
    """Both citations as text to paste."""
    return f"""Kiel {__version__} (The Kiel developers), which implements the method of

Ksoll, V. F., Storm, N., Bergemann, M., Lee, K., Klessen, R. S., Albarracín, R., Guiglion, G., & Tautvaišienė, G. 2026,
A method to derive self-consistent NLTE astrophysical parameters for 4 million high-resolution 4MOST stellar spectra in
half a day with invertible neural networks, A&A, 708, A118, doi:10.1051/0004-6361/202558595

@article{{ksoll2026,
  author  = {{Ksoll, Victor F. and Storm, Nicholas and Bergemann, Maria and Lee, Katherine and Klessen, Ralf S. and
             Albarrac{{\\'i}}n, R. and Guiglion, Guillaume and Tautvai{{\\v s}}ien{{\\.e}}, Gra{{\\v z}}ina}},
  title   = {{A method to derive self-consistent NLTE astrophysical parameters for 4 million high-resolution 4MOST
             stellar spectra in half a day with invertible neural networks}},
  journal = {{Astronomy & Astrophysics}}, volume = {{708}}, pages = {{A118}}, year = {{2026}},
  doi     = {{10.1051/0004-6361/202558595}}
}}
"""
