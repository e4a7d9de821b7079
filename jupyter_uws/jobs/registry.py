"""The registry: the job types of this installation, found by entry points.

A package offers a job type by an entry point of the group ``jupyter_uws.jobs``: the entry
point's name is the job type's, its object the function that does the work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .describe import DescriptionError, describe
from .description import JobDescription

log = logging.getLogger(__name__)

GROUP = "jupyter_uws.jobs"


class Registry(Mapping[str, JobDescription]):
    """Job types by name, in alphabetical order. ``problems`` tells why others were left out."""

    def __init__(
        self, descriptions: Mapping[str, JobDescription] | None = None, problems: Mapping[str, str] | None = None
    ) -> None:
        self._descriptions = dict(sorted((descriptions or {}).items()))
        self.problems = dict(problems or {})

    @classmethod
    def of(cls, *functions: Callable[..., Any]) -> Registry:
        """A registry of just these functions."""
        return cls({description.name: description for description in map(describe, functions)})

    def __getitem__(self, name: str) -> JobDescription:
        return self._descriptions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._descriptions)

    def __len__(self) -> int:
        return len(self._descriptions)


def load_registry(group: str = GROUP) -> Registry:
    """Describe every job type found in an entry point group.

    One that cannot be imported or described is logged with the reason and left out.
    """
    return registry_of(entry_points(group=group))


def registry_of(found: Any) -> Registry:
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
    return Registry(descriptions, problems)


def _describe(entry: EntryPoint) -> JobDescription:
    return describe(entry.load(), name=entry.name)
