"""Regular expressions whose time grows with the length of the text only: no value can hang the service.

The engine is Rust's, which comes with pydantic: Python's syntax without look-around and
back-references, which no engine can match in bounded time.
"""

from __future__ import annotations

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

#: Longest pattern, in characters.
MAX_LENGTH = 1000


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> SchemaValidator:
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    try:
        # alone first: "a)|(b" would be well-formed between our brackets only
        SchemaValidator(core_schema.str_schema(pattern=pattern))
        return SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{pattern})\z", strict=True))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ValueError(reason.removeprefix("error: ").removeprefix("SchemaError: ")) from None


def check(pattern: str) -> None:
    """Raise ValueError, with the reason, where ``pattern`` is not a regular expression or too large."""
    _compiled(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of ``text`` matches."""
    return _compiled(pattern).isinstance_python(text)
