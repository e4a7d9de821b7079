"""ON and OFF counts of a point source with reflected regions, and the spectral model that is fitted to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jupyter_uws.jobs.context import JobError

from .observations import Position

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import SpectrumDatasetOnOff
    from gammapy.modeling import FitResult
    from gammapy.modeling.models import SkyModel, SpectralModel

#: Reconstructed energies, in TeV, and bins per decade.
ENERGIES, TRUE_ENERGIES = (0.01, 200.0), (0.01, 300.0)
BINS_PER_DECADE, TRUE_BINS_PER_DECADE = 10, 16
#: Where the producers of a run give no energy threshold (LO_THRES of its effective area), energies
#: count from where the effective area reaches this percentage of its maximum.
SAFE_AREA_PERCENT = 5
#: Below this, in sigma, a fit would describe the background's fluctuations.
MIN_SIGNIFICANCE = 3.0


class Unusable(Exception):
    """A run cannot contribute; the message is the reason."""


@dataclass(frozen=True)
class OnRegion:
    """A circle around a target, its radius in degrees, and the energies that count, in TeV."""

    target: Position
    radius: float
    low: float = ENERGIES[0]
    high: float = ENERGIES[1]

    def counts(self, observation: Observation) -> SpectrumDatasetOnOff:
        """ON and OFF counts of a run or a piece of one, with its responses. Raises Unusable."""
        dataset = self._maker.run(self._empty.copy(name=f"run-{observation.obs_id}"), observation)
        dataset = self._background.run(dataset, observation)
        if dataset.counts_off is None:
            pointing = observation.get_pointing_icrs(observation.tmid)
            separation = self.target.separation(float(pointing.ra.deg), float(pointing.dec.deg))
            raise Unusable(
                f"no OFF region: it points {separation:.2f} deg from the target, "
                f"too near for a second circle of {self.radius:g} deg at the same distance"
            )
        dataset = self._safe("LO_THRES" in observation.aeff.meta).run(dataset, observation)
        dataset.mask_safe &= self._wanted
        if not dataset.mask_safe.data.any():
            raise Unusable(f"no usable effective area between {self.low:g} and {self.high:g} TeV")
        return dataset

    @cached_property
    def _empty(self) -> Any:
        from astropy import units as u
        from astropy.coordinates import SkyCoord
        from gammapy.datasets import SpectrumDataset
        from gammapy.maps import MapAxis, RegionGeom
        from regions import CircleSkyRegion

        axis = MapAxis.from_energy_bounds(*ENERGIES, BINS_PER_DECADE, unit="TeV", per_decade=True)
        true_axis = MapAxis.from_energy_bounds(
            *TRUE_ENERGIES, TRUE_BINS_PER_DECADE, unit="TeV", per_decade=True, name="energy_true"
        )
        region = CircleSkyRegion(SkyCoord(self.target.ra, self.target.dec, unit="deg"), self.radius * u.deg)
        return SpectrumDataset.create(RegionGeom.create(region, axes=[axis]), energy_axis_true=true_axis)

    @cached_property
    def _wanted(self) -> Any:
        from astropy import units as u

        return self._empty.counts.geom.energy_mask(self.low * u.TeV, self.high * u.TeV, round_to_edge=True)

    @cached_property
    def _maker(self) -> Any:
        from gammapy.makers import SpectrumDatasetMaker

        return SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True)

    @cached_property
    def _background(self) -> Any:
        from gammapy.makers import ReflectedRegionsBackgroundMaker

        return ReflectedRegionsBackgroundMaker()

    def _safe(self, threshold_given: bool) -> Any:
        from gammapy.makers import SafeMaskMaker

        if threshold_given:
            return SafeMaskMaker(methods=["aeff-default"])
        return SafeMaskMaker(methods=["aeff-max"], aeff_percent=SAFE_AREA_PERCENT)


def spectral_model(kind: str) -> SpectralModel:
    """``pl`` or ``ecpl`` as a fit begins with it, at a reference energy of 1 TeV."""
    from gammapy.modeling.models import ExpCutoffPowerLawSpectralModel, PowerLawSpectralModel

    if kind == "ecpl":
        spectral = ExpCutoffPowerLawSpectralModel(
            amplitude="1e-11 cm-2 s-1 TeV-1", reference="1 TeV", index=2.2, lambda_="0.05 TeV-1"
        )
    else:
        spectral = PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1", reference="1 TeV", index=2.5)
    # weak sources make the amplitude jump below zero, where the index means nothing
    spectral.amplitude.min = 0
    return spectral


def check_counts(stacked: SpectrumDatasetOnOff, target: Position) -> None:
    """Raise JobError where there is no event at all."""
    usable = stacked.mask_safe.data
    if not (stacked.counts.data[usable].any() or stacked.counts_off.data[usable].any()):
        low, high = (edge.to_value("TeV") for edge in stacked.energy_range_total)
        raise JobError(f"no event at {target} nor in the OFF regions between {low:.3g} and {high:.3g} TeV")


def fit(stacked: SpectrumDatasetOnOff, kind: str, target: Position) -> tuple[SkyModel, FitResult]:
    """Fit the model; the stacked dataset carries it afterwards.

    Raises
    ------
    JobError
        Where there is nothing to fit, the fit does not converge, or its errors are not known.
    """
    from gammapy.modeling import Fit
    from gammapy.modeling.models import SkyModel

    check_counts(stacked, target)
    info = stacked.info_dict()
    on, off, significance = info["counts"], info["counts_off"], float(info["sqrt_ts"])
    if not significance >= MIN_SIGNIFICANCE:
        raise JobError(
            f"no significant signal at {target}: {significance:.1f} sigma "
            f"(ON {on:.0f}, OFF {off:.0f}, alpha {info['acceptance'] / info['acceptance_off']:.3f}); "
            f"a spectrum needs {MIN_SIGNIFICANCE:g} sigma"
        )
    fitted = SkyModel(spectral_model=spectral_model(kind), name="source")
    stacked.models = fitted
    result = Fit().run(stacked)
    check_fit(result, fitted)
    return fitted, result


def check_fit(result: FitResult, fitted: SkyModel) -> None:
    """Raise JobError unless the fit converged, knows every error, and measured a flux."""
    if not result.success:
        raise JobError(f"the fit did not converge: {result.message}")
    for parameter in fitted.parameters.free_parameters:
        known = math.isfinite(parameter.value) and math.isfinite(parameter.error) and parameter.error > 0
        if not known or (parameter.name == "amplitude" and parameter.error >= parameter.value):
            raise JobError(
                f"the data do not constrain the model: {parameter.name} is {parameter.value:.3g} ± "
                f"{parameter.error:.3g} {parameter.unit}; try the simpler model, more runs or a wider energy range"
            )


def counts_summary(stacked: SpectrumDatasetOnOff) -> dict[str, Any]:
    """Significance and counts, as summaries show them."""
    info = stacked.info_dict()
    return {
        "significance": float(info["sqrt_ts"]),
        "counts": {
            "on": int(info["counts"]),
            "off": int(info["counts_off"]),
            "alpha": float(info["acceptance"] / info["acceptance_off"]),
            "excess": float(info["excess"]),
        },
    }


def parameters_summary(fitted: SkyModel) -> dict[str, Any]:
    """The free parameters of a fitted model by name, with errors and units."""
    return {
        parameter.name: {"value": parameter.value, "error": parameter.error, "unit": str(parameter.unit)}
        for parameter in fitted.parameters.free_parameters
    }
