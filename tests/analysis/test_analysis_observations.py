"""Positions and the choice of runs, against astropy."""

from __future__ import annotations

import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from jupyter_uws.analysis.observations import Position, mean_pointing, select
from jupyter_uws.archive.reader import Run
from jupyter_uws.jobs.context import JobError

right_ascensions = st.floats(0, 360)
declinations = st.floats(-90, 90)


def run(obs_id: int, ra: float, dec: float, fov_radius: float | None = 2.5) -> Run:
    return Run(
        f"ivo://x/obs?{obs_id}", "X", obs_id, None, ra, dec, fov_radius, 53000.0, 53000.02, 1600.0, 0.1, 100.0, 10, ()
    )


@given(right_ascensions, declinations, right_ascensions, declinations)
def test_separations_are_those_of_astropy(ra: float, dec: float, ra2: float, dec2: float) -> None:
    expected = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(ra2, dec2, unit="deg")).deg
    assert Position(ra, dec).separation(ra2, dec2) == pytest.approx(expected, abs=2e-6)


def test_the_middle_of_pointings_on_both_sides_of_zero_and_at_the_pole() -> None:
    middle = mean_pointing([run(1, 359.5, 10.0), run(2, 0.5, 10.0)])
    assert middle.separation(0.0, 10.0) < 0.01
    assert mean_pointing([run(1, 0.0, 89.0), run(2, 180.0, 89.0)]).dec == pytest.approx(90)


def test_runs_are_kept_by_their_own_field_of_view() -> None:
    runs = [run(1, 10.0, 0.0, 2.5), run(2, 10.0, 0.0, 1.0), run(3, 10.0, 0.0, None), run(4, 100.0, 0.0)]
    selection = select(runs, Position(12.0, 0.0))
    assert [one.obs_id for one in selection.runs] == [1]
    assert set(selection.dropped) == {2, 3, 4}
    assert selection.dropped[2] == "it points 2.00 deg from the target, its field of view has a radius of 1.0 deg"
    assert [one.obs_id for one in select(runs, Position(12.0, 0.0), margin=1.1).runs] == [1, 2]


def test_no_run_left_names_the_nearest() -> None:
    runs = [run(1, 10.0, 0.0), run(2, 20.0, 0.0)]
    with pytest.raises(JobError, match=r"no run sees the target RA 30\.0000 deg, Dec 0\.0000 deg; nearest is run 2"):
        select(runs, Position(30.0, 0.0))
