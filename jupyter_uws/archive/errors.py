"""What goes wrong with an archive, in words for the user."""

from __future__ import annotations


class ArchiveError(Exception):
    """An archive, a data store or a run cannot be used; the message says which one, why, and what is allowed."""
