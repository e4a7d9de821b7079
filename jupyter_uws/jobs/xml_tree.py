"""XML as a small tree that knows its lines. Read by defusedxml: no DTD, no entities, nothing is fetched."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler

import defusedxml.sax
from defusedxml.common import DefusedXmlException

#: Deepest nesting of elements.
MAX_DEPTH = 50


@dataclass
class Element:
    """An element: ``tag`` without its namespace, attributes, text of its own, children, and its line."""

    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def find(self, tag: str) -> Element | None:
        return next(self.all(tag), None)

    def all(self, tag: str) -> Iterator[Element]:
        return (child for child in self.children if child.tag == tag)

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)


class XMLError(ValueError):
    """The text is not XML, or XML that is refused; ``line`` is where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Builder(ContentHandler):
    def __init__(self) -> None:
        super().__init__()
        self.root: Element | None = None
        self._open: list[Element] = []

    def startElement(self, name: str, attrs: Any) -> None:
        line = self._locator.getLineNumber() or 1  # type: ignore[attr-defined]
        if len(self._open) >= MAX_DEPTH:
            raise XMLError(f"its elements are nested deeper than {MAX_DEPTH}", line)
        element = Element(name.rpartition(":")[2], dict(attrs.items()), line)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def endElement(self, name: str) -> None:
        self._open.pop()

    def characters(self, content: str) -> None:
        self._open[-1].text += content


def parse(document: bytes) -> Element:
    """The root of a document. Raises XMLError."""
    builder = _Builder()
    try:
        defusedxml.sax.parse(io.BytesIO(document), builder, forbid_dtd=True)
    except SAXParseException as error:
        raise XMLError(f"it is not XML: {error.getMessage()}", error.getLineNumber() or 1) from None
    except DefusedXmlException as error:
        raise XMLError(f"it is refused: {type(error).__name__}, it may have no DTD and no entities", 1) from None
    except (UnicodeError, LookupError) as error:
        raise XMLError(f"it is not XML: {error}", 1) from None
    if builder.root is None:
        raise XMLError("it is empty", 1)
    return builder.root
