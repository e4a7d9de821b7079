"""What Grid Engine says of allocations from which no worker has come (yet): asked in one call for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import defusedxml.ElementTree as ElementTree
from defusedxml import DefusedXmlException

from .allocation import State
from .batch import CommandError, call

#: Seconds Grid Engine may take to answer.
TIMEOUT = 10.0
#: Characters of a reason that are kept: there is one for each queue.
REASON = 300

GONE = State("GONE", "Grid Engine does not know it any more", over=True)


async def look(job_ids: Sequence[str]) -> dict[str, State]:
    """The state of each allocation. Raises CommandError where Grid Engine cannot be asked."""
    text = await call(["qstat", "-j", ",".join(job_ids), "-xml"], timeout=TIMEOUT)
    found = _read(text)
    return {job_id: found.get(job_id, GONE) for job_id in job_ids}


def _read(text: str) -> dict[str, State]:
    """The states in what qstat prints. Raises CommandError."""
    if "<unknown_jobs" in text:  # it knows none of them; not all versions write XML here
        return {}
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, DefusedXmlException):
        raise CommandError(f"qstat cannot be understood: {text[:REASON]}") from None
    if root.tag != "detailed_job_info":  # an error: the exit status is 0 all the same
        raise CommandError(root.findtext("AN_text") or f"qstat cannot be understood: {text[:REASON]}")
    # the scheduler's words on all jobs, the last of which sums up, and on each; not of queues that it did not ask for
    for_all = [each.text or "" for each in root.iterfind("messages/element/SME_global_message_list//MES_message")][-1:]
    reasons: dict[str, list[str]] = {}
    for message in root.iterfind("messages/element/SME_message_list/element"):
        words = message.findtext("MES_message", "")
        for number in message.iterfind("MES_job_number_list//ULNG_value"):
            if "not contained in its hard queue list" not in words:
                reasons.setdefault(number.text or "", []).append(words)
    found = {}
    for job in root.iterfind("djob_info/element"):
        job_id = job.findtext("JB_job_number", "")
        if any(status.text != "0" for status in job.iterfind("JB_ja_tasks//JAT_status")):
            found[job_id] = State("running")
        elif errors := [each.text or "" for each in job.iterfind("JB_ja_tasks//QIM_message")]:
            # it stays so until someone clears the error by hand
            found[job_id] = State("in error state", errors[-1][:REASON], over=True)
        else:
            found[job_id] = State("pending", "; ".join([*reasons.get(job_id, ()), *for_all])[:REASON], pending=True)
    return found
