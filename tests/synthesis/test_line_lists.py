"""Line lists in Turbospectrum's format and VALD's."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_lines import TURBOSPECTRUM_LIST, VALD_STELLAR

from cinn_core.errors import DataError
from cinn_core.synthesis.line_lists import read_lines, turbospectrum_list


def test_turbospectrum_list_is_read_with_its_damping(tmp_path):
    path = tmp_path / "ts.list"
    path.write_text(TURBOSPECTRUM_LIST)
    lines = read_lines(path)
    assert lines.species.tolist() == ["Fe 1", "Fe 1", "Li 1"]
    np.testing.assert_allclose(lines.waals, [351.272, 0.0, 836.274])  # a factor of Unsöld's approximation is none
    np.testing.assert_allclose(lines.radiative, np.log10([1.7e8, 1e5, 1.05e8]))
    np.testing.assert_allclose(lines.stark, [0.0, -5.4, 0.0])
    assert turbospectrum_list(path) == TURBOSPECTRUM_LIST


def test_vald_list_keeps_its_numbers_on_the_way_to_turbospectrum(tmp_path):
    vald, made = tmp_path / "vald.txt", tmp_path / "made.list"
    vald.write_text(VALD_STELLAR)
    lines = read_lines(vald)
    assert lines.species.tolist() == ["Mg 1", "Fe 2"]
    np.testing.assert_allclose(lines.log_gf, [-0.167, -2.180])
    np.testing.assert_allclose(lines.excitation, [2.7166, 3.2214])
    made.write_text(turbospectrum_list(vald))
    again = read_lines(made)
    assert again.species.tolist() == lines.species.tolist()
    for name in ("wavelength", "excitation", "log_gf", "stark", "waals"):
        np.testing.assert_allclose(getattr(again, name), getattr(lines, name), atol=6e-4, err_msg=name)
    np.testing.assert_allclose(again.radiative, lines.radiative, atol=5e-3)  # three digits of the rate


def test_vacuum_wavelengths_and_other_files_are_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(VALD_STELLAR.replace("WL_air", "WL_vac"))
    with pytest.raises(DataError, match="vacuum wavelengths; extract it from VALD again with air"):
        read_lines(path)
    for text in ("wave,flux\n1,2\n", "", "'  26.000   ' 1 3\n'Fe'\n 5000. 1.0 -1.0\n"):
        path.write_text(text)
        with pytest.raises(DataError, match="line list of Turbospectrum or VALD"):
            read_lines(path)
