"""Runs reduced in chunks: the same to the last bit wherever they are, with the same words for what is wrong."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis_checks import Outcome, run_job
from astropy.io import fits
from fanned import place

from jupyter_uws.analysis.cutout import cutout
from jupyter_uws.analysis.quicklook import quicklook
from jupyter_uws.analysis.reduction import CHUNK, Part, combine, reduce_runs, stack
from jupyter_uws.analysis.sensitivity import sensitivity
from jupyter_uws.analysis.spectrum import spectrum
from jupyter_uws.analysis.theta2 import theta2
from jupyter_uws.archive.ingest import add_store
from jupyter_uws.archive.reader import Run
from jupyter_uws.job import client
from jupyter_uws.jobs.context import JobContext, JobError

pytest.importorskip("gammapy")
pytestmark = pytest.mark.gamma

#: The remnant and the plane, in one wide map.
RUNS = [str(number) for number in (*range(100101, 100107), *range(100301, 100311))]
WIDE = {"obs_ids": RUNS, "binsz": 0.1, "nxpix": 120, "nypix": 60}
MANY = 10
CRAB = {"RA": 83.6331, "Dec": 22.0145}
PKS_2155 = {"RA": 329.716938, "Dec": -30.225588}


@pytest.fixture(autouse=True)
def fewer_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated store has no twenty runs for one map."""
    monkeypatch.setattr("jupyter_uws.analysis.quicklook.MANY", MANY)
    monkeypatch.setattr("jupyter_uws.analysis.spectrum.MANY", MANY)


def test_parts_are_joined_in_pairs_few_at_a_time() -> None:
    held, most = 0, 0

    def part(number: int) -> list[int]:
        nonlocal held, most
        held += 1
        most = max(most, held)
        return [number]

    def join(one: list[int], two: list[int]) -> list[int]:
        nonlocal held
        held -= 1
        return one + two

    assert combine(100, part, join) == list(range(100))
    assert most == 8
    assert combine(5, str, lambda one, two: f"({one} {two})") == "((0 1) (2 (3 4)))"


class Numbers:
    """A dataset for want of a real one."""

    name = "numbers"

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)

    def copy(self, name: str) -> Numbers:
        return Numbers(*self.numbers)

    def stack(self, other: Numbers) -> None:
        self.numbers += other.numbers


def test_stacking_leaves_its_parts_as_they_are() -> None:
    one = Part(Numbers(1), {4: "far"}, {1: 0.5})
    two = Part(Numbers(2), {}, {2: 0.25})
    nothing = Part(None, {3: "empty"})
    whole = stack(stack(one, nothing), stack(nothing, two))
    assert (whole.dataset.numbers, whole.dropped) == ([1, 2], {4: "far", 3: "empty"})
    assert whole.livetime == {1: 0.5, 2: 0.25}
    assert (one.dataset.numbers, two.dataset.numbers) == ([1], [2])
    assert stack(nothing, nothing).dataset is None


def same(one: Outcome, two: Outcome) -> None:
    assert one.summary == two.summary
    for name in ("counts", "excess", "significance"):
        if (one.work / f"{name}.fits").exists():
            assert np.array_equal(
                fits.getdata(one.work / f"{name}.fits"), fits.getdata(two.work / f"{name}.fits"), equal_nan=True
            )
    for path in one.work.glob("*.ecsv"):
        assert path.read_text() == (two.work / path.name).read_text()
    if (one.work / "events.fits").exists():
        assert np.array_equal(fits.getdata(one.work / "events.fits"), fits.getdata(two.work / "events.fits"))
        assert unpacked(one.work / "package.tar") == unpacked(two.work / "package.tar")


def unpacked(path: Path) -> dict[str, list[bytes]]:
    """The data of the HDUs of a package's runs; headers, and sizes in the index, tell when they were written."""
    with tarfile.open(path) as package:
        files = {name: package.extractfile(name) for name in package.getnames() if "/run_" in name}
        return {
            name: [hdu.data.tobytes() for hdu in fits.open(gzip.open(file)) if hdu.data is not None]
            for name, file in files.items()
            if file is not None
        }


@pytest.fixture(scope="module")
def here(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_job(quicklook, tmp_path_factory.mktemp("here"), sim_archive, **WIDE)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_map_is_the_same_to_the_last_bit_whoever_helps(
    here: Outcome, sim_archive: Path, tmp_path: Path, workers: int
) -> None:
    with place(tmp_path, workers) as asked:
        fanned = run_job(quicklook, tmp_path, sim_archive, **WIDE)
        for helper in asked.helpers:
            assert helper.wait(30) == 0  # the job has gone
    assert asked.counts == ([2, 0] if workers == 3 else [])
    assert len(here.summary["runs"]["used"]) == len(RUNS) >= MANY
    same(here, fanned)


@pytest.mark.parametrize(
    ("job", "values"),
    [(cutout, {**CRAB, "radius": 0.4}), (sensitivity, {}), (theta2, {**CRAB, "n_bins": 8})],
    ids=["cutout", "sensitivity", "theta2"],
)
def test_other_jobs_are_the_same_with_a_helper(
    sim_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Callable[..., None], values: dict[str, Any]
) -> None:
    values = {"obs_ids": [str(number) for number in range(100001, 100005)], **values}
    here = run_job(job, tmp_path / "here", sim_archive, **values)
    monkeypatch.setattr(sys.modules[job.__module__], "MANY", 4)
    (tmp_path / "fanned").mkdir()
    with place(tmp_path / "fanned", 2) as asked:
        fanned = run_job(job, tmp_path / "fanned", sim_archive, **values)
    assert asked.counts == [1, 0]
    assert len(here.summary["runs"]["used"]) == 4
    same(here, fanned)


@pytest.mark.hess
def test_a_spectrum_is_the_same_to_the_last_bit(hess_archive: Path, tmp_path: Path) -> None:
    from astropy.table import Table

    index = Table.read(hess_store(hess_archive) / "obs-index.fits.gz")
    ids = [str(row["OBS_ID"]) for row in index if row["OBJECT"] == "PKS 2155-304"][:MANY]
    values = {"obs_ids": ids, **PKS_2155}
    here = run_job(spectrum, tmp_path / "here", hess_archive, **values)
    with place(tmp_path / "fanned", 2) as asked:
        (tmp_path / "fanned").mkdir()
        fanned = run_job(spectrum, tmp_path / "fanned", hess_archive, **values)
    assert asked.counts == [1, 0]
    assert len(here.summary["runs"]["used"]) == MANY
    same(here, fanned)


def hess_store(archive: Path) -> Path:
    from jupyter_uws.archive.reader import collections

    return collections(archive)[0].store


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_run_ends_the_job_wherever_it_is_read(sim_archive: Path, tmp_path: Path, workers: int) -> None:
    shutil.copytree(sim_archive.parent / "store", tmp_path / "store")
    archive = tmp_path / "archive.duckdb"
    add_store(archive, tmp_path / "store")
    for number in (100303, 100307):
        (tmp_path / "store" / "data" / f"sim_dr1_obs_id_{number}.fits.gz").write_bytes(b"not FITS")
    job = tmp_path / "job"
    job.mkdir()
    # as astropy says it, and main() tells it
    with pytest.raises(OSError, match="^No SIMPLE card found"), place(job, workers, come=False):
        run_job(quicklook, job, archive, **WIDE)
    assert not (job / "fanout").exists()


def refuse_odd_chunks(runs: list[Run]) -> Part:
    if runs[0].obs_id // CHUNK % 2:
        raise JobError(f"run {runs[0].obs_id} is bad", "transient")
    return Part()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_error_is_told(tmp_path: Path, workers: int) -> None:
    with pytest.raises(JobError) as error, place(tmp_path, workers, come=False) as asked:
        reduce_runs(JobContext.local(tmp_path), [no_run(n) for n in range(MANY)], refuse_odd_chunks, (0, 1), MANY)
    assert (str(error.value), error.value.type) == (f"run {CHUNK} is bad", "transient")
    assert asked.counts == ([1, 0] if workers == 2 else [])


def test_a_job_has_one_client_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(RuntimeError, match="this job has a Dask client already")
    with place(tmp_path, 2, come=False), client(), refused, client():
        pass
    with place(tmp_path, 2, come=False), client() as dask:
        assert dask.submit(sum, [1, 2]).result() == 3


def test_no_background_anywhere_is_one_sentence(tmp_path: Path) -> None:
    with place(tmp_path, 2, come=False):
        whole = reduce_runs(JobContext.local(tmp_path), [no_run(n) for n in range(20)], drop_all, (0, 1), MANY)
    assert whole.dataset is None
    assert list(whole.dropped) == list(range(20))


def drop_all(runs: list[Run]) -> Part:
    return Part(dropped={run.obs_id: "it is nothing" for run in runs})


def no_run(number: int) -> Run:
    return Run(f"ivo://x/obs?{number}", "X", number, None, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.1, 1.0, 0, ())


def test_progress_is_told_by_chunks(tmp_path: Path) -> None:
    said: list[tuple[float, str]] = []

    class Listening(JobContext):
        def progress(self, fraction: float, message: str = "") -> None:
            said.append((round(fraction, 3), message))

    job = Listening("local", tmp_path)
    reduce_runs(job, [no_run(n) for n in range(5)], drop_all, (0.1, 0.6), MANY)
    assert said == [(0.1, "0 of 5 runs"), (0.3, "2 of 5 runs"), (0.5, "4 of 5 runs"), (0.6, "5 of 5 runs")]
    said.clear()
    with place(tmp_path, 2, come=False):
        reduce_runs(job, [no_run(n) for n in range(MANY)], drop_all, (0, 1), MANY)
    assert said[0] == (0, f"0 of {MANY} runs")
    assert said[-1] == (1, f"{MANY} of {MANY} runs")
    assert said == sorted(said)
    assert len(said) == MANY // CHUNK + 1


#: 80 parts of 20 MB are 1600 MB; prints what fanning out added to the process, in MB.
HUNGRY = """
import resource, sys
from pathlib import Path
import numpy as np
import distributed
from jupyter_uws.analysis.reduction import Part, reduce_runs
from jupyter_uws.jobs.context import JobContext

class Map:
    name = "map"
    def __init__(self, data):
        self.data = data
    def copy(self, name):
        return Map(self.data.copy())
    def stack(self, other):
        self.data += other.data

def reduce(runs):
    return Part(Map(np.full(20 << 17, float(len(runs)))))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

before = peak()
whole = reduce_runs(JobContext("x", Path(sys.argv[1])), range(160), reduce, (0, 1), 20)
assert whole.dataset.data[0] == 160
print(peak() - before)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_the_memory_of_a_job_does_not_grow_with_its_runs(tmp_path: Path, workers: int) -> None:
    with place(tmp_path, workers, come=False) as asked:
        fd = int(os.environ["UWS_PROGRESS_FD"])
        done = subprocess.run(
            [sys.executable, "-c", HUNGRY, str(tmp_path)], capture_output=True, text=True, timeout=120, pass_fds=[fd]
        )
    assert done.returncode == 0, done.stderr
    print(f"{workers} workers: {done.stdout.strip()} MB for parts of 1600 MB")
    assert asked.counts == ([1, 0] if workers == 2 else [])
    assert int(done.stdout) < 700
