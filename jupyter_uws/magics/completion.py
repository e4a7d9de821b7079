"""Completion for the magics: commands, services, tables, columns, job types, parameters, job ids.

What it offers is asked of the service and kept for a minute; where the service is slow or away, nothing is offered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from ..client import ClientError, Connection, JobService

#: Seconds for which an answer is kept, and for which one is waited for.
KEPT, PATIENCE = 60.0, 2.0
#: Ids of jobs that are offered.
JOBS = 50
#: Most tables and columns that are asked for.
COLUMNS = 5000

UWS_COMMANDS = ("list", "types", "run", "job", "show", "wait", "log", "abort", "delete", "rerun")
ARCHIVE_COMMANDS = ("search", "basket", "baskets")
SEARCH_OPTIONS = ("radius", "targets", "time", "energy", "collection", "maxrec", "name")
JOB_OPTIONS = ("--name", "--run-id", "--after", "--wait")
REMOTE_OPTIONS = ("--inputs", "--outputs", "--cores", "--memory", "--python", "--no-wait")
WITH_TYPE, WITH_JOB = ("run", "job"), ("show", "wait", "log", "abort", "delete", "rerun")
ADQL_WORDS = (
    "SELECT",
    "TOP",
    "DISTINCT",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "ORDER BY",
    "GROUP BY",
    "COUNT",
    "JOIN",
    "USING",
)
#: TAP services by a short name, for ``%%adql --service``.
SERVICES = {
    "simbad": "https://simbad.cds.unistra.fr/simbad/sim-tap",
    "vizier": "https://tapvizier.cds.unistra.fr/TAPVizieR/tap",
    "gaia": "https://gea.esac.esa.int/tap-server/tap",
    "heasarc": "https://heasarc.gsfc.nasa.gov/xamin/vo/tap",
}


class Completer:
    """Offers words for the magics of one kernel; ``connect`` gives its service."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._kept: dict[str, tuple[float, Any]] = {}

    def words(self, text: str) -> list[str]:
        """What may stand at the end of ``text``, a cell up to the cursor, in the place of its last word."""
        line = text.rpartition("\n")[2]
        if text.startswith("%%adql"):
            return self._adql(text)
        if line.startswith(("%uws ", "%%uws ")):
            return self._uws(line.split()[1:], line)
        if text.startswith("%%uws job ") and "\n" in text:
            return [f"{name} = " for name in self._parameters(text.split()[2])]
        if line.startswith("%archive "):
            return self._archive(line)
        if text.startswith("%%remote ") and "\n" not in text:
            return list(REMOTE_OPTIONS)
        return []

    def _uws(self, words: Sequence[str], line: str) -> list[str]:
        done = words if line.endswith(" ") else words[:-1]
        if not done:
            return list(UWS_COMMANDS)
        if done[0] in WITH_TYPE:
            if len(done) == 1:
                return self._types()
            return list(JOB_OPTIONS) if done[0] == "job" else [f"{name}=" for name in self._parameters(done[1])]
        if done[0] == "types":
            return self._types()
        if done[0] in WITH_JOB:
            return self._jobs() if len(done) == 1 else ["--follow"] if done[0] == "log" else []
        return ["EXECUTING", "QUEUED", "COMPLETED", "ERROR", "ABORTED"] if done[0] == "list" else []

    def _archive(self, line: str) -> list[str]:
        if line.count(" ") == 1:
            return list(ARCHIVE_COMMANDS)
        return [f"--{name}" for name in SEARCH_OPTIONS]

    def _adql(self, text: str) -> list[str]:
        head, newline, query = text.partition("\n")
        if not newline:
            return [*SERVICES] if re.search(r"--service\s+\S*$", head) else [
                "--name", "--maxrec", "--service", "--format", "--upload"
            ]  # fmt: skip
        if "--service" in head:
            return list(ADQL_WORDS)
        columns = self._columns()
        last = re.search(r"[\w.]*$", query)
        if last and last.group().count(".") and (known := columns.get(last.group().rpartition(".")[0].lower())):
            prefix = last.group().rpartition(".")[0]
            return [f"{prefix}.{name}" for name in known]
        named = [table for table in columns if re.search(rf"\b{re.escape(table)}\b", query.lower())]
        if re.search(r"\b(from|join)\s+[\w.]*$", query, re.IGNORECASE):
            return list(columns)
        # before there is a FROM, the columns that are in most queries
        named = named or ["ivoa.obscore"]
        return [*(name for table in named for name in columns.get(table, ())), *columns, *ADQL_WORDS]

    def _types(self) -> list[str]:
        return sorted(self._ask("types", lambda: JobService(connection=self._connect()).types()) or ())

    def _parameters(self, job_type: str) -> list[str]:
        types = self._ask("types", lambda: JobService(connection=self._connect()).types()) or {}
        return [str(parameter["name"]) for parameter in types.get(job_type, {}).get("parameters", ())]

    def _jobs(self) -> list[str]:
        return [job.id for job in JobService(connection=self._connect()).jobs(last=JOBS)]

    def _columns(self) -> dict[str, list[str]]:
        def ask() -> dict[str, list[str]]:
            query = "SELECT table_name, column_name FROM TAP_SCHEMA.columns"
            form = {"REQUEST": "doQuery", "LANG": "ADQL", "RESPONSEFORMAT": "csv", "MAXREC": COLUMNS, "QUERY": query}
            body = self._connect().post("tap/sync", data=form, timeout=(PATIENCE, PATIENCE)).text
            found: dict[str, list[str]] = {}
            for line in body.splitlines()[1:]:
                table, _, column = line.replace('"', "").partition(",")
                found.setdefault(table.lower(), []).append(column)
            return found

        return self._ask("columns", ask) or {}

    def _ask(self, name: str, ask: Callable[[], Any]) -> Any:
        """An answer of the service, for a minute; None, for as long, where there is none."""
        when, answer = self._kept.get(name, (0.0, None))
        if time.monotonic() - when > KEPT or not when:
            try:
                answer = ask()
            except (ClientError, ValueError, KeyError):
                answer = None
            self._kept[name] = (time.monotonic(), answer)
        return answer


def matcher(completer: Completer) -> Any:
    """The completer as IPython takes it."""

    @context_matcher(identifier="jupyter_uws")  # type: ignore[untyped-decorator]
    def match(context: CompletionContext) -> SimpleMatcherResult:
        before = _before(context)
        if not before.startswith("%"):
            return {"completions": [], "suppress": False}
        try:
            offered: Iterable[str] = completer.words(before)
        except ClientError:
            offered = []
        token = context.token
        found = [word for word in offered if word.lower().startswith(token.lower())]
        return {"completions": [SimpleCompletion(text=word, type="param") for word in found], "suppress": bool(found)}

    return match


def _before(context: CompletionContext) -> str:
    """The cell up to the cursor."""
    lines = context.full_text.split("\n")
    return "\n".join([*lines[: context.cursor_line], lines[context.cursor_line][: context.cursor_position]])
