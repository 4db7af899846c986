"""Line lists of a few lines in the formats of Turbospectrum and VALD."""

from __future__ import annotations

TURBOSPECTRUM_LIST = """\
'   3.000            '    1        1
'Li I    LTE'
  6103.649  1.848  0.361  836.274    6.0  1.05E+08 'p' 'd'   0.0    1.0 'Li I'
'  26.000            '    1        2
'Fe I    NLTE'
  5145.094  2.198 -2.876  351.272    5.0  1.70E+08  0.000  'X' 'X'   0.0    1.0 'Fe I'
  5145.730  3.695 -3.270    2.500    7.0  1.00E+05 -5.400  'X' 'X'   0.0    1.0 'Fe I'
"""
VALD_STELLAR = """\
 5150.00000, 5740.00000, 2, 123456, 1.0 Wavelength region, lines selected, lines processed, Vmicro
                                                 Damping parameters   Lande  Central
Spec Ion       WL_air(A)  Excit(eV) Vmic log gf* Rad.  Stark  Waals  factor  depth  Reference
'Mg 1',       5183.6040,   2.7166, 1.0, -0.167, 8.023,-5.130, 731.256, 1.170, 0.972, 'a reference'
'Fe 2',       5234.6230,   3.2214, 1.0, -2.180, 8.487,-6.600, 180.249, 0.870, 0.700, 'another'
"""
