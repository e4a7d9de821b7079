"""Parameters that several jobs take, with the same words, units and bounds in each."""

from __future__ import annotations

from typing import Annotated, Literal

from jupyter_uws.jobs.context import JobError
from jupyter_uws.jobs.description import Parameter

SourceRA = Annotated[
    float,
    Parameter(
        title="Right ascension",
        description="Of the source (ICRS)",
        unit="deg",
        ucd="pos.eq.ra",
        minimum=0,
        maximum=360,
    ),
]
SourceDec = Annotated[
    float,
    Parameter(title="Declination", description="Of the source", unit="deg", ucd="pos.eq.dec", minimum=-90, maximum=90),
]
SpectralShape = Annotated[
    Literal["pl", "ecpl"],
    Parameter(title="Model", description="Power law, or power law with exponential cut-off"),
]
OnRadius = Annotated[
    float,
    Parameter(
        title="ON radius",
        description="Of the region around the source; the flux is corrected for the gamma rays outside of it",
        unit="deg",
        minimum=0.02,
        maximum=1,
    ),
]
_LOWEST = Parameter(title="Lowest energy", unit="TeV", ucd="em.energy;stat.min", minimum=0.01, maximum=100)
_HIGHEST = Parameter(title="Highest energy", unit="TeV", ucd="em.energy;stat.max", minimum=0.02, maximum=200)
#: Of a job that has a band of its own where none is given, and of one that takes all there is.
EnergyMin = Annotated[float, _LOWEST]
EnergyMax = Annotated[float, _HIGHEST]
LowestEnergy = Annotated[float | None, _LOWEST]
HighestEnergy = Annotated[float | None, _HIGHEST]


def check_energies(energy_min: float | None, energy_max: float | None) -> None:
    """Raise JobError unless the lowest energy (TeV) is below the highest."""
    if energy_min is not None and energy_max is not None and energy_min >= energy_max:
        raise JobError(f"energy_min {energy_min:g} TeV is not below energy_max {energy_max:g} TeV")
