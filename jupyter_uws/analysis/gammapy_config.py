"""A gammapy analysis that a user wrote, judged before it runs: it reads nothing but the runs, and writes nowhere.

gammapy is imported inside the functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from jupyter_uws.jobs.context import JobError

from .observations import Position

if TYPE_CHECKING:
    from gammapy.analysis import AnalysisConfig

#: Most entries of a document: aliases in YAML can make a short text a large one.
ENTRIES = 10_000
#: Keys that would have gammapy read or write a file: key -> what to do instead. By path, sections with dots.
REFUSED = {
    "general.log.filename": "the job's log is kept by the service",
    "general.outdir": "results are in the job's folder",
    "general.datasets_file": "datasets are made from the runs",
    "general.models_file": "give models as the parameter models",
    "general.n_jobs": "a job has the cores that it was given",
    "observations.datastore": "the data are the runs of obs_ids",
    "observations.obs_file": "the data are the runs of obs_ids",
    "datasets.background.exclusion": "an exclusion map would be a file of the service",
}
#: Of the sections called parameters, which are arguments of gammapy's classes.
ARGUMENTS = {
    "datasets.background.parameters": {"min_distance", "max_region_number", "r_in", "width", "method"},
    "datasets.safe_mask.parameters": {"aeff_percent", "bias_percent", "offset_max", "position", "fixed_offset"},
    "flux_points.parameters": {"selection_optional", "n_sigma", "n_sigma_ul", "reoptimize"},
    "light_curve.parameters": {"selection_optional", "n_sigma", "n_sigma_ul", "reoptimize"},
    "excess_map.parameters": {"selection_optional", "n_sigma", "n_sigma_ul", "correlate_off"},
}
#: Most bins of the whole map, and most pixels of a side.
BINS, SIDE = 20_000_000, 2000


def read_document(text: str, name: str) -> dict[str, Any]:
    """A YAML document that is a mapping, of plain values only. Raises JobError naming line and reason."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f", line {mark.line + 1}"
        raise JobError(f"{name}{place}: it is not YAML: {getattr(error, 'problem', None) or error}") from None
    except (RecursionError, ValueError) as error:
        raise JobError(f"{name}: it is not YAML that can be read: {error}") from None
    if not isinstance(document, dict):
        raise JobError(f"{name}: it must be a mapping, and is {type(document).__name__}")
    for number, _ in enumerate(_entries(document, name)):
        if number > ENTRIES:
            raise JobError(f"{name}: it has more than {ENTRIES} entries")
    return document


def _entries(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """All entries of a document with the keys that lead to them."""
    if depth > 20:
        raise JobError(f"{path.split('.')[0]}: it is nested deeper than 20 levels")
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return
    for key, entry in items:
        yield f"{path}.{key}", entry
        yield from _entries(entry, f"{path}.{key}", depth + 1)


def read_config(text: str) -> AnalysisConfig:
    """The configuration of an analysis.

    Raises
    ------
    JobError
        Naming the entry that gammapy does not know, whose value it does not take, or that names a file.
    """
    from gammapy.analysis import AnalysisConfig
    from pydantic import ValidationError

    document = read_document(text, "config")
    for key, instead in REFUSED.items():
        if _at(document, key) is not None:
            raise JobError(f"config: {key} is not allowed: {instead}")
    for key, allowed in ARGUMENTS.items():
        given = _at(document, key)
        for name in given if isinstance(given, Mapping) else ():
            if name not in allowed:
                raise JobError(f"config: {key}.{name} is not allowed, allowed are {', '.join(sorted(allowed))}")
    try:
        config = AnalysisConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise JobError(f"config: {place} is {str(first['input'])[:80]!r}: {first['msg']}") from None
    except Exception as error:  # of astropy's units, angles and times
        raise JobError(f"config: {type(error).__name__}: {error}") from None
    _check_size(config)
    return config


def _at(document: Any, path: str) -> Any:
    for key in path.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _check_size(config: AnalysisConfig) -> None:
    """Refuse maps that fill the memory before anything is read."""
    geom: Any = config.datasets.geom
    if config.datasets.type != "3d" or geom.wcs.binsize is None:
        return
    sides = [
        float((side / geom.wcs.binsize).to_value(""))
        for side in (geom.wcs.width.width, geom.wcs.width.height)
        if side is not None
    ]
    bins = max(geom.axes.energy.nbins or 1, 1)
    for side in sides:
        bins *= side
    if any(not 0 < side <= SIDE for side in sides) or bins > BINS:
        raise JobError(
            f"config: datasets.geom makes {' x '.join(f'{side:.0f}' for side in sides)} pixels and {bins:.3g} bins, "
            f"allowed are {SIDE} pixels a side and {BINS:.0e} bins"
        )


def on_position(config: AnalysisConfig) -> Position | None:
    """Where the ON region of a 1D analysis is. Raises JobError where the configuration does not tell."""
    from astropy.coordinates import SkyCoord

    region: Any = config.datasets.on_region
    if config.datasets.type != "1d":
        return None
    if None in (region.lon, region.lat, region.frame, region.radius):
        raise JobError("config: datasets.on_region needs frame, lon, lat and radius for an analysis of type 1d")
    place = SkyCoord(region.lon, region.lat, frame=region.frame).icrs
    return Position(float(place.ra.deg), float(place.dec.deg))


def read_models(text: str) -> Any:
    """gammapy's models of a YAML document. Raises JobError; templates, which are files, are refused."""
    from gammapy.modeling.models import Models

    document = read_document(text, "models")
    for path, value in _entries(document, "models"):
        key = path.rpartition(".")[2]
        if re.search(r"file|path|covariance|map$", key, re.IGNORECASE) or "Template" in str(value)[:200]:
            raise JobError(f"{path} is not allowed: models are made of functions, not of files")
    try:
        return Models.from_yaml(yaml.safe_dump(document))
    except Exception as error:
        # gammapy raises what its readers raise: KeyError, ValueError, TypeError
        raise JobError(f"models: gammapy cannot read them: {type(error).__name__}: {error}") from None


def text_of(path: Path, name: str) -> str:
    """The text of a file parameter. Raises JobError where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise JobError(f"{name}: it is not text in UTF-8") from None
