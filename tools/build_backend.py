"""The build backend (PEP 517, PEP 660): setuptools, with the front end built before it starts.

Before, because setuptools expands the globs of ``[options.data_files]`` when it reads setup.cfg.
And setuptools leaves data files out of editable wheels: without them JupyterLab and the Jupyter
server would not know the extensions after ``pip install -e .``, so they are added here.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import get_requires_for_build_sdist as _requires_for_sdist
from setuptools.build_meta import get_requires_for_build_wheel as _requires_for_wheel
from setuptools.build_meta import prepare_metadata_for_build_editable, prepare_metadata_for_build_wheel

import frontend

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = dict[str, Any] | None


def _node() -> list[str]:
    """Node as a build requirement, only where it is needed and not there."""
    if frontend.is_built() or frontend.system_node():
        return []
    return [frontend.NODE_REQUIREMENT]


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return [*_requires_for_wheel(config_settings), *_node()]


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    return [*_requires_for_sdist(config_settings), *_node()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return [*build_meta.get_requires_for_build_editable(config_settings), *_node()]


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    frontend.build()
    name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    frontend.build()
    name: str = build_meta.build_sdist(sdist_directory, config_settings)
    return name


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    frontend.build()
    name: str = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    _add_data_files(Path(wheel_directory) / name)
    return name


def _data_files() -> list[tuple[Path, str]]:
    """The files of ``[options.data_files]`` with the names they have below the environment's prefix."""
    config = ConfigParser(interpolation=None)
    config.optionxform = str  # type: ignore[assignment,method-assign]  # folders keep their case
    config.read(frontend.ROOT / "setup.cfg", encoding="utf-8")
    found = []
    for folder, patterns in config["options.data_files"].items():
        for pattern in patterns.split():
            paths = sorted(path for path in frontend.ROOT.glob(pattern) if path.is_file())
            found += [(path, f"{folder}/{path.name}") for path in paths]
    return found


def _add_data_files(wheel: Path) -> None:
    """Write the data files into a finished wheel, and its RECORD anew."""
    with zipfile.ZipFile(wheel) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    record = next(name for name in members if name.endswith(".dist-info/RECORD"))
    data = record.removesuffix(".dist-info/RECORD") + ".data/data"
    lines = members.pop(record).decode().splitlines()
    for path, name in _data_files():
        content = path.read_bytes()
        members[f"{data}/{name}"] = content
        checksum = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{data}/{name},sha256={checksum},{len(content)}")
    members[record] = ("\n".join(lines) + "\n").encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
