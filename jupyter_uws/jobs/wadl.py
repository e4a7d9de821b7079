"""A job type as WADL (Web Application Description Language, W3C submission of 2009): its resources and parameters."""

from __future__ import annotations

from ..markup import DECLARATION, leaf, tag
from .description import JobDescription, Parameter
from .values import text_of

_XSD = {
    "boolean": "xsd:boolean",
    "integer": "xsd:long",
    "number": "xsd:double",
    "string": "xsd:string",
    "file": "xsd:string",
}
_ATOMS = {
    "phase": ("PHASE", "RUN ABORT"),
    "executionduration": ("EXECUTIONDURATION", ""),
    "destruction": ("DESTRUCTION", ""),
    "quote": ("", ""),
    "owner": ("", ""),
    "error": ("", ""),
}
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


def wadl_document(description: JobDescription, root: str) -> str:
    """The WADL of a type's job list, below ``root``, the absolute URL above ``uws/``."""
    parameters = [_param(parameter) for parameter in description.parameters]
    created = [*parameters, *_control("PHASE", "RUN"), *_control("RUNID"), *_control("EXECUTIONDURATION")]
    medium = _MULTIPART if any(parameter.type == "file" for parameter in description.parameters) else _FORM
    filters = [
        _query("PHASE", "xsd:string", repeating="true"),
        _query("AFTER", "xsd:dateTime"),
        _query("LAST", "xsd:positiveInteger"),
    ]
    job_list = tag(
        "resource",
        _doc(description.title or description.name, description.description),
        _method("GET", "jobs", _request(*filters), "text/xml"),
        _method("POST", "create", _request(_representation(medium, *created)), None),
        _job(medium, parameters),
        path=description.name,
    )
    resources = tag("resources", job_list, base=f"{root}uws/")
    return (
        DECLARATION
        + tag(
            "application",
            _doc(description.title or description.name, f"Version {description.version}"),
            resources,
            xmlns="http://wadl.dev.java.net/2009/02",
            xmlns_xsd="http://www.w3.org/2001/XMLSchema",
        )
        + "\n"
    )


def _job(medium: str, parameters: list[str]) -> str:
    atoms = []
    for name, (control, options) in _ATOMS.items():
        methods = [_method("GET", name, "", "text/plain")]
        if control:
            form = _representation(_FORM, *_control(control, *options.split()))
            methods.append(_method("POST", f"set-{name}", _request(form), None))
        atoms.append(tag("resource", *methods, path=name))
    set_parameters = _method("POST", "set-parameters", _request(_representation(medium, *parameters)), None)
    return tag(
        "resource",
        tag("param", name="job-id", style="template", type="xsd:string", required="true"),
        _method("GET", "job", _request(_query("WAIT", "xsd:integer"), _query("PHASE", "xsd:string")), "text/xml"),
        _method("DELETE", "delete", "", None),
        *atoms,
        tag("resource", _method("GET", "parameters", "", "text/xml"), set_parameters, path="parameters"),
        tag("resource", _method("GET", "results", "", "text/xml"), path="results"),
        tag(
            "resource",
            tag("param", name="result", style="template", type="xsd:string", required="true"),
            _method("GET", "result", "", "*/*"),
            path="results/{result}",
        ),
        path="{job-id}",
    )


def _param(parameter: Parameter) -> str:
    unit = f" [{parameter.unit}]" if parameter.unit else ""
    default = parameter.default
    if default is not None:
        items = default if parameter.multiple else (default,)
        default = " ".join(text_of(item) for item in items)
    return tag(
        "param",
        _doc((parameter.title or parameter.name) + unit, parameter.description),
        *(tag("option", value=text_of(choice)) for choice in parameter.choices or ()),
        name=parameter.name,
        style="query",
        type=_XSD[parameter.type],
        required="true" if parameter.required else "false",
        repeating="true" if parameter.multiple else "false",
        default=default,
    )


def _control(name: str, *options: str) -> list[str]:
    choices = [tag("option", value=option) for option in options]
    return [tag("param", *choices, name=name, style="query", type="xsd:string", required="false")]


def _query(name: str, kind: str, repeating: str = "false") -> str:
    return tag("param", name=name, style="query", type=kind, required="false", repeating=repeating)


def _method(name: str, identifier: str, request: str, medium: str | None) -> str:
    """A method; one without a medium answers 303, with the address of the job or the list."""
    if medium:
        response = tag("response", tag("representation", mediaType=medium), status="200")
    else:
        location = tag("param", name="Location", style="header", type="xsd:anyURI", required="true")
        response = tag("response", location, status="303")
    return tag("method", *filter(None, (request, response)), name=name, id=identifier)


def _request(*children: str) -> str:
    return tag("request", *children)


def _representation(medium: str, *params: str) -> str:
    return tag("representation", *params, mediaType=medium)


def _doc(title: str, words: str) -> str:
    return leaf("doc", f"{title}: {words}" if words else title)
