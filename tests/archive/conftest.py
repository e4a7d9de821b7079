"""A simulated store and an archive of it; a store of any shape, written by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from datalink_server import Server, run_server

from jupyter_uws.archive import add_store, simulate


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated store with a high threshold; do not change it."""
    return simulate(tmp_path_factory.mktemp("store") / "sim-dr1", energy_min=0.5)


@pytest.fixture(scope="session")
def archive(simulated: Path) -> Path:
    """An archive of the simulated store; do not change it."""
    path = simulated.parent / "archive.duckdb"
    add_store(path, simulated)
    return path


@pytest.fixture
def own_store(simulated: Path, tmp_path: Path) -> Path:
    """A copy of the simulated store, to be damaged."""
    return Path(shutil.copytree(simulated, tmp_path / "store"))


@pytest.fixture(scope="module")
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serves the archive with its links and files."""
    yield from run_server(archive, tmp_path_factory.mktemp("server") / "previews")


@pytest.fixture(scope="module")
def responses_server(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serves an archive where each response has a row of its own."""
    folder = tmp_path_factory.mktemp("responses")
    add_store(folder / "a.duckdb", simulated, responses=True)
    yield from run_server(folder / "a.duckdb", folder / "previews")


IndexRow = tuple[int, str, str, str, str, str]
WriteStore = Callable[..., Path]


@pytest.fixture
def write_store(tmp_path: Path) -> WriteStore:
    """Write a store: ``files`` by path below ``tmp_path``, the rows of the HDU index, columns of the obs index."""

    def write(
        folder: str,
        files: dict[str, Sequence[fits.BinTableHDU]],
        rows: Sequence[IndexRow],
        obs_columns: Sequence[fits.Column] = (),
    ) -> Path:
        store = tmp_path / folder
        store.mkdir(parents=True)
        for path, hdus in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / path)
        ids = list(dict.fromkeys(row[0] for row in rows))
        obs = [fits.Column("OBS_ID", "K", array=np.array(ids)), *obs_columns]
        fits.BinTableHDU.from_columns(obs, name="OBS_INDEX").writeto(store / "obs-index.fits")
        names = ("HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
        text = [
            fits.Column(n, "60A", array=np.array(c))
            for n, c in zip(names, list(zip(*rows, strict=True))[1:], strict=True)
        ]
        hdu = [fits.Column("OBS_ID", "K", array=np.array([row[0] for row in rows])), *text]
        fits.BinTableHDU.from_columns(hdu, name="HDU_INDEX").writeto(store / "hdu-index.fits")
        return store

    return write
