"""What became of a run whose worker or supervisor died, and the end of what they left running.

Asked by the worker (its supervisor died), by the reaper (its worker died) and by the service (all of
them died, or it was itself started anew). Standard library only.
"""

from __future__ import annotations

import contextlib
import os

from .folder import Event, JobFolder, now
from .processes import end, of_job, start_time
from .supervisor import lost


def aftermath(folder: JobFolder, run: int, reason: str) -> Event | None:
    """The last word on a run; None while its supervisor lives and may still say it.

    None as well where another host has to tell. A run that nobody has begun is forbidden for ever, by
    its marker, and the word is ``never``: another run may be begun safely.
    """
    if word := folder.last_word(run):
        return word
    mark = folder.begun(run)
    if mark is None:
        try:
            folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.begin(run, {"void": True}):
                return {"event": "never"}
        except OSError as error:
            return bury(folder, run, f"{reason}, and the job folder cannot be used: {error.strerror}")
        return None
    if mark.get("void"):
        return {"event": "never"}
    if mark.get("host") != os.uname().nodename:
        return None
    if start_time(mark["supervisor"]) == mark["supervisor_start"]:
        return None
    return bury(folder, run, reason)


def bury(folder: JobFolder, run: int, reason: str, session: int | None = None) -> Event:
    """End what is left of a run on this host and say its last word: ``lost``, if nobody said another.

    ``session`` is the pid of the job's first process, given only by who knows that it was not used
    again for another process since.
    """
    gone = end(lambda: of_job(folder.path, session))
    folder.forget_keys()
    if word := folder.last_word(run):
        return word
    word = {"run": run, "time": now(), **lost(reason)}
    if not gone:
        word["left"] = of_job(folder.path, session)
    with contextlib.suppress(OSError):  # a full disk or no folder: the word is still true
        folder.append(word)
    return word


def failed(message: str, *, transient: bool = False) -> Event:
    """The last word on a run that was not even begun."""
    return {
        "event": "failed",
        "time": now(),
        "error": {"message": message, "type": "transient" if transient else "fatal"},
    }
