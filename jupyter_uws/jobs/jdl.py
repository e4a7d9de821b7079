"""Job descriptions of OPUS (the UWS server of the Observatoire de Paris): VOTable files.

One RESOURCE describes a job (``utype="voprov:ActivityDescription"``): its PARAMs are properties of
the job, its groups InputParams, Used and Generated what it takes and gives. An input of the group
Used is a file parameter here. Scripts of older files stand beside them, as ``<job>.sh``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .context import guess_content_type
from .describe import DescriptionError, culprit
from .description import JobDescription
from .runs import MAX_FILES
from .xml_tree import Element, XMLError, parse

RESOURCE = "voprov:ActivityDescription"
#: The PARAM for what VOTable has no place for, as JSON; OPUS passes over it.
EXTRA = "jupyter_uws"
FILE_XTYPE = "application/octet-stream"
DURATION_MAX = 86400

_TYPES = {
    "boolean": "boolean",
    "unsignedByte": "integer",
    "short": "integer",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "char": "string",
    "unicodeChar": "string",
    "file": "file",
}
_RANGES = {"unsignedByte": (0, 255), "short": (-(2**15), 2**15 - 1)}
_RENAMED = {"execution_duration": "executionDuration"}
_MULTIPLICITY = re.compile(r"(?:(\d{1,4})\.\.)?(\d{1,4}|\*)")
_WILDCARD = re.compile(r"[*?\[]")


class _LineError(ValueError):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_jdl(path: Path, document: bytes) -> JobDescription:
    """The description in a VOTable file.

    Raises
    ------
    DescriptionError
        Naming file, line and reason.
    """
    try:
        resource = find_resource(document)
        fields = plain_fields(resource)
        if not any(fields.get(way) for way in ("script", "entry_point", "command")):
            fields["script"] = _script_beside(path, fields["name"])
        return JobDescription.model_validate(_with_extra(resource, fields))
    except (_LineError, XMLError) as error:
        raise DescriptionError(f"{path}, line {error.line}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        line, where = _place(resource, fields, first["loc"] or culprit(reason))
        where = where if first["loc"] else ""
        raise DescriptionError(f"{path}, line {line}: {f'{where}: ' if where else ''}{reason}") from None


def find_resource(document: bytes) -> Element:
    """The RESOURCE of a document that describes a job."""
    root = parse(document)
    if root.tag != "VOTABLE":
        raise _LineError(f"its root is {root.tag}, not VOTABLE", root.line)
    found = [element for element in root.all("RESOURCE") if element.get("utype") == RESOURCE]
    if len(found) != 1:
        raise _LineError(
            f"it has {len(found)} elements RESOURCE with the utype {RESOURCE}; it must have one", root.line
        )
    return found[0]


def plain_fields(resource: Element) -> dict[str, Any]:
    """The fields of a description, without those that only the PARAM ``jupyter_uws`` can tell."""
    fields: dict[str, Any] = {"name": (resource.get("name") or resource.get("ID")).lower()}
    if description := _description(resource):
        fields["description"] = description
    if link := resource.find("LINK"):
        fields["doculink"] = link.get("href")
    properties = {param.get("name"): param for param in resource.all("PARAM")}
    for name in ("doculink", "type", "subtype", "version"):
        if name in properties and (text := properties[name].get("value").strip()):
            fields[name] = text
    if contact := _contact(*(_value(properties.get(name)) for name in ("contact_name", "contact_email"))):
        fields["contact"] = contact
    for name, key in (("executionDuration", "execution_duration"), ("quote", "quote")):
        if (param := properties.get(name)) and _value(param):
            fields[key] = _integer(param)
    if (duration := fields.get("execution_duration", 0)) > DURATION_MAX:
        fields["execution_duration_max"] = duration
    if (param := properties.get("script")) and param.get("value").strip():
        fields["script"] = param.get("value").replace("\r\n", "\n").replace("\r", "\n")
    groups = {group.get("name"): group for group in resource.all("GROUP")}
    parameters = [_parameter(param) for param in _children(groups, "InputParams", "PARAM")]
    for group in _children(groups, "Used", "GROUP"):
        _merge(parameters, _used(group))
    names = {parameter["name"] for parameter in parameters}
    fields["parameters"] = parameters
    fields["generated"] = [_generated(group, names) for group in _children(groups, "Generated", "GROUP")]
    return fields


def _children(groups: dict[str, Element], group: str, tag: str) -> list[Element]:
    return list(groups[group].all(tag)) if group in groups else []


def _value(param: Element | None) -> str:
    return "" if param is None else param.get("value").strip()


def _description(element: Element) -> str:
    found = element.find("DESCRIPTION")
    return "" if found is None else found.text.strip()


def _contact(name: str, email: str) -> str:
    return f"{name} <{email}>" if name and email else name or email


def _integer(param: Element) -> int:
    try:
        return int(_value(param))
    except ValueError:
        raise _LineError(f"{param.get('name')} is {_value(param)!r}, not a whole number", param.line) from None


def _parameter(param: Element) -> dict[str, Any]:
    datatype = "file" if param.get("xtype") == FILE_XTYPE else param.get("datatype", "char")
    if datatype not in _TYPES:
        known = ", ".join(_TYPES)
        raise _LineError(f"{param.get('name')}: datatype {datatype!r} is not one of {known}", param.line)
    kind = _TYPES[datatype]
    fields: dict[str, Any] = {"name": param.get("name") or param.get("ID"), "type": kind}
    size = param.get("arraysize", "1").strip()
    if kind != "file" and ("x" in size if kind == "string" else size != "1"):
        fields["multiple"] = True
    fields |= {key: param.get(key) for key in ("unit", "ucd", "utype") if param.get(key)}
    if description := _description(param):
        fields["description"] = description
    if datatype in _RANGES:
        fields["minimum"], fields["maximum"] = _RANGES[datatype]
    if values := param.find("VALUES"):
        for tag, key in (("MIN", "minimum"), ("MAX", "maximum")):
            if (bound := values.find(tag)) and bound.get("value"):
                if bound.get("inclusive", "yes") != "yes":
                    raise _LineError(f"{fields['name']}: a bound that is not inclusive cannot be kept", bound.line)
                fields[key] = _typed("number", bound.get("value"), bound)
        if options := [_typed(kind, option.get("value"), option) for option in values.all("OPTION")]:
            fields["choices"] = options
    text = param.get("value") if kind == "string" and "multiple" not in fields else _value(param)
    if text and kind != "file":
        items = [_typed(kind, item, param) for item in text.split()] if "multiple" in fields else None
        fields["default"] = _typed(kind, text, param) if items is None else items
    elif param.get("type") != "no_query":
        fields["required"] = True
    return fields


def _typed(kind: str, text: str, element: Element) -> Any:
    try:
        match kind:
            case "boolean":
                return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}[text.lower()]
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case _:
                return text
    except (KeyError, ValueError):
        where = element.get("name", element.tag)
        raise _LineError(f"{where}: {text!r} is not a value of type {kind}", element.line) from None


def _used(group: Element) -> dict[str, Any]:
    """A file parameter from a group of Used."""
    properties = {param.get("name"): _value(param) for param in group.all("PARAM")}
    least, most = _multiplicity(group, properties, 1)
    fields: dict[str, Any] = {"name": group.get("name"), "type": "file"}
    if least:
        fields["required"] = True
    if most != 1:
        fields["multiple"] = True
        fields |= {key: value for key, value in (("min_items", least), ("max_items", most)) if value}
    if description := _description(group):
        fields["description"] = description
    if content_types := re.split(r"[\s,]+", properties.get("content_type", "").strip()):
        fields["content_types"] = [content_type for content_type in content_types if content_type]
    if filename := properties.get("default"):
        fields["filename"] = filename
    if not fields.get("content_types"):
        fields.pop("content_types", None)
    return fields


def _merge(parameters: list[dict[str, Any]], used: dict[str, Any]) -> None:
    """A used file takes the place of the PARAM of its name, which told of it in the form."""
    for number, parameter in enumerate(parameters):
        if parameter["name"] == used["name"]:
            words: dict[str, Any] = {key: parameter[key] for key in ("description", "ucd", "utype") if key in parameter}
            parameters[number] = words | used
            return
    parameters.append(used)


def _generated(group: Element, parameters: set[str]) -> dict[str, Any]:
    properties = {param.get("name"): _value(param) for param in group.all("PARAM")}
    name = group.get("name")
    path = properties.get("default", "")
    reference = group.get("ref") or name
    fields: dict[str, Any] = {"name": name}
    if reference in parameters:  # the observer names the file
        fields["path"] = f"{{{reference}}}"
    elif path:
        fields["path"] = path.replace("{", "{{").replace("}", "}}")
    least, most = _multiplicity(group, properties, None if _WILDCARD.search(path) else 1)
    if not least:
        fields["optional"] = True
    if most is not None:
        fields["max_items"] = min(most, MAX_FILES)
    fields["content_type"] = properties.get("content_type") or guess_content_type(path)
    if description := _description(group):
        fields["description"] = description
    return fields


def _multiplicity(group: Element, properties: dict[str, str], usual: int | None) -> tuple[int, int | None]:
    """Least and most number of files (Provenance DM 1.0, UsageDescription.multiplicity): ``1``, ``0..1``, ``*``."""
    text = properties.get("multiplicity", "")
    if not text:
        return 1, usual
    found = _MULTIPLICITY.fullmatch(text.replace(" ", ""))
    if not found:
        wrong = f"{group.get('name')}: multiplicity {text!r} is not of the form 1, 0..1, * or 1..*"
        raise _LineError(wrong, group.line)
    least, most = found.groups()
    if most == "*":
        return int(least or 0), None
    return int(least if least is not None else most), max(int(most), 1)


def _script_beside(path: Path, name: str) -> str:
    """The script of a job in the file ``<job>.sh`` beside ``path``; empty where there is none."""
    for stem in (path.name.removesuffix(".xml").removesuffix("_vot"), name):
        script = path.with_name(f"{stem}.sh")
        if script.is_file():
            return script.read_text(encoding="utf-8").replace("\r\n", "\n")
    return ""


def _with_extra(resource: Element, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with what the PARAM ``jupyter_uws`` tells beside them."""
    param = next((param for param in resource.all("PARAM") if param.get("name") == EXTRA), None)
    if param is None:
        return fields
    try:
        extra = json.loads(param.get("value"))
        parts = {key: _overlay(fields[key], extra.pop(key)) for key in ("parameters", "generated") if key in extra}
        return {**fields, **extra, **parts}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _LineError(f"the PARAM {EXTRA} cannot be used: {error!r}", param.line) from None


def _overlay(plain: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Things with more fields, in the order of ``more``; a thing that is not in the VOTable is not made."""
    known = {thing["name"]: thing for thing in plain}
    fields = [{**known.pop(thing["name"]), **thing} for thing in more if thing["name"] in known]
    return [*fields, *known.values()]


def _place(resource: Element, fields: dict[str, Any], place: Sequence[int | str]) -> tuple[int, str]:
    """The line of a place in the model, and what it is called in the file."""
    if len(place) >= 2 and place[0] in ("parameters", "generated"):
        name = fields[place[0]][place[1]]["name"] if isinstance(place[1], int) else place[1]
        groups = ("Generated",) if place[0] == "generated" else ("InputParams", "Used")
        for group in (group for group in resource.all("GROUP") if group.get("name") in groups):
            for child in group.children:
                if child.get("name") == name:
                    return child.line, ".".join([name, *(str(part) for part in place[2:])])
    for param in resource.all("PARAM"):
        if place and param.get("name") in (place[0], _RENAMED.get(str(place[0]))):
            return param.line, str(place[0])
    return resource.line, ".".join(str(part) for part in place)
