"""Files of the kernel's machine that a form may take: those of the notebook's folder, and those that Python named."""

from __future__ import annotations

import io
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

#: Entries of a folder that are listed, and folders within each other.
ENTRIES, DEPTH = 1000, 32


class NoFile(ValueError):
    """What cannot be had; one sentence for the page."""


@dataclass(frozen=True)
class Folder:
    """What is in and below ``path``, without hidden files and without links that lead out of it.

    ``given`` are files by the names of a form's parameters, wherever they are, or their content.
    """

    path: Path
    given: Mapping[str, Path | bytes] = field(default_factory=dict)

    def open(self, asked: Any) -> tuple[str, BinaryIO]:
        """Content type and content of a file, or the list of a folder as JSON.

        ``asked`` is ``{"given": name}`` or ``{"path": [part, ...]}``. Raises NoFile.
        """
        if not isinstance(asked, Mapping):
            raise NoFile("of is not a mapping")
        try:
            if "given" in asked:
                return self._given(asked["given"])
            path = self._below(asked.get("path"))
            if path.is_dir():
                return "application/json", io.BytesIO(json.dumps(self._list(path)).encode())
            return _read(path)
        except OSError as error:
            raise NoFile(f"The kernel cannot read this: {error.strerror}.") from None

    def _given(self, name: Any) -> tuple[str, BinaryIO]:
        value = self.given.get(name) if isinstance(name, str) else None
        if value is None:
            raise NoFile(f"No file was given for {name!r:.60}.")
        return ("application/octet-stream", io.BytesIO(value)) if isinstance(value, bytes) else _read(value)

    def _below(self, parts: Any) -> Path:
        if not isinstance(parts, list) or len(parts) > DEPTH:
            raise NoFile(f"path is not a list of at most {DEPTH} texts")
        for part in parts:
            # hidden files, and with them the folder above
            if not isinstance(part, str) or not part or part.startswith(".") or {"/", "\\", "\0"} & set(part):
                raise NoFile(f"path has {part!r:.60}, allowed are names of files that are not hidden")
        root = self.path.resolve()
        path = root.joinpath(*parts).resolve(strict=True)
        if not path.is_relative_to(root):
            raise NoFile(f"{'/'.join(parts)!r:.200} is a link that leads out of the notebook's folder.")
        return path

    def _list(self, path: Path) -> list[dict[str, Any]]:
        """Folders first, each by name."""
        found = []
        for entry in path.iterdir():
            is_folder = entry.is_dir()
            if not entry.name.startswith(".") and (is_folder or entry.is_file()):
                found.append({"name": entry.name, "folder": is_folder})
        return sorted(found, key=lambda each: (not each["folder"], str(each["name"]).lower()))[:ENTRIES]


def _read(path: Path) -> tuple[str, BinaryIO]:
    if not path.is_file():  # a pipe would never end
        raise NoFile(f"{path.name!r} is not a file.")
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream", path.open("rb")
