"""ObsCore 1.1: the columns of ``ivoa.obscore``, and the identifiers we mint."""

from __future__ import annotations

from ..tap.schema import Column, ForeignKey, Table

AUTHORITY = "jupyter-uws"
"""The IVOA authority of the identifiers we mint; not registered, as these archives are private."""


def _column(
    name: str, datatype: str, unit: str | None, ucd: str, utype: str, description: str, *, indexed: bool = False
) -> Column:
    text = datatype == "char"
    return Column(
        name,
        datatype,
        description,
        arraysize="*" if text else None,
        xtype="adql:REGION" if name == "s_region" else None,
        unit=unit,
        ucd=ucd,
        utype=f"obscore:{utype}",
        principal=name not in _NOT_PRINCIPAL,
        indexed=indexed,
        std=True,
        timescale="TT" if ucd.startswith(("time.start", "time.end")) else None,
    )


# of the optional ones; all that are mandatory are (ObsCore 1.1, appendix C.2)
_NOT_PRINCIPAL = {"dataproduct_subtype"}

# fmt: off
OBSCORE = Table(
    "ivoa.obscore",
    (
        _column("dataproduct_type", "char", None, "meta.code.class", "ObsDataset.dataProductType",
                "kind of data; 'event' for the event list of a run"),
        _column("dataproduct_subtype", "char", None, "meta.code.class", "ObsDataset.dataProductSubtype",
                "'event-bundle' where the file holds the responses too, else 'event-list'"),
        _column("calib_level", "int", None, "meta.code;obs.calib", "ObsDataset.calibLevel",
                "level of calibration, 0 (raw) to 4; DL3 is 2"),
        _column("obs_collection", "char", None, "meta.id", "DataID.collection",
                "name of the data collection", indexed=True),
        _column("obs_id", "char", None, "meta.id", "DataID.observationID",
                "number of the run within its collection"),
        _column("obs_publisher_did", "char", None, "meta.ref.ivoid", "Curation.publisherDID",
                "identifier of the run, unique over all collections"),
        _column("access_url", "char", None, "meta.ref.url", "Access.reference",
                "the run's links (DataLink): events, responses, all in one file, pictures, jobs"),
        _column("access_format", "char", None, "meta.code.mime", "Access.format",
                "media type of that document"),
        _column("access_estsize", "long", "kbyte", "phys.size;meta.file", "Access.size",
                "size of the file with the events"),
        _column("target_name", "char", None, "meta.id;src", "Target.name",
                "target as the observers named it: not normalised, search by position"),
        _column("s_ra", "double", "deg", "pos.eq.ra",
                "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1",
                "right ascension of the pointing, ICRS", indexed=True),
        _column("s_dec", "double", "deg", "pos.eq.dec",
                "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2",
                "declination of the pointing, ICRS", indexed=True),
        _column("s_fov", "double", "deg", "phys.angSize;instr.fov", "Char.SpatialAxis.Coverage.Bounds.Extent.diameter",
                "diameter of the field of view that the effective area covers"),
        _column("s_region", "char", None, "pos.outline;obs.field", "Char.SpatialAxis.Coverage.Support.Area",
                "field of view as a circle (STC-S)"),
        _column("s_resolution", "double", "arcsec", "pos.angResolution",
                "Char.SpatialAxis.Resolution.Refval.value", "68 % containment radius at 1 TeV, 0.5 deg off-axis"),
        _column("s_xel1", "long", None, "meta.number", "Char.SpatialAxis.numBins1", "-1: events are not binned"),
        _column("s_xel2", "long", None, "meta.number", "Char.SpatialAxis.numBins2", "-1: events are not binned"),
        _column("t_min", "double", "d", "time.start;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StartTime",
                "start of the run, MJD in TT", indexed=True),
        _column("t_max", "double", "d", "time.end;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StopTime",
                "end of the run, MJD in TT", indexed=True),
        _column("t_exptime", "double", "s", "time.duration;obs.exposure", "Char.TimeAxis.Coverage.Support.Extent",
                "live time of the run"),
        _column("t_resolution", "double", "s", "time.resolution", "Char.TimeAxis.Resolution.Refval.value",
                "time resolution, where the file tells it"),
        _column("t_xel", "long", None, "meta.number", "Char.TimeAxis.numBins", "-1: events are not binned"),
        _column("em_min", "double", "m", "em.wl;stat.min", "Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit",
                "shortest wavelength: hc over the highest energy"),
        _column("em_max", "double", "m", "em.wl;stat.max", "Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit",
                "longest wavelength: hc over the lowest energy"),
        _column("em_res_power", "double", None, "spect.resolution",
                "Char.SpectralAxis.Resolution.ResolPower.refVal",
                "E over dE (half the central 68 %) at 1 TeV, 0.5 deg off-axis"),
        _column("em_xel", "long", None, "meta.number", "Char.SpectralAxis.numBins", "-1: events are not binned"),
        _column("o_ucd", "char", None, "meta.ucd", "Char.ObservableAxis.ucd",
                "UCD of the observable; empty for event lists"),
        _column("pol_states", "char", None, "meta.code;phys.polarization", "Char.PolarizationAxis.stateList",
                "polarisation states; empty here"),
        _column("pol_xel", "long", None, "meta.number", "Char.PolarizationAxis.numBins",
                "number of polarisation states; 0 here"),
        _column("facility_name", "char", None, "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name",
                "observatory"),
        _column("instrument_name", "char", None, "meta.id;instr", "Provenance.ObsConfig.Instrument.name",
                "instrument"),
    ),
    description="The runs of the archive, one row each (IVOA ObsCore 1.1)",
    utype="ivo://ivoa.net/std/obscore#core-1.1",
    table_type="view",
)
# fmt: on


def _extra(name: str, datatype: str, unit: str | None, ucd: str, utype: str, description: str) -> Column:
    text = datatype == "char"
    return Column(
        name,
        datatype,
        description,
        arraysize="*" if text else None,
        unit=unit,
        ucd=ucd,
        utype=f"obscore:{utype}",
        principal=not text,
        std=True,
    )


# the draft settles no utypes: these follow the pattern of ObsCore's; of its UCDs, those with words that the IVOA's list
# has not yet (instr.detection, meta.ref.pdgid) are written without these
# fmt: off
OBSCORE_HEA = Table(
    "ivoa.obscore_hea",
    (
        _column("obs_publisher_did", "char", None, "meta.ref.ivoid", "Curation.publisherDID",
                "identifier of the run: join by it with ivoa.obscore (NATURAL JOIN)"),
        _extra("ev_xel", "long", None, "meta.number;phys.particle", "Char.EventAxis.numBins",
               "number of events"),
        _extra("s_ref_energy", "double", "eV", "meta.ref;em.energy;pos", "Char.SpatialAxis.Resolution.refval.energy",
               "energy that s_resolution is for"),
        _extra("em_ref_energy", "double", "eV", "meta.ref;em.energy;em", "Char.SpectralAxis.Resolution.refval.energy",
               "energy that em_res_power is for"),
        _extra("s_ref_oaa", "double", "deg", "pos.posAng;instr.offset;pos",
               "Char.SpatialAxis.Resolution.refval.offAxisAngle",
               "off-axis angle that s_resolution is for"),
        _extra("em_ref_oaa", "double", "deg", "pos.posAng;instr.offset;em",
               "Char.SpectralAxis.Resolution.refval.offAxisAngle",
               "off-axis angle that em_res_power is for"),
        _extra("t_intervals", "char", None, "time.interval", "Char.TimeAxis.Coverage.Support.intervals",
               "good time intervals as a time MOC (ASCII, cells of 1.05 s, JD in TCB at the barycentre)"),
        _extra("energy_min", "double", "eV", "em.energy;stat.min",
               "Char.SpectralAxis.Coverage.Bounds.Limits.energyLoLimit",
               "lowest energy that the run is to be used at"),
        _extra("energy_max", "double", "eV", "em.energy;stat.max",
               "Char.SpectralAxis.Coverage.Bounds.Limits.energyHiLimit",
               "highest energy that the run is to be used at"),
        _extra("obs_mode", "char", None, "meta.code;obs.param", "Provenance.ObsConfig.obsMode",
               "how the telescopes moved (OBS_MODE)"),
        _extra("tracking_mode", "char", None, "meta.code;obs.param", "Provenance.ObsConfig.trackingMode",
               "how the target was tracked; GADF does not tell"),
        _extra("scan_mode", "char", None, "meta.code;obs.param", "Provenance.ObsConfig.scanMode",
               "how a field was scanned; GADF does not tell"),
        _extra("pointing_mode", "char", None, "meta.code;obs.param", "Provenance.ObsConfig.pointingMode",
               "how telescopes pointed to each other; GADF does not tell"),
        _extra("analysis_mode", "char", None, "meta.code;obs.param", "Provenance.Processing.analysisMode",
               "how the events were reconstructed; GADF does not tell"),
        _extra("event_type", "char", None, "meta.code.qual;phys.particle", "Provenance.Processing.eventType",
               "class of the events (EV_CLASS)"),
        _extra("messenger_name", "char", None, "meta.id;phys.particle", "Provenance.ObsConfig.messenger.name",
               "what was measured: photon"),
        _extra("messenger_pdgid", "char", None, "meta.ref;phys.particle", "Provenance.ObsConfig.messenger.pdgid",
               "its number in the scheme of the Particle Data Group, with its sign: +22"),
    ),
    description="What high-energy astrophysics adds to ivoa.obscore, one row for each run"
                " (draft extension of ObsCore, 2026)",
    table_type="view",
)
# fmt: on

#: What the rows of the extension belong to.
HEA_KEY = ForeignKey(
    "ivoa.obscore_hea",
    "ivoa.obscore",
    (("obs_publisher_did", "obs_publisher_did"),),
    "the run that a row is about: NATURAL JOIN",
)


def publisher_did(collection: str, obs_id: int) -> str:
    """The identifier of a run, unique over all collections."""
    return f"ivo://{AUTHORITY}/{collection}?{obs_id}"
