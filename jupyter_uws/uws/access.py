"""Who may do what with a job: the one place where that is decided."""

from __future__ import annotations

from typing import Literal

from .errors import NotAllowed
from .model import Job

#: ``see``: read the job and all below it. ``stop``: abort or delete it. ``change``: everything else.
Act = Literal["see", "stop", "change"]


def check_access(job: Job, caller: str, is_admin: bool, act: Act) -> None:
    """Raise :class:`NotAllowed` unless ``caller`` may ``act`` on the job (UWS 1.1, sections 2.2 and 4).

    An owner may do everything with a job. An administrator may see and stop those of others, but
    neither start nor change them: what runs under an owner's name is what this owner asked for.
    """
    if job.owner == caller:
        return
    if not is_admin:
        raise NotAllowed(f"the job '{job.job_id}' belongs to somebody else")
    if act == "change":
        raise NotAllowed(f"the job '{job.job_id}' is of '{job.owner}': an administrator may see, abort and delete it")
