"""Response functions (GADF): effective area, energy dispersion, point spread function, background rate.

https://gamma-astro-data-formats.readthedocs.io: the class of an HDU is its ``HDUCLAS2``, the format ``HDUCLAS4``.
gammapy is imported when one of them is read; to draw an effective area takes none.
"""

from __future__ import annotations

from typing import Any

from .errors import BadValue, ClientError

#: How far below the highest rate a background is drawn.
DECADES = 1e8

KINDS = {
    "EFF_AREA": "effective area",
    "EDISP": "energy dispersion",
    "RPSF": "point spread function",
    "BKG": "background rate",
}


def kind_of(hdus: Any) -> str | None:
    """What the first response among the HDUs is; None where there is none of :data:`KINDS`."""
    hdu = _first(hdus)
    return None if hdu is None else KINDS[_class_of(hdu)]


def read(hdus: Any) -> Any:
    """The first response among the HDUs, as gammapy's. Raises ClientError, also where gammapy is missing."""
    try:
        from gammapy.irf import IRF_REGISTRY
    except ImportError:
        raise ClientError("responses need gammapy in this kernel: pip install 'jupyter-uws[gamma]'") from None
    hdu = _first(hdus)
    tag = str(hdu.header.get("HDUCLAS4", "")).lower()
    known = {cls.tag: cls for cls in IRF_REGISTRY}
    if tag not in known:
        raise BadValue(f"HDUCLAS4 of the {hdu.name} is {tag.upper()!r}, which gammapy does not read")
    return known[tag].from_hdulist(hdus, hdu=hdu.name)


def plot(hdus: Any, ax: Any = None) -> Any:
    """Draw the first response among the HDUs; returns the Axes.

    Of an effective area its size by energy at some offsets, of an energy dispersion the energy over the true one, by
    true energy, of a point spread function the radii (deg) that contain 68 and 95 % of the events, of a background the
    rate by energy at some offsets.
    """
    import matplotlib.pyplot as plt

    kind = kind_of(hdus)
    if kind == "effective area":
        from .resultplots import plot_area

        return plot_area(_first(hdus), ax=ax)
    response = read(hdus)
    if ax is None:
        _, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    match kind:
        case "energy dispersion":
            response.plot_bias(ax=ax)
            ax.figure.colorbar(ax.collections[0], ax=ax, label="probability density")
            ax.set_ylabel("Energy / True Energy")
        case "point spread function":
            response.plot_containment_radius_vs_energy(ax=ax)
        case _:
            by_offset = response if response.tag == "bkg_2d" else response.to_2d()
            by_offset.plot_energy_dependence(ax=ax)
            # bins in which there is next to nothing would flatten all others
            most = max(line.get_ydata().max() for line in ax.lines)
            ax.set_ylim(most / DECADES, 3 * most)
    return ax


def _first(hdus: Any) -> Any:
    """The HDU that stands for the file: that of the first of :data:`KINDS` that is there."""
    return next((hdu for name in KINDS for hdu in hdus if _class_of(hdu) == name), None)


def _class_of(hdu: Any) -> str:
    if hdu.name.upper() == "EFFECTIVE AREA":  # as files were written before they had classes
        return "EFF_AREA"
    is_response = str(hdu.header.get("HDUCLAS1", "RESPONSE")).upper() == "RESPONSE"
    return str(hdu.header.get("HDUCLAS2", "")).upper() if is_response else ""
