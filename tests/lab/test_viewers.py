"""Files that astropy wrote, opened from JupyterLab's file browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from browsers import open_lab, shot
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


def write_files(root: Path) -> WCS:
    """A map with a source, events, tables, a file that is none; the coordinates of the map."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = 83.63, 22.01
    wcs.wcs.crpix = 50.5, 50.5
    wcs.wcs.cdelt = -0.02, 0.02
    y, x = np.mgrid[0:100, 0:100]
    noise = np.random.RandomState(1).normal(size=(100, 100))
    image = (noise + 20 * np.exp(-((x - 60) ** 2 + (y - 40) ** 2) / 20)).astype("f4")
    header = wcs.to_header()
    header["BUNIT"] = "sigma"
    events = Table({"EVENT_ID": np.arange(2**40, 2**40 + 5000), "ENERGY": np.linspace(5, 0.1, 5000, dtype="f4")})
    events["ENERGY"].unit = "TeV"
    fits.HDUList([fits.PrimaryHDU(image, header), fits.BinTableHDU(events, name="EVENTS")]).writeto(root / "map.fits")
    table = Table(
        {"name": ["Crab", "Vela", "M 87"], "flux": [1.5, 0.25, -3.0], "id": np.ma.array([1, 2, 3], mask=[0, 1, 0])}
    )
    table["flux"].unit = "TeV"
    table["flux"].description = "above 1 TeV"
    table.write(root / "sources.vot", format="votable", tabledata_format="binary2")
    table.write(root / "sources.ecsv")
    oifits(root / "star.oifits")
    (root / "damaged.fits").write_bytes((root / "map.fits").read_bytes()[:1000])
    (root / "cut.fits").write_bytes((root / "map.fits").read_bytes()[:-40_000])
    return wcs


def oifits(path: Path) -> None:
    """An observation of an interferometer (OIFITS 2, Duvert et al. 2017): texts, pairs of stations, a row for each
    baseline with values and flags at each wavelength."""
    shape = (6, 8)
    visibilities = np.linspace(0, 1, 48).reshape(shape)
    columns = {
        "OI_TARGET": [("TARGET_ID", "I", [1]), ("TARGET", "32A", ["alf Boo"]), ("RAEP0", "D", [213.915])],
        "OI_WAVELENGTH": [("EFF_WAVE", "E", np.linspace(1.5e-6, 2.4e-6, 8)), ("EFF_BAND", "E", np.full(8, 5e-8))],
        "OI_VIS2": [
            ("MJD", "D", np.full(6, 53340.5)),
            ("VIS2DATA", "8D", visibilities),
            ("FLAG", "8L", visibilities > 0.9),
            ("STA_INDEX", "2I", [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]),
        ],
    }
    tables = [
        fits.BinTableHDU.from_columns([fits.Column(name, form, array=values) for name, form, values in each], name=name)
        for name, each in columns.items()
    ]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)


def open_file(page: Page, name: str) -> Locator:
    """Double-click the file; the widget that shows it."""
    page.get_by_role("listitem", name=f"Name: {name}").dblclick()
    page.locator(f".lm-TabBar-tab.lm-mod-current:has-text('{name}')").wait_for()
    return page.locator(".jp-UWSDocument:visible")


def copied(page: Page, grid: Locator, x: float, y: float) -> str:
    """The text of the cell at a place in the grid, by Ctrl+C."""
    grid.click(position={"x": x, "y": y})
    page.keyboard.press("Control+c")
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_files_open_from_the_file_browser(browsing: Any, lab: Any) -> None:
    page = browsing.page
    wcs = write_files(lab.root)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_lab(page, lab.url)

    view = open_file(page, "map.fits")
    canvas = view.get_by_role("img")
    expect(view.get_by_label("Colours")).to_have_value("viridis")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(view.locator("output")).to_contain_text("83.63000 +22.01000")
    scale = min(box["width"], box["height"]) / 100
    page.mouse.move(box["x"] + box["width"] / 2 + 10 * scale, box["y"] + box["height"] / 2 + 10 * scale)
    ra, dec = (float(text) for text in view.locator(".jp-UWSImage-sky").inner_text().split())
    sky = wcs.pixel_to_world(59.5, 39.5)
    # the mouse stands on whole pixels of the screen
    assert sky.ra.deg == pytest.approx(ra, abs=0.01)
    assert sky.dec.deg == pytest.approx(dec, abs=0.01)
    view.get_by_label("Coordinates").select_option("galactic")
    view.get_by_label("Colours").select_option("magma")
    view.get_by_label("Grid").check()
    canvas.hover()
    galactic = wcs.pixel_to_world(49.5, 49.5).galactic
    expect(view.locator(".jp-UWSImage-sky")).to_have_text(f"{galactic.l.deg:.5f} {galactic.b.deg:+.5f}")
    shot(page, "lab/viewers-image")
    view.get_by_role("tab", name="Header").click()
    view.get_by_role("searchbox").fill("crval")
    expect(view.locator("tbody tr")).to_have_count(2)
    expect(view.locator("tbody")).to_contain_text("83.63")

    view.get_by_label("HDU", exact=True).select_option("1")
    view.get_by_role("tab", name="Table").click()
    expect(view.get_by_role("status")).to_have_text("5,000 rows")
    grid = view.locator(".jp-UWSTable-grid .lm-DataGrid")
    grid.click(position={"x": 72 + 200, "y": 12})  # the head of ENERGY: ascending
    view.get_by_label("Column to filter").select_option("ENERGY")
    view.get_by_label("Filter", exact=True).fill("1..2")
    expect(view.get_by_role("status")).to_have_text("1,020 of 5,000 rows")
    text = copied(page, grid, 72 + 30, 48 + 12)
    with fits.open(lab.root / "map.fits") as hdus:
        energies = hdus["EVENTS"].data["ENERGY"]
        chosen = hdus["EVENTS"].data[(energies >= 1) & (energies <= 2)]
    assert len(chosen) == 1020
    assert str(chosen["EVENT_ID"][np.argmin(chosen["ENERGY"])]) in text
    shot(page, "lab/viewers-table")

    for name in ("sources.vot", "sources.ecsv"):
        view = open_file(page, name)
        expect(view.get_by_role("status")).to_have_text("3 rows")
        assert "Vela" in copied(page, view.locator(".jp-UWSTable-grid .lm-DataGrid"), 72 + 20, 48 + 36)
        view.get_by_role("button", name="Columns").click()
        expect(view.locator("tbody tr").nth(1)).to_contain_text("above 1 TeV")
        shot(page, f"lab/viewers-{name}")

    view = open_file(page, "star.oifits")
    parts = view.get_by_label("HDU", exact=True)
    expect(parts).to_contain_text("Squared visibilities")
    parts.select_option("3")
    expect(view.get_by_role("status")).to_have_text("6 rows")
    shot(page, "lab/viewers-oifits")
    text = copied(page, view.locator(".jp-UWSTable-grid .lm-DataGrid"), 72 + 140, 48 + 12)
    assert "0, 0.0212765" in text  # the first values, 0 and 1/47

    view = open_file(page, "damaged.fits")
    expect(view.get_by_role("alert")).to_contain_text("The header of HDU 0 has no END")
    view = open_file(page, "cut.fits")
    expect(view.get_by_role("alert")).to_contain_text(
        "The file ends too early: of the 0.0600 MB of data of HDU 1 (EVENTS)"
    )
    shot(page, "lab/viewers-cut")
    assert not list(lab.root.glob(".ipynb_checkpoints/*.fits"))  # copies of large files, for nothing
    factories = "path => jupyterapp.docRegistry.preferredWidgetFactories(path).map(factory => factory.name)"
    assert page.evaluate(factories, "any.xml") == ["Editor", "Observatory viewer"]
    assert page.evaluate(factories, "any.csv")[0] == "CSVTable"
    assert browsing.foreign == []
    assert browsing.errors == []
