"""IPython magics: ``%%adql`` asks the archive, ``%uws`` looks after jobs.

``%load_ext jupyter_uws`` registers them. Errors are one sentence, without a traceback.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from .client import Archive, ClientError, Connection, Job, JobService, connect
from .client.archive import TruncatedResult
from .client.job import RESOURCES


@magics_class
class ObservatoryMagics(Magics):
    """``%%adql`` and ``%uws``, on the service that this kernel belongs to."""

    _connection: Connection | None = None

    @magic_arguments()  # type: ignore[no-untyped-call, untyped-decorator]
    @argument("-n", "--name", help="keep the table under this name")  # type: ignore[no-untyped-call, untyped-decorator]
    @argument("--maxrec", type=int, help="fetch at most so many rows")  # type: ignore[no-untyped-call, untyped-decorator]
    @cell_magic
    def adql(self, line: str, cell: str) -> Any:
        """Run the cell as a query in ADQL on the archive."""
        arguments = parse_argstring(self.adql, line)  # type: ignore[no-untyped-call]
        if arguments.name is not None and not arguments.name.isidentifier():
            raise UsageError(f"--name {arguments.name!r} is not a name for a variable")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedResult)  # said below, without the place in our code
            table = _short(lambda: Archive(connection=self._connect()).adql(cell, maxrec=arguments.maxrec))
        if table.meta["overflow"]:
            print(f"Only {len(table)} rows were fetched, there are more: raise --maxrec or ask for less.")
        if arguments.name is None:
            return table
        self._shell().push({arguments.name: table})  # type: ignore[no-untyped-call]
        print(f"{arguments.name}: {len(table)} rows")
        return None

    @no_var_expand
    @line_magic
    def uws(self, line: str) -> Any:
        """Look after jobs.

        %uws list [PHASE ...]         the jobs, newest first
        %uws types                    what can be run, and its parameters
        %uws run TYPE name=value ...  start a job; "quotes" keep blanks, {python} is evaluated here;
                                      cores, memory, gpus, partition, account, constraint are the cluster's
        %uws show|wait|abort|delete ID   ID may be the end of the id if only one job has it, or {a job}

        ``show``, ``wait`` and ``run`` return the job: ``job = %uws run sleeper duration=5``.
        """
        words = _split(line)
        command, rest = (words[0], words[1:]) if words else ("list", [])
        commands: dict[str, Callable[[list[str]], Any]] = {
            "list": self._list,
            "types": self._types,
            "run": self._run,
            "show": lambda words: self._job("show", words).refresh(),
            "wait": lambda words: self._job("wait", words).wait(),
            "abort": lambda words: self._job("abort", words).abort(),
            "delete": self._delete,
        }
        if command not in commands:
            raise UsageError(f"%uws has no command {command!r}; it has: {', '.join(commands)}")
        return _short(lambda: commands[command](rest))

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = connect()
        return self._connection

    def _service(self) -> JobService:
        return JobService(connection=self._connect())

    def _list(self, phases: list[str]) -> Any:
        return self._service().jobs(phase=phases or None)

    def _types(self, words: list[str]) -> Any:
        return self._service().types()

    def _run(self, words: list[str]) -> Job:
        if not words:
            raise UsageError("%uws run needs a job type: %uws run TYPE name=value ... (%uws types lists them)")
        parameters: dict[str, Any] = {}
        for word in words[1:]:
            name, equals, text = word.partition("=")
            if not equals or not name.isidentifier():
                raise UsageError(f"{word!r} is not of the form name=value")
            value = self._value(text)
            parameters[name] = [*_as_list(parameters[name]), value] if name in parameters else value
        service = self._service()
        own = {parameter["name"].lower() for parameter in service.type(words[0]).get("parameters", ())}
        resources = {name: parameters.pop(name) for name in RESOURCES if name in parameters and name not in own}
        return service.submit(words[0], resources=resources, **parameters)

    def _value(self, text: str) -> Any:
        """``{runs[:4]}`` is evaluated in the notebook, everything else is text."""
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            return text[1:-1]
        if not (text.startswith("{") and text.endswith("}")):
            return text
        try:
            return self._shell().ev(text[1:-1].strip())  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever the user's expression raises
            raise UsageError(f"{text}: {type(error).__name__}: {error}") from None

    def _shell(self) -> InteractiveShell:
        assert self.shell is not None  # noqa: S101 (a registered magic has its shell)
        return self.shell

    def _job(self, command: str, words: list[str]) -> Job:
        if len(words) != 1:
            raise UsageError(f"%uws {command} takes one job id")
        wanted = self._value(words[0])
        if isinstance(wanted, Job):
            return wanted
        wanted = str(wanted)
        if wanted.startswith(("http://", "https://")):
            return self._service().job(wanted)
        found = [job for job in self._service().jobs() if job.id == wanted or job.id.endswith(f"-{wanted}")]
        if len(found) != 1:
            raise UsageError(f"there is no job {wanted!r}" if not found else f"{len(found)} jobs end with {wanted!r}")
        return found[0]

    def _delete(self, words: list[str]) -> None:
        job = self._job("delete", words)
        job.delete()
        print(f"deleted {job.id}")


_WORD = re.compile(r"""(?: [^\s"'{}] | "[^"]*" | '[^']*' | \{ (?: [^{}] | \{[^{}]*\} )* \} )+""", re.VERBOSE)


def _split(line: str) -> list[str]:
    """Words of a line; blanks within quotes and braces belong to their word."""
    words = _WORD.findall(line)
    if _WORD.sub("", line).strip():
        raise UsageError("%uws: a quote or a brace is not closed")
    return words


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _short(action: Callable[[], Any]) -> Any:
    """Errors that are one sentence are shown as one sentence."""
    try:
        return action()
    except (ClientError, ValueError) as error:
        raise UsageError(str(error)) from None
    except KeyboardInterrupt as error:
        raise UsageError(str(error) or "interrupted") from None
