"""Any job description as a VOTable file of OPUS; :func:`~jupyter_uws.jobs.jdl.read_jdl` gives the same again."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from .description import Generated, JobDescription, Parameter
from .jdl import EXTRA, RESOURCE, find_resource, plain_fields
from .runs import MAX_FILES
from .values import text_of

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<VOTABLE xmlns="http://www.ivoa.net/xml/VOTable/v1.3" version="1.3">\n'
_DATATYPES = {"boolean": "boolean", "integer": "long", "number": "double"}
_ROLES = {
    "Used": ("voprov:UsedDescription", "voprov:UsedDescription"),
    "Generated": ("voprov:WasGeneratedBy", "voprov:WasGeneratedByDescription"),
}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_jdl(description: JobDescription) -> str:
    """The text of the VOTable file. Raises ValueError for a description with characters that XML cannot hold."""
    plain = _document(description, {})
    extra = _missing(description, plain_fields(find_resource(plain.encode())))
    return _document(description, extra) if extra else plain


def _document(description: JobDescription, extra: dict[str, Any]) -> str:
    name = quoteattr(description.name)
    lines = [f'  <RESOURCE ID={name} name={name} type="meta" utype="{RESOURCE}">']
    lines += _description(description.description, 4)
    for key in ("doculink", "type", "subtype", "version"):
        lines.append(_text_param(key, getattr(description, key) or "", f"{RESOURCE}.{key}", 4))
    person, email = _person(description.contact or "")
    lines.append(_text_param("contact_name", person, "voprov:Agent.name", 4))
    lines.append(_text_param("contact_email", email, "voprov:Agent.email", 4))
    duration = description.execution_duration
    lines.append(_param(4, "executionDuration", duration, "int", utype="uws:Job.executionDuration"))
    if description.quote is not None:
        lines.append(_param(4, "quote", description.quote, "int", utype="uws:Job.quote"))
    if description.script:
        lines.append(_text_param("script", description.script, "", 4))
    if extra:
        lines.append(_text_param(EXTRA, json.dumps(extra), "", 4))
    files = [parameter for parameter in description.parameters if parameter.type == "file"]
    lines += _group("InputParams", [_parameter(p) for p in description.parameters if p.type != "file"])
    lines += _group("Used", [_used(parameter) for parameter in files])
    names = {parameter.name for parameter in description.parameters}
    lines += _group("Generated", [_generated(result, names) for result in description.generated])
    text = _HEAD + "\n".join([*lines, "  </RESOURCE>", "</VOTABLE>\n"])
    if bad := _NOT_XML.search(text):
        raise ValueError(f"the description holds the character {bad.group()!r}, which XML cannot hold")
    return text


def _missing(description: JobDescription, read: dict[str, Any]) -> dict[str, Any]:
    """What a description holds beyond what was read of it."""
    whole = description.model_dump(mode="json")
    extra = {
        key: value
        for key, value in whole.items()
        if key not in ("name", "parameters", "generated") and value != read.get(key, _default(JobDescription, key))
    }
    models: tuple[tuple[str, type[Parameter | Generated]], ...] = (("parameters", Parameter), ("generated", Generated))
    for key, model in models:
        known = {thing["name"]: thing for thing in read[key]}
        parts = [_more(model, thing, known[thing["name"]]) for thing in whole[key]]
        if any(len(part) > 1 for part in parts) or [part["name"] for part in parts] != list(known):
            extra[key] = parts
    return extra


def _more(model: type[Parameter | Generated], whole: dict[str, Any], read: dict[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in whole.items() if value != read.get(key, _default(model, key))}
    return {"name": whole["name"], **changed}


def _default(model: type[JobDescription | Parameter | Generated], key: str) -> Any:
    default = model.model_fields[key].default
    return list(default) if isinstance(default, tuple) else default


def _parameter(parameter: Parameter) -> list[str]:
    datatype, size = _DATATYPES.get(parameter.type, "char"), "*" if parameter.multiple else ""
    default = parameter.default
    if parameter.type == "string":
        items = [str(item) for item in default or ()] if parameter.multiple else []
        width = max(map(len, items), default=63) + 1
        # a list of texts is an array of texts of one width, padded with blanks (VOTable 1.4, section 2.2)
        size = f"{width}x*" if parameter.multiple else "*"
        value = "".join(item.ljust(width) for item in items) if parameter.multiple else str(default or "")
    elif default is None:
        value = ""
    else:
        value = " ".join(text_of(item) for item in (default if parameter.multiple else (default,)))
    # where it is not set, VOTable has it that a client must send the parameter (DataLink 1.1, section 4.1)
    optional = "" if parameter.required else "no_query"
    more = {"ucd": parameter.ucd, "unit": parameter.unit, "utype": parameter.utype, "type": optional}
    opening = _param(6, parameter.name, value, datatype, arraysize=size, ID=_identifier(parameter.name), **more)
    inner = [*_description(parameter.description, 8), *_values(parameter)]
    return [opening.removesuffix("/>") + ">", *inner, "      </PARAM>"]


def _identifier(name: str) -> str | None:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) else None


def _values(parameter: Parameter) -> list[str]:
    bounds = (("MIN", parameter.minimum), ("MAX", parameter.maximum))
    lines = [f"          <{tag} value={quoteattr(text_of(value))}/>" for tag, value in bounds if value is not None]
    lines += [f"          <OPTION value={quoteattr(text_of(choice))}/>" for choice in parameter.choices or ()]
    return ["        <VALUES>", *lines, "        </VALUES>"] if lines else []


def _used(parameter: Parameter) -> list[str]:
    least = int(parameter.required)
    if parameter.multiple:
        most = parameter.max_items
        multiplicity = f"{max(least, parameter.min_items or 0) if parameter.required else 0}..{most or '*'}"
    else:
        multiplicity = "1" if least else "0..1"
    return _entity(
        "Used",
        parameter.name,
        parameter.description,
        multiplicity=multiplicity,
        default=parameter.filename or "",
        content_type=", ".join(parameter.content_types),
        url="file://$ID",
    )


def _generated(result: Generated, parameters: set[str]) -> list[str]:
    path = (result.path or "").replace("{{", "{").replace("}}", "}")
    most = "*" if result.max_items == MAX_FILES else result.max_items
    return _entity(
        "Generated",
        result.name,
        result.description,
        multiplicity=f"{0 if result.optional else 1}..{most}",
        default=path,
        content_type=result.content_type,
        ref=result.name if result.name in parameters else None,
    )


def _entity(group: str, name: str, description: str, ref: str | None = None, **properties: str) -> list[str]:
    utype, role = _ROLES[group]
    utypes = {
        "multiplicity": f"{role}.multiplicity",
        "default": "voprov:Entity.id",
        "content_type": "voprov:EntityDescription.content_type",
        "url": "voprov:EntityDescription.url",
    }
    reference = f" ref={quoteattr(ref)}" if ref else ""
    lines = [f'      <GROUP name={quoteattr(name)} utype="{utype}"{reference}>', *_description(description, 8)]
    lines.append(_text_param("role", name, f"{role}.role", 8))
    lines += [_text_param(key, value, utypes[key], 8) for key, value in properties.items()]
    return [*lines, "      </GROUP>"]


def _group(name: str, things: list[list[str]]) -> list[str]:
    if not things:
        return [f'    <GROUP name="{name}"/>']
    return [f'    <GROUP name="{name}">', *(line for thing in things for line in thing), "    </GROUP>"]


def _description(text: str, indent: int) -> list[str]:
    return [f"{' ' * indent}<DESCRIPTION>{escape(text)}</DESCRIPTION>"] if text else []


def _text_param(name: str, value: str, utype: str, indent: int) -> str:
    return _param(indent, name, value, "char", arraysize="*", utype=utype)


def _param(indent: int, name: str, value: object, datatype: str, **more: str | None) -> str:
    attributes = {"name": name, "value": str(value), "datatype": datatype, **more}
    text = " ".join(f"{key}={quoteattr(item or '')}" for key, item in attributes.items() if item or key == "value")
    return f"{' ' * indent}<PARAM {text}/>"


def _person(contact: str) -> tuple[str, str]:
    """Name and address of ``Name <address>``; either may be missing."""
    if found := re.fullmatch(r"(.*\S)\s*<([^<>]+)>", contact):
        return found.group(1), found.group(2)
    return ("", contact) if re.fullmatch(r"\S+@\S+", contact) else (contact, "")
