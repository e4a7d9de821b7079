"""IPython magics: ``%%adql`` asks the archive, ``%archive`` searches it, ``%uws`` looks after jobs.

``%load_ext jupyter_uws`` registers them. Errors are one sentence, without a traceback.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from ..client import ClientError, Connection, Job, JobFailed, JobService, connect
from ..client.job import RESOURCES
from ..client.parameters import JobTypes
from . import words
from .completion import SEARCH_OPTIONS, SERVICES, Completer, matcher

if TYPE_CHECKING:
    from astropy.table import Table

    from ..client import Archive

#: What ``%%adql --format`` makes of its result.
FORMATS = ("table", "qtable", "pandas")
#: Jobs among which one is looked for by the end of its id.
RECENT = 1000
#: What may stand after the number of a radius.
RADIUS_UNITS = ("deg", "arcmin", "arcsec", "rad")


@magics_class
class ObservatoryMagics(Magics):
    """``%%adql``, ``%archive`` and ``%uws``, on the service that this kernel belongs to."""

    _connection: Connection | None = None

    @magic_arguments()  # type: ignore[no-untyped-call, untyped-decorator]
    @argument("-n", "--name", help="keep the table under this name")  # type: ignore[no-untyped-call, untyped-decorator]
    @argument("--maxrec", type=int, help="fetch at most so many rows")  # type: ignore[no-untyped-call, untyped-decorator]
    @argument("--service", help="another TAP service: its URL, or simbad, vizier, gaia, heasarc")  # type: ignore[no-untyped-call, untyped-decorator]
    @argument("--format", choices=FORMATS, default="table", help="what the result shall be")  # type: ignore[no-untyped-call, untyped-decorator]
    @argument(
        "--upload",
        action="append",
        default=[],
        metavar="NAME=TABLE",
        help="a table of the notebook, in the query tap_upload.NAME",
    )  # type: ignore[no-untyped-call, untyped-decorator]
    @cell_magic
    def adql(self, line: str, cell: str) -> Any:
        """Run the cell as a query in ADQL on the archive, or on another TAP service."""
        arguments = parse_argstring(self.adql, line)  # type: ignore[no-untyped-call]
        _check_name(arguments.name)
        uploads = dict(self._upload(text) for text in arguments.upload)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Only .* fetched")  # said below, without the place in our code
            table = _short(lambda: self._ask(cell, arguments.maxrec, arguments.service, uploads))
        if table.meta.get("overflow"):
            print(f"Only {len(table)} rows were fetched, there are more: raise --maxrec or ask for less.")
        return self._keep(arguments.name, _formatted(table, arguments.format), f"{len(table)} rows")

    @no_var_expand
    @line_magic
    def archive(self, line: str) -> Any:
        """Search the archive.

        %archive search Crab --radius 2deg --time 2004-12 2005 --energy 0.5TeV 10TeV --collection NAME -n runs
        %archive search --targets FILE --radius 1deg     around each target of a list, or of {a table}
        %archive basket NAME     the observations in a basket
        %archive baskets         their names
        """
        command, *rest = words.split("archive", line) or ["baskets"]
        if command == "search":
            rest, given = words.options("archive", _with_unit(_joined(rest, ("time", "energy"))), SEARCH_OPTIONS)
            search: dict[str, Any] = {name: self._value(text) for name, text in given.items() if name != "name"}
            search |= {name: _interval(name, search[name]) for name in ("time", "energy") if name in search}
            if "maxrec" in search:
                search["maxrec"] = _whole("maxrec", search["maxrec"])
            target = self._value(rest[0]) if len(rest) == 1 else " ".join(rest) or None
            return self._observations(given.get("name"), lambda archive: archive.search(target, **search))
        rest, given = words.options("archive", rest, ("name",))
        if command == "basket" and len(rest) == 1:
            return self._observations(given.get("name"), lambda archive: archive.basket(str(self._value(rest[0]))))
        if command == "baskets" and not rest:
            return _short(lambda: self._archive().baskets())
        raise UsageError(
            f"%archive {command}: write %archive search TARGET ..., %archive basket NAME or %archive baskets"
        )

    @no_var_expand
    @line_cell_magic
    def uws(self, line: str, cell: str | None = None) -> Any:
        """Look after jobs.

        %uws list [PHASE ...]         the jobs, newest first
        %uws types [TYPE]             what can be run, and its parameters
        %uws run TYPE name=value ...  start a job; "quotes" keep blanks, {python} is evaluated here;
                                      cores, memory, gpus, partition, account, constraint are the cluster's
        %uws show|wait|abort|delete ID   ID may be the end of the id if only one job has it, or {a job}
        %uws log ID [-f]              what it has written; with -f as it comes
        %uws rerun ID name=value ...  the same again, with changes

        %%uws job TYPE [-n NAME] [--after ID] [--wait]
        name = value                  the parameters in the cell, one a line, or as YAML

        ``show``, ``wait``, ``run`` and ``rerun`` return the job: ``job = %uws run sleeper duration=5``.
        """
        found = words.split("uws", line)
        command, rest = (found[0], found[1:]) if found else ("list", [])
        if cell is not None:
            if command != "job":
                raise UsageError(f"%%uws {command}: a cell holds the parameters of a job: %%uws job TYPE")
            return _short(lambda: self._cell(rest, cell))
        commands: dict[str, Callable[[list[str]], Any]] = {
            "list": lambda words: self._service().jobs(phase=words or None),
            "types": self._types,
            "run": self._run,
            "show": lambda words: self._job("show", words).refresh(),
            "wait": lambda words: self._job("wait", words).wait(),
            "log": self._log,
            "abort": lambda words: self._job("abort", words).abort(),
            "delete": self._delete,
            "rerun": self._rerun,
        }
        if command not in commands:
            raise UsageError(f"%uws has no command {command!r}; it has: {', '.join(commands)}")
        return _short(lambda: commands[command](rest))

    @no_var_expand
    @cell_magic
    def remote(self, line: str, cell: str) -> Any:
        """Run the cell as a job on the cluster.

        %%remote -i runs,threshold -o counts [--cores N] [--memory "8 GiB"] [--python PATH] [--no-wait]

        ``-i``: variables it is given (numbers, texts, lists, dicts, tables, arrays, Paths of files); ``-o``: variables
        it sets, which are brought back. Modules, functions and constants that it uses come with it. With ``--no-wait``
        the job is returned and its outputs are its results.
        """
        given = words.split("remote", line)
        given = [{"-i": "--inputs", "-o": "--outputs"}.get(word, word) for word in given]
        rest, asked = words.options("%remote", given, ("inputs", "outputs", "cores", "memory", "python"), ("no-wait",))
        if rest:
            raise UsageError(f"%%remote: {rest[0]!r} is not known; inputs and outputs are named by -i and -o")
        names = {kind: _names(kind, asked.get(kind, "")) for kind in ("inputs", "outputs")}
        resources: dict[str, str] = {name: asked[name].strip("'\"") for name in ("cores", "memory") if name in asked}
        return _short(lambda: self._remote(cell, names, resources, asked))

    def _remote(self, cell: str, names: dict[str, list[str]], resources: dict[str, str], asked: dict[str, str]) -> Any:
        from .. import job as own

        shell = self._shell()
        try:
            code = own.of_cell(cell, names["inputs"], names["outputs"], shell.user_ns, asked.get("python"))
        except SyntaxError as error:
            raise UsageError(f"line {error.lineno}: {error.msg}") from None
        job = self._service().submit(code, resources=resources)
        if "no-wait" in asked:
            return job
        try:
            job.wait()
        except JobFailed:
            print(job.log("stdout"), _trace(job.log("stderr") or ""), sep="", end="")
            raise
        print(job.log("stdout"), end="")
        results = job.results
        shell.push({name: results[name].value if name in results else None for name in names["outputs"]})  # type: ignore[no-untyped-call]
        return None

    # -- the archive

    def _archive(self) -> Archive:
        from ..client import Archive  # astropy comes with it

        return Archive(connection=self._connect())

    def _ask(self, query: str, maxrec: int | None, service: str | None, uploads: dict[str, Table]) -> Table:
        if service is None and not uploads:
            return self._archive().adql(query, maxrec=maxrec)
        from pyvo.dal import DALServiceError, TAPService
        from pyvo.dal.exceptions import DALAccessError

        tap = self._archive().tap if service is None else TAPService(SERVICES.get(service, service))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answer = tap.search(query, maxrec=maxrec, uploads=uploads or None)
        except (DALAccessError, DALServiceError) as error:
            raise UsageError(" ".join(str(error).split())[:1000]) from None
        table = answer.to_table()
        table.meta["overflow"] = answer.status[0] == "OVERFLOW"
        return table

    def _upload(self, text: str) -> tuple[str, Table]:
        from astropy.table import Table

        name, _, variable = text.partition("=")
        table = self._shell().user_ns.get(variable)
        if not name.isidentifier() or not isinstance(table, Table):
            raise UsageError(f"--upload {text!r} is not NAME=TABLE with an astropy Table of this notebook")
        return name, Table(table)

    def _observations(self, name: str | None, find: Callable[[Archive], Any]) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Only .* fetched")  # the table's first line counts all
            table = _short(lambda: find(self._archive()))
        return self._keep(name, table, str(table.summary))

    def _keep(self, name: str | None, thing: Any, told: str) -> Any:
        if name is None:
            return thing
        _check_name(name)
        self._shell().push({name: thing})  # type: ignore[no-untyped-call]
        print(f"{name}: {told}")
        return None

    # -- jobs

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = connect()
        return self._connection

    def _service(self) -> JobService:
        return JobService(connection=self._connect())

    def _types(self, rest: list[str]) -> JobTypes:
        service = self._service()
        return JobTypes({name: service.type(name) for name in rest}) if rest else service.types()

    def _run(self, rest: list[str]) -> Job:
        if not rest:
            raise UsageError("%uws run needs a job type: %uws run TYPE name=value ... (%uws types lists them)")
        return self._submit(rest[0], words.pairs(rest[1:], self._value))

    def _cell(self, rest: list[str], cell: str) -> Any:
        rest, given = words.options("%uws job", rest, ("name", "run-id", "after"), ("wait",))
        if len(rest) != 1:
            raise UsageError("%%uws job needs one job type: %%uws job TYPE (%uws types lists them)")
        after = [self._job("job --after", [given["after"]])] if "after" in given else None
        run_id = self._value(given["run-id"]) if "run-id" in given else None
        job = self._submit(rest[0], words.parameters(cell, self._value), run_id=run_id, after=after)
        if "wait" in given:
            job.wait()
        return self._keep(given.get("name"), job, repr(job))

    def _submit(self, job_type: str, parameters: dict[str, Any], **control: Any) -> Job:
        service = self._service()
        own = {parameter["name"].lower() for parameter in service.type(job_type).get("parameters", ())}
        resources = {name: parameters.pop(name) for name in RESOURCES if name in parameters and name not in own}
        return service.submit(job_type, resources=resources, **control, **parameters)

    def _value(self, text: str) -> Any:
        """``{runs[:4]}`` is evaluated in the notebook, everything else is text."""
        return words.value(text, self._shell().ev)

    def _shell(self) -> InteractiveShell:
        assert self.shell is not None  # noqa: S101 (a registered magic has its shell)
        return self.shell

    def _job(self, command: str, rest: list[str]) -> Job:
        if len(rest) != 1:
            raise UsageError(f"%uws {command} takes one job id")
        wanted = self._value(rest[0])
        if isinstance(wanted, Job):
            return wanted
        wanted = str(wanted)
        if wanted.startswith(("http://", "https://")) or "-" in wanted:
            return self._service().job(wanted)
        found = [job for job in self._service().jobs(last=RECENT) if job.id.endswith(f"-{wanted}")]
        if len(found) != 1:
            raise UsageError(f"there is no job {wanted!r}" if not found else f"{len(found)} jobs end with {wanted!r}")
        return found[0]

    def _log(self, rest: list[str]) -> None:
        rest, given = words.options("uws log", rest, (), ("follow",))
        job = self._job("log", rest)
        text = job.log(follow="follow" in given)
        if text:
            print(text, end="")

    def _rerun(self, rest: list[str]) -> Job:
        job = self._job("rerun", rest[:1])
        return job.rerun(**words.pairs(rest[1:], self._value))

    def _delete(self, rest: list[str]) -> None:
        job = self._job("delete", rest)
        job.delete()
        print(f"deleted {job.id}")


def register(shell: InteractiveShell) -> None:
    """Add the magics to a shell, with their completion."""
    magics = ObservatoryMagics(shell)
    shell.register_magics(magics)
    completer = shell.Completer
    if completer is not None:
        added = matcher(Completer(magics._connect))
        completer.custom_matchers[:] = [
            known for known in completer.custom_matchers if getattr(known, "matcher_identifier", "") != "jupyter_uws"
        ] + [added]


def _check_name(name: str | None) -> None:
    if name is not None and not name.isidentifier():
        raise UsageError(f"--name {name!r} is not a name for a variable")


def _trace(log: str) -> str:
    """The lines of a cell at which its job failed, from the job's log; nothing where it was not the cell's fault."""
    found = re.search(
        r'^  File "<job>".*?^\S.*?$', log.rpartition("Traceback (most recent")[2], re.DOTALL | re.MULTILINE
    )
    return f"{found.group()}\n" if found else ""


def _names(kind: str, text: str) -> list[str]:
    """Names of variables, separated by commas."""
    found = [name.strip() for name in text.strip("'\"").split(",") if name.strip()]
    for name in found:
        if not name.isidentifier():
            raise UsageError(f"%%remote: --{kind} {name!r} is not a name of a variable")
    return found


def _formatted(table: Table, kind: str) -> Any:
    if kind == "pandas":
        try:
            return table.to_pandas()
        except ImportError:
            raise UsageError("--format pandas needs pandas in this kernel") from None
    if kind == "qtable":
        from astropy.table import QTable

        return QTable(table)
    return table


def _joined(rest: list[str], pairs: tuple[str, ...]) -> list[str]:
    """The two words after ``--time`` and ``--energy`` as one."""
    joined: list[str] = []
    queue = list(rest)
    while queue:
        word = queue.pop(0)
        joined.append(word)
        if word.removeprefix("--") in pairs and word.startswith("--"):
            if len(queue) < 2:
                raise UsageError(f"%archive: {word} needs two values, of which one may be '-': {word} 2004 -")
            joined.append("\n".join(queue[:2]))
            del queue[:2]
    return joined


def _with_unit(rest: list[str]) -> list[str]:
    """``--radius 2 deg`` as ``--radius 2deg``."""
    found: list[str] = []
    for word in rest:
        if word in RADIUS_UNITS and found[-2:-1] == ["--radius"]:
            found[-1] += word
        else:
            found.append(word)
    return found


def _interval(name: str, text: Any) -> tuple[Any, Any]:
    ends = str(text).split("\n")
    if len(ends) != 2:
        raise UsageError(f"%archive: --{name} needs two values, of which one may be '-'")
    return ends[0] if ends[0] != "-" else None, ends[1] if ends[1] != "-" else None


def _whole(name: str, text: Any) -> int:
    try:
        return int(text)
    except (TypeError, ValueError):
        raise UsageError(f"--{name} {text!r} is not a whole number") from None


def _short(action: Callable[[], Any]) -> Any:
    """Errors that are one sentence are shown as one sentence."""
    try:
        return action()
    except (ClientError, ValueError) as error:
        raise UsageError(str(error)) from None
    except KeyboardInterrupt as error:
        raise UsageError(str(error) or "interrupted") from None
