"""JSON Schema of a job type's parameters, for the forms of the labextension and the widgets."""

from __future__ import annotations

from typing import Any

from .description import FILE_SIZE, JobDescription, Parameter


def json_schema(description: JobDescription) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the object that :func:`jupyter_uws.jobs.validation.typed` gives.

    Units, UCDs and utypes are the annotations ``x-unit``, ``x-ucd`` and ``x-utype``. A file is a string
    of the format ``uri`` (what a client can give but the file itself), with ``x-content-types`` and
    ``x-max-size`` in bytes.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": description.title or description.name,
        "description": description.description,
        "type": "object",
        "properties": {parameter.name: _property(parameter) for parameter in description.parameters},
        "required": [parameter.name for parameter in description.parameters if parameter.required],
        "additionalProperties": False,
    }


def _property(parameter: Parameter) -> dict[str, Any]:
    value: dict[str, Any] = _drop_none(
        {
            "type": "string" if parameter.type == "file" else parameter.type,
            "format": "uri" if parameter.type == "file" else None,
            "minimum": parameter.minimum,
            "maximum": parameter.maximum,
            "enum": list(parameter.choices) if parameter.choices is not None else None,
            # JSON Schema patterns match anywhere in the text, ours match the whole of it
            "pattern": f"^(?:{parameter.pattern})$" if parameter.pattern is not None else None,
        }
    )
    if parameter.multiple:
        value = _drop_none(
            {"type": "array", "items": value, "minItems": parameter.min_items, "maxItems": parameter.max_items}
        )
    if parameter.type == "file":
        value |= {"x-content-types": list(parameter.content_types), "x-max-size": parameter.max_size or FILE_SIZE}
    default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
    return value | _drop_none(
        {
            "title": parameter.title or None,
            "description": parameter.description or None,
            "default": default,
            "x-unit": parameter.unit,
            "x-ucd": parameter.ucd,
            "x-utype": parameter.utype,
        }
    )


def _drop_none(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}
