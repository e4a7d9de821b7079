"""Tables and maps by SAMP, over two hubs that others wrote, to a program that prints what it gets."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from pyvo.samp import SAMPHubServer, SAMPIntegratedClient
from running import wait_until
from test_job_service import result

from jupyter_uws.client import Archive, BadValue, ClientError, send_samp

#: What TOPCAT speaks SAMP with; the package stilts brings it.
JSAMP = Path("/usr/share/java/jsamp.jar")


@pytest.fixture(params=["pyvo", "jsamp"])
def hub(request: pytest.FixtureRequest, need: Callable[[str, str], str], tmp_path: Path, monkeypatch) -> Iterator[str]:
    """A hub, and SAMP_HUB for its clients."""
    lock = tmp_path / "samp.lock"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")
    monkeypatch.setenv("JUPYTER_UWS_CACHE", str(tmp_path / "cache"))
    if request.param == "pyvo":
        server = SAMPHubServer(web_profile=False)
        server.start()
        yield request.param
        server.stop()
        return
    java = need("java", "stilts")
    command = [java, "-Djava.awt.headless=true", "-jar", str(JSAMP), "hub", "-mode", "no-gui", "-profiles", "std"]
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: lock.exists() and "samp.hub.xmlrpc.url" in lock.read_text(), 60)
        yield request.param
        process.terminate()


class Viewer:
    """A program that keeps what it was sent."""

    def __init__(self, name: str, *mtypes: str) -> None:
        self.got: list[tuple[str, dict[str, str]]] = []
        self.client = SAMPIntegratedClient(name)
        self.client.connect()
        for mtype in mtypes:
            self.client.bind_receive_notification(mtype, self.take)

    def take(self, _key, _sender, mtype, params, _extra) -> None:
        self.got.append((mtype, params))

    def last(self) -> tuple[str, dict[str, str]]:
        wait_until(lambda: self.got, 30)
        return self.got.pop()

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()


def file_of(params: dict[str, str]) -> Path:
    parts = urlsplit(params["url"])
    assert (parts.scheme, parts.netloc) == ("file", "")
    return Path(unquote(parts.path))


def test_rows_and_results_reach_the_programs_that_take_them(hub: str, archive: Archive) -> None:
    runs = archive.search("Crab")
    with pytest.raises(ClientError, match="No program that is open takes VOTables"):
        runs.send_samp()
    with Viewer("topcat", "table.load.votable", "table.load.fits") as topcat, Viewer("ds9", "image.load.fits") as ds9:
        assert runs[:2].send_samp() == ["topcat"]
        mtype, params = topcat.last()
        assert (mtype, params["name"], params["table-id"]) == ("table.load.votable", "Crab Nebula", params["url"])
        sent = Table.read(file_of(params), format="votable")
        assert list(sent["obs_publisher_did"]) == list(runs["obs_publisher_did"][:2])
        assert sent["s_ra"].unit == "deg"

        buffer = BytesIO()
        hdu = fits.ImageHDU(np.ones((3, 3), "f4"))
        hdu.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN")
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
        map_ = result(buffer.getvalue(), "application/fits", "significance")
        assert map_.send_samp() == ["ds9"]
        mtype, params = ds9.last()
        assert (mtype, params["name"]) == ("image.load.fits", "significance")
        assert file_of(params).read_bytes() == buffer.getvalue()

        points = Table({"e_ref": [1.0, 2.0], "dnde": [3.0, 4.0]})
        lines = StringIO()
        points.write(lines, format="ascii.ecsv")
        assert result(lines.getvalue().encode(), "text/ecsv", "flux_points").send_samp("TOP") == ["topcat"]
        assert list(Table.read(file_of(topcat.last()[1]), format="votable")["dnde"]) == [3.0, 4.0]
        assert send_samp(archive.adql("SELECT TOP 1 obs_id FROM ivoa.obscore")) == ["topcat"]
        assert topcat.last()[1]["name"] == "table"
        with pytest.raises(BadValue, match=r"to='aladin' is none of the programs that take VOTables: topcat"):
            runs.send_samp(to="aladin")
        with pytest.raises(ClientError, match="is not a table"):
            result(b"hello", "text/plain").send_samp()


def test_without_a_hub_it_says_what_to_do(archive: Archive, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    with pytest.raises(ClientError, match="no SAMP hub where this kernel runs: open TOPCAT or Aladin there first"):
        archive.search("Crab").send_samp()
