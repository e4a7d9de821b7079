"""The registry: the job types of this installation, found by entry points and in folders.

A package offers a job type by an entry point of the group ``jupyter_uws.jobs``: the entry
point's name is the job type's, its object the function that does the work. Other job types are
described by files (:mod:`jupyter_uws.jobs.files`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from .describe import DescriptionError, describe
from .description import JobDescription
from .files import DescriptionFiles

log = logging.getLogger(__name__)

GROUP = "jupyter_uws.jobs"


class Registry(Mapping[str, JobDescription]):
    """Job types by name, in alphabetical order, as the installation and the ``files`` have them at present.

    ``problems`` tells why others were left out: by the name of the entry point, or by the file.
    """

    def __init__(
        self,
        descriptions: Mapping[str, JobDescription] | None = None,
        problems: Mapping[str, str] | None = None,
        files: DescriptionFiles | None = None,
    ) -> None:
        self._installed = dict(descriptions or {})
        self._installed_problems = dict(problems or {})
        self._files = files
        self._sources: dict[str, str] = {}
        self._descriptions: dict[str, JobDescription] = {}
        self._problems: dict[str, str] = {}
        self._merge()

    @classmethod
    def of(cls, *functions: Callable[..., Any]) -> Registry:
        """A registry of just these functions."""
        return cls({description.name: description for description in map(describe, functions)})

    @property
    def problems(self) -> dict[str, str]:
        self._look()
        return dict(self._problems)

    def source(self, name: str) -> str:
        """Where a job type is described: the function, or the file."""
        return self._sources[name]

    def _look(self) -> None:
        if self._files is not None and self._files.look():
            self._merge()

    def _merge(self) -> None:
        descriptions = dict(self._installed)
        problems = dict(self._installed_problems)
        sources = {name: description.entry_point for name, description in descriptions.items()}
        if self._files is not None:
            problems |= {str(path): reason for path, reason in self._files.problems.items()}
            for path, description in self._files.descriptions.items():
                if (name := description.name) in descriptions:
                    problems[str(path)] = f"{path}: the job type {name!r} is described by {sources[name]} already"
                else:
                    descriptions[name], sources[name] = description, str(path)
        self._descriptions = dict(sorted(descriptions.items()))
        self._problems = problems
        self._sources = sources

    def __getitem__(self, name: str) -> JobDescription:
        self._look()
        return self._descriptions[name]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(list(self._descriptions))

    def __len__(self) -> int:
        self._look()
        return len(self._descriptions)


def load_registry(group: str = GROUP, folders: Sequence[Path] = (), also: Mapping[str, str] | None = None) -> Registry:
    """Describe every job type found in an entry point group and in ``folders``, the first of which win.

    ``also`` are other functions by the name of the type, as ``module:function``.
    One that cannot be imported or described is logged with the reason and left out.
    """
    found = [*entry_points(group=group), *(EntryPoint(name, value, group) for name, value in (also or {}).items())]
    return registry_of(found, DescriptionFiles(folders) if folders else None)


def registry_of(found: Any, files: DescriptionFiles | None = None) -> Registry:
    """A registry from entry points: an iterable of :class:`importlib.metadata.EntryPoint`."""
    descriptions: dict[str, JobDescription] = {}
    problems: dict[str, str] = {}
    for entry in found:
        try:
            description = _describe(entry)
            if (other := descriptions.get(entry.name)) and other != description:
                raise DescriptionError(f"{entry.value} and {other.entry_point} both claim the name {entry.name!r}")
        except Exception as error:
            # somebody else's package may raise anything at its import
            reason = str(error) if isinstance(error, DescriptionError) else f"{type(error).__name__}: {error}"
            log.warning("job type %s is left out: %s", entry.name, reason)
            problems[entry.name] = reason
        else:
            descriptions[entry.name] = description
    return Registry(descriptions, problems, files)


def _describe(entry: EntryPoint) -> JobDescription:
    return describe(entry.load(), name=entry.name)
