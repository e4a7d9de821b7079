"""A job type as a service descriptor for VO tools (DataLink 1.1, section 4): where jobs are created, and from what."""

from __future__ import annotations

from ..markup import DECLARATION, attributes, leaf, tag, text
from .description import Generated, JobDescription, Parameter
from .values import text_of

_DATATYPES = {"boolean": "boolean", "integer": "long", "number": "double"}


def descriptor_document(description: JobDescription, url: str) -> str:
    """The VOTable that describes the job list at ``url``: an ``adhoc:service``, and the results its jobs give."""
    return (
        DECLARATION
        + tag(
            "VOTABLE",
            "\n",
            _results(description),
            "\n",
            service_resource(description, url),
            version="1.4",
            xmlns="http://www.ivoa.net/xml/VOTable/v1.3",
        )
        + "\n"
    )


def runs_parameter(description: JobDescription) -> Parameter | None:
    """The parameter by which a job type takes runs of the archive: one whose UCD is that of an identifier."""
    return next((parameter for parameter in description.parameters if parameter.ucd == "meta.id"), None)


def service_resource(description: JobDescription, url: str, *, field: str | None = None) -> str:
    """The job list at ``url`` as a RESOURCE, whose XML ID is the job type's name.

    ``field`` is the XML ID of a column of identifiers of runs in the same document: each of them
    is a value of the parameter that takes runs.
    """
    takes = runs_parameter(description)
    inputs = [_input(parameter, ref=field if parameter is takes else None) for parameter in description.parameters]
    return (
        tag(
            "RESOURCE",
            "\n",
            leaf("DESCRIPTION", "\n".join(filter(None, (description.title, description.description)))),
            "\n",
            _param("standardID", "ivo://ivoa.net/std/UWS#rest-1.1"),
            _param("accessURL", url),
            _param("contentType", "text/xml"),
            tag("GROUP", "\n", *inputs, name="inputParams"),
            "\n",
            type="meta",
            utype="adhoc:service",
            name=description.name,
            ID=description.name,
        )
        + "\n"
    )


def _param(name: str, value: str) -> str:
    return tag("PARAM", name=name, datatype="char", arraysize="*", value=value) + "\n"


def _input(parameter: Parameter, ref: str | None) -> str:
    datatype = _DATATYPES.get(parameter.type, "char")
    # one value of a number is one number; texts, and lists of any kind, have no fixed length
    arraysize = "*" if datatype == "char" or parameter.multiple else None
    words = ". ".join(filter(None, (parameter.title, parameter.description)))
    if parameter.type == "file":
        words = ". ".join(filter(None, (words, "A file: a part of a multipart form, or its URL")))
    words = ". ".join(filter(None, (words, _default(parameter))))
    limits = [
        *(tag("MIN", value=text_of(parameter.minimum)) for _ in "1" if parameter.minimum is not None),
        *(tag("MAX", value=text_of(parameter.maximum)) for _ in "1" if parameter.maximum is not None),
        *(tag("OPTION", value=text_of(choice)) for choice in parameter.choices or ()),
    ]
    named = attributes(
        name=parameter.name,
        datatype=datatype,
        arraysize=arraysize,
        unit=parameter.unit,
        ucd=parameter.ucd,
        utype=parameter.utype,
        ref=ref,
    )
    # an empty value is for the client to fill; one that is there would be fixed (DataLink 1.1, section 4.3)
    children = leaf("DESCRIPTION", words) + (tag("VALUES", *limits) if limits else "")
    return f'<PARAM{named} value="">{children}</PARAM>\n'


def _default(parameter: Parameter) -> str | None:
    """What the service takes where the client gives nothing, in words."""
    default = parameter.default
    if default is None or default in ("", [], ()):
        return None
    values = default if isinstance(default, list | tuple) else [default]
    return f"By default: {' '.join(map(text_of, values))}"


def _results(description: JobDescription) -> str:
    """The results a job gives, as a table: a VOTable must have one, and clients want to know."""
    fields = [
        tag("FIELD", name=name, datatype="char", arraysize="*") for name in ("name", "content_type", "description")
    ]
    rows = [_row(result) for result in description.generated]
    table = tag("TABLE", *fields, tag("DATA", tag("TABLEDATA", "\n", *rows)), name="generated")
    return tag("RESOURCE", tag("INFO", name="QUERY_STATUS", value="OK"), table, type="results")


def _row(result: Generated) -> str:
    cells = (result.name, result.content_type, result.description)
    return tag("TR", *(tag("TD", text(cell)) for cell in cells)) + "\n"
