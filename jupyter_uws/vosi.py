"""VOSI 1.1: the documents in which a service says what it can do, and whether it can do it now."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tornado.httputil import format_timestamp

from .markup import DECLARATION, leaf, tag, text

if TYPE_CHECKING:
    from tornado.web import RequestHandler

XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CAPABILITIES = "ivo://ivoa.net/std/VOSI#capabilities"
_AVAILABILITY = "ivo://ivoa.net/std/VOSI#availability"
_STARTED = time.time()


def capabilities_document(capabilities: Iterable[str], **namespaces: str) -> str:
    """The document of ``/capabilities`` (VOSI 1.1, section 3); each of ``capabilities`` is a ready element."""
    return (
        DECLARATION
        + tag(
            "vosi:capabilities",
            "\n",
            *capabilities,
            xmlns_vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0",
            xmlns_vr="http://www.ivoa.net/xml/VOResource/v1.0",
            xmlns_vs="http://www.ivoa.net/xml/VODataService/v1.1",
            xmlns_xsi=XSI,
            **namespaces,
        )
        + "\n"
    )


def capability(standard: str, url: str, *, title: str = "", **values: str) -> str:
    """A capability with one :func:`interface`."""
    return tag("capability", leaf("description", title), interface(url, **values), standardID=standard) + "\n"


def of_itself(resource: str) -> list[str]:
    """The capabilities of telling what there is below ``resource``, and whether it is there now."""
    return [
        capability(_CAPABILITIES, f"{resource}/capabilities"),
        capability(_AVAILABILITY, f"{resource}/availability"),
    ]


def interface(url: str, **values: str) -> str:
    """Where a capability is: with ``values`` (``role``, ``version``) the base of its resources, else the resource."""
    return tag(
        "interface",
        tag("accessURL", text(url), use="full" if not values else "base"),
        xsi_type="vs:ParamHTTP",
        **values,
    )


def availability_document(reason: str | None = None, *, note: str | None = None) -> str:
    """The document of ``/availability`` (VOSI 1.1, section 5); ``reason`` is why the service is not available.

    ``note`` is what else there is to say.
    """
    return (
        DECLARATION
        + tag(
            "vosi:availability",
            leaf("vosi:available", "false" if reason else "true"),
            *(leaf("vosi:note", words) for words in (reason, note)),
            xmlns_vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0",
        )
        + "\n"
    )


def write_document(handler: RequestHandler, document: str, content_type: str = "text/xml") -> None:
    handler.set_header("Content-Type", f"{content_type}; charset=UTF-8")
    handler.write(document)


def tell_age(handler: RequestHandler, changed: float = 0.0) -> None:
    """Say when what a document tells last changed (VOSI 1.1, section 3.1): with the service, or at ``changed`` (s)."""
    handler.set_header("Last-Modified", format_timestamp(max(_STARTED, changed)))
    handler.set_header("Cache-Control", "no-cache")  # a date alone would let caches guess for how long it holds
