"""The runs of a job: found in the archive, chosen by where they point, opened for gammapy."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from jupyter_uws.jobs.context import JobContext, JobError
from jupyter_uws.jobs.description import Parameter

if TYPE_CHECKING:
    from gammapy.data import Observation

    from jupyter_uws.archive.reader import Run

log = logging.getLogger(__name__)

#: The parameter by which every job on observations takes its runs.
RunIds = Annotated[
    list[str],
    Parameter(
        title="Runs",
        description="obs_id or obs_publisher_did of each run",
        ucd="meta.id",
        min_items=1,
        max_items=500,
    ),
]


@dataclass(frozen=True)
class Position:
    """A position on the sky in degrees (ICRS)."""

    ra: float
    dec: float

    def __str__(self) -> str:
        return f"RA {self.ra:.4f} deg, Dec {self.dec:.4f} deg"

    def separation(self, ra: float, dec: float) -> float:
        """Angular distance in degrees."""
        a, b = math.radians(self.dec), math.radians(dec)
        hav = math.sin((a - b) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(self.ra - ra) / 2) ** 2
        return math.degrees(2 * math.asin(math.sqrt(min(1.0, hav))))


@dataclass
class Selection:
    """The runs that can contribute, and why the others cannot (obs_id -> reason)."""

    runs: list[Run]
    dropped: dict[int, str] = field(default_factory=dict)

    def drop(self, obs_id: int, reason: str) -> None:
        """Go on without a run, and say so in the job's log."""
        log.warning("run %s is dropped: %s", obs_id, reason)
        self.dropped[obs_id] = reason
        self.runs = [run for run in self.runs if run.obs_id != obs_id]

    def drop_all(self, reasons: Mapping[int, str]) -> None:
        """Go on without these runs."""
        for obs_id, reason in reasons.items():
            self.drop(obs_id, reason)

    def summary(self) -> dict[str, Any]:
        """As the results' summaries show it."""
        return {
            "used": [str(run.obs_id) for run in self.runs],
            "dropped": [{"obs_id": str(obs_id), "reason": reason} for obs_id, reason in self.dropped.items()],
        }


def find_runs(job: JobContext, obs_ids: Sequence[str]) -> list[Run]:
    """The runs with these ids (obs_id or obs_publisher_did) in the job's archive, each once.

    Raises
    ------
    JobError
        Naming the run that is unknown, ambiguous or gone, or the archive that is missing; or where the
        runs are of several observatories, whose responses cannot be stacked.
    """
    from jupyter_uws.archive.errors import ArchiveError
    from jupyter_uws.archive.reader import runs

    if job.archive is None:
        raise JobError("there is no archive: JUPYTER_UWS_ARCHIVE is not set")
    if not obs_ids:
        raise JobError("obs_ids is empty: name at least one run")
    try:
        found = runs(job.archive, obs_ids)
    except ArchiveError as error:
        raise JobError(str(error)) from error
    by_facility = Counter(run.facility or "unknown" for run in found)
    if len(by_facility) > 1:
        listed = ", ".join(f"{name} ({count})" for name, count in by_facility.items())
        raise JobError(f"the runs are of several observatories, {listed}: take those of one, such as one collection's")
    return found


def mean_pointing(runs: Sequence[Run]) -> Position:
    """The middle of the pointings on the sphere: of wobble pairs, the target."""
    angles = [(math.radians(run.ra), math.radians(run.dec)) for run in runs]
    x = sum(math.cos(dec) * math.cos(ra) for ra, dec in angles)
    y = sum(math.cos(dec) * math.sin(ra) for ra, dec in angles)
    z = sum(math.sin(dec) for _, dec in angles)
    return Position(math.degrees(math.atan2(y, x)) % 360, math.degrees(math.atan2(z, math.hypot(x, y))))


def select(runs: Sequence[Run], target: Position, margin: float = 0.0) -> Selection:
    """Keep the runs whose field of view reaches within ``margin`` degrees of the target.

    This comes before anything is read: gammapy's reflected regions for a target far outside the
    field of view would ask for tens of gigabytes.

    Raises
    ------
    JobError
        Where no run is left; names target, separation and field of view of the nearest run.
    """
    selection = Selection(list(runs))
    separations = {run.obs_id: target.separation(run.ra, run.dec) for run in runs}
    for run in runs:
        if run.fov_radius is None:
            selection.drop(run.obs_id, "its field of view is not known: it has no effective area")
        elif separations[run.obs_id] > run.fov_radius + margin:
            selection.drop(
                run.obs_id,
                f"it points {separations[run.obs_id]:.2f} deg from the target, "
                f"its field of view has a radius of {run.fov_radius:.1f} deg",
            )
    if not selection.runs:
        nearest = min(separations, key=separations.__getitem__)
        raise JobError(f"no run sees the target {target}; nearest is run {nearest}: {selection.dropped[nearest]}")
    return selection


def open_observations(runs: Sequence[Run]) -> list[Observation]:
    """The gammapy observations of runs, in their order.

    Raises
    ------
    JobError
        Where gammapy is not installed, or cannot read a run.
    """
    try:
        import gammapy.data  # noqa: F401
    except ImportError as error:
        raise JobError(f"this job needs gammapy (pip install 'jupyter-uws[gamma]'): {error}") from error
    from jupyter_uws.archive.errors import ArchiveError
    from jupyter_uws.archive.reader import data_store

    numbers = [run.obs_id for run in runs]
    try:
        return list(data_store(runs).get_observations(numbers, required_irf="full-enclosure"))
    except ArchiveError as error:
        raise JobError(str(error)) from error
    except Exception as error:
        # gammapy raises what its readers raise: KeyError, OSError, ValueError, MissingRequiredHDU
        listed = ", ".join(map(str, numbers))
        raise JobError(f"the runs {listed} cannot be opened: {type(error).__name__}: {error}") from error
