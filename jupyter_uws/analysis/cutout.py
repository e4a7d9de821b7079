"""Events around a position, cut out of runs: a small data store that goes home with the observer.

astropy, gammapy and matplotlib are imported inside the functions: the service reads this module for its description
only.
"""

from __future__ import annotations

import math
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.describe import job_type
from jupyter_uws.jobs.description import Generated, Parameter

from .observations import Position, RunIds, find_runs, open_observations, select
from .parameters import HighestEnergy, LowestEnergy, check_energies
from .reduction import Part, gather, reduce_runs
from .skyplot import events_figure
from .summary import write_summary

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import Observation

    from jupyter_uws.archive.reader import Run

#: Runs from which on helpers save time: one takes half a second.
MANY = 40


@job_type(
    title="Cutout: events around a position",
    version="1",
    generated=[
        Generated(name="image", content_type="image/png", description="Where the events come from, their energies"),
        Generated(name="events", content_type="application/fits", description="Events of all runs in one table"),
        Generated(name="package", content_type="application/x-tar", description="A data store of the runs (DL3)"),
        Generated(name="summary", content_type="application/json", description="Events of each run"),
    ],
    execution_duration=1800,
    execution_duration_max=86400,
    memory_limit=4096,
)
def cutout(
    job: JobContext,
    *,
    obs_ids: RunIds,
    RA: Annotated[
        float,
        Parameter(
            title="Right ascension",
            description="Of the centre (ICRS)",
            unit="deg",
            ucd="pos.eq.ra",
            minimum=0,
            maximum=360,
        ),
    ],
    Dec: Annotated[
        float,
        Parameter(
            title="Declination", description="Of the centre", unit="deg", ucd="pos.eq.dec", minimum=-90, maximum=90
        ),
    ],
    radius: Annotated[
        float,
        Parameter(title="Radius", description="Of the circle that is cut out", unit="deg", minimum=0.05, maximum=10),
    ] = 1.0,
    energy_min: LowestEnergy = None,
    energy_max: HighestEnergy = None,
) -> None:
    """Events in a circle, with everything that is needed to analyse them: good time intervals and responses.

    The package unpacks into a data store that gammapy reads (``DataStore.from_dir``). Responses are those of the
    whole runs: what is cut away is events only, so a background from far outside of the circle is no longer there.
    """
    check_energies(energy_min, energy_max)
    job.progress(0, "opening the runs")
    centre = Position(RA, Dec)
    selection = select(find_runs(job, obs_ids), centre, margin=radius)
    scratch = job.folder / "cutout"
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was interrupted
    scratch.mkdir(mode=0o700)
    reduce = partial(
        reduce_some,
        centre=centre,
        radius=radius,
        energies=(energy_min or 0.0, energy_max or math.inf),
        folder=scratch,
    )
    tables = reduce_runs(job, selection.runs, reduce, (0.1, 0.8), MANY, gather).dataset
    counts = {run.obs_id: len(table) for run, table in zip(selection.runs, tables, strict=True)}
    events = _together(tables)
    if not len(events):
        raise JobError(
            f"no event within {radius:g} deg of {centre} in these energies in any of {len(selection.runs)} runs"
        )
    job.progress(0.85, "package")
    events.write(job.work / "events.fits", format="fits")
    job.result("events", "events.fits", description="Events of all runs in one table")
    _package(job.work / "package.tar", [_file(scratch, run) for run in selection.runs])
    shutil.rmtree(scratch)
    job.result("package", "package.tar", "application/x-tar", description="A data store of the runs (DL3)")
    summary = {
        "centre": {"ra": RA, "dec": Dec},
        "radius": {"value": radius, "unit": "deg"},
        "energy": {"min": energy_min, "max": energy_max, "unit": "TeV"},
        "events": {"all": len(events), "by_run": {str(obs_id): count for obs_id, count in counts.items()}},
        "livetime": {"value": round(sum(run.livetime or 0 for run in selection.runs) / 3600, 4), "unit": "h"},
        "runs": selection.summary(),
    }
    events_figure(job.work / "image.png", events, summary)
    job.result("image", "image.png", description="Where the events come from, their energies")
    write_summary(job, summary, "Events of each run")
    job.progress(1, f"{len(events)} events")


def reduce_some(
    runs: Sequence[Run], centre: Position, radius: float, energies: tuple[float, float], folder: Path
) -> Part:
    """The events of each of some runs, as a list; their files go to ``folder``. Runs on any worker, maybe twice."""
    tables = []
    for run in runs:
        (observation,) = open_observations([run])
        kept, table = _cut(observation, centre, radius, *energies)
        tables.append(table)
        path = _file(folder, run)
        with tempfile.TemporaryDirectory(dir=folder) as own:  # another worker may write the same
            kept.write(Path(own) / path.name, include_irfs=True)
            (Path(own) / path.name).replace(path)
    return Part(tables)


def _file(folder: Path, run: Run) -> Path:
    return folder / f"run_{run.obs_id}.fits.gz"


def _cut(
    observation: Observation, centre: Position, radius: float, low: float, high: float
) -> tuple[Observation, Table]:
    """The run with fewer events, and these with the run's number (``OBS_ID``)."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from astropy.table import Column
    from gammapy.data import EventList

    events = observation.events
    near = events.radec.separation(SkyCoord(centre.ra, centre.dec, unit="deg")) < radius * u.deg
    energy = events.energy.to_value("TeV")
    table = events.table[near & (energy >= low) & (energy < high)]
    kept = observation.copy(in_memory=True, events=EventList(table))
    columns = table[[name for name in ("EVENT_ID", "TIME", "RA", "DEC", "ENERGY") if name in table.colnames]]
    columns.add_column(Column([observation.obs_id] * len(columns), name="OBS_ID", dtype="int64"), index=0)
    return kept, columns


def _together(tables: Sequence[Table]) -> Any:
    """The events of all runs, those of each in their order, with the time reference of the first run."""
    from astropy.table import vstack

    meta = tables[0].meta
    together = vstack(list(tables), metadata_conflicts="silent")
    wanted = ("MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS", "TIMEREF", "TELESCOP", "INSTRUME", "RADECSYS", "EQUINOX")
    together.meta = {name: meta[name] for name in wanted if name in meta}
    together.meta |= {"EXTNAME": "EVENTS", "HDUCLASS": "GADF", "HDUCLAS1": "EVENTS"}
    return together


def _package(path: Path, files: Sequence[Path]) -> None:
    """Write the files and their index as a tar file, in one folder."""
    from gammapy.data import DataStore

    store = DataStore.from_events_files(files, irfs_paths=files)
    folder = files[0].parent
    store.hdu_table["FILE_DIR"] = "."
    store.hdu_table.write(folder / "hdu-index.fits.gz")
    store.obs_table.write(folder / "obs-index.fits.gz")
    with tarfile.open(path, "w") as package:
        for file in (folder / "obs-index.fits.gz", folder / "hdu-index.fits.gz", *files):
            package.add(file, f"cutout/{file.name}", filter=_nameless)


def _nameless(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the account that ran the job."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info
