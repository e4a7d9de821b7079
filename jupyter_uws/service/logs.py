"""What the service writes down: lines for people, or JSON objects for programs that gather logs."""

from __future__ import annotations

import json
import logging
import sys
from collections import OrderedDict
from datetime import UTC, datetime

from ..uws.model import Job
from ..uws.phases import Phase

logger = logging.getLogger(__name__)

#: What a record may carry beside its message, by ``extra``.
FIELDS = ("owner", "job_id", "job_type", "phase", "run", "status", "method", "path", "milliseconds")

#: Jobs whose phase is known; of others the first change is written down, whatever it is.
KNOWN = 20_000


class JsonFormatter(logging.Formatter):
    """One JSON object for each record, on one line: ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``.

    Beside them those of ``FIELDS`` that it has, and ``exception``, the traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: vars(record)[name] for name in FIELDS if name in vars(record)},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(*, as_json: bool, verbose: bool) -> None:
    """To stderr; with ``verbose`` every request."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if as_json else text)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    if not verbose:
        # a dozen lines at the first job that tell an operator nothing
        logging.getLogger("distributed").setLevel(logging.WARNING)


class JobLog:
    """Follows the jobs and writes down each change of a phase, with job and owner."""

    def __init__(self) -> None:
        self._phases: OrderedDict[str, tuple[Phase, int]] = OrderedDict()

    def changed(self, job: Job) -> None:
        now = (job.phase, job.run)
        if self._phases.get(job.job_id) == now:
            return
        self._phases[job.job_id] = now
        self._phases.move_to_end(job.job_id)
        if len(self._phases) > KNOWN:
            self._phases.popitem(last=False)
        self._say(job, job.phase.value)

    def deleted(self, job: Job) -> None:
        self._phases.pop(job.job_id, None)
        self._say(job, "deleted")

    def _say(self, job: Job, what: str) -> None:
        known = {"owner": job.owner, "job_id": job.job_id, "job_type": job.job_type, "phase": what, "run": job.run}
        logger.info("job %s: %s", job.job_id, what, extra=known)
