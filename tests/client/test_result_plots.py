"""Results know what they are, and draw themselves."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from jupyter_uws.client import BadValue, ClientError, Connection
from jupyter_uws.client.results import Result
from jupyter_uws.client.uws import ResultReference

MODEL = {
    "components": [
        {
            "name": "a source",
            "spectral": {
                "type": "PowerLawSpectralModel",
                "parameters": [
                    {"name": "index", "value": 2.5},
                    {"name": "amplitude", "value": 3.0e-11, "unit": "cm-2 s-1 TeV-1"},
                    {"name": "reference", "value": 1.0, "unit": "TeV"},
                ],
            },
        }
    ]
}


def result(content: bytes, content_type: str, name: str = "thing") -> Result:
    made = Result(
        Connection("http://127.0.0.1:9/"), ResultReference(name, "http://127.0.0.1:9/thing", content_type, len(content))
    )
    made._content = content
    return made


def of_table(table: Table) -> Result:
    buffer = StringIO()
    table.write(buffer, format="ascii.ecsv")
    return result(buffer.getvalue().encode(), "application/x-ecsv")


def of_hdus(*hdus: object, name: str = "thing") -> Result:
    buffer = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(buffer)
    return result(buffer.getvalue(), "application/fits", name)


def sky(data: np.ndarray, name: str) -> Result:
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 5, "CRPIX2": 5, "CRVAL1": 83.6})
    header.update({"CRVAL2": 22.0, "CDELT1": -0.1, "CDELT2": 0.1})
    return of_hdus(fits.ImageHDU(data, header), name=name)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_a_bright_source_does_not_flatten_the_field() -> None:
    data = np.random.default_rng(1).normal(size=(40, 40))
    data[20, 20] = 42
    significance = sky(data, "significance")
    assert significance.kind == "map"
    axes = significance.plot()
    assert axes.images[0].get_clim() == (-5, 10)
    histogram = significance.plot(histogram=True)
    words = " ".join(text.get_text() for text in [*histogram.texts, *histogram.get_legend().get_texts()])
    assert "1 pixels above 12 σ" in words
    assert "width 1.0" in words


def flux_points() -> Table:
    table = Table({"e_ref": [1.0, 3.0, 10.0], "dnde": [3e-11, 2e-12, 9e-14], "is_ul": [False, False, True]})
    table["dnde_err"], table["dnde_ul"] = table["dnde"] / 10, table["dnde"] * 2
    table["e_min"], table["e_max"] = table["e_ref"] / 1.5, table["e_ref"] * 1.5
    for name in table.colnames:
        table[name].unit = "TeV" if name.startswith("e_") else "cm-2 s-1 TeV-1" if name.startswith("dnde") else None
    return table


def test_a_spectrum_with_residuals_and_a_reference() -> None:
    points = of_table(flux_points())
    assert points.kind == "flux points"
    axes = points.plot(model=MODEL, reference="Crab")
    top, bottom = axes.figure.axes
    assert top is axes
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["fit", "Crab (reference)"]
    residuals = bottom.containers[0].lines[0].get_ydata()
    assert residuals[0] == pytest.approx(0, abs=1e-6)  # the first point is on the model
    assert len(residuals) == 2  # a limit has none
    with pytest.raises(ValueError, match="'Vela' is not known; there is: Crab"):
        points.plot(reference="Vela")
    with pytest.raises(ValueError, match="'ConstantSpectralModel' is not drawn"):
        points.plot(model={"spectral": {"type": "ConstantSpectralModel", "parameters": []}})


def test_light_curve_and_theta2() -> None:
    curve = Table(
        {"time_min": [1.0, 2.0], "time_max": [1.5, 2.5], "flux": [[1e-11], [2e-11]], "flux_err": [[1e-12], [1e-12]]}
    )
    light = of_table(curve)
    assert light.kind == "light curve"
    assert "χ² = 50.0 for 1" in light.plot().get_legend().get_texts()[0].get_text()
    theta2 = of_table(
        Table({"theta2_min": [0.0, 0.1], "theta2_max": [0.1, 0.2], "counts": [9, 4], "counts_off": [4, 4]})
    )
    assert theta2.kind == "theta2"
    assert theta2.plot().get_xlabel() == "θ² (deg²)"


def test_a_sensitivity_beside_the_crab() -> None:
    table = Table({"e_ref": [1.0, 3.0], "e_min": [0.6, 1.8], "e_max": [1.8, 5.4], "e2dnde": [1e-13, 6e-14]})
    table["criterion"] = ["significance", "gamma"]
    for name in table.colnames[:3]:
        table[name].unit = "TeV"
    table["e2dnde"].unit = "erg cm-2 s-1"
    result = of_table(table)
    assert result.kind == "sensitivity"
    axes = result.plot()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["100 % Crab", "10 % Crab", "1 % Crab", "0.1 % Crab"]
    crab = axes.lines[1].get_ydata()
    assert crab[0] == pytest.approx(3.76e-11 * 0.6**-0.39 * np.exp(-0.6 / 14.3) * 1.602, rel=1e-3)


def test_events_and_an_effective_area() -> None:
    events = fits.BinTableHDU(
        Table({"RA": [359.9, 0.1, 0.0], "DEC": [10.0, 10.1, 9.9], "ENERGY": [1.0, 2, 3]}), name="EVENTS"
    )
    listed = of_hdus(events)
    assert listed.kind == "events"
    assert listed.plot().images[0].get_array().sum() >= 2  # and RA 0 is nothing special
    area = Table(
        {
            "ENERG_LO": [[1.0, 2]],
            "ENERG_HI": [[2.0, 4]],
            "THETA_LO": [[0.0]],
            "THETA_HI": [[1.0]],
            "EFFAREA": [[[1e4, 1e5]]],
        }
    )
    for name, unit in zip(area.colnames, ("TeV", "TeV", "deg", "deg", "m2"), strict=True):
        area[name].unit = unit
    hdu = fits.BinTableHDU(area, name="AEFF")
    hdu.header["HDUCLAS2"] = "EFF_AREA"
    response = of_hdus(hdu)
    assert response.kind == "effective area"
    assert len(response.plot().lines) == 1


@pytest.mark.gamma
@pytest.mark.parametrize(
    ("name", "kind", "label"),
    [
        ("aeff", "effective area", "Effective area"),
        ("edisp", "energy dispersion", "Energy"),
        ("psf", "point spread function", "Containment radius"),
        ("bkg", "background rate", "Background rate"),
    ],
)
def test_responses(sim_archive: Path, name: str, kind: str, label: str) -> None:
    """Of the simulated store, one HDU as a file of its own."""
    responses = next(sim_archive.parent.glob("*/caldb/*.fits.gz"))
    with fits.open(responses) as hdus:
        response = of_hdus(next(hdu for hdu in hdus if name in hdu.name.lower()))
    assert response.kind == kind
    axes = response.plot()
    assert label.lower() in f"{axes.get_xlabel()} {axes.get_ylabel()} {axes.get_title()}".lower()
    assert axes.lines or axes.collections
    assert response.to_gammapy().tag == response.fits[1].header["HDUCLAS4"].lower()


@pytest.mark.gamma
def test_a_response_of_an_unknown_format() -> None:
    hdu = fits.BinTableHDU(Table({"x": [1.0]}), name="PSF")
    hdu.header.update({"HDUCLAS1": "RESPONSE", "HDUCLAS2": "RPSF", "HDUCLAS4": "PSF_NEW"})
    with pytest.raises(BadValue, match="HDUCLAS4 of the PSF is 'PSF_NEW', which gammapy does not read"):
        of_hdus(hdu).plot()


def test_results_are_drawn_where_they_stand_in_a_cell() -> None:
    before = plt.get_fignums()
    shown = [sky(np.zeros((9, 9)), "significance"), of_table(flux_points())]
    for drawn in shown:
        assert (drawn._repr_png_() or b"").startswith(b"\x89PNG")
        assert drawn._repr_html_() is None
    assert plt.get_fignums() == before
    # a cube has no one picture, a table none, and what is not what it says it is shows its name
    assert sky(np.zeros((3, 9, 9)), "counts")._repr_png_() is None
    assert of_table(Table({"name": ["a"]}))._repr_png_() is None
    assert result(b"none", "application/fits")._repr_png_() is None
    assert "spectral" in (result(b"spectral: {index: 2}", "application/yaml")._repr_html_() or "")


def test_small_results_show_themselves_escaped() -> None:
    assert "&lt;b&gt;" in (result(b'{"a": "<b>"}', "application/json")._repr_html_() or "")
    table = of_table(Table({"name": ["<script>x</script>"]}))
    assert "<script>" not in (table._repr_html_() or "<script>")
    picture = result(b"<svg onload='alert(1)'/>", "image/svg+xml")._repr_html_() or ""
    assert picture.startswith("<img src=")
    assert "onload" not in picture
    assert result(b"{", "application/json")._repr_html_() is None
    with pytest.raises(ClientError, match="is not something that can be plotted"):
        result(b"hello", "text/plain").plot()


def test_gammapy_has_its_own_classes(tmp_path, monkeypatch) -> None:
    pytest.importorskip("gammapy")
    monkeypatch.setenv("JUPYTER_UWS_CACHE", str(tmp_path))
    assert type(sky(np.zeros((9, 9)), "counts").to_gammapy()).__name__ == "WcsNDMap"
    assert type(of_table(flux_points()).to_gammapy()).__name__ == "FluxPoints"
    with pytest.raises(ClientError, match="not something that gammapy has a class for"):
        result(b"hello", "text/plain").to_gammapy()
    assert result(b"hello", "text/plain").path.read_bytes() == b"hello"
