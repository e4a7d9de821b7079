"""Response functions as gammapy knows them: energy dispersion, point spread function, background rate (GADF).

https://gamma-astro-data-formats.readthedocs.io: the class of an HDU is its ``HDUCLAS2``, the format ``HDUCLAS4``.
gammapy is imported when one of them is read. (Effective areas are drawn without it: :mod:`.resultplots`.)
"""

from __future__ import annotations

from typing import Any

from .errors import BadValue, ClientError

#: How far below the highest rate a background is drawn.
DECADES = 1e8

KINDS = {"EDISP": "energy dispersion", "RPSF": "point spread function", "BKG": "background rate"}


def kind_of(hdus: Any) -> str | None:
    """What the first response among the HDUs is; None where there is none of :data:`KINDS`."""
    return next((KINDS[name] for hdu in hdus if (name := _class_of(hdu)) in KINDS), None)


def read(hdus: Any) -> Any:
    """The first response among the HDUs, as gammapy's. Raises ClientError, also where gammapy is missing."""
    try:
        from gammapy.irf import IRF_REGISTRY
    except ImportError:
        raise ClientError("responses need gammapy in this kernel: pip install 'jupyter-uws[gamma]'") from None
    hdu = next(hdu for hdu in hdus if _class_of(hdu) in KINDS)
    tag = str(hdu.header.get("HDUCLAS4", "")).lower()
    known = {cls.tag: cls for cls in IRF_REGISTRY}
    if tag not in known:
        raise BadValue(f"HDUCLAS4 of the {hdu.name} is {tag.upper()!r}, which gammapy does not read")
    return known[tag].from_hdulist(hdus, hdu=hdu.name)


def plot(hdus: Any, ax: Any = None) -> Any:
    """Draw the first response among the HDUs; returns the Axes.

    Of an energy dispersion the energy over the true one, by true energy, of a point spread function the radii
    (deg) that contain 68 and 95 % of the events, of a background the rate by energy at some offsets.
    """
    import matplotlib.pyplot as plt

    response = read(hdus)
    if ax is None:
        _, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    match kind_of(hdus):
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


def _class_of(hdu: Any) -> str:
    is_response = str(hdu.header.get("HDUCLAS1", "")).upper() == "RESPONSE"
    return str(hdu.header.get("HDUCLAS2", "")).upper() if is_response else ""
