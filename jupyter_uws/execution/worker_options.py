"""The options of dask-jobqueue's classes for a worker of some shape: each batch system calls things its own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .shape import Shape, clock

#: What an account is called; the partition is the ``queue`` of all of these. HTCondor has neither.
ACCOUNT = {
    **dict.fromkeys(("slurm", "pbs", "moab"), "account"),
    **dict.fromkeys(("sge", "lsf", "oar"), "project"),
}
#: Back ends whose requests follow from ``cores`` and ``memory``, with the options that would overrule these.
SIZED: dict[str, tuple[str, ...]] = {
    "slurm": ("job_cpu", "job_mem"),
    "pbs": ("resource_spec",),
    "moab": ("resource_spec",),
    "lsf": ("ncpus", "mem"),
    "oar": ("resource_spec",),
    "htcondor": (),
}
#: Directives for what dask-jobqueue has no option for.
DIRECTIVES = {"slurm": {"gpus": "--gres=gpu:{}", "constraint": "--constraint={}"}}


def names(backend: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """The operator's own partition and account, empty where there is none."""
    return str(options.get("queue") or ""), str(options.get(ACCOUNT.get(backend, "account")) or "")


def shaped(backend: str, options: Mapping[str, Any], base: Shape, shape: Shape) -> dict[str, Any]:
    """The ``options`` of a worker of the ``base`` shape, made those of another shape."""
    changed = dict(options)
    if (shape.cores, shape.memory) != (base.cores, base.memory):
        for name in SIZED.get(backend, ()):
            changed.pop(name, None)
        changed["cores"] = shape.cores
        if shape.memory is not None:
            changed["memory"] = f"{shape.memory} MiB"
    if shape.walltime is not None and shape.walltime != base.walltime:
        walltime = clock(shape.walltime)
        changed["walltime"] = walltime[:-3] if backend == "lsf" else walltime  # LSF knows no seconds
    if shape.partition:
        changed["queue"] = shape.partition
    if shape.account:
        changed[ACCOUNT[backend]] = shape.account
    directives = DIRECTIVES.get(backend, {})
    extra = [directives[name].format(value) for name in directives if (value := getattr(shape, name))]
    if extra:
        changed["job_extra_directives"] = [*(options.get("job_extra_directives") or []), *extra]
    return changed
