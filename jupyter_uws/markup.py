"""Small pieces of XML, escaped. Documents are built of :func:`tag`; none of them is ever parsed here."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def text(value: object) -> str:
    """``value`` as character data."""
    return escape(_NOT_XML.sub("?", str(value)))


def attributes(**values: object) -> str:
    """`` name="value"`` for each value that is not None or empty. In a name, ``_`` stands for ``:``."""
    return "".join(
        f" {name.replace('_', ':')}={quoteattr(_NOT_XML.sub('?', str(value)))}"
        for name, value in values.items()
        if value is not None and value != ""
    )


def tag(name: str, /, *children: str, **values: object) -> str:
    """An element with ready children (see :func:`text`)."""
    start = f"<{name}{attributes(**values)}"
    return f"{start}>{''.join(children)}</{name}>" if children else f"{start}/>"


def leaf(name: str, value: object | None) -> str:
    """An element with text; nothing where there is no value."""
    return "" if value is None or value == "" else tag(name, text(value))
