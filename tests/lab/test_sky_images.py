"""Survey images behind the sky: the real Aladin Lite, from a host that the operator named, when it is wanted."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import npm
import numpy as np
import pytest
from browsers import PATIENCE, open_lab, open_search, run_chromium, set_theme, shot, violations
from lab.conftest import Lab, note_foreign, run_lab
from PIL import Image
from playwright.sync_api import Frame, Locator, Page, expect

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
#: The survey is of this colour all over, and points on it of the other.
SURVEY, DOT = (30, 60, 160), (255, 213, 79)
PROPERTIES = """creator_did = ivo://test/P/plain
obs_title = One colour
dataproduct_type = image
hips_version = 1.4
hips_frame = equatorial
hips_order = 3
hips_tile_width = 512
hips_tile_format = png
"""


@dataclass
class Outside:
    """The host of Aladin Lite and of a survey; without ``has_module`` it has lost the former."""

    url: str = ""
    has_module: bool = False
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    npm.install(HERE)
    module = (HERE / "node_modules" / "aladin-lite" / "dist" / "aladin.js").read_bytes()
    tile = io.BytesIO()
    Image.new("RGB", (512, 512), SURVEY).save(tile, "PNG")
    host = Outside()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked.append((self.path, dict(self.headers)))
            path = self.path.partition("?")[0]
            body, kind = b"", "text/plain"
            if path == "/aladin.js" and host.has_module:
                body, kind = module, "text/javascript"
            elif path == "/survey/properties":
                body = PROPERTIES.encode()
            elif "/Npix" in path:
                body, kind = tile.getvalue(), "image/png"
            self.send_response(200 if body else 404)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.url = f"http://127.0.0.1:{server.server_port}/"
        Thread(target=server.serve_forever, daemon=True).start()
        yield host
        server.shutdown()


@pytest.fixture(scope="module")
def lab_with_images(outside: Outside, frontend: Path, sim_archive: Path, tmp_path_factory: Any) -> Iterator[Lab]:
    traits = (
        f"c.UWSExtension.aladin_url = '{outside.url}aladin.js'\nc.UWSExtension.aladin_survey = '{outside.url}survey'\n"
    )
    with run_lab(tmp_path_factory.mktemp("images"), frontend, sim_archive, server_configuration=traits) as running:
        yield running


def pixels(sky: Locator) -> Any:
    """RGB of what is seen, rows first."""
    return np.asarray(Image.open(io.BytesIO(sky.screenshot())).convert("RGB"))


def wait_until_seen(sky: Locator) -> None:
    """The survey is behind a good part of the map."""
    deadline = time.monotonic() + PATIENCE / 1000
    while np.isclose(pixels(sky), SURVEY, atol=12).all(axis=2).mean() < 0.3:
        assert time.monotonic() < deadline, "no image of the survey is seen"


def dots(sky: Locator) -> Any:
    """Where points are drawn on our own canvas, ``[x, y]``: 4 by 4 pixels full of their colour."""
    found = sky.evaluate(
        """(canvas, colour) => {
            const [w, h] = [canvas.width, canvas.height], found = [];
            const words = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, w, h).data.buffer);
            const isFull = (x, y) => {
                for (let at = 0; at < 16; at++) if (words[(y + (at >> 2)) * w + x + (at & 3)] !== colour) return false;
                return true;
            };
            for (let y = 0; y + 4 <= h; y++)
                for (let x = 0; x + 4 <= w; x++) if (isFull(x, y)) found.push([x + 2, y + 2]);
            return found;
        }""",
        int.from_bytes((*DOT, 255), "little"),
    )
    return np.array(found)


def places(frame: Frame, runs: list[list[float]], width: float, height: float) -> Any:
    """Where Aladin has positions on our canvas, ``[x, y]``: those well within both the half sphere and the canvas."""
    found = frame.evaluate(
        """runs => {
            const box = document.getElementById('sky').getBoundingClientRect();
            const [ra0, dec0] = aladin.getRaDec().map(each => each * Math.PI / 180);
            const towards = ([ra, dec]) => { const [a, d] = [ra * Math.PI / 180, dec * Math.PI / 180];
              return Math.sin(d) * Math.sin(dec0) + Math.cos(d) * Math.cos(dec0) * Math.cos(a - ra0); };
            return runs.filter(run => towards(run) > 0.1).map(([ra, dec]) => {
              const place = aladin.world2pix(ra, dec);
              return [box.left + place[0], box.top + place[1]];
            });
        }""",
        runs,
    )
    inside = [(x, y) for x, y in found if 6 < x < width - 6 and 6 < y < height - 6]
    return np.array(inside)


def wait_until_they_agree(page: Page, sky: Locator, runs: list[list[float]]) -> None:
    """Every run that Aladin has on the canvas is drawn within 2 pixels of there."""
    width, height = sky.evaluate("canvas => [canvas.clientWidth, canvas.clientHeight]")
    deadline = time.monotonic() + PATIENCE / 1000
    while True:
        at, drawn = places(page.frames[-1], runs, width, height), dots(sky)
        off = np.inf
        if len(at) and len(drawn):
            off = np.linalg.norm(at[:, None] - drawn[None], axis=2).min(axis=1).max()
        if off <= 2:
            return
        assert time.monotonic() < deadline, f"{off} pixels apart: {at} and {drawn}"
        page.wait_for_function("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_survey_images_behind_the_sky(lab_with_images: Lab, outside: Outside, chromium: str) -> None:
    lab, errors, foreign = lab_with_images, list[str](), list[str]()
    with run_chromium(chromium, webgl=True, viewport={"width": 1280, "height": 800}) as page:
        page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
        page.on("request", lambda request: note_foreign(request.url, lab.url, foreign))
        open_lab(page, lab.url)
        search = open_search(page)
        search.get_by_label("Target", exact=True).fill("83.63 22.01")
        search.get_by_label("Radius").fill("3")
        run = search.get_by_role("button", name="Search", exact=True)
        run.click()
        sky, images = search.locator(".jp-UWSSky canvas"), search.get_by_role("button", name="Images")
        expect(images).to_have_attribute("aria-pressed", "false")
        expect(images).to_have_attribute(
            "title", f"Survey images behind the map; your browser gets them from {outside.url[7:-1]}"
        )
        assert outside.asked == []
        assert foreign == []

        # the host has lost its module
        images.click()
        expect(search.get_by_role("alert")).to_contain_text("No survey images, the map goes on without: ")
        expect(search.get_by_role("alert")).to_contain_text(f"{outside.url}aladin.js")
        expect(images).to_have_attribute("aria-pressed", "false")
        expect(page.locator("iframe")).to_have_count(0)
        assert violations(page, ".jp-UWSSky") == []
        shot(page, "lab/sky-images-failed")

        # and has it again: the points are where Aladin has them, at several centres and zooms
        outside.has_module = True
        images.click()
        expect(search.get_by_role("alert")).to_have_count(0)
        page.locator("iframe").wait_for(state="attached")
        page.frames[-1].wait_for_function("() => window.aladin")
        query = {
            "QUERY": "SELECT s_ra, s_dec FROM ivoa.obscore",
            "LANG": "ADQL",
            "FORMAT": "csv",
            "token": "of-the-tests",
        }
        answer = page.request.get(f"{lab.url}jupyter-uws/tap/sync", params=query).text()
        runs = [[float(each) for each in row] for row in list(csv.reader(io.StringIO(answer)))[1:]]
        wait_until_they_agree(page, sky, runs)
        search.get_by_role("button", name="Zoom in").click()
        wait_until_they_agree(page, sky, runs)
        wait_until_seen(sky)
        shot(page, "lab/sky-images")
        # what Aladin could do there: neither see JupyterLab nor ask another host
        frame = page.frames[-1]
        assert frame.evaluate("() => { try { return parent.document.title; } catch { return null; } }") is None
        fetches = "url => fetch(url, {mode: 'no-cors'}).then(() => true, () => false)"
        assert not frame.evaluate(fetches, lab.url)
        assert frame.evaluate(fetches, outside.url)
        # JupyterLab moves a panel: its frames begin anew
        page.locator("iframe").evaluate("frame => frame.parentElement.append(frame)")
        page.frames[-1].wait_for_function("() => window.aladin")
        wait_until_they_agree(page, sky, runs)
        set_theme(page, "JupyterLab Dark")
        shot(page, "lab/sky-images-dark")

        # the half sphere, and parts of it: of one run, whose point is beside no other
        south = min(runs, key=lambda position: position[1])
        search.locator(".cm-content").click()
        page.keyboard.press("Control+a")
        page.keyboard.type("SELECT TOP 1 * FROM ivoa.obscore ORDER BY s_dec")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+Enter")
        expect(search.locator(".jp-UWSSearch-total")).to_contain_text("1 row")
        wait_until_they_agree(page, sky, [south])
        box = sky.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.wheel(0, 5000)
        wait_until_they_agree(page, sky, [south])
        wait_until_seen(sky)
        shot(page, "lab/sky-images-whole")
        page.mouse.down()
        page.mouse.move(x + 35, y + 25, steps=3)
        page.mouse.up()
        wait_until_they_agree(page, sky, [south])
        page.set_viewport_size({"width": 1280, "height": 850})
        wait_until_they_agree(page, sky, [south])
        search.get_by_role("button", name="Zoom in").click()
        wait_until_they_agree(page, sky, [south])

        # off, and nothing is left
        images.click()
        expect(page.locator("iframe")).to_have_count(0)
        assert not np.isclose(pixels(sky), SURVEY, atol=12).all(axis=2).any()
        assert errors == []
        assert all(url.startswith(outside.url) for url in foreign), foreign
        assert not [headers for _, headers in outside.asked if {"Cookie", "Referer"} & headers.keys()]
