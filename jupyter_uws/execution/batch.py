"""Allocations of a batch system by dask-jobqueue: how one is asked for, and a Dask cluster that asks for them.

dask-jobqueue writes the job scripts and knows the commands; when to submit and to cancel is decided in
:mod:`.allocations`, for dask-jobqueue itself only logs a submission that was refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .dask_config import exports

#: Back ends and the classes of dask-jobqueue that serve them.
CLASSES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "htcondor": "HTCondorCluster",
    "moab": "MoabCluster",
}
JOB_NAME = "jupyter-uws"
#: Seconds a command of the batch system may take.
COMMAND_TIMEOUT = 60.0
#: The walltime of a worker where the operator names none; dask-jobqueue's own would be half an hour.
WALLTIME = dict.fromkeys(("slurm", "pbs", "sge", "oar", "moab"), "24:00:00") | {"lsf": "24:00"}
#: What TLS takes, a file each.
KEYS, ROLES = ("ca_file", "cert", "key"), ("client", "scheduler", "worker")
#: The allocation of a worker where the operator names none: 4 GiB for the job, and the worker itself.
MEMORY = "5 GiB"
#: Logs of workers that are kept.
LOGS = 200

#: What batch systems say when they cannot be reached or are overloaded: asking again later may help.
_TRANSIENT = re.compile(
    r"unable to contact|timed out|did not answer|temporarily|try again|connection (refused|reset)|zero bytes|"
    r"communication (connection )?failure|cannot connect|not responding|slurm backup controller|unable to send message",
    re.IGNORECASE,
)
#: Variables of the service that are none of the workers' business: secrets, and the batch job it may run in itself.
_PRIVATE = re.compile(r"TOKEN|SECRET|PASSWORD|^SLURM_(?!CONF$)|^SBATCH_|^PBS_|^DASK_INTERNAL")


def seconds(backend: str, walltime: str | int | None) -> float | None:
    """A walltime in seconds: ``HH:MM:SS``, ``D-HH:MM:SS``, SLURM's shorter forms, LSF's ``HH:MM``; None for others."""
    text = f"{walltime}:00" if backend == "lsf" else str(walltime)
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if not found:
        return None
    days, *rest = found.groups()
    parts = [int(part) for part in rest if part is not None]
    if days is None:
        parts = {1: [0, *parts, 0], 2: [0, *parts], 3: parts}[len(parts)]  # minutes, minutes:seconds, or all
    else:
        parts += [0] * (3 - len(parts))
    return ((int(days or 0) * 24 + parts[0]) * 60 + parts[1]) * 60.0 + parts[2]


class CommandError(Exception):
    """A command of the batch system failed; the text is what it said."""

    @property
    def transient(self) -> bool:
        """Whether the batch system cannot be asked at present, rather than having said no."""
        return bool(_TRANSIENT.search(str(self)))


async def call(argv: list[str], stdin: bytes = b"", timeout: float = COMMAND_TIMEOUT) -> str:
    """What a command prints. Raises CommandError, also where it takes longer than ``timeout`` seconds."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not _PRIVATE.search(name)},
        )
    except OSError as error:
        raise CommandError(f"{argv[0]} cannot be executed: {error.strerror}") from None
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin), timeout)
    except TimeoutError:
        raise CommandError(f"{argv[0]} did not answer in {timeout:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        words = " ".join((err or out).decode(errors="replace").split())
        raise CommandError(words[:2000] or f"{argv[0]} ended with exit status {process.returncode}")
    return out.decode(errors="replace")


class Commands:
    """Mixed into dask-jobqueue's job classes: their commands, bounded in time, with no shell, failing with words."""

    submit_command: str
    job_id: str | None

    @staticmethod
    async def _call(cmd: list[str], **_: Any) -> str:
        return await call(cmd)

    async def _submit_job(self, script_filename: str) -> str:
        if getattr(self, "use_stdin", False):  # LSF's own way is a shell that hides what bsub says
            return await call(shlex.split(self.submit_command), stdin=Path(script_filename).read_bytes())
        return str(await super()._submit_job(script_filename))  # type: ignore[misc]


def dask_jobqueue() -> Any:
    """The module. Importing it takes SIGINT for itself, hence in the main thread and with the handler put back."""
    handler = signal.getsignal(signal.SIGINT)
    import dask_jobqueue as module

    if handler is not None:
        signal.signal(signal.SIGINT, handler)
    return module


def cluster_class(backend: str) -> Any:
    """dask-jobqueue's class for a back end, with our way to call its commands."""
    base = getattr(dask_jobqueue(), CLASSES[backend])
    return type(base.__name__, (base,), {"job_cls": type(base.job_cls.__name__, (Commands, base.job_cls), {})})


def cluster_options(backend: str, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The arguments of dask-jobqueue's class: ours, overridden and completed by the operator's ``options``.

    ``folder`` gets the workers' logs. Raises ValueError for what cannot work.
    """
    if not re.fullmatch(r"[\w./+:@=,-]+", str(folder)):
        raise ValueError(f"job scripts cannot name the folder {str(folder)!r}: letters, digits and ./+:@=,_- only")
    defaults: dict[str, Any] = {
        "cores": 1,
        "processes": 1,
        "memory": MEMORY,
        "python": shlex.quote(sys.executable),
        "job_name": JOB_NAME,
        "log_directory": str(folder / "logs"),
        "death_timeout": 60,
        "scheduler_options": {},
        "asynchronous": True,
        "silence_logs": logging.WARNING,
    }
    if backend in WALLTIME:
        defaults["walltime"] = WALLTIME[backend]
    if backend == "htcondor":
        defaults["disk"] = "1 GiB"
    merged = {**defaults, **options}
    if merged["processes"] != 1:
        raise ValueError(f"processes is {merged['processes']!r}; it must be 1: a worker runs one job at a time")
    # No web pages of Dask's: they would answer every user of this host.
    merged["scheduler_options"] = {
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",
        **merged["scheduler_options"],
    }
    merged["job_script_prologue"] = [*exports(), *(merged.get("job_script_prologue") or [])]
    if backend == "slurm":
        # A job that SLURM begins anew after a node was lost would be a worker nobody asked for.
        extra = list(merged.get("job_extra_directives") or [])
        merged["job_extra_directives"] = extra if "--requeue" in extra else [*extra, "--no-requeue"]
    if backend == "sge":
        # The same, and a shell for the operator's prologue: many queues have csh, whatever the script's first line.
        extra = list(merged.get("job_extra_directives") or [])
        given = {line.partition(" ")[0] for line in extra}
        ours = [line for line in ("-S /bin/bash", "-r n") if line.partition(" ")[0] not in given]
        merged["job_extra_directives"] = [*extra, *ours]
    return merged


def make_security(folder: Path) -> Any:
    """Keys for TLS between scheduler and workers, in files that their owner alone may read.

    They are in a new folder ``keys-*`` below ``folder``; what a service that was killed left there is removed.
    """
    from distributed.security import Security

    remove_keys(folder)
    keys = Path(tempfile.mkdtemp(prefix="keys-", dir=folder))
    made = Security.temporary().get_tls_config_for_role("worker")  # type: ignore[no-untyped-call]
    for name in KEYS:
        with open(os.open(keys / f"{name}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(made[name])
    return security_of(keys)


def security_of(keys: Path) -> Any:
    """The keys in a folder, for all roles."""
    from distributed.security import Security

    ca_file, cert, key = (str(keys / f"{name}.pem") for name in KEYS)
    roles = {f"tls_{role}_{kind}": file for role in ROLES for kind, file in (("cert", cert), ("key", key))}
    return Security(tls_ca_file=ca_file, require_encryption=True, **roles)  # type: ignore[no-untyped-call]


def remove_keys(folder: Path) -> None:
    for keys in folder.glob("keys-*"):
        shutil.rmtree(keys, ignore_errors=True)


def prune_logs(folder: Path) -> None:
    """Keep the newest logs of workers."""
    logs = sorted((folder / "logs").glob("*"), key=lambda path: path.stat().st_mtime)
    for log in logs[:-LOGS]:
        log.unlink(missing_ok=True)


def open_jobqueue(backend: str, options: Mapping[str, Any], folder: Path) -> Any:
    """A dask-jobqueue cluster that asks for nothing yet; to be awaited. Raises ValueError, TypeError, OSError."""
    merged = cluster_options(backend, options, folder)
    (folder / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    prune_logs(folder)
    if merged.pop("security", True):
        merged["security"] = make_security(folder)
    return cluster_class(backend)(**merged)


def job_script(backend: str, options: Mapping[str, Any], folder: Path) -> str:
    """The script that would be submitted for one worker, but for its name, its keys and the scheduler's address."""
    merged = cluster_options(backend, options, folder)
    secure = merged.pop("security", True)
    for name in ("asynchronous", "silence_logs", "scheduler_options", "shared_temp_directory"):
        merged.pop(name, None)
    merged["log_directory"] = None  # it would be made
    job = cluster_class(backend).job_cls(
        "tls://SCHEDULER:PORT" if secure else "tcp://SCHEDULER:PORT", name=f"{JOB_NAME}-0", **merged
    )
    return str(job.job_script())
