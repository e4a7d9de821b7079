"""From the values a notebook has (quantities, columns, coordinates) to the text a job request carries."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import BadValue
from .results import Result
from .uws import NamedFile

#: Standard parameters of UWS (section 2.2.2.3) that every job takes beside its own.
RESERVED = ("PHASE", "RUNID", "EXECUTIONDURATION", "DESTRUCTION", "AFTER")


class JobTypes(dict[str, dict[str, Any]]):
    """What a service can run: name -> description. It shows itself as a list of parameters."""

    def __repr__(self) -> str:
        lines = []
        for name, description in self.items():
            lines.append(f"{name}: {description.get('title') or ''}")
            lines += [f"    {_parameter(parameter)}" for parameter in description.get("parameters", ())]
        return "\n".join(lines) or "No job types"


def encode(description: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The form of a job request.

    Parameters
    ----------
    description
        The job type, as the service lists it (``name``, ``parameters`` with ``name``, ``unit``,
        ``multiple``).
    values
        What the user gave, by name (letter case does not matter). ``position`` stands for the
        parameters ``RA`` and ``Dec`` where the type has no parameter of that name. Values of None
        are left out.

    Raises
    ------
    ValueError
        A parameter that the type does not have, or a value it cannot take; the text says which.
    """
    known = {parameter["name"].lower(): parameter for parameter in description.get("parameters", ())}
    form: dict[str, Any] = {}
    position: Any = None
    for name, value in values.items():
        if value is None:
            continue
        if name.lower() == "position" and "position" not in known and {"ra", "dec"} <= known.keys():
            from .resolver import as_target

            position = as_target(value, "position")
            continue
        parameter = known.get(name.lower())
        if parameter is None:
            raise BadValue(_unknown(name, description, known))
        if is_observations(value) and getattr(value, "target", None) is not None and position is None:
            position = value.target  # runs found around a target are analysed there, unless told otherwise
        form[parameter["name"]] = _encode(parameter, value)
    if position is not None and {"ra", "dec"} <= known.keys():
        given = {name.lower() for name in values if values[name] is not None}
        if "position" in {name.lower() for name in values} and given & {"ra", "dec"}:
            raise BadValue("position= and RA=, Dec= are the same thing twice; give one of them")
        if not given & {"ra", "dec"}:
            degrees = position.position.icrs
            form[known["ra"]["name"]] = repr(float(degrees.ra.deg))
            form[known["dec"]["name"]] = repr(float(degrees.dec.deg))
    return form


def split_files(form: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, tuple[str, Any]]]]:
    """The fields of a form that are text, and its files as parts; a field says ``param:PART`` for each of its files."""
    fields: dict[str, Any] = {}
    parts: list[tuple[str, tuple[str, Any]]] = []
    for name, value in form.items():
        items = value if isinstance(value, list) else [value]
        texts: list[str] = []
        for item in items:
            if isinstance(item, (bytes, Path, NamedFile)):
                part = f"part-{len(parts) + 1}"
                parts.append((part, _part(name, item)))
                item = f"param:{part}"
            texts.append(item)
        fields[name] = texts if isinstance(value, list) else texts[0]
    return fields, parts


def _part(name: str, file: bytes | Path | NamedFile) -> tuple[str, bytes]:
    """What a file is called and holds; bytes are called as the parameter."""
    if isinstance(file, NamedFile):
        return file.name, file.content
    return (name, file) if isinstance(file, bytes) else (file.name, file.read_bytes())


def is_observations(value: Any) -> bool:
    """Whether a value is a table of observations (any table with the columns of ObsCore)."""
    return "obs_id" in getattr(value, "colnames", ())


def _unknown(name: str, description: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> str:
    names = [parameter["name"] for parameter in known.values()]
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    hint = f"; did you mean {known[near[0]]['name']!r}?" if near else ""
    takes = ", ".join(names) or "none"
    return f"Job type {description.get('name')!r} has no parameter {name!r}{hint or '.'} It takes: {takes}."


def _encode(parameter: Mapping[str, Any], value: Any) -> Any:
    name = parameter["name"]
    if parameter.get("type") == "file":
        return _files(name, value)
    if is_observations(value):
        # the publisher's identifier means one observation in all collections
        value = value["obs_publisher_did" if "obs_publisher_did" in value.colnames else "obs_id"]
        value = list(dict.fromkeys(value.tolist()))  # one that is near several targets is there several times
    if isinstance(value, Mapping) and parameter.get("type") == "string" and not parameter.get("multiple"):
        try:
            return json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise BadValue(f"Parameter {name!r} got a dict that is not JSON: {error}") from None
    value = _in_unit(parameter, value)
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        value = value.tolist()  # numpy arrays and scalars, table columns
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        items = [_scalar(name, _in_unit(parameter, item)) for item in value]
        if not parameter.get("multiple"):
            raise BadValue(f"Parameter {name!r} takes one value, not {len(items)}")
        if not items:
            raise BadValue(f"Parameter {name!r} got an empty list")
        return items
    return _scalar(name, value)


def _files(name: str, value: Any) -> Any:
    """Files of a form: a Path, a job's result, the content as bytes, a URL, or lists of these.

    Raises ValueError for no file.
    """
    if isinstance(value, (list, tuple)):
        return [_files(name, item) for item in value]
    if isinstance(value, Result):
        value = value.path  # of another job: by its content the service knows it again
    if isinstance(value, str) and not value.startswith(("http://", "https://")):
        value = Path(value)
    if isinstance(value, Path) and not value.expanduser().is_file():
        raise BadValue(f"Parameter {name!r} takes a file; there is no file {str(value)!r}")
    if not isinstance(value, (str, Path, bytes, NamedFile)):
        raise BadValue(
            f"Parameter {name!r} takes a file: a path, a job's result, bytes or a URL, not a {type(value).__name__}"
        )
    return value.expanduser() if isinstance(value, Path) else value


def _in_unit(parameter: Mapping[str, Any], value: Any) -> Any:
    """Quantities, columns and texts with a unit, in the parameter's unit as plain numbers; all else as it is."""
    if isinstance(value, str) and parameter.get("unit"):
        value = _with_unit(value)
    if getattr(value, "unit", None) is None:
        return value
    if not hasattr(value, "to_value"):
        value = value.quantity  # of a table's column
    import numpy as np
    from astropy import units as u

    unit = parameter.get("unit") or ""
    try:
        if value.unit == u.Unit(unit):
            return value.value
        # the last bits are the conversion's: 6.6 arcmin shall be 0.11 deg, not 0.10999999999999999
        return np.vectorize(lambda number: float(f"{number:.15g}"))(value.to_value(u.Unit(unit)))
    except u.UnitConversionError:
        wanted = f"is in {unit}" if unit else "has no unit"
        raise BadValue(f"Parameter {parameter['name']!r} {wanted}; {value} cannot be converted to it") from None


def _with_unit(text: str) -> Any:
    """A text such as ``500 GeV`` as a Quantity; as it is where it has no unit, or is something else."""
    from astropy import units as u

    try:
        quantity = u.Quantity(text)
    except (TypeError, ValueError):  # what it should have been is for the service to say
        return text
    return text if quantity.unit == u.dimensionless_unscaled else quantity


def _scalar(name: str, value: Any) -> str:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadValue(f"Parameter {name!r} got {value}, which is not a number")
        return repr(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    kind = type(value).__name__
    raise BadValue(f"Parameter {name!r} got a {kind}: it takes text, numbers, truth values or lists of these")


def _parameter(parameter: dict[str, Any]) -> str:
    """``energy_min [TeV]: Lowest energy, default 0.5``"""
    unit = f" [{parameter['unit']}]" if parameter.get("unit") else ""
    words = [parameter.get("title") or parameter["type"]]
    if parameter.get("choices"):
        words.append(" or ".join(map(str, parameter["choices"])))
    default = parameter.get("default")
    words.append("required" if parameter.get("required") else "optional" if default is None else f"default {default}")
    return f"{parameter['name']}{unit}: {', '.join(words)}"
