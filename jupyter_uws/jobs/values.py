"""The rules for one value of a parameter: from text to a Python value and back, and what is allowed.

Every rule is a plain function; each problem is a :class:`ValueError` whose message finishes the
sentence "<name> <message>".
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from . import patterns

if TYPE_CHECKING:
    from .description import Parameter

Value = bool | int | float | str

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_WORDS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}
#: Not allowed in XML 1.0 documents, which is where parameters are shown (UWS 1.1, section 2.1.11).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER_LIMIT = 2**63
# Where the service keeps what a client sent for a file parameter, below the job folder.
_UPLOAD = re.compile(r"uploads/[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]{0,254}")


def shown(value: object, length: int = 60) -> str:
    """A value as error messages show it: quoted, control characters escaped, shortened."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= length else text[: length - 1] + "…")


def parse(parameter: Parameter, text: str) -> Value:
    """Turn the text of one value (one item of a list) into its Python value, and check it.

    Integers may be written as any number without a fraction (``4``, ``4.0``, ``1e3``); numbers
    are plain decimal numbers: no nan, no inf, no unit. Booleans: true/false, yes/no, on/off, 1/0.
    """
    value: Value
    match parameter.type:
        case "boolean":
            value = _boolean(text)
        case "integer":
            value = _integer(text, parameter)
        case "number":
            value = _number(text, parameter)
        case "string" | "file":
            value = text
    check(parameter, value)
    return value


def text_of(value: Value) -> str:
    """The one way a value is written; ``parse`` reads it back exactly."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def check(parameter: Parameter, value: object) -> None:
    """Check a Python value against type, bounds, choices and pattern.

    The value of a file is its path below the job folder, given by the service; what is in the file is
    not looked at.

    Raises
    ------
    ValueError
        Saying what the value is and what is allowed.
    """
    match parameter.type:
        case "boolean":
            if not isinstance(value, bool):
                raise ValueError(f"is {shown(value)}, allowed is true or false")
        case "integer" | "number":
            _check_number(parameter, value)
        case "string":
            _check_string(parameter, value)
        case "file":
            if not isinstance(value, str) or not _UPLOAD.fullmatch(value):
                raise ValueError(f"is {shown(value)}, allowed is a file: send it with the request, or its URL")
    if parameter.choices is not None and value not in parameter.choices:
        allowed = ", ".join(str(choice) for choice in parameter.choices)
        raise ValueError(f"is {shown(value)}, allowed is one of: {allowed}")


def bounds(parameter: Parameter) -> str:
    """The allowed range in words, empty where there is none: ``0 to 360 deg``."""
    low, high = parameter.minimum, parameter.maximum
    unit = f" {parameter.unit}" if parameter.unit else ""
    if low is not None and high is not None:
        return f"{text_of(low)} to {text_of(high)}{unit}"
    if low is not None:
        return f"at least {text_of(low)}{unit}"
    if high is not None:
        return f"at most {text_of(high)}{unit}"
    return ""


def _boolean(text: str) -> bool:
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise ValueError(f"is {shown(text)}, allowed is true or false") from None


def _number(text: str, parameter: Parameter) -> float:
    # 1e999 is a number by its form, but none that a float can hold
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(f"is {shown(text)}, {_wanted('a number', parameter)}")
    return float(text)


def _integer(text: str, parameter: Parameter) -> int:
    try:
        # Decimal: a float would lose the last digits of large integers
        number = Decimal(text) if _NUMBER.fullmatch(text) else None
    except InvalidOperation:
        number = None
    if number is None or not abs(number) < _INTEGER_LIMIT or number != int(number):
        raise ValueError(f"is {shown(text)}, {_wanted('an integer', parameter)}")
    return int(number)


def _wanted(kind: str, parameter: Parameter) -> str:
    allowed = bounds(parameter)
    if allowed:
        return f"allowed is {kind}, {allowed}" + (" (without its unit)" if parameter.unit else "")
    return f"allowed is {kind}" + (f" in {parameter.unit} (without its unit)" if parameter.unit else "")


def _check_number(parameter: Parameter, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int if parameter.type == "integer" else int | float):
        kind = "an integer" if parameter.type == "integer" else "a number"
        raise ValueError(f"is {shown(value)}, {_wanted(kind, parameter)}")
    if not math.isfinite(value):
        raise ValueError(f"is {shown(value)}, allowed is a finite number")
    low, high = parameter.minimum, parameter.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise ValueError(f"is {text_of(value)}, allowed is {bounds(parameter)}")


def _check_string(parameter: Parameter, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"is {shown(value)}, allowed is a text")
    if bad := _NOT_XML.search(value):
        raise ValueError(f"is {shown(value)}, the character {bad.group()!r} is not allowed")
    if parameter.pattern is not None and not patterns.matches(parameter.pattern, value):
        raise ValueError(f"is {shown(value)}, allowed is what matches {parameter.pattern}")
