"""Files that clients give for parameters: inline in a multipart form, or as a URL to be fetched.

Which parameters take files is said by the job type, as a mapping of their names to :class:`FileRule`.
A file is kept in the job folder as ``uploads/<digest>-<name>``; that path is the parameter's value.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import mimetypes
import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import TooBusy, UsageError
from .model import Job, Upload

if TYPE_CHECKING:
    from .fetch import Fetched

    #: ``await fetcher(url, target, max_size)``: see :func:`jupyter_uws.uws.fetch.fetch`.
    Fetcher = Callable[[str, Path, int], Awaitable[Fetched]]

FOLDER = "uploads"
UNKNOWN_TYPE = "application/octet-stream"
_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)

Values = dict[str, list[str]]


@dataclass(frozen=True)
class FileRule:
    """What a file parameter accepts: ``content_types`` (``image/*``; none: any), at most ``size_max`` bytes.

    With ``named`` the client gives each file a name of its own, as TAP's UPLOAD does: ``NAME,URL``, or
    ``NAME,param:PART``, several in one value with ``;`` between; the file is called so.
    """

    content_types: tuple[str, ...] = ()
    size_max: int = 100 * 1024 * 1024
    named: bool = False


@dataclass(frozen=True)
class Part:
    """A file inside a request: ``name`` is the form's, ``filename`` the client's, unchecked.

    ``content`` are the bytes, or a file with them that may be moved away; ``sha256`` is its digest then.
    """

    name: str
    filename: str
    content_type: str
    content: bytes | Path
    size: int
    sha256: str = ""

    @classmethod
    def of(cls, name: str, filename: str, content_type: str, content: bytes) -> Part:
        return cls(name, filename, content_type, content, len(content))


@dataclass(frozen=True)
class Given:
    """A file for ``parameter`` (its name in the rules): inline, or the URL where it is; ``name`` where it has one."""

    parameter: str
    source: Part | str
    name: str = ""


def sort_out(
    values: Mapping[str, Sequence[str]], parts: Sequence[Part], rules: Mapping[str, FileRule]
) -> tuple[Values, list[Given]]:
    """Part a request's values from its files.

    The value of a file parameter is a URL, or ``param:NAME`` for the part of that name (as in DALI
    and TAP); a part that has the parameter's own name needs no value. Raises UsageError
    for a file that belongs to nothing, and a value that is neither.
    """
    known = {name.lower(): name for name in rules}
    loose = {part.name.lower(): part for part in parts}
    if len(loose) < len(parts):
        raise UsageError("two files have the same name in the form; name each after its parameter, or refer to it")
    fields = {name.lower(): name for name in values}
    others: Values = {name: list(texts) for name, texts in values.items() if name.lower() not in known}
    given: list[Given] = []
    for field, texts in values.items():
        name = known.get(field.lower())
        for called, text in _texts(name, rules, texts) if name else ():
            scheme, _, rest = text.partition(":")
            if scheme.lower() == "param":
                part = loose.pop(rest.lower(), None)
                if part is None and rest.lower() in fields and fields[rest.lower()] in others:
                    # a part without a file name is a value to the parser of forms
                    part = Part.of(rest, rest, "text/plain", others.pop(fields[rest.lower()])[0].encode())
                if part is None:
                    raise UsageError(f"{name} is '{text[:60]}', but the form has no part '{rest[:60]}'")
                given.append(Given(str(name), part, called))
            elif scheme.lower() in ("http", "https"):
                given.append(Given(str(name), text, called))
            else:
                raise UsageError(
                    f"{name} is '{text[:60]}', allowed is a file: sent as a part of a multipart form, "
                    f"as param:NAME for the part NAME, or as a URL (http, https)"
                )
    for low, part in loose.items():
        if low not in known:
            takers = ", ".join(rules) or "none"
            raise UsageError(f"the file '{part.name[:60]}' belongs to no parameter; those that take files: {takers}")
        if rules[known[low]].named:
            raise UsageError(
                f"{known[low]} gives its files names: send {known[low]}=NAME,param:PART, and the part PART"
            )
        given.append(Given(known[low], part))
    return others, given


def _texts(parameter: str, rules: Mapping[str, FileRule], texts: Sequence[str]) -> list[tuple[str, str]]:
    """The names and the addresses in the values of a file parameter."""
    if not rules[parameter].named:
        return [("", text) for text in filter(None, map(str.strip, texts))]
    found: list[tuple[str, str]] = []
    # a URL may hold a ; but none is followed by a name and a comma there that would not be meant so
    for item in (item for text in texts for item in re.split(r";(?=\s*\w+\s*,)", text) if item.strip()):
        name, comma, text = item.strip().rstrip(";").partition(",")
        if not comma or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name.strip()):
            raise UsageError(
                f"{parameter} is '{item[:60]}', allowed is NAME,URL or NAME,param:PART; "
                "a name is a letter, and letters, digits and _ after it, 64 at most"
            )
        if any(name.strip().lower() == other.lower() for other, _ in found):
            raise UsageError(f"{parameter} has the name '{name.strip()}' twice")
        found.append((name.strip(), text.strip()))
    return found


async def receive(given: Sequence[Given], rules: Mapping[str, FileRule], folder: Path, fetch: Fetcher) -> list[Upload]:
    """Put the files into ``folder`` (which ends in :data:`FOLDER`): all of them, or none where one is refused.

    Raises UsageError for a file that is too large, of a wrong type or cannot be fetched, TooBusy
    where it cannot be stored.
    """
    stored: list[Upload] = []
    try:
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        for one in given:
            stored.append(await _receive(one, rules[one.parameter], folder, fetch))
    except BaseException as error:
        await asyncio.to_thread(discard, folder, stored, ())
        if isinstance(error, OSError):
            raise TooBusy(f"the file cannot be stored: {error.strerror}") from error
        raise
    return stored


async def _receive(one: Given, rule: FileRule, folder: Path, fetch: Fetcher) -> Upload:
    from .fetch import safe_name

    handle, name = tempfile.mkstemp(dir=folder, prefix=".incoming-")
    os.close(handle)
    arriving = Path(name)
    try:
        if isinstance(one.source, str):
            try:
                found = await fetch(one.source, arriving, rule.size_max)
            except UsageError as error:
                raise UsageError(f"{one.parameter}: {error}") from None
            sent, filename, size, digest = found.content_type, found.filename, found.size, found.sha256
        else:
            part, size = one.source, one.source.size
            if size > rule.size_max:
                raise UsageError(f"{one.parameter} is a file of {size} bytes, allowed are at most {rule.size_max}")
            sent, filename = part.content_type.partition(";")[0].strip().lower(), safe_name(part.filename)
            digest = await asyncio.to_thread(_store, arriving, part)
        content_type = _content_type(one.parameter, sent, filename, rule)
        filename = one.name or filename
        path = f"{FOLDER}/{digest[:12]}-{filename}"
        arriving.replace(folder.parent / path)
    finally:
        arriving.unlink(missing_ok=True)
    source = one.source if isinstance(one.source, str) else None
    return Upload(one.parameter, path, filename, content_type, size, digest, _without_query(source))


def _store(target: Path, part: Part) -> str:
    if isinstance(part.content, Path):
        shutil.move(part.content, target)
        return part.sha256
    target.write_bytes(part.content)
    return hashlib.sha256(part.content).hexdigest()


def _content_type(parameter: str, sent: str, filename: str, rule: FileRule) -> str:
    """What the file is: as it was sent, unless that says nothing or is wrong and its name says better."""
    guessed = mimetypes.guess_type(filename)[0]
    for candidate in (sent, guessed):
        if not candidate or candidate == UNKNOWN_TYPE or not _TYPE.fullmatch(candidate):
            continue
        if not rule.content_types or any(fnmatch(candidate, allowed) for allowed in rule.content_types):
            return candidate
    if sent in ("", UNKNOWN_TYPE) or not rule.content_types:
        named = [allowed for allowed in rule.content_types if "*" not in allowed]
        return named[0] if named else UNKNOWN_TYPE
    raise UsageError(f"{parameter} is a file of type '{sent[:60]}', allowed is: {', '.join(rule.content_types)}")


def _without_query(url: str | None) -> str | None:
    """A URL as it may be kept and shown: what signs one stands in its query."""
    return None if url is None else url.partition("#")[0].partition("?")[0]


def accumulated(
    job: Job, values: Mapping[str, Sequence[str]], uploads: Sequence[Upload], rules: Mapping[str, FileRule]
) -> tuple[Values, list[Upload]]:
    """New values and files, with the named files that the job has already: they add up (TAP 1.1, section 2.7.6).

    A new file takes the place of one of its name.
    """
    named = {name for name, rule in rules.items() if rule.named}
    sent = {(new.parameter, new.filename.lower()) for new in uploads if new.parameter in named}
    more = {parameter for parameter, _ in sent}
    kept = [old for old in job.uploads if old.parameter in more and (old.parameter, old.filename.lower()) not in sent]
    added = {name: list(texts) for name, texts in values.items()}
    for old in reversed(kept):
        added[old.parameter].insert(0, old.path)
    return added, [*kept, *uploads]


def discard(folder: Path, uploads: Collection[Upload], kept: Collection[Upload]) -> None:
    """Remove the files of ``uploads`` that none of ``kept`` needs, and the folders where nothing is left."""
    needed = {upload.path for upload in kept}
    with contextlib.suppress(OSError):
        for upload in uploads:
            if upload.path not in needed:
                (folder.parent / upload.path).unlink(missing_ok=True)
        folder.rmdir()  # only where they are empty
        folder.parent.rmdir()


def files_of(job: Job, parameter: str) -> list[Upload]:
    """The files of a parameter, in the order of its values."""
    by_path = {upload.path: upload for upload in job.uploads if upload.parameter.lower() == parameter.lower()}
    values = next((values for name, values in job.parameters.items() if name.lower() == parameter.lower()), [])
    return [by_path[value] for value in values if value in by_path]
